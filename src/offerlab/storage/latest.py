"""The latest events of each key as they were answered, told by every process to all the others.

Each process keeps a row for each key and replaces it whole about once a second: hundreds of events a second cost one
small write. A row holds ids and codes, and nothing of what was sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from offerlab.storage.tables import events, latest, rejected

Told = dict[str, Any]
"""One event: `at`, `id`, `type`, `source`, `outcome`."""


class CustomerEvent(Struct, frozen=True):
    """One event of a customer as it was answered.

    Attributes:
        received_at: microseconds UTC. occurred_at: likewise; None where it was not taken.
        outcome: `taken`, or the code for which it was rejected.
    """

    received_at: int
    occurred_at: int | None
    id: str | None
    type: str | None
    outcome: str
    detail: str | None


def tell(connection: Connection, run: int, told: Mapping[int, Sequence[Told]], *, now: int) -> None:
    """Put the latest events of some keys in the place of what this process told before.

    Args:
        connection: a writing one.
        run: of the process; another one at every start.
        told: by key; 0 is webhooks.
        now: microseconds UTC.
    """
    module = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = module.insert(latest)
    fresh = {"updated_at": statement.excluded.updated_at, "body": statement.excluded.body}
    rows = [{"key_id": key, "run": run, "updated_at": now, "body": list(items)} for key, items in told.items()]
    connection.execute(statement.on_conflict_do_update(index_elements=["key_id", "run"], set_=fresh), rows)


def elsewhere(connection: Connection, run: int, key_ids: Iterable[int]) -> list[Told]:
    """What all other processes told about these keys."""
    query = select(latest.c.body).where(latest.c.run != run, latest.c.key_id.in_(sorted(key_ids)))
    return [item for body in connection.execute(query).scalars() for item in body]


def forget(connection: Connection, *, before: int) -> None:
    """Drop what was told before an instant: its process has long ended."""
    connection.execute(delete(latest).where(latest.c.updated_at < before))


def reasons(connection: Connection, project_id: int, event_ids: Iterable[str]) -> dict[str, str]:
    """Why events were rejected, by their ids; of several rejections of one id the last."""
    query = select(rejected.c.event_id, rejected.c.detail).where(
        rejected.c.project_id == project_id, rejected.c.event_id.in_(sorted(event_ids))
    )
    return {row.event_id: row.detail for row in connection.execute(query.order_by(rejected.c.id))}


def of_customer(
    connection: Connection, project_id: int, *, numbers: Sequence[int], digests: Sequence[bytes], limit: int
) -> list[CustomerEvent]:
    """The latest events of a person, under all their ids, newest first: the register's, and what was rejected."""
    taken = select(events).where(events.c.project_id == project_id, events.c.customer.in_(numbers))
    refused = select(rejected).where(rejected.c.project_id == project_id, rejected.c.digest.in_(digests))
    found = [
        CustomerEvent(row.received_at, row.occurred_at, row.event_id, row.type, "taken", None)
        for row in connection.execute(taken.order_by(events.c.received_at.desc(), events.c.seq.desc()).limit(limit))
    ]
    found += [
        CustomerEvent(row.received_at, None, row.event_id, row.type, row.code, row.detail)
        for row in connection.execute(refused.order_by(rejected.c.id.desc()).limit(limit))
    ]
    return sorted(found, key=lambda one: -one.received_at)[:limit]
