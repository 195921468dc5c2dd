"""The outermost layer: listens before anything heavy is loaded, lets browsers of shops call, labels every answer.

It imports neither the framework nor the store: a process must say that it lives within a second or two.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, Protocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Labels = tuple[tuple[bytes, bytes], ...]
"""Headers that every answer gets, whoever makes it."""

ALIVE: Final = "/livez"


class Application(Protocol):
    """What is behind: an ASGI application that can be closed. It puts `scope["labels"]` on every answer."""

    def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> Awaitable[None]:
        """Answer one request."""
        ...

    def drain(self) -> None:
        """End what would never end by itself."""
        ...

    async def close(self) -> None:
        """Finish what is under way, write what is queued."""
        ...


_STOREFRONT: Final = (
    "/v1/decisions",
    "/v1/events",
    "/ofrep/",
    "/v1/batch",
    "/v1/track",
    "/v1/identify",
    "/v1/page",
    "/v1/screen",
    "/v1/group",
    "/v1/alias",
)
_SHORT: Final = frozenset(f"/v1/{letter}" for letter in "tipsgab")
_ALLOWED_HEADERS: Final = b"authorization, content-type, if-none-match, x-api-key, idempotency-key, x-retry-count"
_SECURITY: Final[Labels] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_NOSNIFF: Final = _SECURITY[:1]
"""For storefront routes: a script reads their JSON, which is no page to be framed or to lead anywhere."""
_ALLOWED: Final = b"access-control-allow-origin"
_OPEN: Final[Labels] = (*_NOSNIFF, (_ALLOWED, b"*"))
"""For storefront routes that any site may call."""
_READABLE: Final = frozenset((b"etag", b"retry-after"))
_EXPOSED: Final = (b"access-control-expose-headers", b"ETag, Retry-After")
_NOT_READY: Final = json.dumps(
    {
        "type": "urn:offerlab:problem:unavailable",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "the service is starting",
        "code": "unavailable",
    }
).encode()


class Front:
    """ASGI around the application, which it loads after the process listens.

    Importing the application and opening the store take seconds; `/livez` does not wait for them.

    Args:
        load: makes the application; runs in a thread.
        origins: sites that may call storefront routes; empty for any.
        on_failure: told what kept the application from loading.
    """

    def __init__(
        self,
        load: Callable[[], Application],
        *,
        origins: tuple[str, ...] = (),
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._load = load
        self._origins = frozenset(origins)
        self._on_failure = on_failure
        self._app: Application | None = None

    @classmethod
    def around(cls, app: Application, *, origins: tuple[str, ...] = ()) -> "Front":
        """The front of an application that is loaded already."""
        front = cls(lambda: app, origins=origins)
        front._app = app
        return front

    def drain(self) -> None:
        """The process was told to stop: end what would never end by itself."""
        if self._app is not None:
            self._app.drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] == "http":
            path: str = scope["path"]
            extra = self._labels(path, scope)
            if self._app is None or (extra is not _SECURITY and scope["method"] == "OPTIONS"):
                await self._answer(scope["method"], path, extra, send)
            else:
                scope["labels"] = extra
                await self._app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        opening = asyncio.create_task(self._open())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await opening
        if self._app is not None:
            closing, self._app = self._app, None
            await closing.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> None:
        try:
            self._app = await asyncio.to_thread(self._load)
        except Exception as error:
            if self._on_failure is None:
                raise
            self._on_failure(error)

    async def _answer(self, method: str, path: str, extra: Labels, send: Send) -> None:
        """What needs no application."""
        if method == "OPTIONS" and extra is not _SECURITY:
            await _respond(send, 204, [*extra, *_preflight()], b"")
        elif path == ALIVE:
            await _respond(send, 200, [(b"content-type", b"application/json"), *extra], b'{"status":"alive"}')
        else:
            headers = [(b"content-type", b"application/problem+json"), (b"retry-after", b"1"), *extra]
            await _respond(send, 503, headers, _NOT_READY)

    def _labels(self, path: str, scope: Scope) -> Labels:
        """Headers for the answer; those that let other sites in are on storefront routes alone."""
        if not is_storefront(path):
            return _SECURITY
        return _NOSNIFF + self._cross_origin(scope["headers"]) if self._origins else _OPEN

    def _cross_origin(self, headers: Iterable[tuple[bytes, bytes]]) -> Labels:
        vary = (b"vary", b"Origin")
        origin = dict(headers).get(b"origin")
        if origin is not None and origin.decode("latin-1").rstrip("/") in self._origins:
            return (_ALLOWED, origin), vary
        return (vary,)


def is_storefront(path: str) -> bool:
    """Whether browsers of a shop call this route."""
    return path.startswith(_STOREFRONT) or path in _SHORT


def _preflight() -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", _ALLOWED_HEADERS),
        (b"access-control-max-age", b"600"),
        _EXPOSED,
    ]


def exposed(headers: Iterable[tuple[bytes, bytes]]) -> Labels:
    """What lets scripts of other sites read the headers of an answer to them that they need."""
    names = {name for name, _ in headers}
    return () if _ALLOWED not in names or names.isdisjoint(_READABLE) else (_EXPOSED,)


def labelled(send: Send, labels: Labels) -> Send:
    """Send with these headers on the answer, where it has none of the same name."""

    async def send_labelled(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name for name, _ in message["headers"]}
            added = [header for header in labels if header[0] not in given]
            headers = [*message["headers"], *added]
            message = {**message, "headers": [*headers, *exposed(headers)]}
        await send(message)

    return send_labelled


async def _respond(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
