"""What arrives: the latest events live, and what was not taken, with its reason and a second try."""

import asyncio
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct

from offerlab.dashboard.doors import PAGE
from offerlab.dashboard.forms import form_of
from offerlab.dashboard.frame import AnyRequest, check_form, enter, html, see_other, with_query
from offerlab.domain.clock import iso
from offerlab.errors import Forbidden
from offerlab.workflows.mending import Filter, Latest, Refusedness, counts_of, latest_of, redrive, rejected_of

SHOWN: Final = 50


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
    visit = enter(request)
    form = await form_of(request)
    check_form(request, visit, form)
    if not visit.may_act:
        raise Forbidden("this session may look, not act")
    done = await redrive(request.app.state.serving, visit.visitor.project_id, number)
    flash = "redriven" if not done.rejected else "still_rejected"
    return see_other(with_query("/events", {"done": flash}))


def _page(request: AnyRequest) -> Response[Any]:
    visit = enter(request)
    runtime, code = visit.runtime, request.query_params.get("code")
    counts = counts_of(runtime, visit.visitor.project_id)
    rejected = rejected_of(runtime, visit.visitor.project_id, Filter(code=code, limit=SHOWN))
    latest = latest_of(runtime, visit.visitor.project_id, None, limit=SHOWN)
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
    )


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


HANDLERS: Final[list[Any]] = [arrivals, try_again]
