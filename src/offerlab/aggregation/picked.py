"""The parts of the one query for products picked for a customer: by a match, a ladder, or what a list had left.

What was shown counts, from then on; for everybody else the offer's own products. Rows are stacked and told apart by
windows, not joined: see `statement`.
"""

from typing import Final

from offerlab.aggregation.parts import AIMED_COLUMNS, Part

_PICKS = Part(
    "customer, variant, sku, at",
    """SELECT s.customer, s.variant, x.sku, MIN(s.at)
  FROM seen s CROSS JOIN exposure_skus x
  WHERE x.project_id = :project AND x.event_id = s.event_id
  GROUP BY s.customer, s.variant, x.sku""",
    ("seen",),
)

_CHOICES = Part(
    "customer, sku, at, chosen",
    """SELECT customer, sku, at, 1 FROM picks
  UNION ALL
  SELECT w.customer, o.sku, w.at, 0
  FROM (
    SELECT s.customer, MAX(s.variant) AS variant, MIN(s.at) AS at
    FROM seen s
    WHERE s.suppressed IS NULL AND NOT EXISTS (
      SELECT 1 FROM exposure_skus x WHERE x.project_id = :project AND x.event_id = s.event_id)
    GROUP BY s.customer
  ) w JOIN offered o ON o.variant = w.variant AND o.role = 1""",
    ("picks", "seen", "offered"),
)

_AIMED_PICKED = Part(
    AIMED_COLUMNS,
    """SELECT i.customer, i.variant, i.t0, i.event_id, i.at, i.own, i.sku, i.offer, i.quantity, i.net, i.kept, o.role,
    CASE WHEN i.choosy = 1 THEN CASE WHEN i.since <= i.at THEN 1 ELSE 0 END WHEN o.role = 1 THEN 1 ELSE 0 END
  FROM (
    SELECT customer, variant, t0, event_id, at, own, sku, offer, quantity, net, kept,
      MIN(since) OVER (PARTITION BY customer, sku) AS since, MAX(choosy) OVER (PARTITION BY customer) AS choosy
    FROM (
      SELECT customer, variant, t0, event_id, at, own, sku, offer, quantity, net, kept,
        CAST(NULL AS BIGINT) AS since, 0 AS choosy
      FROM items WHERE inside = 1
      UNION ALL
      SELECT customer, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS TEXT), CAST(NULL AS BIGINT),
        CAST(NULL AS BIGINT), sku, CAST(NULL AS TEXT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT),
        at, chosen
      FROM choices
    ) both_kinds
  ) i LEFT JOIN offered o ON o.variant = i.variant AND o.sku = i.sku
  WHERE i.event_id IS NOT NULL""",
    ("items", "choices", "offered"),
)

_WARES_PICKED = Part("sku", "SELECT sku FROM offered WHERE role = 1 UNION SELECT sku FROM picks", ("offered", "picks"))

_GOES_PICKED = Part(
    "offer, sku, role",
    """SELECT offer, sku, role FROM goes_with
  UNION
  SELECT a.offer, p.sku, 1
  FROM (SELECT DISTINCT variant, sku FROM picks) p JOIN arms a ON a.variant = p.variant
  WHERE NOT EXISTS (SELECT 1 FROM goes_with g WHERE g.offer = a.offer AND g.sku = p.sku)""",
    ("goes_with", "picks", "arms"),
)

PICKED: Final[dict[str, Part]] = {
    "picks": _PICKS,
    "choices": _CHOICES,
    "wares": _WARES_PICKED,
    "goes": _GOES_PICKED,
    "aimed": _AIMED_PICKED,
}
"""What takes their place where products were picked for a customer: what was shown counts, from then on."""
