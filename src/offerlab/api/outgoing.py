"""What the service brings to customers: offers that wait or went, and the mails among them."""

import asyncio
from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath
from msgspec import Struct

from offerlab.api.changes import caller_of, runtime_of
from offerlab.api.lists import QUERY, cursor, limit_of
from offerlab.api.routing import operation, reply
from offerlab.api.webhooks import STATUS, DeliveryList, before_of, deliveries_page
from offerlab.domain.clock import iso
from offerlab.workflows import outgoing
from offerlab.workflows.leaking import CodeUse, code_uses
from offerlab.workflows.outgoing import TimedOffer

AnyRequest = Request[Any, Any, Any]


class TimedOfferView(Struct, frozen=True, kw_only=True):
    """An offer of one customer, who is not named here; `reason` says why it was held back or put off."""

    id: int
    offer: str
    version: int
    variant: int
    channel: str
    delivery: str
    stage: str | None
    triggered_at: str
    due_at: str | None
    status: str
    reason: str | None


class TimedOfferList(Struct, frozen=True):
    """A page of them, newest first."""

    items: list[TimedOfferView]
    next: str | None


@get(
    "/v1/timed-offers",
    opt=operation(
        "read", "Offers that wait or went, newest first", answers={200: TimedOfferList}, query=(*QUERY, STATUS)
    ),
)
async def list_timed_offers(request: AnyRequest) -> Response[bytes]:
    """`status` is waiting (for a parcel), scheduled, released or suppressed."""
    limit = limit_of(request)
    found = await asyncio.to_thread(
        outgoing.timed,
        runtime_of(request),
        caller_of(request).project_id,
        status=request.query_params.get("status"),
        before=before_of(request),
        limit=limit + 1,
    )
    more = cursor(str(found[limit - 1].id)) if len(found) > limit else None
    return reply(TimedOfferList([_view(one) for one in found[:limit]], more))


@get(
    "/v1/mails",
    opt=operation("read", "Mails, newest first", answers={200: DeliveryList}, query=(*QUERY, STATUS)),
)
async def list_mails(request: AnyRequest) -> Response[bytes]:
    """`status=ambiguous` are those whose fate nobody heard: they are never sent again."""
    limit = limit_of(request)
    found = await asyncio.to_thread(
        outgoing.mails,
        runtime_of(request),
        caller_of(request).project_id,
        status=request.query_params.get("status"),
        before=before_of(request),
        limit=limit + 1,
    )
    return reply(deliveries_page(found, limit))


class CodeUses(Struct, frozen=True):
    """Offers of the experiment that have codes."""

    items: list[CodeUse]


@get(
    "/v1/experiments/{key:str}/codes",
    opt=operation("read", "How an experiment's codes were used, and leaked", answers={200: CodeUses}),
)
async def list_codes(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """A code redeemed by a customer who was never given it has leaked: the arms are no longer apart."""
    project_id = caller_of(request).project_id
    return reply(CodeUses(await asyncio.to_thread(code_uses, runtime_of(request), project_id, key)))


def _view(timed: TimedOffer) -> TimedOfferView:
    planned = timed.planned
    return TimedOfferView(
        id=timed.id,
        offer=planned.offer,
        version=planned.offer_version,
        variant=planned.variant,
        channel=planned.channel,
        delivery=planned.delivery,
        stage=planned.stage,
        triggered_at=iso(planned.triggered_at),
        due_at=None if timed.due_at is None else iso(timed.due_at),
        status=timed.status,
        reason=timed.reason,
    )


HANDLERS: Final[list[Any]] = [list_timed_offers, list_mails, list_codes]
