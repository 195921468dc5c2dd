"""What other replicas stored, read from the register they share (PostgreSQL): whose remembered state has grown old.

Numbers of the register are given out before their transactions commit, so a lower one can turn up after a higher one.
PostgreSQL's snapshot says when that can't happen any more: once every transaction that began before an instant has
ended, no number given out before it is still to come.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, text


class Horizon(Struct, frozen=True):
    """A look at the server.

    Attributes:
        seq: the highest number of the register given out so far.
        oldest: the oldest transaction still under way; every one below it has ended.
        newest: below it stand all transactions begun so far.
    """

    seq: int
    oldest: int
    newest: int


class Stored(Struct, frozen=True):
    """One row of the register."""

    project_id: int
    event_id: str
    customer: int


_HORIZON: Final = text(
    "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('events', 'seq')::regclass), 0),"
    " pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
)
_SINCE: Final = text("SELECT project_id, event_id, customer FROM events WHERE seq > :after LIMIT :limit")
_LINKED: Final = text(
    "SELECT m.customer, m.into_customer FROM merges m WHERE m.project_id = :project AND m.customer IN"
    " (SELECT customer FROM merges WHERE project_id = :project AND event_id = ANY(:events))"
)
_DIGESTS: Final = text(
    "WITH persons AS (SELECT DISTINCT root FROM vault WHERE project_id = :project AND customer = ANY(:numbers))"
    " SELECT v.digest FROM persons p JOIN vault v ON v.project_id = :project AND v.customer = p.root"
    " AND v.root = v.customer UNION ALL"
    " SELECT v.digest FROM persons p JOIN vault v ON v.project_id = :project AND v.root = p.root"
    " AND v.root <> v.customer"
)


def horizon(connection: Connection) -> Horizon:
    """How far the register has come, by the connection's snapshot."""
    return Horizon(*(int(value) for value in connection.execute(_HORIZON).one()))


def stored_since(connection: Connection, after: int, *, limit: int) -> list[Stored]:
    """Rows of the register above a number, in any order, at most `limit`."""
    rows = connection.execute(_SINCE, {"after": after, "limit": limit})
    return [Stored(*row) for row in rows]


def touched_by(connection: Connection, project_id: int, stored: Sequence[Stored]) -> set[bytes]:
    """Every id of the persons whom these events changed, as the vault knows them.

    A link may take an id out of another family, which it no longer shows: its other links lead there.
    """
    numbers = {one.customer for one in stored}
    events = [one.event_id for one in stored]
    for row in connection.execute(_LINKED, {"project": project_id, "events": events}):
        numbers.update(row)
    found = connection.execute(_DIGESTS, {"project": project_id, "numbers": sorted(numbers)})
    return {bytes(digest) for digest in found.scalars()}
