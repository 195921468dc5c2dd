"""Events that were not taken: why, a sample to look at, and the sealed original to try again."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update

from offerlab.domain.event import Rejection
from offerlab.storage.customers import digest_of
from offerlab.storage.projects import Project
from offerlab.storage.sealing import project_key, seal, unseal
from offerlab.storage.tables import rejected

PURPOSE = "rejected"


class Refusedness(Struct, frozen=True, kw_only=True):
    """One event that was not taken, as it is shown.

    Attributes:
        received_at: microseconds UTC. sample: with what is personal masked.
        redriven: whether it was taken later, on a second try.
    """

    id: int
    received_at: int
    code: str
    detail: str
    event_id: str | None
    type: str | None
    source: str
    sample: str | None
    redriven: bool


class Filter(Struct, frozen=True, kw_only=True):
    """Which ones are asked for: by code, and before a row number (for the next page)."""

    code: str | None = None
    before: int | None = None
    limit: int = 50


def reject(connection: Connection, project: Project, items: Sequence[Rejection], *, now: int) -> None:
    """Keep what could not be taken, so that a person can see why and mend it."""
    if not items:
        return
    key = project_key(project.secret, PURPOSE)
    rows = [
        {
            "project_id": project.id,
            "received_at": now,
            "code": item.code,
            "detail": item.detail,
            "event_id": item.id,
            "type": item.type,
            "source": item.source,
            "sample": item.sample,
            "sealed": seal(key, item.raw) if item.raw else None,
            "digest": None if item.customer is None else digest_of(project.secret, item.customer),
            "redriven": False,
        }
        for item in items
    ]
    connection.execute(insert(rejected), rows)


def newest(connection: Connection, project_id: int, asked: Filter) -> list[Refusedness]:
    """Rejected events, newest first."""
    query = select(rejected).where(rejected.c.project_id == project_id)
    if asked.code is not None:
        query = query.where(rejected.c.code == asked.code)
    if asked.before is not None:
        query = query.where(rejected.c.id < asked.before)
    rows = connection.execute(query.order_by(rejected.c.id.desc()).limit(asked.limit))
    names = Refusedness.__struct_fields__
    return [Refusedness(**{name: getattr(row, name) for name in names}) for row in rows]


def counts(connection: Connection, project_id: int) -> dict[str, int]:
    """How many stand there by code, those taken later left out."""
    query = (
        select(rejected.c.code, func.count())
        .where(rejected.c.project_id == project_id, rejected.c.redriven.is_(False))
        .group_by(rejected.c.code)
        .order_by(rejected.c.code)
    )
    return {str(code): int(count) for code, count in connection.execute(query)}


def original(connection: Connection, project: Project, number: int) -> tuple[Refusedness, bytes | None] | None:
    """One of them with what was sent; None when there is no such row."""
    row = connection.execute(
        select(rejected).where(rejected.c.project_id == project.id, rejected.c.id == number)
    ).one_or_none()
    if row is None:
        return None
    names = Refusedness.__struct_fields__
    raw = None if row.sealed is None else unseal(project_key(project.secret, PURPOSE), bytes(row.sealed))
    return Refusedness(**{name: getattr(row, name) for name in names}), raw


def mark_redriven(connection: Connection, project_id: int, number: int) -> None:
    """It was taken on a second try."""
    connection.execute(
        update(rejected).where(rejected.c.project_id == project_id, rejected.c.id == number).values(redriven=True)
    )


def purge(connection: Connection, project_id: int, *, before: int) -> int:
    """Drop those received before an instant; how many."""
    done = connection.execute(
        delete(rejected).where(rejected.c.project_id == project_id, rejected.c.received_at < before)
    )
    return done.rowcount
