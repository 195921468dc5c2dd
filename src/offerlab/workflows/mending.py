"""Looking at what was not taken, and trying it again."""

from collections.abc import Callable
from functools import partial
from typing import Final

from offerlab.errors import Conflict, NotFound
from offerlab.intake import segment
from offerlab.storage import rejected
from offerlab.storage.database import reading, writing
from offerlab.storage.rejected import Filter, Refusedness
from offerlab.workflows.recording import Read, Recorded, Sender, read_native, record
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.serving import Serving

__all__ = ["Filter", "Refusedness", "counts_of", "redrive", "rejected_of"]


def _segment(kind: str | None, now: int) -> Read:
    return partial(segment.arrival, kind=kind, sent_at=None, now=now)


READERS: Final[dict[str, Callable[[str, int], Read]]] = {
    "native": lambda _detail, _now: read_native,
    "segment": lambda kind, now: _segment(kind or None, now),
}
"""How a source's payload is read again: from its detail (what the route said) and the instant at which it came."""


def rejected_of(runtime: Runtime, project_id: int, asked: Filter) -> list[Refusedness]:
    """Rejected events, newest first."""
    with reading(runtime.engine) as connection:
        return rejected.newest(connection, project_id, asked)


def counts_of(runtime: Runtime, project_id: int) -> dict[str, int]:
    """How many were rejected and not taken since, by code."""
    with reading(runtime.engine) as connection:
        return rejected.counts(connection, project_id)


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
    done = await record(serving, sender, [raw], READERS[name](detail, row.received_at))
    if not done.rejected:
        with writing(runtime.engine) as connection:
            rejected.mark_redriven(connection, project_id, number)
    return done
