"""Consents: every word of a customer with its receipt, and those that are two years old."""

import asyncio
from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath
from msgspec import Struct

from offerlab.api.changes import caller_of, runtime_of
from offerlab.api.lists import LARGEST, QUERY, limit_of
from offerlab.api.routing import operation, reply
from offerlab.domain.clock import iso
from offerlab.workflows import consenting
from offerlab.workflows.consenting import RECEIPT, RECONFIRM

AnyRequest = Request[Any, Any, Any]


class WordView(Struct, frozen=True, kw_only=True):
    """One word of a customer: what they said yes or no to, what they were shown and where.

    `receipt` is what to tell the customer, `tell_by` until when (within 14 days).
    """

    channel: str
    purpose: str
    granted: bool
    at: str
    text_version: str | None
    source: str | None
    receipt: str
    tell_by: str


class Words(Struct, frozen=True):
    """All of them, oldest first."""

    items: list[WordView]


class DueView(Struct, frozen=True, kw_only=True):
    """A consent to be confirmed; `customer_id` is null where only its HMAC is known."""

    customer_id: str | None
    channel: str
    purpose: str
    given_at: str
    confirm_since: str


class DueList(Struct, frozen=True):
    """Consents to be confirmed; send a new `consent` event and they leave this list."""

    items: list[DueView]
    complete: bool


@get(
    "/v1/customers/{customer:str}/consents",
    opt=operation("customers", "What a customer consented to, with receipts", answers={200: Words}),
)
async def list_words(request: AnyRequest, customer: FromPath[str]) -> Response[bytes]:
    """Grants and withdrawals alike; an unsubscribe is one."""
    found = await asyncio.to_thread(consenting.history, runtime_of(request), caller_of(request).project_id, customer)
    return reply(
        Words(
            [
                WordView(
                    channel=one.channel,
                    purpose=one.purpose,
                    granted=one.granted,
                    at=iso(one.at),
                    text_version=one.text_version,
                    source=one.source,
                    receipt=_receipt(one.channel, one.purpose, iso(one.at), granted=one.granted),
                    tell_by=iso(one.received_at + RECEIPT),
                )
                for one in found
            ]
        )
    )


def _receipt(channel: str, purpose: str, at: str, *, granted: bool) -> str:
    korean = "동의" if granted else "거부"
    english = "consented to" if granted else "refused"
    told = f"{at} {channel}:{purpose} 수신 {korean} 처리 결과를 알려 드립니다."
    return f"{told} / You {english} {purpose} by {channel} at {at}."


@get(
    "/v1/consents/due",
    opt=operation("customers", "Consents to be confirmed after two years", answers={200: DueList}, query=QUERY[1:]),
)
async def list_due(request: AnyRequest) -> Response[bytes]:
    """Oldest customers first, at most `limit`."""
    limit = limit_of(request) if request.query_params.get("limit") else LARGEST
    found = await asyncio.to_thread(consenting.due, runtime_of(request), caller_of(request).project_id, limit=limit + 1)
    items = [
        DueView(
            customer_id=customer,
            channel=one.channel,
            purpose=one.purpose,
            given_at=iso(one.given_at),
            confirm_since=iso(one.given_at + RECONFIRM),
        )
        for one, customer in found[:limit]
    ]
    return reply(DueList(items, complete=len(found) <= limit))


HANDLERS: Final[list[Any]] = [list_words, list_due]
