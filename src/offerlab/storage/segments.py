"""Segments and layers."""

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from offerlab.domain.layer import Layer
from offerlab.domain.segment import Segment, parse_rule, to_raw
from offerlab.storage.tables import layers, segments


def find(connection: Connection, project_id: int, key: str) -> Segment | None:
    """The segment with this key."""
    row = connection.execute(
        select(segments).where(segments.c.project_id == project_id, segments.c.key == key)
    ).one_or_none()
    return None if row is None else _segment(row)


def save(connection: Connection, project_id: int, segment: Segment, *, now: int) -> None:
    """Store a segment in place of one with its key."""
    connection.execute(delete(segments).where(segments.c.project_id == project_id, segments.c.key == segment.key))
    connection.execute(
        insert(segments).values(
            project_id=project_id,
            key=segment.key,
            name=segment.name,
            priority=segment.priority,
            rule=to_raw(segment.rule),
            created_at=now,
        )
    )


def everything(connection: Connection, project_id: int) -> dict[str, Segment]:
    """All segments by key."""
    rows = connection.execute(select(segments).where(segments.c.project_id == project_id).order_by(segments.c.key))
    return {row.key: _segment(row) for row in rows}


def find_layer(connection: Connection, project_id: int, key: str) -> Layer | None:
    """The layer with this key."""
    return layers_of(connection, project_id).get(key)


def add_layer(connection: Connection, project_id: int, layer: Layer, *, now: int) -> None:
    """Store a new layer."""
    connection.execute(
        insert(layers).values(project_id=project_id, key=layer.key, name=layer.name, salt=layer.salt, created_at=now)
    )


def layers_of(connection: Connection, project_id: int) -> dict[str, Layer]:
    """All layers by key."""
    rows = connection.execute(select(layers).where(layers.c.project_id == project_id).order_by(layers.c.key))
    return {row.key: Layer(key=row.key, name=row.name, salt=row.salt) for row in rows}


def _segment(row: Any) -> Segment:  # noqa: ANN401 - a row of `segments`
    return Segment(key=row.key, name=row.name, priority=row.priority, rule=parse_rule(row.rule))
