"""Reports that somebody saw: what a group sequential plan spends on each look, and what was known when."""

import hashlib
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from offerlab.reporting.report import Report
from offerlab.storage.tables import experiments, reports

_DECODER: Final = msgspec.json.Decoder(Report)


def keep(connection: Connection, experiment_id: int, report: Report, *, as_of: int, now: int) -> None:
    """Store a report as it was seen; one already kept for the same moment stays."""
    body = msgspec.json.encode(report)
    module = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {
        "experiment_id": experiment_id,
        "as_of": as_of,
        "digest": hashlib.sha256(body).digest(),
        "body": body.decode(),
        "frozen_at": now,
    }
    connection.execute(module.insert(reports).values(row).on_conflict_do_nothing())


def seen_before(connection: Connection, experiment_id: int, as_of: int) -> list[Report]:
    """The reports seen as of earlier moments, oldest first."""
    rows = connection.execute(
        select(reports.c.body)
        .where(reports.c.experiment_id == experiment_id, reports.c.as_of < as_of)
        .order_by(reports.c.as_of)
    )
    return [_DECODER.decode(row.body) for row in rows]


def last_of_others(connection: Connection, project_id: int, experiment_id: int | None, as_of: int) -> list[Report]:
    """The last report seen of every other experiment of the project (of every one: None), as of earlier moments."""
    newest = (
        select(reports.c.experiment_id, func.max(reports.c.as_of).label("as_of"))
        .join(experiments, experiments.c.id == reports.c.experiment_id)
        .where(
            experiments.c.project_id == project_id,
            reports.c.experiment_id != (-1 if experiment_id is None else experiment_id),
            reports.c.as_of < as_of,
        )
        .group_by(reports.c.experiment_id)
        .subquery()
    )
    rows = connection.execute(
        select(reports.c.body)
        .join(newest, (reports.c.experiment_id == newest.c.experiment_id) & (reports.c.as_of == newest.c.as_of))
        .order_by(reports.c.experiment_id)
    )
    return [_DECODER.decode(row.body) for row in rows]
