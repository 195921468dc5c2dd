"""Looking at what was not taken, and trying it again."""

from collections.abc import Callable
from typing import Final

from offerlab.errors import Conflict, NotFound
from offerlab.intake import segment, shopify, woocommerce
from offerlab.intake.arrival import Arrival
from offerlab.storage import rejected
from offerlab.storage.database import reading, writing
from offerlab.storage.rejected import Filter, Refusedness
from offerlab.workflows.access import keys_of
from offerlab.workflows.recording import Recorded, Sender, as_read, read_native, record
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.serving import Serving
from offerlab.workflows.tally import Latest

__all__ = ["Filter", "Latest", "Refusedness", "counts_of", "latest_of", "redrive", "rejected_of"]


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
    """The latest events of one key of the project, or of all its keys and webhooks."""
    own = {0, *(key.id for key in keys_of(runtime, project_id))}
    return runtime.tally.latest(own if key_id is None else own & {key_id}, limit=limit)


async def redrive(serving: Serving, project_id: int, number: int) -> Recorded:
    """Try a rejected event again, as it was sent and as of when it came.

    Raises:
        NotFound: no such row.
        Conflict: it was taken already, or its original is gone.
    """
    runtime = serving.runtime
    with reading(runtime.engine) as connection:
        found = rejected.original(connection, runtime.snapshot(project_id).project, number)
    if found is None:
        raise NotFound("no such rejected event")
    row, raw = found
    if row.redriven:
        raise Conflict("this event was taken on an earlier try")
    if raw is None:
        raise Conflict("the original of this event is no longer there")
    name, _, detail = row.source.partition("/")
    sender = Sender(project_id=project_id, publishable=False, source=row.source)
    done = await record(serving, sender, READERS[name](raw, detail, row.received_at), as_read)
    if not done.rejected:
        with writing(runtime.engine) as connection:
            rejected.mark_redriven(connection, project_id, number)
    return done
