"""Every person's profile in a project, one after the other: what previews are made of."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

import msgspec
from sqlalchemy import Connection, text

from offerlab.domain.customer import Profile
from offerlab.intake.folding import unite
from offerlab.storage.identity import has_links

_BATCH: Final = 10_000
_DECODER: Final = msgspec.msgpack.Decoder(Profile)

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


def stamp(connection: Connection, project_id: int) -> tuple[int, int, int]:
    """How many profiles and links there are and when a profile last changed: equal stamps, the same persons."""
    sql = text("""
    SELECT (SELECT count(*) FROM profiles WHERE project_id = :project),
      (SELECT coalesce(max(updated_at), 0) FROM profiles WHERE project_id = :project),
      (SELECT count(*) + count(undone_at) FROM merges WHERE project_id = :project)
    """)
    count, newest, links = connection.execute(sql, {"project": project_id}).one()
    return int(count), int(newest), int(links)
