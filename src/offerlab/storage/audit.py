"""Who did what: an append-only log whose rows are chained by hash, so that a change does not go unseen."""

import hashlib
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select, text

from offerlab.storage.tables import audit

GENESIS: Final = bytes(32)
_AT_ONCE: Final = 1_000
_TURN: Final = text("SELECT pg_advisory_xact_lock(:family, :project)")
_FAMILY: Final = 0x0A0D17
"""Our own among PostgreSQL's advisory locks."""


class Deed(Struct, frozen=True, kw_only=True):
    """One thing somebody did to one object."""

    at: int
    actor: str
    action: str
    object: str
    before: Any = None
    after: Any = None


def append(connection: Connection, project_id: int, deed: Deed) -> None:
    """Add a deed behind the last one, in the caller's transaction.

    Who comes while another transaction has a deed under way waits for its end: two behind the same one are no chain.
    On SQLite there is one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_TURN, {"family": _FAMILY, "project": project_id % 2**31})
    last = connection.execute(
        select(audit.c.hash).where(audit.c.project_id == project_id).order_by(audit.c.id.desc()).limit(1)
    ).scalar_one_or_none()
    previous = GENESIS if last is None else last
    plain: dict[str, Any] = msgspec.to_builtins(deed)
    connection.execute(
        insert(audit).values(project_id=project_id, previous=previous, hash=chained(previous, deed), **plain)
    )


def chained(previous: bytes, deed: Deed) -> bytes:
    """Hash of a deed behind the row with hash `previous`."""
    return hashlib.sha256(previous + msgspec.json.encode(deed, order="deterministic")).digest()


def newest(connection: Connection, project_id: int, *, limit: int, before: int | None = None) -> list[tuple[int, Deed]]:
    """The latest deeds with their row numbers, newest first."""
    query = select(audit).where(audit.c.project_id == project_id)
    if before is not None:
        query = query.where(audit.c.id < before)
    return [(row.id, _deed(row)) for row in connection.execute(query.order_by(audit.c.id.desc()).limit(limit))]


def last_of(connection: Connection, project_id: int, *, action: str, name: str) -> Deed | None:
    """The last time that this was done to the object of that name."""
    query = select(audit).where(audit.c.project_id == project_id, audit.c.action == action, audit.c.object == name)
    row = connection.execute(query.order_by(audit.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _deed(row)


def first_broken(connection: Connection, project_id: int) -> int | None:
    """Number of the first row whose hash does not follow from the row before; None when the chain holds."""
    previous = GENESIS
    query = select(audit).where(audit.c.project_id == project_id).order_by(audit.c.id)
    with connection.execute(query.execution_options(yield_per=_AT_ONCE)) as rows:
        for row in rows:
            if row.previous != previous or row.hash != chained(previous, _deed(row)):
                return int(row.id)
            previous = row.hash
    return None


def _deed(row: Any) -> Deed:  # noqa: ANN401 - a row of `audit`
    return Deed(at=row.at, actor=row.actor, action=row.action, object=row.object, before=row.before, after=row.after)
