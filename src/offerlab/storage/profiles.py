"""Every person's profile in a project, one after the other: what previews are made of."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

import msgspec
from sqlalchemy import Connection, select, text, update

from offerlab.domain.customer import Profile
from offerlab.intake.folding import unite, without_old
from offerlab.storage.identity import has_links
from offerlab.storage.tables import profiles

_BATCH: Final = 10_000
_DECODER: Final = msgspec.msgpack.Decoder(Profile)
_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")

_PLAIN: Final = "SELECT customer, body FROM profiles WHERE project_id = :project ORDER BY customer"
_LINKED: Final = """
SELECT v.root, p.body FROM profiles p JOIN vault v ON v.customer = p.customer AND v.project_id = p.project_id
WHERE p.project_id = :project ORDER BY v.root, p.customer
"""


def every_profile(connection: Connection, project_id: int) -> Iterator[Profile]:
    """Profiles in the order of their numbers; a person of several ids has one, united."""
    if not has_links(connection, project_id):
        for _, body in _rows(connection, _PLAIN, project_id):
            yield _DECODER.decode(body)
        return
    for _, group in groupby(_rows(connection, _LINKED, project_id), key=lambda row: row[0]):
        yield unite([_DECODER.decode(body) for _, body in group])


def _rows(connection: Connection, sql: str, project_id: int) -> Iterator[tuple[int, bytes]]:
    rows = connection.execution_options(yield_per=_BATCH).execute(text(sql), {"project": project_id})
    for part in rows.partitions(_BATCH):
        yield from ((root, body) for root, body in part)


def trim(
    connection: Connection, project_id: int, *, looked: int, bought: int, after: int, limit: int
) -> tuple[int | None, int]:
    """Take out of stored profiles what is older than it may get.

    Args:
        connection: a writing one.
        project_id: whose customers.
        looked: microseconds UTC; what was looked at, or put into carts, before goes.
        bought: likewise; what was bought before goes.
        after: customers up to this number were seen to.
        limit: at most so many customers.

    Returns:
        The last customer looked at, None when there was none left; and how many profiles lost something. When a profile
        last changed stays: nobody told anything new.
    """
    query = select(profiles.c.customer, profiles.c.body).where(
        profiles.c.project_id == project_id, profiles.c.customer > after
    )
    query = query.order_by(profiles.c.customer).limit(limit)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update()
    rows = connection.execute(query).all()
    trimmed = 0
    for number, body in rows:
        known = _DECODER.decode(body)
        fresh = without_old(known, looked=looked, bought=bought)
        if fresh is not known:
            trimmed += 1
            row = update(profiles).where(profiles.c.customer == number)
            connection.execute(row.values(body=_ENCODER.encode(fresh)))
    return (rows[-1][0] if rows else None), trimmed


def stamp(connection: Connection, project_id: int) -> tuple[int, int, int]:
    """How many profiles and links there are and when a profile last changed: equal stamps, the same persons."""
    sql = text("""
    SELECT (SELECT count(*) FROM profiles WHERE project_id = :project),
      (SELECT coalesce(max(updated_at), 0) FROM profiles WHERE project_id = :project),
      (SELECT count(*) + count(undone_at) FROM merges WHERE project_id = :project)
    """)
    count, newest, links = connection.execute(sql, {"project": project_id}).one()
    return int(count), int(newest), int(links)
