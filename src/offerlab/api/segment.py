"""Segment's HTTP API: shops keep the tracking clients that they have and point them here.

Real clients are stricter than the specification: one accepts nothing but 200, another takes a redirect for success and
loses its events, a third reads `code` and `message` of every error. A bad message in a good batch is therefore never an
error: it stands among the rejected events, and its neighbours are taken.
"""

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from litestar import Request, Response, post
from msgspec import Struct

from offerlab.api.body import BATCH_LIMIT, bounded
from offerlab.api.changes import runtime_of
from offerlab.api.decisions import serving_of
from offerlab.api.events import MAX_EVENTS, sender_of
from offerlab.api.problems import RETRY_AFTER_S, status_of
from offerlab.api.rights import Caller, allow, identify, secret_of
from offerlab.api.routing import operation, reply
from offerlab.errors import InvalidInput, OfferLabError, TooLarge, Unauthenticated
from offerlab.intake import segment
from offerlab.workflows.recording import record
from offerlab.workflows.room import Claim

AnyRequest = Request[Any, Any, Any]
PACKED_LIMIT: Final = 2_097_152
"""Compressed bytes taken; what they inflate to is bounded by `BATCH_LIMIT`."""

CALLS: Final = ("track", "identify", "page", "screen", "group", "alias")
_RETRIED: Final = frozenset((429, 503))


class Success(Struct, frozen=True):
    """Everything was read; what could not be taken stands among the rejected events."""

    success: bool = True


class SegmentError(Struct, frozen=True):
    """Why nothing was taken, in the two fields that clients read."""

    code: str
    message: str


class SegmentMessage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of Segment's protocol; fields that are not named here are kept with it.

    `userId` or `anonymousId` is needed; `timestamp` is corrected by the difference of `sentAt` to our clock.
    """

    type: str = ""
    messageId: str | None = None  # noqa: N815 - the protocol's names
    userId: str | int | None = None  # noqa: N815 - likewise
    anonymousId: str | int | None = None  # noqa: N815 - likewise
    previousId: str | int | None = None  # noqa: N815 - likewise
    event: str | None = None
    properties: dict[str, object] | None = None
    traits: dict[str, object] | None = None
    timestamp: str | None = None
    sentAt: str | None = None  # noqa: N815 - likewise
    writeKey: str | None = None  # noqa: N815 - likewise


class SegmentBatch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Messages of Segment's protocol."""

    batch: list[SegmentMessage]
    sentAt: str | None = None  # noqa: N815 - the protocol's names
    writeKey: str | None = None  # noqa: N815 - likewise


class _Batch(Struct, frozen=True):
    batch: list[msgspec.Raw]
    sentAt: object = None  # noqa: N815 - the protocol's name
    writeKey: object = None  # noqa: N815 - likewise


class _Single(Struct, frozen=True):
    sentAt: object = None  # noqa: N815 - the protocol's name
    writeKey: object = None  # noqa: N815 - likewise


_BATCH: Final = msgspec.json.Decoder(_Batch)
_SINGLE: Final = msgspec.json.Decoder(_Single)
_DONE: Final = Success()


class _InvalidJson(InvalidInput):
    """The envelope can't be read."""

    code = "invalid_json"


def _answers() -> dict[int, Any]:
    errors = dict.fromkeys((400, 401, 403, 413, 429, 500, 503), SegmentError)
    return {200: Success, **errors}


async def _take(request: AnyRequest, kind: str | None) -> Response[bytes]:
    """Take one request, whatever goes wrong answered in the protocol's own shape."""
    try:
        with Claim(runtime_of(request).room) as claim:
            return await _recorded(request, kind, claim)
    except OfferLabError as error:
        return _failure(error)


async def _recorded(request: AnyRequest, kind: str | None, claim: Claim) -> Response[bytes]:
    runtime = runtime_of(request)
    caller = _known_by_header(request)
    if caller is not None:
        allow(caller, "write_key")
    sent = await bounded(request, BATCH_LIMIT, claim=claim)
    body = _unpacked(sent, request.headers.get("content-encoding", ""))
    claim.take(len(body) - len(sent))
    envelope: _Batch | _Single
    try:
        envelope = _BATCH.decode(body) if kind is None else _SINGLE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if caller is None:
            raise _nobody() from error
        raise _InvalidJson(f"the body can't be read: {error}") from error
    if caller is None:
        if not isinstance(envelope.writeKey, str):
            raise _nobody()
        caller = identify(runtime, envelope.writeKey)
        allow(caller, "write_key")
    items = [bytes(item) for item in envelope.batch] if isinstance(envelope, _Batch) else [body]
    if len(items) > MAX_EVENTS:
        raise TooLarge(f"a batch has at most {MAX_EVENTS} messages")
    sent_at = segment.sent_at_of({"sentAt": envelope.sentAt})
    read = partial(segment.arrival, kind=kind, sent_at=sent_at, now=runtime.now())
    await record(serving_of(request), sender_of(caller, source=f"segment/{kind or ''}"), items, read)
    return reply(_DONE)


def _known_by_header(request: AnyRequest) -> Caller | None:
    """Who the headers name; nobody when they name a token that is not ours, for the key may stand in the body."""
    try:
        return identify(runtime_of(request), secret_of(request))
    except Unauthenticated:
        return None


def _nobody() -> Unauthenticated:
    return Unauthenticated("send a write key as the Basic user name, or as writeKey in the body")


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body inflated, never beyond the limit: a few kilobytes can unfold into gigabytes."""
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        return body
    if len(body) > PACKED_LIMIT:
        raise TooLarge(f"a compressed body may have at most {PACKED_LIMIT} bytes")
    inflating = zlib.decompressobj(wbits=31)
    try:
        found = inflating.decompress(body, BATCH_LIMIT + 1)
    except zlib.error as error:
        raise _InvalidJson(f"the body is no gzip: {error}") from error
    if len(found) > BATCH_LIMIT:
        raise TooLarge(f"the body may inflate to at most {BATCH_LIMIT} bytes")
    if not inflating.eof:
        raise _InvalidJson("the compressed body ends too early")
    return found


def _failure(error: OfferLabError) -> Response[bytes]:
    status = 400 if isinstance(error, InvalidInput) else status_of(error)
    code = "invalid_write_key" if isinstance(error, Unauthenticated) else error.code
    headers = {"Retry_After": str(RETRY_AFTER_S)} if status in _RETRIED else {}
    return reply(SegmentError(code=code, message=error.detail), status, **headers)


def _route(path: str, kind: str | None) -> Callable[..., Any]:
    """The handler of one call."""
    what = "Send a batch of messages" if kind is None else f"Send one {kind} message"
    body = SegmentBatch if kind is None else SegmentMessage
    options = operation("write_key", f"{what} (Segment)", body=body, answers=_answers())

    async def take(request: AnyRequest) -> Response[bytes]:
        """Exactly 200 and `{"success":true}` once it is on disk."""
        return await _take(request, kind)

    return post(path, status_code=200, opt=options)(take)


HANDLERS: Final[list[Any]] = [
    _route("/v1/batch", None),
    _route("/v1/b", None),
    *(_route(f"/v1/{kind}", kind) for kind in CALLS),
    *(_route(f"/v1/{kind[0]}", kind) for kind in CALLS),
]
