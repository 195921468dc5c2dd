"""Plain ASGI for the routes that a shopper waits for: key, body, answer, and no framework in between.

A route made here is declared in the application like every other one (right, operation, OpenAPI); only its requests
do not pass through the framework, which costs several times the decision itself.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from msgspec import Struct

from offerlab.api.body import DECISION_LIMIT
from offerlab.api.front import Message, Receive, Scope, Send, exposed
from offerlab.api.problems import MEDIA_TYPE, Problem, headers_of, problem_of, surprise, wrong_method
from offerlab.api.rights import Caller, Right, allow, digest_in, identify_by_digest
from offerlab.errors import OfferLabError, TooLarge
from offerlab.workflows.access import StoredKey
from offerlab.workflows.room import Claim
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.serving import Serving

_log: Final = logging.getLogger(__name__)
_JSON: Final = (b"content-type", b"application/json")
_PROBLEM: Final = (b"content-type", MEDIA_TYPE.encode())

Headers = tuple[tuple[bytes, bytes], ...]
Work = Callable[["Call", bytes], Awaitable["Sent"]]
Route = Callable[[Scope, Receive, Send], Awaitable[None]]


class House(Protocol):
    """What the handlers work with; stands in the scope under `house`."""

    runtime: Runtime
    serving: Serving
    listen: Callable[[StoredKey], bytes]


class Sent(Struct, frozen=True, gc=False):
    """An answer: JSON unless its headers say otherwise. A long one is sent part by part, as fast as it is taken.

    Attributes:
        body: whole, or in parts.
    """

    body: bytes | list[bytes]
    status: int = 200
    headers: Headers = (_JSON,)


class Call(Struct, frozen=True, gc=False):
    """One request that was let in.

    Attributes:
        path: decoded. sent: all headers, names in lower case.
    """

    house: House
    caller: Caller
    path: str
    query: bytes
    sent: Mapping[bytes, bytes]


class _Gone(Exception):
    """The caller hung up before the whole body was here."""


class _NotPost(Exception):
    """Plain routes know one method."""


def plain(right: Right, limit: int, work: Work) -> Route:
    """An ASGI route: let in whom `right` allows, read at most `limit` bytes, answer what `work` returns."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            call = _let_in(scope, right, limit)
            message = await receive()
            if limit <= DECISION_LIMIT and not message.get("more_body") and message["type"] == "http.request":
                sent = await work(call, _bounded(message.get("body", b""), limit))
            else:
                with Claim(call.house.runtime.room) as claim:
                    sent = await work(call, await _body(message, receive, limit, claim))
        except _NotPost:
            sent = _refusal(wrong_method(scope["path"]), (b"allow", b"POST"))
        except _Gone:
            return
        except OfferLabError as error:
            sent = _refusal(problem_of(error, scope["path"]))
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer and the log the rest
            _log.error("unforeseen error on a plain route", exc_info=error)
            sent = _refusal(surprise(scope["path"]))
        body = sent.body
        length = len(body) if isinstance(body, bytes) else sum(map(len, body))
        headers = [*sent.headers, (b"content-length", b"%d" % length), *scope.get("labels", ())]
        if len(sent.headers) > 1:
            headers += exposed(headers)
        await send({"type": "http.response.start", "status": sent.status, "headers": headers})
        if isinstance(body, bytes):
            await send({"type": "http.response.body", "body": body})
            return
        for part in body:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return route


def _let_in(scope: Scope, right: Right, limit: int) -> Call:
    """The request as far as its head tells.

    Raises:
        OfferLabError: it may not pass.
    """
    if scope["method"] != "POST":
        raise _NotPost
    house: House = scope["house"]
    headers = dict(scope["headers"])
    digested = digest_in(headers.get(b"authorization", b""), headers.get(b"x-api-key", b""))
    caller = identify_by_digest(house.runtime, digested)
    allow(caller, right)
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"the body may have at most {limit} bytes")
    return Call(house, caller, scope["path"], scope["query_string"], headers)


async def _body(message: Message, receive: Receive, limit: int, claim: Claim) -> bytes:
    """The whole body, of which `message` is the beginning."""
    body = _chunk(message)
    claim.take(len(body))
    if message.get("more_body"):
        longer = bytearray(body)
        while message.get("more_body") and len(longer) <= limit:
            message = await receive()
            chunk = _chunk(message)
            claim.take(len(chunk))
            longer += chunk
        body = bytes(longer)
    return _bounded(body, limit)


def _bounded(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise TooLarge(f"the body may have at most {limit} bytes")
    return body


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise _Gone
    body: bytes = message.get("body", b"")
    return body


def _refusal(problem: Problem, *headers: tuple[bytes, bytes]) -> Sent:
    named = tuple((name.encode(), text.encode()) for name, text in headers_of(problem).items())
    return Sent(msgspec.json.encode(problem), problem.status, (_PROBLEM, *named, *headers))


async def refuse(problem: Problem, scope: Scope, send: Send, *headers: tuple[bytes, bytes]) -> None:
    """Answer a request with a problem, beside the routes that `plain` makes."""
    sent = _refusal(problem, *headers)
    length = (b"content-length", str(len(sent.body)).encode())
    named = [*sent.headers, length, *scope.get("labels", ())]
    named += exposed(named)
    await send({"type": "http.response.start", "status": sent.status, "headers": named})
    await send({"type": "http.response.body", "body": sent.body})


def declared(path: str, route: Route, opt: dict[str, Any], *, method: str = "POST") -> ASGIRouteHandler:
    """The framework's handler of a plain route: its right and operation are declared like any other's."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - the framework's own shapes
        await route(scope, receive, send)

    return asgi(path, opt={**opt, "methods": frozenset((method,))}, copy_scope=False)(handle)
