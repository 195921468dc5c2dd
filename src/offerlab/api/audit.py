"""The audit log: who did what, and whether anybody changed that afterwards."""

import asyncio
from typing import Any, Final

from litestar import Request, Response, get
from msgspec import Struct

from offerlab.api.changes import caller_of, runtime_of
from offerlab.api.lists import QUERY, before_of, cursor, limit_of
from offerlab.api.routing import operation, reply
from offerlab.domain.clock import iso
from offerlab.workflows.auditing import Deed, broken_at, deeds

AnyRequest = Request[Any, Any, Any]


class DeedView(Struct, frozen=True, kw_only=True):
    """One thing that somebody did.

    Attributes:
        actor: a key by its number, beginning and kind, or what acted by itself (`guardrail`, `allocation`, …).
        object: what it was done to: `experiment:coffee-addon`.
        before, after: the object as it stood, as far as the deed changed it.
    """

    id: int
    at: str
    actor: str
    action: str
    object: str
    before: Any
    after: Any


class DeedPage(Struct, frozen=True):
    """A page of them, newest first."""

    items: list[DeedView]
    next: str | None


class ChainView(Struct, frozen=True):
    """Whether every row follows from the one before it; `broken_at` is the first that does not."""

    intact: bool
    broken_at: int | None


@get("/v1/audit", opt=operation("define", "Who did what, newest first", answers={200: DeedPage}, query=QUERY))
async def get_audit(request: AnyRequest) -> Response[bytes]:
    """Every change and every look at a person, with the key that did it."""
    limit, before = limit_of(request), before_of(request)
    found = await asyncio.to_thread(
        deeds, runtime_of(request), caller_of(request).project_id, limit=limit + 1, before=before
    )
    items = [_view(number, deed) for number, deed in found[:limit]]
    return reply(DeedPage(items, cursor(str(items[-1].id)) if len(found) > limit else None))


@get("/v1/audit/chain", opt=operation("define", "Whether the audit log is whole", answers={200: ChainView}))
async def get_chain(request: AnyRequest) -> Response[bytes]:
    """Works out every row's hash anew; a row that was changed, or taken out, breaks the chain."""
    broken = await asyncio.to_thread(broken_at, runtime_of(request), caller_of(request).project_id)
    return reply(ChainView(broken is None, broken))


def _view(number: int, deed: Deed) -> DeedView:
    return DeedView(
        id=number,
        at=iso(deed.at),
        actor=deed.actor,
        action=deed.action,
        object=deed.object,
        before=deed.before,
        after=deed.after,
    )


HANDLERS: Final[list[Any]] = [get_audit, get_chain]
