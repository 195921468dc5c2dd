"""Looking at what was not taken, and trying it again."""

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from offerlab.domain.naming import unit_of
from offerlab.errors import Conflict, InvalidInput, NotFound
from offerlab.intake import segment, shopify, woocommerce
from offerlab.intake.arrival import Arrival
from offerlab.storage import identity, latest, rejected
from offerlab.storage.customers import digest_of
from offerlab.storage.database import reading, writing
from offerlab.storage.latest import CustomerEvent
from offerlab.storage.rejected import Filter, Refusedness
from offerlab.workflows.access import keys_of
from offerlab.workflows.desk import Desk
from offerlab.workflows.privacy import note_look
from offerlab.workflows.recording import Recorded, Sender, as_read, read_native, record
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.serving import Serving
from offerlab.workflows.tally import UNREFUSED, Latest

__all__ = [
    "CustomerEvent",
    "Filter",
    "Latest",
    "Refusedness",
    "counts_of",
    "latest_of",
    "latest_of_customer",
    "redrive",
    "rejected_of",
]


Reader = Callable[[bytes, str, int], list[Arrival]]
READERS: Final[dict[str, Reader]] = {
    "native": lambda raw, _detail, _now: [read_native(raw, 0)],
    "segment": lambda raw, kind, now: [segment.arrival(raw, 0, kind=kind or None, sent_at=None, now=now)],
    "shopify": lambda raw, topic, _now: shopify.arrivals(raw, topic),
    "woocommerce": woocommerce.arrivals,
}
"""How a source's payload is read again: the original, what the route said, and the instant at which it came."""


def rejected_of(runtime: Runtime, project_id: int, asked: Filter) -> list[Refusedness]:
    """Rejected events, newest first."""
    with reading(runtime.engine) as connection:
        return rejected.newest(connection, project_id, asked)


def counts_of(runtime: Runtime, project_id: int) -> dict[str, int]:
    """How many were rejected and not taken since, by code."""
    with reading(runtime.engine) as connection:
        return rejected.counts(connection, project_id)


def latest_of(runtime: Runtime, project_id: int, key_id: int | None, *, limit: int) -> list[Latest]:
    """The latest events of one key of the project, or of all its keys and webhooks, whichever process took them."""
    own = {0, *(key.id for key in keys_of(runtime, project_id))}
    wanted = own if key_id is None else own & {key_id}
    with reading(runtime.engine) as connection:
        told = [Latest(**item) for item in latest.elsewhere(connection, runtime.run, wanted)]
        found = sorted((*runtime.tally.latest(wanted, limit=limit), *told), key=lambda one: -one.at)[:limit]
        unsaid = {one.id for one in found if one.id is not None and one.outcome not in UNREFUSED and one.detail is None}
        reasons = latest.reasons(connection, project_id, unsaid)
    return [replace(one, detail=reasons[one.id]) if one.id in reasons and one.id in unsaid else one for one in found]


def latest_of_customer(desk: Desk, unit: str, *, limit: int) -> list[CustomerEvent]:
    """The latest events of a person, under all their ids, newest first; the look is logged.

    Raises:
        InvalidInput: the id names nobody.
        NotFound: nothing ever came from it, or its customer is erased.
    """
    known = unit_of(unit)
    if known is None:
        raise InvalidInput(f"{unit!r} names no customer", field="customer_id")
    digest = digest_of(desk.runtime.snapshot(desk.project_id).project.secret, known)
    with reading(desk.runtime.engine) as connection:
        members = identity.family(connection, desk.project_id, digest)
        rows = latest.of_customer(
            connection,
            desk.project_id,
            numbers=[one.number for one in members],
            digests=sorted({digest, *(one.digest for one in members)}),
            limit=limit,
        )
    if not rows:
        raise NotFound("no event came from this customer")
    note_look(desk, known)
    return rows


async def redrive(serving: Serving, project_id: int, number: int) -> Recorded:
    """Try a rejected event again, as it was sent and as of when it came.

    Raises:
        NotFound: no such row.
        Conflict: it was taken already, or its original is gone.
    """
    runtime = serving.runtime
    row, raw = await asyncio.to_thread(_original, runtime, project_id, number)
    name, _, detail = row.source.partition("/")
    sender = Sender(project_id=project_id, publishable=False, source=row.source)
    done = await record(serving, sender, READERS[name](raw, detail, row.received_at), as_read)
    if not done.rejected:
        await asyncio.to_thread(_mark, runtime, project_id, number)
    return done


def _original(runtime: Runtime, project_id: int, number: int) -> tuple[Refusedness, bytes]:
    """The row and what was sent; in a thread, for a store that is silent must not keep decisions waiting."""
    with reading(runtime.engine) as connection:
        found = rejected.original(connection, runtime.snapshot(project_id).project, number)
    if found is None:
        raise NotFound("no such rejected event")
    row, raw = found
    if row.redriven:
        raise Conflict("this event was taken on an earlier try")
    if raw is None:
        raise Conflict("the original of this event is no longer there")
    return row, raw


def _mark(runtime: Runtime, project_id: int, number: int) -> None:
    with writing(runtime.engine) as connection:
        rejected.mark_redriven(connection, project_id, number)
