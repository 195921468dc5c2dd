"""The parts of the one query, as ANSI text: common table expressions, each named for what its rows are.

Only CASE, CTE, window functions and int64 arithmetic; times are microseconds, money is minor units. `:names` are bound,
nothing from outside ever becomes text.

Rules that live here (docs/glossary.md has them in words):
* a merged customer counts under the surviving number; a ring of merges under its smallest;
* the first exposure is the smallest (occurred_at, event_id); two arms make a crossover;
* of an order the highest revision counts, then the earliest (occurred_at, event_id); of a refund the earliest;
* refunds never take more than the order; a cancellation takes all that is left.
"""

from typing import Final

from msgspec import Struct


class Part(Struct, frozen=True):
    """One common table expression: its columns, its text and the parts that it reads."""

    columns: str
    text: str
    reads: tuple[str, ...] = ()


_PORTION: Final = (
    "(CASE WHEN WHOLE = 0 THEN AMOUNT ELSE TAKEN * (AMOUNT / WHOLE) "
    "+ (2 * TAKEN * (AMOUNT - (AMOUNT / WHOLE) * WHOLE) + WHOLE) / (2 * WHOLE) END)"
)


def _portion(amount: str, taken: str, whole: str) -> str:
    """`amount * taken / whole` rounded half up; no product leaves int64 while `whole` stays below 10^9."""
    return _PORTION.replace("AMOUNT", amount).replace("TAKEN", taken).replace("WHOLE", whole)


_CHAINS = Part(
    "customer, root",
    """SELECT m.customer, m.into_customer FROM merges m WHERE m.project_id = :project AND m.merged_at <= :as_of
  UNION
  SELECT c.customer, m.into_customer FROM chains c JOIN merges m ON m.customer = c.root
  WHERE m.project_id = :project AND m.merged_at <= :as_of""",
)

_SURVIVORS = Part(
    "customer, root",
    """SELECT c.customer, COALESCE(MIN(CASE WHEN m.customer IS NULL THEN c.root END), MIN(c.root))
  FROM chains c LEFT JOIN merges m
    ON m.project_id = :project AND m.customer = c.root AND m.merged_at <= :as_of
  GROUP BY c.customer""",
    ("chains",),
)

_SEEN = Part(
    "customer, variant, segment, cut, epoch, at, event_id, suppressed, placement",
    """SELECT COALESCE(s.root, e.customer), e.variant, e.segment, e.{cut}, e.epoch, e.occurred_at, e.event_id,
    e.suppressed, e.placement
  FROM exposures e LEFT JOIN survivors s ON s.customer = e.customer
  WHERE e.project_id = :project AND e.experiment_id = :experiment AND e.received_at <= :as_of""",
    ("survivors",),
)

_PLACED = Part(
    "customer, variant, segment, cut, epoch, at, suppressed, placement, place, lowest, highest, exposures",
    """SELECT customer, variant, segment, cut, epoch, at, suppressed, placement,
    ROW_NUMBER() OVER (PARTITION BY customer ORDER BY at, event_id),
    MIN(variant) OVER (PARTITION BY customer), MAX(variant) OVER (PARTITION BY customer),
    COUNT(*) OVER (PARTITION BY customer)
  FROM seen""",
    ("seen",),
)

_UNITS = Part(
    "customer, variant, segment, cut, epoch, t0, suppressed, placement, exposures",
    """SELECT customer, CASE WHEN lowest = highest THEN variant ELSE -1 END, segment, cut, epoch, at, suppressed,
    placement, exposures
  FROM placed WHERE place = 1""",
    ("placed",),
)

_PEOPLE = Part(
    "number, customer, variant, t0",
    """SELECT customer, customer, variant, t0 FROM units WHERE variant >= 0
  UNION ALL
  SELECT s.customer, u.customer, u.variant, u.t0 FROM survivors s JOIN units u ON u.customer = s.root
  WHERE u.variant >= 0 AND s.customer <> s.root""",
    ("units", "survivors"),
)

_PURCHASES = Part(
    "customer, variant, t0, event_id, order_id, at, currency, net, lines, inside",
    """SELECT p.customer, p.variant, p.t0, o.event_id, o.order_id, o.occurred_at, o.currency, o.net_minor, o.lines,
    CASE WHEN o.occurred_at >= p.t0 AND o.occurred_at < p.t0 + :window THEN 1 ELSE 0 END
  FROM people p JOIN orders o ON o.customer = p.number
  WHERE o.project_id = :project AND o.received_at <= :as_of
    AND o.occurred_at >= p.t0 - :before AND o.occurred_at < p.t0 + :after
    AND NOT EXISTS (
      SELECT 1 FROM orders b
      WHERE b.project_id = :project AND b.order_id = o.order_id AND b.received_at <= :as_of
        AND (b.revision > o.revision
          OR (b.revision = o.revision AND (b.occurred_at < o.occurred_at
            OR (b.occurred_at = o.occurred_at AND b.event_id < o.event_id)))))""",
    ("people",),
)

_RETURNS = Part(
    "order_event, event_id, cancelled, foreign_money, amount",
    """SELECT q.event_id, f.event_id,
    CASE WHEN f.refund_id IS NULL THEN 1 ELSE 0 END,
    CASE WHEN f.currency <> q.currency THEN 1 ELSE 0 END,
    f.amount_minor
  FROM purchases q JOIN refunds f ON f.project_id = :project AND f.order_id = q.order_id
  WHERE q.inside = 1 AND f.received_at <= :as_of AND f.occurred_at < q.t0 + :window + :refunds
    AND NOT EXISTS (
      SELECT 1 FROM refunds b
      WHERE b.project_id = :project AND b.order_id = f.order_id AND b.refund_id = f.refund_id
        AND b.received_at <= :as_of
        AND (b.occurred_at < f.occurred_at OR (b.occurred_at = f.occurred_at AND b.event_id < f.event_id)))""",
    ("purchases",),
)

_TAKEN = (
    "(CASE WHEN x.quantity IS NULL THEN CASE WHEN x.amount_minor IS NULL THEN l.quantity ELSE 0 END "
    "WHEN x.quantity > l.quantity THEN l.quantity ELSE x.quantity END)"
)

_RETURNED = Part(
    "order_event, event_id, position, quantity, amount",
    """SELECT r.order_event, r.event_id, l.position, COALESCE({taken}, 0),
    COALESCE(x.amount_minor, {value}, 0)
  FROM returns r
  JOIN refund_lines x ON x.project_id = :project AND x.event_id = r.event_id
  LEFT JOIN order_lines l ON l.project_id = :project AND l.event_id = r.order_event AND l.line_id = x.line_id
  WHERE r.foreign_money = 0""".replace("{taken}", _TAKEN).replace(
        "{value}", _portion("l.net_minor", _TAKEN, "l.quantity")
    ),
    ("returns",),
)

_REFUNDED = Part(
    "order_event, cancelled, foreign_refunds, amount",
    """SELECT r.order_event, MAX(r.cancelled), SUM(r.foreign_money),
    SUM(CASE WHEN r.foreign_money = 1 THEN 0 ELSE COALESCE(r.amount, b.amount, 0) END)
  FROM returns r LEFT JOIN (
    SELECT order_event, event_id, SUM(amount) AS amount FROM returned GROUP BY order_event, event_id
  ) b ON b.order_event = r.order_event AND b.event_id = r.event_id
  GROUP BY r.order_event""",
    ("returns", "returned"),
)

_BOUGHT = Part(
    "customer, variant, t0, event_id, order_id, at, own, net, lines, inside, cancelled, refunded, over,"
    " foreign_refunds, back",
    """SELECT q.customer, q.variant, q.t0, q.event_id, q.order_id, q.at,
    CASE WHEN q.currency = :currency THEN 1 ELSE 0 END, q.net, q.lines, q.inside,
    COALESCE(r.cancelled, 0),
    CASE WHEN r.cancelled = 1 OR r.amount > 0 THEN 1 ELSE 0 END,
    CASE WHEN r.amount > q.net THEN 1 ELSE 0 END,
    COALESCE(r.foreign_refunds, 0),
    CASE WHEN r.cancelled = 1 OR r.amount > q.net THEN q.net ELSE COALESCE(r.amount, 0) END
  FROM purchases q LEFT JOIN refunded r ON r.order_event = q.event_id""",
    ("purchases", "refunded"),
)

_ITEMS = Part(
    "customer, variant, t0, event_id, at, own, inside, cancelled, sku, offer, quantity, net, off, cost, taken, kept",
    """SELECT q.customer, q.variant, q.t0, q.event_id, q.at, q.own, q.inside, q.cancelled, l.sku, l.offer, l.quantity,
    l.net_minor, l.discount_minor, l.cost_minor,
    CASE WHEN b.quantity > l.quantity THEN l.quantity ELSE COALESCE(b.quantity, 0) END,
    CASE WHEN q.cancelled = 1 OR (q.net > 0 AND q.back >= q.net) OR b.quantity >= l.quantity
      OR (l.net_minor > 0 AND b.amount >= l.net_minor) THEN 0 ELSE 1 END
  FROM bought q
  JOIN order_lines l ON l.project_id = :project AND l.event_id = q.event_id
  LEFT JOIN (
    SELECT order_event, position, SUM(quantity) AS quantity, SUM(amount) AS amount
    FROM returned WHERE position IS NOT NULL GROUP BY order_event, position
  ) b ON b.order_event = q.event_id AND b.position = l.position
  WHERE l.quantity > 0""",
    ("bought", "returned"),
)

_ORDER_SUMS = Part(
    "customer, orders, paid_orders, revenue, given_back, refunded, other_currency, over_refunds, foreign_refunds,"
    " no_lines, pre_orders, pre_revenue, completed",
    """SELECT customer,
    SUM(inside), SUM(inside * own), SUM(inside * own * (net - back)), SUM(inside * own * back),
    MAX(inside * refunded), SUM(inside * (1 - own)), SUM(inside * over), SUM(inside * foreign_refunds),
    SUM(CASE WHEN lines = 0 THEN inside ELSE 0 END),
    SUM(CASE WHEN at < t0 THEN own ELSE 0 END), SUM(CASE WHEN at < t0 THEN own * net ELSE 0 END),
    MAX(CASE WHEN at >= t0 AND at < t0 + :session THEN inside ELSE 0 END)
  FROM bought GROUP BY customer""",
    ("bought",),
)

_FIRSTS = Part(
    "customer, first_at",
    "SELECT customer, MIN(at) FROM bought WHERE inside = 1 GROUP BY customer",
    ("bought",),
)

_AGAIN = Part(
    "customer, second_seconds",
    """SELECT f.customer, (MIN(b.at) - MIN(f.first_at)) / 1000000
  FROM firsts f JOIN bought b ON b.customer = f.customer
  WHERE b.at > f.first_at AND b.at <= f.first_at + :again GROUP BY f.customer""",
    ("firsts", "bought"),
)

_ITEM_SUMS = Part(
    "customer, lines, uncosted, goods, discount, offered_units, offered_full, rest_full, bought, displaced",
    """SELECT i.customer,
    SUM(i.inside * i.own),
    SUM(CASE WHEN i.cost IS NULL THEN i.inside * i.own ELSE 0 END),
    SUM(CASE WHEN i.inside * i.own = 1 AND i.cancelled = 0 THEN COALESCE(i.cost - {cost}, 0) ELSE 0 END),
    SUM(i.inside * i.own * i.off),
    SUM(CASE WHEN a.sku IS NOT NULL THEN i.inside * i.own * i.quantity ELSE 0 END),
    SUM(CASE WHEN a.sku IS NOT NULL THEN i.inside * i.own * (i.net + i.off) ELSE 0 END),
    SUM(CASE WHEN a.sku IS NULL THEN i.inside * i.own * (i.net + i.off) ELSE 0 END),
    MAX(CASE WHEN a.sku IS NOT NULL THEN i.inside ELSE 0 END),
    SUM(CASE WHEN a.sku IS NULL THEN -(i.inside * i.own * i.net)
      WHEN i.at >= i.t0 + :window AND i.at < i.t0 + 2 * :window THEN -(i.own * i.net) ELSE 0 END)
  FROM items i LEFT JOIN (SELECT DISTINCT sku FROM offered WHERE role = 1) a ON a.sku = i.sku
  GROUP BY i.customer""".replace("{cost}", _portion("i.cost", "i.taken", "i.quantity")),
    ("items", "offered"),
)

_ORDER_HITS = Part(
    "customer, variant, t0, event_id, at, hits, kept_hits, bases, bumps, kept_bumps, paid, bump_paid",
    """SELECT i.customer, i.variant, i.t0, i.event_id, MIN(i.at),
    COUNT(DISTINCT CASE WHEN o.role = 1 THEN i.sku END),
    COUNT(DISTINCT CASE WHEN o.role = 1 AND i.kept = 1 THEN i.sku END),
    MAX(CASE WHEN o.role = 2 THEN 1 ELSE 0 END),
    MAX(CASE WHEN i.offer = a.offer THEN 1 ELSE 0 END),
    MAX(CASE WHEN i.offer = a.offer THEN i.kept ELSE 0 END),
    SUM(CASE WHEN o.role = 1 THEN i.own * i.net ELSE 0 END),
    SUM(CASE WHEN i.offer = a.offer THEN i.own * i.net ELSE 0 END)
  FROM items i JOIN arms a ON a.variant = i.variant
  LEFT JOIN offered o ON o.variant = i.variant AND o.sku = i.sku
  WHERE i.inside = 1
  GROUP BY i.customer, i.variant, i.t0, i.event_id""",
    ("items", "arms", "offered"),
)

_ACCEPTED_ORDERS = Part(
    "customer, t0, at, accepted, fit, paid",
    """SELECT h.customer, h.t0, h.at,
    CASE WHEN a.kind = 'order_bump' THEN h.bumps
      WHEN a.kind = 'bundle' THEN CASE WHEN h.hits >= a.needed AND a.needed > 0 THEN 1 ELSE 0 END
      WHEN a.kind = 'upsell' THEN CASE WHEN h.hits > 0 AND h.bases = 0 THEN 1 ELSE 0 END
      WHEN a.kind = 'cross_sell' THEN CASE WHEN h.hits > 0 THEN 1 ELSE 0 END
      ELSE 0 END,
    CASE WHEN a.kind = 'order_bump' THEN h.kept_bumps
      WHEN a.kind = 'bundle' THEN CASE WHEN h.kept_hits >= a.needed AND a.needed > 0 THEN 1 ELSE 0 END
      WHEN a.kind = 'upsell' THEN CASE WHEN h.kept_hits > 0 AND h.bases = 0 THEN 1 ELSE 0 END
      WHEN a.kind = 'cross_sell' THEN CASE WHEN h.kept_hits > 0 THEN 1 ELSE 0 END
      ELSE 0 END,
    CASE WHEN a.kind = 'order_bump' THEN h.bump_paid ELSE h.paid END
  FROM order_hits h JOIN arms a ON a.variant = h.variant""",
    ("order_hits", "arms"),
)

_ACCEPT_SUMS = Part(
    "customer, accepted, fit, accept_seconds, attributed",
    """SELECT customer, MAX(accepted), MAX(fit),
    MIN(CASE WHEN accepted = 1 THEN (at - t0) / 1000000 END), SUM(CASE WHEN accepted = 1 THEN paid ELSE 0 END)
  FROM accepted_orders GROUP BY customer""",
    ("accepted_orders",),
)

_ACT_SUMS = Part(
    "customer, unsubscribed, complained, engaged, engage_seconds",
    """SELECT p.customer,
    MAX(CASE WHEN n.type = 'unsubscribe' THEN 1 ELSE 0 END),
    MAX(CASE WHEN n.type = 'complaint' THEN 1 ELSE 0 END),
    MAX(CASE WHEN n.type = 'offer_accepted' AND a.kind = 'engagement' THEN 1 ELSE 0 END),
    MIN(CASE WHEN n.type = 'offer_accepted' AND a.kind = 'engagement' THEN (n.occurred_at - p.t0) / 1000000 END)
  FROM people p JOIN interactions n ON n.customer = p.number LEFT JOIN arms a ON a.variant = p.variant
  WHERE n.project_id = :project AND n.received_at <= :as_of
    AND n.type IN ('unsubscribe', 'complaint', 'offer_accepted')
    AND n.occurred_at >= p.t0 AND n.occurred_at < p.t0 + :window
    AND (n.type <> 'offer_accepted' OR n.experiment_id = :experiment
      OR (n.experiment_id IS NULL AND n.offer = a.offer))
  GROUP BY p.customer""",
    ("people", "arms"),
)

_ATTACH_HITS = Part(
    "customer, event_id, triggered, attached",
    """SELECT i.customer, i.event_id, MAX(CASE WHEN g.role = 2 THEN 1 ELSE 0 END),
    CASE WHEN MAX(g.role) = 2 AND MIN(g.role) = 1 THEN 1 ELSE 0 END
  FROM items i JOIN goes_with g ON g.sku = i.sku
  WHERE i.inside = 1 GROUP BY i.customer, i.event_id, g.offer""",
    ("items", "goes_with"),
)

_ATTACH_SUMS = Part(
    "customer, trigger_orders, attached_orders",
    """SELECT customer, SUM(triggered), SUM(attached)
  FROM (SELECT customer, event_id, MAX(triggered) AS triggered, MAX(attached) AS attached
    FROM attach_hits GROUP BY customer, event_id) h GROUP BY customer""",
    ("attach_hits",),
)

_SHOW_SUMS = Part(
    "customer, shown, delivery",
    """SELECT u.customer, 1, MAX(a.delivery)
  FROM units u JOIN seen s ON s.customer = u.customer JOIN arms a ON a.variant = u.variant
  WHERE s.suppressed IS NULL AND s.at < u.t0 + :window GROUP BY u.customer""",
    ("units", "seen", "arms"),
)

PARTS: Final[dict[str, Part]] = {
    "chains": _CHAINS,
    "survivors": _SURVIVORS,
    "seen": _SEEN,
    "placed": _PLACED,
    "units": _UNITS,
    "people": _PEOPLE,
    "purchases": _PURCHASES,
    "returns": _RETURNS,
    "returned": _RETURNED,
    "refunded": _REFUNDED,
    "bought": _BOUGHT,
    "items": _ITEMS,
    "order_sums": _ORDER_SUMS,
    "firsts": _FIRSTS,
    "again": _AGAIN,
    "item_sums": _ITEM_SUMS,
    "order_hits": _ORDER_HITS,
    "accepted_orders": _ACCEPTED_ORDERS,
    "accept_sums": _ACCEPT_SUMS,
    "act_sums": _ACT_SUMS,
    "attach_hits": _ATTACH_HITS,
    "attach_sums": _ATTACH_SUMS,
    "show_sums": _SHOW_SUMS,
}
"""In an order in which each part comes after those it reads."""
