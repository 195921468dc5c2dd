"""How many customers a shop has seen lately: what an experiment is planned on before it has any of its own."""

from typing import Final

from sqlalchemy import Connection, func, select

from offerlab.storage.tables import events

_MOST: Final = 200_000
"""Only so many of the latest events are looked at: enough for a rate, and quick on any store."""


def recent_customers(connection: Connection, project_id: int, *, since: int, until: int) -> tuple[int, int | None]:
    """Different customers with an event in `[since, until)`, and when the earliest of these events occurred.

    Args:
        connection: for reading.
        project_id: of which project.
        since: microseconds UTC.
        until: likewise.
    """
    last = connection.execute(select(func.max(events.c.seq))).scalar() or 0
    row = connection.execute(
        select(func.count(events.c.customer.distinct()), func.min(events.c.occurred_at)).where(
            events.c.seq > last - _MOST,
            events.c.project_id == project_id,
            events.c.occurred_at >= since,
            events.c.occurred_at < until,
        )
    ).one()
    return int(row[0]), row[1]
