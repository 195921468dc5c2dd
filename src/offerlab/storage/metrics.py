"""A shop's own metrics."""

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select

from offerlab.domain.metric import CustomMetric
from offerlab.storage.tables import metrics


def find(connection: Connection, project_id: int, key: str) -> CustomMetric | None:
    """The metric with this key."""
    row = connection.execute(
        select(metrics.c.body).where(metrics.c.project_id == project_id, metrics.c.key == key)
    ).one_or_none()
    return None if row is None else _metric(row.body)


def save(connection: Connection, project_id: int, metric: CustomMetric, *, now: int) -> None:
    """Store a metric in place of one with its key."""
    connection.execute(delete(metrics).where(metrics.c.project_id == project_id, metrics.c.key == metric.key))
    connection.execute(
        insert(metrics).values(project_id=project_id, key=metric.key, body=msgspec.to_builtins(metric), created_at=now)
    )


def everything(connection: Connection, project_id: int) -> dict[str, CustomMetric]:
    """All metrics by key."""
    rows = connection.execute(select(metrics).where(metrics.c.project_id == project_id).order_by(metrics.c.key))
    return {row.key: _metric(row.body) for row in rows}


def _metric(body: Any) -> CustomMetric:  # noqa: ANN401 - a stored document
    return msgspec.convert(body, CustomMetric)
