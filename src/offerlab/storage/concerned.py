"""What is stored about many persons, counted by class: for a list of whom a breach concerns."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, Table, func, or_, select

from offerlab.storage import contacts, identity
from offerlab.storage.tables import (
    audit,
    erased,
    exposures,
    interactions,
    orders,
    payloads,
    refunds,
    timed_offers,
    vault,
)

_CLASSES: Final[tuple[tuple[str, Table], ...]] = (
    ("exposures", exposures),
    ("orders", orders),
    ("refunds", refunds),
    ("interactions", interactions),
    ("payloads", payloads),
)


def persons(
    connection: Connection, project_id: int, *, until: int, after: int, limit: int
) -> dict[int, list[tuple[bytes, int]]]:
    """Persons by the number they count under, ascending: digest and number of each of their ids.

    Args:
        connection: reads the store.
        project_id: whose customers.
        until: microseconds UTC; ids first heard of from then on are left out, and may be all that a person has.
        after: numbers up to this one were had before.
        limit: at most so many persons.
    """
    own = select(vault.c.customer).where(
        identity.within(project_id), vault.c.customer > after, vault.c.root == vault.c.customer
    )
    roots = list(connection.execute(own.order_by(vault.c.customer).limit(limit)).scalars())
    found: dict[int, list[tuple[bytes, int]]] = {root: [] for root in roots}
    for row in sorted(
        connection.execute(identity.counting_under(project_id, roots)), key=lambda row: bytes(row.digest)
    ):
        if row.created_at < until:
            found[row.root].append((bytes(row.digest), row.customer))
    return found


def counts(connection: Connection, project_id: int, numbers: Sequence[int], *, until: int) -> dict[int, dict[str, int]]:
    """Rows about each of these numbers that had been received before `until` (microseconds UTC), by class."""
    found: dict[int, dict[str, int]] = {number: {} for number in numbers}
    for name, table in _CLASSES:
        query = select(table.c.customer, func.count()).where(
            table.c.project_id == project_id, table.c.customer.in_(numbers), table.c.received_at < until
        )
        for number, count in connection.execute(query.group_by(table.c.customer)):
            found[number][name] = count
    waiting = select(timed_offers.c.customer, func.count()).where(
        timed_offers.c.project_id == project_id,
        timed_offers.c.customer.in_(numbers),
        timed_offers.c.triggered_at < until,
    )
    for number, count in connection.execute(waiting.group_by(timed_offers.c.customer)):
        found[number]["timed_offers"] = count
    return found


def contact_of(connection: Connection, numbers: Sequence[int]) -> tuple[str | None, list[str]]:
    """A person's id as it was sent, where it is kept, and which ways to reach them are."""
    known = [contacts.recall(connection, number) for number in numbers]
    name = next((one[contacts.CUSTOMER_ID] for one in known if contacts.CUSTOMER_ID in one), None)
    return name, sorted({field for one in known for field in one if field != contacts.CUSTOMER_ID})


def looked_at(
    connection: Connection, project_id: int, actor: str, actions: Collection[str], *, since: int, until: int
) -> set[str]:
    """Objects of the audit log that an actor (`key:3`, `command line`) did such things to in `[since, until)`."""
    query = select(audit.c.object).where(
        audit.c.project_id == project_id,
        or_(audit.c.actor == actor, audit.c.actor.startswith(f"{actor} ", autoescape=True)),
        audit.c.action.in_(actions),
        audit.c.at >= since,
        audit.c.at < until,
    )
    return set(connection.execute(query.distinct()).scalars())


def erased_since(connection: Connection, project_id: int, since: int) -> int:
    """Ids erased from that moment on: they may have been concerned, and nobody can be named any more."""
    query = (
        select(func.count()).select_from(erased).where(erased.c.project_id == project_id, erased.c.erased_at >= since)
    )
    return int(connection.execute(query).scalar_one())
