"""Everything kept about one person, and how it goes away: reading for an export, wiping at erasure, purging by age."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, select, update

from offerlab.storage import rejected as refusals
from offerlab.storage import sealing
from offerlab.storage.tables import (
    assignments,
    experiments,
    exposure_skus,
    exposures,
    interactions,
    order_lines,
    orders,
    privacy_requests,
    profiles,
    refund_lines,
    refunds,
    replies,
    variants,
)

BEHAVIOUR: Final = ("product_viewed", "cart_updated")
_CHUNK: Final = 500
_KEPT_WORDS: Final = ("reason", "channel", "purpose", "granted", "stage", "skus")
"""What may stay of an interaction when its author is forgotten: words of a list, never a text, id or attribute."""


class Request(Struct, frozen=True):
    """A person's request; times in microseconds UTC."""

    id: int
    request_id: str
    kind: str
    received_at: int
    due_at: int
    done_at: int | None


def facts_of(connection: Connection, project_id: int, numbers: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """Every row about a person under any of their numbers, by what it is, in order of time; arms go by their keys."""
    keys = {row.id: row.key for row in connection.execute(select(experiments.c.id, experiments.c.key))}
    listed = connection.execute(select(variants.c.experiment_id, variants.c.position, variants.c.key))
    arms = {(row.experiment_id, row.position): row.key for row in listed}
    bought = _rows(connection, orders, project_id, numbers)
    back = _rows(connection, refunds, project_id, numbers)
    lines = _lines(connection, order_lines, project_id, [order["event_id"] for order in bought])
    parts = _lines(connection, refund_lines, project_id, [refund["event_id"] for refund in back])
    ours = exposures.c.experiment_id.in_(sorted(keys))  # the table is in their order
    seen = _rows(connection, exposures, project_id, numbers, ours)
    picked = _lines(connection, exposure_skus, project_id, [exposure["event_id"] for exposure in seen])
    placed = connection.execute(select(assignments).where(assignments.c.customer.in_(numbers))).mappings()
    return {
        "assignments": [_named(dict(row), keys, arms) for row in placed],
        "exposures": [
            {**_named(row, keys, arms), "skus": [one["sku"] for one in picked.get(row["event_id"], [])]} for row in seen
        ],
        "orders": [{**order, "lines": lines.get(order["event_id"], [])} for order in bought],
        "refunds": [{**refund, "lines": parts.get(refund["event_id"], [])} for refund in back],
        "interactions": [_named(row, keys, arms) for row in _rows(connection, interactions, project_id, numbers)],
    }


def _rows(
    connection: Connection, table: Table, project_id: int, numbers: Sequence[int], *more: ColumnElement[bool]
) -> list[dict[str, Any]]:
    query = select(table).where(table.c.project_id == project_id, table.c.customer.in_(numbers), *more)
    found = connection.execute(query.order_by(table.c.occurred_at, table.c.event_id)).mappings()
    return [{name: value for name, value in row.items() if name not in ("project_id", "customer")} for row in found]


def _lines(connection: Connection, table: Table, project_id: int, events: list[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for start in range(0, len(events), _CHUNK):
        part = events[start : start + _CHUNK]
        query = select(table).where(table.c.project_id == project_id, table.c.event_id.in_(part))
        for row in connection.execute(query.order_by(table.c.event_id, table.c.position)).mappings():
            plain = {name: value for name, value in row.items() if name not in ("project_id", "event_id", "position")}
            found.setdefault(row["event_id"], []).append(plain)
    return found


def _named(row: dict[str, Any], keys: dict[int, str], arms: dict[tuple[int, int], str]) -> dict[str, Any]:
    """The row with the keys of experiment and arm in place of their numbers."""
    number = row.pop("experiment_id")
    row.pop("customer", None)
    return {"experiment": keys.get(number), **row, "variant": arms.get((number, row["variant"]))}


def wipe(connection: Connection, project_id: int, numbers: Sequence[int]) -> int:
    """Take every text and attribute out of a person's interactions; what is counted stays.

    Returns:
        How many rows lost something.
    """
    mine = and_(interactions.c.project_id == project_id, interactions.c.customer.in_(numbers))
    return _strip(connection, connection.execute(select(interactions).where(mine)).mappings())


def _strip(connection: Connection, rows: Iterable[Any]) -> int:
    stripped = 0
    for row in list(rows):
        body: dict[str, Any] = row["body"] or {}
        kept = {} if row["type"] == "profile" else {name: body[name] for name in _KEPT_WORDS if name in body}
        if kept != body:
            stripped += 1
            key = and_(interactions.c.project_id == row["project_id"], interactions.c.event_id == row["event_id"])
            connection.execute(update(interactions).where(key).values(body=kept or None))
    return stripped


def purge(connection: Connection, project_id: int, before: dict[str, int]) -> dict[str, int]:
    """Delete what is older than its class may get.

    Args:
        connection: a writing one.
        project_id: whose data.
        before: by class, microseconds UTC: `behaviour`, `texts`, `contracts`, `rejected`, `payloads`,
            `replies`, `inactive`.

    Returns:
        Rows gone or stripped, by class. The register of event ids is kept: what came once never counts again.
    """
    done: dict[str, int] = {}
    for name, at in before.items():
        match name:
            case "behaviour":
                done[name] = _gone(connection, interactions, project_id, at, interactions.c.type.in_(BEHAVIOUR))
            case "texts":
                old = and_(interactions.c.project_id == project_id, interactions.c.occurred_at < at)
                spoken = interactions.c.type.not_in((*BEHAVIOUR, "profile", "consent"))
                done[name] = _strip(connection, connection.execute(select(interactions).where(old, spoken)).mappings())
            case "contracts":
                done[name] = _old_orders(connection, project_id, at)
            case "rejected":
                done[name] = refusals.purge(connection, project_id, before=at)
            case "payloads":
                done[name] = sealing.purge(connection, project_id, before=at)
            case "replies":
                old = and_(replies.c.project_id == project_id, replies.c.created_at < at)
                done[name] = connection.execute(delete(replies).where(old)).rowcount
            case _:
                old = and_(profiles.c.project_id == project_id, profiles.c.updated_at < at)
                done[name] = connection.execute(delete(profiles).where(old)).rowcount
    return done


def _gone(connection: Connection, table: Table, project_id: int, at: int, *more: Any) -> int:  # noqa: ANN401 - conditions
    query = delete(table).where(table.c.project_id == project_id, table.c.occurred_at < at, *more)
    return connection.execute(query).rowcount


def _old_orders(connection: Connection, project_id: int, at: int) -> int:
    """Orders and refunds with their lines; those of before the time only."""
    for table, lines in ((orders, order_lines), (refunds, refund_lines)):
        old = select(table.c.event_id).where(table.c.project_id == project_id, table.c.occurred_at < at)
        connection.execute(delete(lines).where(lines.c.project_id == project_id, lines.c.event_id.in_(old)))
    return sum(_gone(connection, table, project_id, at) for table in (orders, refunds))


def has_request(connection: Connection, project_id: int, name: str) -> bool:
    """Whether a request of this name was entered before."""
    query = select(privacy_requests.c.id).where(
        privacy_requests.c.project_id == project_id, privacy_requests.c.request_id == name
    )
    return connection.execute(query).first() is not None


def note_request(connection: Connection, project_id: int, digest: bytes | None, request: Request) -> None:
    """Enter a person's request, done or still to do; it gets a number of its own."""
    plain = {name: value for name, value in asdict(request).items() if name != "id"}
    connection.execute(insert(privacy_requests).values(project_id=project_id, digest=digest, **plain))


def requests_after(connection: Connection, project_id: int, *, after: int, limit: int) -> list[Request]:
    """Requests in the order in which they came."""
    query = (
        select(privacy_requests)
        .where(privacy_requests.c.project_id == project_id, privacy_requests.c.id > after)
        .order_by(privacy_requests.c.id)
        .limit(limit)
    )
    return [
        Request(row.id, row.request_id, row.kind, row.received_at, row.due_at, row.done_at)
        for row in connection.execute(query)
    ]
