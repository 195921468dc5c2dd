"""What is brought to customers: offers that wait or went, mails among them, codes, and what customer care said."""

import asyncio
from collections import Counter
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change, runtime_of
from offerlab.api.lists import QUERY, before_of, cursor, limit_of
from offerlab.api.routing import operation, reply
from offerlab.api.webhooks import STATUS, DeliveryList, deliveries_page
from offerlab.domain.clock import iso
from offerlab.workflows import outgoing
from offerlab.workflows.agents import AgentTalk, agent_talks
from offerlab.workflows.desk import Desk
from offerlab.workflows.leaking import CodeUse, code_uses
from offerlab.workflows.outgoing import Fate, TimedOffer

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
    """`status=ambiguous` are those whose fate nobody heard: they are sent again only when somebody settles that."""
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


MessageId = Annotated[str, Meta(min_length=1, max_length=500)]


class MailFate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of one mail: `message_id` as its Message-ID says, with or without brackets and host."""

    message_id: MessageId
    fate: Fate


class Fates(Struct, frozen=True, forbid_unknown_fields=True):
    """What a mail server's log, or its provider, knows."""

    mails: Annotated[tuple[MailFate, ...], Meta(min_length=1, max_length=1_000)]


class SettledMails(Struct, frozen=True, kw_only=True):
    """How many were settled in which way, and which were not.

    Attributes:
        too_early: not taken so far, but the server may still be at it: ask its log again in some minutes.
        unknown: not ours, or not in doubt.
    """

    delivered: int
    bounced: int
    sent_again: int
    too_early: list[str]
    unknown: list[str]


_FATES: Final = msgspec.json.Decoder(Fates)


@post(
    "/v1/mails/settle",
    status_code=200,
    opt=operation("customers", "Say what became of mails in doubt", body=Fates, answers={200: SettledMails}),
)
async def post_settle(request: AnyRequest) -> Response[bytes]:
    """`not_taken` sends an ambiguous mail again, under the Message-ID that it had; consent and night are asked anew."""
    body = await bounded(request, DEFINITION_LIMIT)
    fates: dict[str, Fate] = {one.message_id: one.fate for one in decode(body, _FATES).mails}

    def work(desk: Desk) -> tuple[int, object]:
        done = outgoing.settle(desk, fates)
        counts = Counter(done.values())
        return 200, SettledMails(
            delivered=counts["delivered"],
            bounced=counts["bounced"],
            sent_again=counts["sent_again"],
            too_early=[told for told, what in done.items() if what == "too_early"],
            unknown=[told for told, what in done.items() if what == "unknown"],
        )

    return await change(request, work, body=body)


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


class AgentTalks(Struct, frozen=True):
    """What came of each agent's talks."""

    items: list[AgentTalk]


@get(
    "/v1/experiments/{key:str}/agents",
    opt=operation("read", "What customer care said, and how it was answered, by agent", answers={200: AgentTalks}),
)
async def list_agents(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """A description: what the offers changed is told by the report's cut by agent. Under ten customers nothing is."""
    project_id = caller_of(request).project_id
    return reply(AgentTalks(await asyncio.to_thread(agent_talks, runtime_of(request), project_id, key)))


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


HANDLERS: Final[list[Any]] = [list_timed_offers, list_mails, post_settle, list_codes, list_agents]
