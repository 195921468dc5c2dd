"""Offers that wait for their time or their parcel: at most one row for an offer and a customer, for ever."""

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from offerlab.domain.event import Planned
from offerlab.storage.tables import interactions, timed_offers

Status = Literal["waiting", "scheduled", "released", "suppressed"]
BROKEN: Final = ("exception", "returned")
"""Stages after which nobody wants to hear of an offer (S48)."""


class TimedOffer(Struct, frozen=True, kw_only=True):
    """One of them.

    Attributes:
        planned: what was decided at its trigger.
        due_at: microseconds UTC; None while it waits for its parcel.
        reason: why it was never released.
    """

    id: int
    project_id: int
    customer: int
    planned: Planned
    due_at: int | None
    status: Status
    reason: str | None


def plan(connection: Connection, project_id: int, customer: int, planned: Planned, *, now: int) -> None:
    """Keep an offer for its time; what the customer was planned or told of before stays as it is."""
    status: Status = "scheduled"
    due_at: int | None = planned.triggered_at + planned.delay
    reason: str | None = None
    if planned.stage is not None and planned.order_id is not None:
        reached = _stages(connection, project_id, customer, planned.order_id)
        at = reached.get(planned.stage)
        if at is not None:
            due_at = at + planned.delay
        elif planned.stage not in BROKEN and any(stage in reached for stage in BROKEN):
            status, due_at, reason = "suppressed", None, "shipment_trouble"
        else:
            status, due_at = "waiting", None
    row = {
        **msgspec.structs.asdict(planned),
        "project_id": project_id,
        "customer": customer,
        "due_at": due_at,
        "status": status,
        "reason": reason,
        "updated_at": now,
    }
    module = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(module.insert(timed_offers).on_conflict_do_nothing(), row)


def _stages(connection: Connection, project_id: int, customer: int, order_id: str) -> dict[str, int]:
    """Stages that this order's parcel has reached already, each at its first time: events come in any order."""
    rows = connection.execute(
        select(interactions.c.body, interactions.c.occurred_at).where(
            interactions.c.project_id == project_id,
            interactions.c.customer == customer,
            interactions.c.type == "shipment",
        )
    )
    found: dict[str, int] = {}
    for row in rows:
        if row.body is not None and row.body.get("order_id") == order_id:
            stage = str(row.body.get("stage"))
            found[stage] = min(row.occurred_at, found.get(stage, row.occurred_at))
    return found


def parcel_moved(
    connection: Connection, project_id: int, customer: int, *, order_id: str, stage: str, at: int, now: int
) -> None:
    """Offers that waited for this stage fall due after their delay; others of a broken parcel never do."""
    waiting = (
        timed_offers.c.project_id == project_id,
        timed_offers.c.customer == customer,
        timed_offers.c.order_id == order_id,
        timed_offers.c.status == "waiting",
    )
    connection.execute(
        update(timed_offers)
        .where(*waiting, timed_offers.c.stage == stage)
        .values(status="scheduled", due_at=at + timed_offers.c.delay, updated_at=now)
    )
    if stage in BROKEN:
        connection.execute(
            update(timed_offers)
            .where(*waiting, timed_offers.c.stage != stage)
            .values(status="suppressed", reason="shipment_trouble", updated_at=now)
        )


_DUE: Final = (
    select(timed_offers.c.id)
    .where(timed_offers.c.status == "scheduled", timed_offers.c.due_at <= bindparam("now"))
    .limit(1)
)
"""Made once: it is asked twice a second for ever, and to make it costs more than to ask it."""


def is_due(connection: Connection, *, now: int) -> bool:
    """Whether any offer's time has come: one look without a lock."""
    return connection.execute(_DUE, {"now": now}).first() is not None


def due(connection: Connection, *, now: int, limit: int) -> list[TimedOffer]:
    """Offers whose time has come, earliest first; locked for the caller's transaction."""
    query = (
        select(timed_offers)
        .where(timed_offers.c.status == "scheduled", timed_offers.c.due_at <= now)
        .order_by(timed_offers.c.due_at, timed_offers.c.id)
        .limit(limit)
    )
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    return [_timed_offer(row) for row in connection.execute(query)]


def set_status(
    connection: Connection,
    number: int,
    *,
    status: Status,
    now: int,
    reason: str | None = None,
    due_at: int | None = None,
) -> None:
    """What became of one; `due_at` puts it off."""
    changes: dict[str, object] = {"status": status, "reason": reason, "updated_at": now}
    if due_at is not None:
        changes["due_at"] = due_at
    connection.execute(update(timed_offers).where(timed_offers.c.id == number).values(changes))


def find(connection: Connection, number: int) -> TimedOffer | None:
    """One of them."""
    row = connection.execute(select(timed_offers).where(timed_offers.c.id == number)).one_or_none()
    return None if row is None else _timed_offer(row)


def page(
    connection: Connection, project_id: int, *, status: str | None, before: int | None, limit: int
) -> list[TimedOffer]:
    """Newest first."""
    query = select(timed_offers).where(timed_offers.c.project_id == project_id)
    if status is not None:
        query = query.where(timed_offers.c.status == status)
    if before is not None:
        query = query.where(timed_offers.c.id < before)
    return [_timed_offer(row) for row in connection.execute(query.order_by(timed_offers.c.id.desc()).limit(limit))]


def _timed_offer(row: Any) -> TimedOffer:  # noqa: ANN401 - a row of `timed_offers`
    return TimedOffer(
        id=row.id,
        project_id=row.project_id,
        customer=row.customer,
        planned=Planned(
            offer=row.offer,
            offer_version=row.offer_version,
            experiment_id=row.experiment_id,
            variant=row.variant,
            channel=row.channel,
            delivery=row.delivery,
            context=row.context,
            triggered_at=row.triggered_at,
            order_id=row.order_id,
            stage=row.stage,
            delay=row.delay,
            lasts=row.lasts,
        ),
        due_at=row.due_at,
        status=row.status,
        reason=row.reason,
    )
