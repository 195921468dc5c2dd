"""Codes as they were redeemed: whose order carried which, and in which arm that customer is."""

from collections.abc import Iterator

from msgspec import Struct
from sqlalchemy import Connection, and_, select

from offerlab.storage.tables import assignments, exposures, orders, vault


class Redeemed(Struct, frozen=True):
    """One order with a code; `variant` is None where the customer is not in the experiment."""

    order_id: str
    code: str
    digest: bytes
    variant: int | None


def redeemed(connection: Connection, project_id: int, experiment_id: int, *, since: int) -> list[Redeemed]:
    """Orders with a code since an instant (microseconds), one entry for an order however often it was told."""
    rows = connection.execute(
        select(orders.c.order_id, orders.c.code, vault.c.digest, assignments.c.variant)
        .join(vault, and_(vault.c.project_id == orders.c.project_id, vault.c.customer == orders.c.customer))
        .outerjoin(
            assignments,
            and_(assignments.c.customer == orders.c.customer, assignments.c.experiment_id == experiment_id),
        )
        .where(orders.c.project_id == project_id, orders.c.code.is_not(None), orders.c.occurred_at >= since)
        .order_by(orders.c.order_id, orders.c.revision)
    )
    found = {row.order_id: Redeemed(row.order_id, row.code, bytes(row.digest), row.variant) for row in rows}
    return list(found.values())


def enrolled(connection: Connection, project_id: int, experiment_id: int, variants: frozenset[int]) -> Iterator[bytes]:
    """The vault's digests of everybody in these arms."""
    rows = connection.execute(
        select(vault.c.digest)
        .join(assignments, assignments.c.customer == vault.c.customer)
        .where(
            vault.c.project_id == project_id,
            assignments.c.experiment_id == experiment_id,
            assignments.c.variant.in_(variants),
            assignments.c.customer.in_(select(exposures.c.customer).where(exposures.c.experiment_id == experiment_id)),
        )
        .execution_options(yield_per=1_000)
    )
    return (bytes(row.digest) for row in rows)
