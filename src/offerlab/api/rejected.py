"""What was not taken: listed with its reason, and tried again once the cause is mended."""

import asyncio
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath
from msgspec import Struct

from offerlab.api.changes import caller_of, runtime_of
from offerlab.api.decisions import serving_of
from offerlab.api.lists import QUERY, before_of, cursor, limit_of
from offerlab.api.routing import Parameter, operation, reply
from offerlab.domain.clock import iso
from offerlab.errors import InvalidInput
from offerlab.workflows.mending import Filter, Refusedness, counts_of, latest_of, redrive, rejected_of
from offerlab.workflows.recording import Recorded

AnyRequest = Request[Any, Any, Any]


class RejectedEvent(Struct, frozen=True, kw_only=True):
    """An event that was not taken.

    Attributes:
        code: stable; `docs/events.md` lists them.
        source: how it came (`native`, `segment/track`, …).
        sample: what was sent, its personal fields masked.
        redriven: it was taken later, on a second try.
    """

    id: int
    received_at: str
    code: str
    detail: str
    event_id: str | None
    type: str | None
    source: str
    sample: str | None
    redriven: bool


class RejectedPage(Struct, frozen=True):
    """Rejected events, newest first, and how many there are by code."""

    items: list[RejectedEvent]
    next: str | None
    counts: dict[str, int]


_CODE: Final = Parameter("code", str | None, "only those with this code")


@get(
    "/v1/events/rejected",
    opt=operation("read", "Events that were not taken", answers={200: RejectedPage}, query=(_CODE, *QUERY)),
)
async def get_rejected(request: AnyRequest) -> Response[bytes]:
    """Newest first, with code, sentence and sample."""
    runtime, project_id = runtime_of(request), caller_of(request).project_id
    limit = limit_of(request)
    asked = Filter(code=request.query_params.get("code"), before=before_of(request), limit=limit + 1)
    found = await asyncio.to_thread(rejected_of, runtime, project_id, asked)
    counts = await asyncio.to_thread(counts_of, runtime, project_id)
    more = len(found) > limit
    items = [view(row) for row in found[:limit]]
    return reply(RejectedPage(items, cursor(str(items[-1].id)) if more else None, counts))


@post(
    "/v1/events/rejected/{number:int}/redrive",
    status_code=200,
    opt=operation("define", "Try a rejected event again", answers={200: Recorded}),
)
async def post_redrive(request: AnyRequest, number: FromPath[int]) -> Response[bytes]:
    """As it was sent; what it would still be rejected for stands in the answer."""
    return reply(await redrive(serving_of(request), caller_of(request).project_id, number))


class LatestEvent(Struct, frozen=True, kw_only=True):
    """One event as it was answered.

    Attributes:
        outcome: `taken` (accepted or a duplicate), or the code for which it was rejected.
    """

    received_at: str
    id: str | None
    type: str | None
    source: str
    outcome: str
    detail: str | None


class LatestEvents(Struct, frozen=True):
    """The latest events, newest first."""

    items: list[LatestEvent]


_KEY: Final = Parameter("key", int | None, "only what this key sent, by its id; 0 is what webhooks sent")
_LIMIT: Final = Parameter("limit", int | None, "how many; 50 without")


@get(
    "/v1/events/latest",
    opt=operation("read", "The latest events, live", answers={200: LatestEvents}, query=(_KEY, _LIMIT)),
)
async def get_latest(request: AnyRequest) -> Response[bytes]:
    """What just came and what became of it, for whoever wires up a shop."""
    key = request.query_params.get("key")
    if key is not None and not (key.isascii() and key.isdecimal() and len(key) < len(str(2**63))):
        raise InvalidInput("a key is told by its id", field="key")
    number = None if key is None else int(key)
    found = await asyncio.to_thread(
        latest_of, runtime_of(request), caller_of(request).project_id, number, limit=limit_of(request)
    )
    items = [
        LatestEvent(
            received_at=iso(one.at),
            id=one.id,
            type=one.type,
            source=one.source,
            outcome=one.outcome,
            detail=one.detail,
        )
        for one in found
    ]
    return reply(LatestEvents(items))


def view(row: Refusedness) -> RejectedEvent:
    """A rejected event as it goes over the wire."""
    fields: dict[str, Any] = {name: getattr(row, name) for name in Refusedness.__struct_fields__}
    fields["received_at"] = iso(row.received_at)
    return RejectedEvent(**fields)


HANDLERS: Final[list[Any]] = [get_rejected, get_latest, post_redrive]
