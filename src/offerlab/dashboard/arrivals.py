"""What arrives: the latest events live, and what was not taken, with its reason and a second try."""

import asyncio
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct

from offerlab.dashboard.doors import PAGE
from offerlab.dashboard.forms import form_of
from offerlab.dashboard.frame import AnyRequest, Visit, check_form, enter, html, see_other, with_query
from offerlab.domain.clock import iso
from offerlab.errors import InvalidInput, NotFound
from offerlab.workflows.access import keys_of
from offerlab.workflows.mending import (
    Filter,
    Latest,
    Refusedness,
    counts_of,
    latest_of,
    latest_of_customer,
    redrive,
    rejected_of,
)

SHOWN: Final = 50
_LONGEST: Final = 1_024
_DIGITS: Final = 19


class RejectedRow(Struct, frozen=True, kw_only=True):
    """One event that was not taken."""

    id: int
    at: str
    code: str
    detail: str
    name: str
    sample: str | None
    redriven: bool


class LatestRow(Struct, frozen=True, kw_only=True):
    """One event as it was answered."""

    at: str
    name: str
    source: str
    outcome: str
    bad: bool


class KeyRow(Struct, frozen=True, kw_only=True):
    """A key whose events can be looked at alone."""

    id: int
    name: str
    current: bool


class CodeRow(Struct, frozen=True, kw_only=True):
    """A reason, and how many were not taken for it."""

    code: str
    count: int
    href: str
    current: bool


@get("/events", opt=PAGE)
async def arrivals(request: AnyRequest) -> Response[Any]:
    """Latest events and rejected ones."""
    return await asyncio.to_thread(_page, request)


@post("/events/rejected/{number:int}", status_code=303, opt=PAGE)
async def try_again(request: AnyRequest, number: FromPath[int]) -> Response[Any]:
    """Send one again as it was, and show what became of it."""
    visit = await asyncio.to_thread(enter, request)
    form = await form_of(request)
    check_form(request, visit, form)
    done = await redrive(request.app.state.serving, visit.visitor.project_id, number)
    flash = "redriven" if not done.rejected else "still_rejected"
    return see_other(with_query("/events", {"done": flash}))


@post("/events", status_code=200, opt=PAGE)
async def of_customer(request: AnyRequest) -> Response[Any]:
    """The same page with the events of one customer: asked in a form, so that the id stands in no address."""
    visit = await asyncio.to_thread(enter, request)
    form = await form_of(request)
    check_form(request, visit, form)
    return await asyncio.to_thread(_page, request, form.get("customer", "")[:_LONGEST])


def _page(request: AnyRequest, customer: str | None = None) -> Response[Any]:
    visit = enter(request)
    runtime, code = visit.runtime, request.query_params.get("code")
    key = _number(request.query_params.get("key"))
    counts = counts_of(runtime, visit.visitor.project_id)
    rejected = rejected_of(runtime, visit.visitor.project_id, Filter(code=code, limit=SHOWN))
    latest = latest_of(runtime, visit.visitor.project_id, key, limit=SHOWN)
    keys = [
        KeyRow(id=one.id, name=one.name or one.prefix, current=key == one.id)
        for one in keys_of(runtime, visit.visitor.project_id)
    ]
    return html(
        request,
        "events.html",
        visit=visit,
        codes=[
            CodeRow(code=name, count=count, href=with_query("/events", {"code": name}), current=name == code)
            for name, count in counts.items()
        ],
        rejected=[_rejected(row) for row in rejected],
        latest=[_latest(one) for one in latest],
        keys=keys,
        webhooks=key == 0,
        customer=customer,
        theirs=[] if customer is None else _theirs(visit, customer),
    )


def _number(sent: str | None) -> int | None:
    """The id of a key; None for all, and for what is no id."""
    return int(sent) if sent is not None and sent.isascii() and sent.isdecimal() and len(sent) < _DIGITS else None


def _theirs(visit: Visit, customer: str) -> list[LatestRow]:
    try:
        found = latest_of_customer(visit.desk, customer, limit=SHOWN)
    except (InvalidInput, NotFound):
        return []
    return [
        LatestRow(
            at=_seconds(one.received_at),
            name=" ".join(part for part in (one.type, one.id) if part),
            source="" if one.occurred_at is None else _seconds(one.occurred_at),
            outcome=one.outcome,
            bad=one.outcome != "taken",
        )
        for one in found
    ]


def _rejected(row: Refusedness) -> RejectedRow:
    name = " ".join(part for part in (row.type, row.event_id) if part) or row.source
    return RejectedRow(
        id=row.id,
        at=_seconds(row.received_at),
        code=row.code,
        detail=row.detail,
        name=name,
        sample=row.sample,
        redriven=row.redriven,
    )


def _latest(one: Latest) -> LatestRow:
    name = " ".join(part for part in (one.type, one.id) if part) or one.source
    return LatestRow(at=_seconds(one.at), name=name, source=one.source, outcome=one.outcome, bad=one.outcome != "taken")


def _seconds(at: int) -> str:
    return iso(at)[:19].replace("T", " ")


HANDLERS: Final[list[Any]] = [arrivals, of_customer, try_again]
