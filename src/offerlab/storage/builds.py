"""Builds of the matching table: from what each was made, and how it differs from the one before."""

from typing import Any

from sqlalchemy import Connection, insert, select, text

from offerlab.affinity.ratings import Rating
from offerlab.storage.tables import builds

_RATINGS = """
SELECT sku, avg(number) AS mean, count(*) AS reviews FROM interactions
WHERE project_id = :project AND type = 'review' AND sku IS NOT NULL AND number IS NOT NULL
GROUP BY sku HAVING avg(number) > 0
"""


def add(connection: Connection, project_id: int, built_at: int, body: dict[str, Any]) -> None:
    """Enter a build."""
    connection.execute(insert(builds).values(project_id=project_id, built_at=built_at, body=body))


def latest(connection: Connection, project_id: int, *, limit: int) -> list[tuple[int, dict[str, Any]]]:
    """The newest builds with their times, newest first."""
    query = select(builds).where(builds.c.project_id == project_id).order_by(builds.c.built_at.desc()).limit(limit)
    return [(row.built_at, row.body) for row in connection.execute(query)]


def ratings(connection: Connection, project_id: int) -> dict[str, Rating]:
    """What customers think of each reviewed product."""
    rows = connection.execute(text(_RATINGS), {"project": project_id})
    return {row.sku: Rating(float(row.mean), int(row.reviews)) for row in rows}
