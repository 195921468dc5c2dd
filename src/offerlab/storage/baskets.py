"""What was bought together: order lines as the affinity room wants them."""

from collections.abc import Collection

from sqlalchemy import Connection, text

from offerlab.affinity.purchase import Purchase
from offerlab.domain.clock import from_micros

_SQL = """
SELECT o.order_id, l.sku, l.quantity, o.customer, o.occurred_at
FROM orders o
JOIN order_lines l ON l.project_id = o.project_id AND l.event_id = o.event_id
WHERE o.project_id = :project AND o.occurred_at >= :since AND o.occurred_at < :until
  AND NOT EXISTS (
    SELECT 1 FROM orders p
    WHERE p.project_id = o.project_id AND p.order_id = o.order_id
      AND (p.revision > o.revision OR (p.revision = o.revision AND (p.occurred_at < o.occurred_at
           OR (p.occurred_at = o.occurred_at AND p.event_id < o.event_id)))))
  AND NOT EXISTS (
    SELECT 1 FROM refunds r
    WHERE r.project_id = o.project_id AND r.order_id = o.order_id AND r.refund_id IS NULL)
ORDER BY o.order_id, l.position
"""


def purchases(
    connection: Connection, project_id: int, *, since: int, until: int, without: Collection[int] = ()
) -> list[Purchase]:
    """Lines of orders placed in `[since, until)` (microseconds UTC) and not cancelled, by order.

    Args:
        connection: for reading.
        project_id: whose orders.
        since: the first instant.
        until: the one behind the last.
        without: customers whose orders are left out.
    """
    rows = connection.execute(text(_SQL), {"project": project_id, "since": since, "until": until})
    return [
        Purchase(
            basket=row.order_id,
            sku=row.sku,
            quantity=row.quantity,
            customer=str(row.customer),
            day=from_micros(row.occurred_at).date().toordinal(),
        )
        for row in rows
        if row.customer not in without
    ]
