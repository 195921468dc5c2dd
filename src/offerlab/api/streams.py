"""Clients are told that flags may have changed: server-sent events beside OFREP (ADR-0008 there), notice only.

Browsers' EventSource sends no headers, so a stream's address carries its own token: signed by the project, it names a
key and lets nobody do anything but hear that there is something to fetch. The token stays the same while the key lives,
because clients open a new stream whenever the address changes.

A stream is a coroutine that sleeps: no thread, no timer but its own heartbeat. Who comes beyond the limit is told to
come later; who reconnects is told to fetch, for nobody knows what was missed.
"""

import asyncio
import hmac
from typing import Any, Final, Literal
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from offerlab.api.front import Receive, Scope, Send
from offerlab.api.plain import Route, declared, refuse
from offerlab.api.problems import problem_of, wrong_method
from offerlab.api.rights import may
from offerlab.api.routing import Parameter, operation
from offerlab.errors import Forbidden, NotFound, OfferLabError, Unauthenticated, Unavailable
from offerlab.workflows.access import StoredKey
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.token import stream_signature

PATH: Final = "/ofrep/v1/stream"
HEARTBEAT_S: Final = 15.0
"""Between two signs of life: shorter than any proxy's patience."""

CALM_S: Final = 0.5
"""After a change so long is waited for more of them: a file of definitions is told once."""

FRESH_S: Final = 10.0
"""Who opens a stream so soon after a change may have fetched before it, and is told."""

INACTIVE_S: Final = 120
"""A page hidden for so long closes its stream (the provider's own rule)."""

_HEADERS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where a stream is, from the service's own origin."""

    requestUri: str  # noqa: N815 - the protocol's name


class EventStream(Struct, frozen=True, kw_only=True):
    """Where a client hears that there is something to fetch."""

    type: Literal["sse"] = "sse"
    endpoint: Endpoint
    inactivityDelaySec: int = INACTIVE_S  # noqa: N815 - the protocol's name


class Streams:
    """All open streams of one process.

    Args:
        runtime: the process's state; it says when rules have changed.
        most: streams at one time; 0: there are none, and nobody is told of them.
        heartbeat_s: between two signs of life.
    """

    def __init__(self, runtime: Runtime, *, most: int, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._runtime = runtime
        self._most = most
        self._heartbeat_s = heartbeat_s
        self._open: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._calming: asyncio.TimerHandle | None = None
        self._told: dict[tuple[int, int], bytes] = {}
        runtime.listeners.append(self._changed)

    @property
    def count(self) -> int:
        """Streams that are open."""
        return len(self._open)

    def listen(self, key: StoredKey) -> bytes:
        """The member of an answer that says where the holder of a key listens; empty where there are no streams."""
        if not self._most:
            return b""
        known = self._told.get((key.project_id, key.id))
        if known is None:
            secret = self._runtime.snapshot(key.project_id).project.secret
            address = f"{PATH}?token={key.project_id}.{key.id}.{stream_signature(secret, key.id)}"
            stream = msgspec.json.encode(EventStream(endpoint=Endpoint(requestUri=address)))
            known = self._told[key.project_id, key.id] = b'"eventStreams":[%b],' % stream
        return known

    def drain(self) -> None:
        """End every stream at its next step and take no more: clients come back to another replica, or later."""
        self._closing = True
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._wake)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One stream, until the caller hangs up, the key ends or the process does."""
        key = self._listener(scope)
        if self._closing or len(self._open) >= self._most:
            raise Unavailable("there are as many streams as this process holds; fetch, and try again later")
        self._loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        self._open.add(woken)
        gone = asyncio.ensure_future(_hung_up(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, *scope.get("labels", ())]})
            await self._stream(key, woken, gone, send, told=_last_seen(scope))
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            self._open.discard(woken)

    async def _stream(
        self, key: StoredKey, woken: asyncio.Event, gone: "asyncio.Future[None]", send: Send, *, told: bool
    ) -> None:
        runtime, project = self._runtime, key.project_id
        version = runtime.snapshot(project).project.version
        fresh = runtime.now() - runtime.changed_at < FRESH_S * 1_000_000
        # Reconnections of a thousand clients are spread over four seconds.
        hello = f"retry: {1_000 + len(self._open) % 40 * 100}\n".encode()
        await _say(send, hello + (_notice(version, runtime) if told or fresh else b"id: %d\n\n" % version))
        while not self._is_over(gone):
            waiting = asyncio.ensure_future(woken.wait())
            await asyncio.wait((waiting, gone), timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self._is_over(gone) or runtime.key_numbered(project, key.id) is None:
                return
            woken.clear()
            now = runtime.snapshot(project).project.version
            await _say(send, b": alive\n\n" if now == version else _notice(now, runtime))
            version = now

    def _is_over(self, gone: "asyncio.Future[None]") -> bool:
        return self._closing or gone.done()

    def _listener(self, scope: Scope) -> StoredKey:
        if not self._most:
            raise NotFound("this service has no streams")
        told = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0].split(".")
        if len(told) != 3 or not all(part.isascii() and part.isdecimal() for part in told[:2]):  # noqa: PLR2004 - parts
            raise Unauthenticated("a stream's address comes with the flags, and carries its token")
        project, number = int(told[0]), int(told[1])
        key = self._runtime.key_numbered(project, number)
        if key is None or not hmac.compare_digest(
            stream_signature(self._runtime.snapshot(project).project.secret, number), told[2]
        ):
            raise Unauthenticated("the key of this stream is unknown, expired or revoked")
        if not may(key.kind, "decide"):
            raise Forbidden(f"a {key.kind} key may not do this", extra={"right": "decide"})
        return key

    def _changed(self) -> None:
        """Called in any thread when rules have changed."""
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._calm)

    def _calm(self) -> None:
        if self._calming is None and self._loop is not None:
            self._calming = self._loop.call_later(CALM_S, self._wake)

    def _wake(self) -> None:
        self._calming = None
        for woken in self._open:
            woken.set()


def _notice(version: int, runtime: Runtime) -> bytes:
    return b'id: %d\nevent: message\ndata: {"type":"refetchEvaluation","etag":"\\"%d\\"","lastModified":%d}\n\n' % (
        version,
        version,
        runtime.changed_at // 1_000_000,
    )


def _last_seen(scope: Scope) -> bool:
    """Whether the caller was here before: it sends back the last id that it saw."""
    return any(name == b"last-event-id" for name, _ in scope["headers"])


async def _say(send: Send, text: bytes) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": True})


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _route(scope: Scope, receive: Receive, send: Send) -> None:
    streams: Streams = scope["house"].streams
    if scope["method"] != "GET":
        await refuse(wrong_method(scope["path"]), scope, send, (b"allow", b"GET"))
        return
    try:
        await streams.serve(scope, receive, send)
    except OfferLabError as error:
        await refuse(problem_of(error, scope["path"]), scope, send)


ROUTE: Final[Route] = _route

HANDLERS: Final[list[Any]] = [
    declared(
        PATH,
        ROUTE,
        operation(
            "signed",
            "Hear when flags may have changed (OFREP, server-sent events)",
            answers={200: str},
            query=(Parameter("token", str | None, "as in `eventStreams` of the flags"),),
            media="text/event-stream",
        ),
        method="GET",
    ),
]
