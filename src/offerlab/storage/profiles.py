"""Every profile of a project, one after the other: what previews are made of."""

from collections.abc import Iterator
from typing import Final

import msgspec
from sqlalchemy import Connection, text

from offerlab.domain.customer import Profile

_BATCH: Final = 10_000
_DECODER: Final = msgspec.msgpack.Decoder(Profile)

_SQL: Final = """
SELECT p.body FROM profiles p
WHERE p.project_id = :project
  AND NOT EXISTS (SELECT 1 FROM merges m WHERE m.project_id = p.project_id AND m.customer = p.customer)
ORDER BY p.customer
"""


def every_profile(connection: Connection, project_id: int) -> Iterator[Profile]:
    """Profiles in the order of their numbers; a number that was merged into another one is left out."""
    rows = connection.execution_options(yield_per=_BATCH).execute(text(_SQL), {"project": project_id})
    for part in rows.partitions(_BATCH):
        for (body,) in part:
            yield _DECODER.decode(body)


def stamp(connection: Connection, project_id: int) -> tuple[int, int]:
    """How many profiles there are and when one last changed: two equal stamps, the same profiles."""
    sql = text("SELECT count(*), coalesce(max(updated_at), 0) FROM profiles WHERE project_id = :project")
    count, newest = connection.execute(sql, {"project": project_id}).one()
    return int(count), int(newest)
