"""The parts of the one query, as ANSI text: common table expressions, each named for what its rows are.

Only CASE, CTE, window functions and int64 arithmetic (a sum that is divided is cast back: it may be wider). Times are
microseconds, money is minor units. `:names` are bound, nothing from outside ever becomes text.

Rules that live here (docs/glossary.md has them in words):
* a linked customer counts under the number at the end of the chain; a ring under its smallest; of an id's links the
  earliest (linked_at, event_id) that stands counts;
* the first exposure is the smallest (occurred_at, event_id); two arms make a crossover;
* of an order the highest revision counts, then the earliest (occurred_at, event_id), at the time of its first telling:
  an update weeks later says what was bought, not when; of a refund the earliest;
* refunds never take more than the order; a cancellation takes all that is left;
* for whom products were picked (by a match, a step of a ladder, or what was left of a list), those are the offered
  items, from the moment they were shown; for everybody else the offer's own;
* who bought some of a bundle's items in one order and never all of them in one is no acceptance, and counted apart;
* an upgrade brings what is paid beyond the price of its base; one whose base nobody named claims nothing.
"""

from typing import Final

from msgspec import Struct

from offerlab.reporting.measures import COURSES, STRETCHES


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


_LINKS = Part(
    "customer, root, at, event_id",
    """SELECT customer, into_customer, linked_at, event_id FROM merges
  WHERE project_id = :project AND merged_at <= :as_of AND (undone_at IS NULL OR undone_at > :as_of)""",
)

_EDGES = Part(
    "customer, root",
    """SELECT k.customer, k.root FROM links k
  WHERE NOT EXISTS (
    SELECT 1 FROM links b
    WHERE b.customer = k.customer AND (b.at < k.at OR (b.at = k.at AND b.event_id < k.event_id)))""",
    ("links",),
)

_CHAINS = Part(
    "customer, root",
    """SELECT customer, root FROM edges
  UNION
  SELECT c.customer, e.root FROM chains c JOIN edges e ON e.customer = c.root""",
    ("edges",),
)

_SURVIVORS = Part(
    "customer, root",
    """SELECT c.customer, COALESCE(MIN(CASE WHEN e.customer IS NULL THEN c.root END), MIN(ring.root))
  FROM chains c LEFT JOIN edges e ON e.customer = c.root
  LEFT JOIN chains ring ON ring.customer = c.root AND ring.root = c.root
  GROUP BY c.customer""",
    ("chains", "edges"),
)

_EXPOSED: Final = """SELECT e.customer, e.variant, e.segment, {cut}, e.epoch, e.occurred_at, e.event_id, e.suppressed,
    e.placement
  FROM exposures e
  WHERE e.experiment_id = :experiment AND e.received_at <= :as_of"""

_SEEN_COLUMNS: Final = "customer, variant, segment, cut, epoch, at, event_id, suppressed, placement"

_SEEN = Part(_SEEN_COLUMNS, _EXPOSED)

_SEEN_MERGED = Part(
    _SEEN_COLUMNS,
    """SELECT COALESCE(root, customer), variant, segment, cut, epoch, at, event_id, suppressed, placement
  FROM (
    SELECT customer, MAX(root) OVER (PARTITION BY customer) AS root,
      variant, segment, cut, epoch, at, event_id, suppressed, placement
    FROM (
      SELECT customer, CAST(NULL AS BIGINT) AS root, variant, segment, cut, epoch, at, event_id, suppressed, placement
      FROM raw_seen
      UNION ALL
      SELECT customer, root, CAST(NULL AS BIGINT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS BIGINT),
        CAST(NULL AS BIGINT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT)
      FROM survivors
    ) both_kinds
  ) resolved
  WHERE event_id IS NOT NULL""",
    ("raw_seen", "survivors"),
)

_PLACED = Part(
    "customer, variant, segment, cut, epoch, at, t0, suppressed, placement, place, lowest, highest",
    """SELECT customer, variant, segment, cut, epoch, at,
    FIRST_VALUE(at) OVER (PARTITION BY customer ORDER BY at, event_id), suppressed, placement,
    ROW_NUMBER() OVER (PARTITION BY customer ORDER BY at, event_id),
    MIN(variant) OVER (PARTITION BY customer ORDER BY at, event_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING),
    MAX(variant) OVER (PARTITION BY customer ORDER BY at, event_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
  FROM seen""",
    ("seen",),
)

_UNITS = Part(
    "customer, variant, segment, cut, epoch, t0, suppressed, placement, exposures, seen_offer",
    """SELECT customer, MAX(CASE WHEN lowest = highest THEN variant ELSE -1 END),
    MAX(CASE WHEN place = 1 THEN segment END), MAX(CASE WHEN place = 1 THEN cut END),
    MAX(CASE WHEN place = 1 THEN epoch END), MAX(t0),
    MAX(CASE WHEN place = 1 THEN suppressed END), MAX(CASE WHEN place = 1 THEN placement END),
    COUNT(*), MAX(CASE WHEN suppressed IS NULL AND at < t0 + :window THEN 1 ELSE 0 END)
  FROM placed GROUP BY customer""",
    ("placed",),
)

_PEOPLE = Part(
    "number, customer, variant, t0", "SELECT customer, customer, variant, t0 FROM units WHERE variant >= 0", ("units",)
)

_PEOPLE_MERGED = Part(
    "number, customer, variant, t0",
    """SELECT number, customer, variant, t0
  FROM (
    SELECT number, customer, MAX(variant) OVER (PARTITION BY customer) AS variant,
      MAX(t0) OVER (PARTITION BY customer) AS t0
    FROM (
      SELECT customer AS number, customer, variant, t0 FROM units
      UNION ALL
      SELECT customer, root, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT) FROM survivors WHERE customer <> root
    ) both_kinds
  ) resolved
  WHERE variant >= 0""",
    ("units", "survivors"),
)

_PURCHASES = Part(
    "customer, variant, t0, event_id, order_id, at, currency, net, lines, inside",
    """SELECT customer, variant, t0, event_id, order_id, at, currency, net, lines,
    CASE WHEN at >= t0 AND at < t0 + :window THEN 1 ELSE 0 END
  FROM (
    SELECT p.customer, p.variant, p.t0, o.event_id, o.order_id, o.currency, o.net_minor AS net, o.lines,
      CASE WHEN o.revision = 0 THEN o.occurred_at ELSE (
        SELECT MIN(b.occurred_at) FROM orders b
        WHERE b.order_id = o.order_id AND b.project_id + 0 = :project AND b.received_at <= :as_of) END AS at
    FROM people p CROSS JOIN orders o
    WHERE o.customer = p.number AND o.received_at <= :as_of
      AND o.occurred_at >= p.t0 - :before AND (o.occurred_at < p.t0 + :after OR o.revision > 0)
      AND NOT EXISTS (
        SELECT 1 FROM orders b
        WHERE b.order_id = o.order_id AND b.project_id + 0 = :project AND b.received_at <= :as_of
          AND (b.revision > o.revision
            OR (b.revision = o.revision AND (b.occurred_at < o.occurred_at
              OR (b.occurred_at = o.occurred_at AND b.event_id < o.event_id)))))
  ) told
  WHERE at >= t0 - :before AND at < t0 + :after""",
    ("people",),
)

_RETURNS = Part(
    "order_event, event_id, cancelled, foreign_money, amount",
    """SELECT q.event_id, f.event_id,
    CASE WHEN f.refund_id IS NULL THEN 1 ELSE 0 END,
    CASE WHEN f.currency <> q.currency THEN 1 ELSE 0 END,
    f.amount_minor
  FROM purchases q CROSS JOIN refunds f
  WHERE f.order_id = q.order_id AND f.project_id + 0 = :project AND q.inside = 1
    AND f.received_at <= :as_of AND f.occurred_at < q.t0 + :window + :refunds
    AND NOT EXISTS (
      SELECT 1 FROM refunds b
      WHERE b.order_id = f.order_id AND b.project_id + 0 = :project AND b.refund_id = f.refund_id
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
  FROM returns r CROSS JOIN refund_lines x
  LEFT JOIN order_lines l ON l.project_id = :project AND l.event_id = r.order_event AND l.line_id = x.line_id
  WHERE x.project_id = :project AND x.event_id = r.event_id AND r.foreign_money = 0""".replace(
        "{taken}", _TAKEN
    ).replace("{value}", _portion("l.net_minor", _TAKEN, "l.quantity")),
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
  FROM bought q CROSS JOIN order_lines l
  LEFT JOIN (
    SELECT order_event, position, CAST(SUM(quantity) AS BIGINT) AS quantity, SUM(amount) AS amount
    FROM returned WHERE position IS NOT NULL GROUP BY order_event, position
  ) b ON b.order_event = q.event_id AND b.position = l.position
  WHERE l.project_id = :project AND l.event_id = q.event_id AND l.quantity > 0""",
    ("bought", "returned"),
)

_ORDER_SUMS = Part(
    "customer, orders, paid_orders, revenue, given_back, refunded, other_currency, over_refunds, foreign_refunds,"
    " no_lines, pre_orders, pre_revenue, pre_days, completed",
    """SELECT customer,
    SUM(inside), SUM(inside * own), SUM(inside * own * (net - back)), SUM(inside * own * back),
    MAX(inside * refunded), SUM(inside * (1 - own)), SUM(inside * over), SUM(inside * foreign_refunds),
    SUM(CASE WHEN lines = 0 THEN inside ELSE 0 END),
    SUM(CASE WHEN at < t0 THEN own ELSE 0 END), SUM(CASE WHEN at < t0 THEN own * net ELSE 0 END),
    MIN(CASE WHEN at < t0 AND own = 1 THEN (t0 - at) / 86400000000 END),
    MAX(CASE WHEN at >= t0 AND at < t0 + :session THEN inside ELSE 0 END)
  FROM bought GROUP BY customer""",
    ("bought",),
)

_AGAIN = Part(
    "customer, second_seconds",
    """SELECT customer,
    (MIN(CASE WHEN at > first_at AND at <= first_at + :again THEN at END) - MIN(first_at)) / 1000000
  FROM (
    SELECT customer, at, MIN(CASE WHEN inside = 1 THEN at END) OVER (PARTITION BY customer) AS first_at FROM bought
  ) timed
  GROUP BY customer""",
    ("bought",),
)


def _course(value: str) -> list[str]:
    """`value` of the orders in each part of the window."""
    parts = range(STRETCHES)
    return [f"SUM(CASE WHEN (at - t0) * {STRETCHES} / :window = {i} THEN {value} ELSE 0 END)" for i in parts]


_COURSE_SUMS = Part(
    ", ".join(("customer", *(name for names in COURSES.values() for name in names))),
    "\n  ".join(
        (
            "SELECT " + ",\n    ".join(("customer", *_course("own * net"), *_course("1"))),
            "FROM bought WHERE inside = 1 GROUP BY customer",
        )
    ),
    ("bought",),
)

_WARES = Part("sku", "SELECT DISTINCT sku FROM offered WHERE role = 1", ("offered",))

_GOES = Part("offer, sku, role", "SELECT offer, sku, role FROM goes_with", ("goes_with",))

AIMED_COLUMNS: Final = "customer, variant, t0, event_id, at, own, sku, offer, quantity, net, kept, role, hit"

_AIMED = Part(
    AIMED_COLUMNS,
    """SELECT i.customer, i.variant, i.t0, i.event_id, i.at, i.own, i.sku, i.offer, i.quantity, i.net, i.kept, o.role,
    CASE WHEN o.role = 1 THEN 1 ELSE 0 END
  FROM items i LEFT JOIN offered o ON o.variant = i.variant AND o.sku = i.sku
  WHERE i.inside = 1""",
    ("items", "offered"),
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
  FROM items i LEFT JOIN wares a ON a.sku = i.sku
  GROUP BY i.customer""".replace("{cost}", _portion("i.cost", "i.taken", "i.quantity")),
    ("items", "wares"),
)

_ORDER_HITS = Part(
    "customer, variant, t0, event_id, at, hits, kept_hits, bases, bumps, kept_bumps, paid, units, bump_paid",
    """SELECT i.customer, i.variant, i.t0, i.event_id, MIN(i.at),
    COUNT(DISTINCT CASE WHEN i.hit = 1 THEN i.sku END),
    COUNT(DISTINCT CASE WHEN i.hit = 1 AND i.kept = 1 THEN i.sku END),
    MAX(CASE WHEN i.role = 2 THEN 1 ELSE 0 END),
    MAX(CASE WHEN i.offer = a.offer THEN 1 ELSE 0 END),
    MAX(CASE WHEN i.offer = a.offer THEN i.kept ELSE 0 END),
    SUM(CASE WHEN i.hit = 1 THEN i.own * i.net ELSE 0 END),
    SUM(CASE WHEN i.hit = 1 THEN i.own * i.quantity ELSE 0 END),
    SUM(CASE WHEN i.offer = a.offer THEN i.own * i.net ELSE 0 END)
  FROM aimed i JOIN arms a ON a.variant = i.variant
  GROUP BY i.customer, i.variant, i.t0, i.event_id""",
    ("aimed", "arms"),
)

_ACCEPTED_ORDERS = Part(
    "customer, t0, at, accepted, fit, some_items, paid",
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
    CASE WHEN a.kind = 'bundle' AND h.hits > 0 AND h.hits < a.needed THEN 1 ELSE 0 END,
    CASE WHEN a.kind = 'order_bump' THEN h.bump_paid
      WHEN a.kind = 'upsell' THEN COALESCE(h.paid - h.units * a.base, 0)
      ELSE h.paid END
  FROM order_hits h JOIN arms a ON a.variant = h.variant""",
    ("order_hits", "arms"),
)

_ACCEPT_SUMS = Part(
    "customer, accepted, fit, partial_bundle, accept_seconds, attributed",
    """SELECT customer, MAX(accepted), MAX(fit), CASE WHEN MAX(accepted) = 1 THEN 0 ELSE MAX(some_items) END,
    MIN(CASE WHEN accepted = 1 THEN (at - t0) / 1000000 END), SUM(CASE WHEN accepted = 1 THEN paid ELSE 0 END)
  FROM accepted_orders GROUP BY customer""",
    ("accepted_orders",),
)

_ACT_SUMS = Part(
    "customer, unsubscribed, complained, engaged, engage_seconds, ratings, rating_hundredths",
    """SELECT p.customer,
    MAX(CASE WHEN n.type = 'unsubscribe' THEN 1 ELSE 0 END),
    MAX(CASE WHEN n.type = 'complaint' THEN 1 ELSE 0 END),
    MAX(CASE WHEN n.type = 'offer_accepted' AND a.kind = 'engagement' THEN 1 ELSE 0 END),
    MIN(CASE WHEN n.type = 'offer_accepted' AND a.kind = 'engagement' THEN (n.occurred_at - p.t0) / 1000000 END),
    SUM(CASE WHEN n.type = 'feedback' AND n.number IS NOT NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN n.type = 'feedback' AND n.number IS NOT NULL THEN CAST(ROUND(n.number * 100) AS BIGINT) ELSE 0 END)
  FROM people p CROSS JOIN interactions n LEFT JOIN arms a ON a.variant = p.variant
  WHERE n.customer = p.number AND n.received_at <= :as_of
    AND n.type IN ('unsubscribe', 'complaint', 'offer_accepted', 'feedback')
    AND n.occurred_at >= p.t0 AND n.occurred_at < p.t0 + :window
    AND (n.type <> 'offer_accepted' OR n.experiment_id = :experiment
      OR (n.experiment_id IS NULL AND n.offer = a.offer))
    AND (n.type <> 'feedback' OR n.experiment_id = :experiment OR n.experiment_id IS NULL)
  GROUP BY p.customer""",
    ("people", "arms"),
)

_ATTACH_HITS = Part(
    "customer, event_id, triggered, attached",
    """SELECT i.customer, i.event_id, MAX(CASE WHEN g.role = 2 THEN 1 ELSE 0 END),
    CASE WHEN MAX(g.role) = 2 AND MIN(g.role) = 1 THEN 1 ELSE 0 END
  FROM items i JOIN goes g ON g.sku = i.sku
  WHERE i.inside = 1 GROUP BY i.customer, i.event_id, g.offer""",
    ("items", "goes"),
)

_ATTACH_SUMS = Part(
    "customer, trigger_orders, attached_orders",
    """SELECT customer, SUM(triggered), SUM(attached)
  FROM (SELECT customer, event_id, MAX(triggered) AS triggered, MAX(attached) AS attached
    FROM attach_hits GROUP BY customer, event_id) h GROUP BY customer""",
    ("attach_hits",),
)

PARTS: Final[dict[str, Part]] = {
    "links": _LINKS,
    "edges": _EDGES,
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
    "course_sums": _COURSE_SUMS,
    "again": _AGAIN,
    "wares": _WARES,
    "goes": _GOES,
    "aimed": _AIMED,
    "item_sums": _ITEM_SUMS,
    "order_hits": _ORDER_HITS,
    "accepted_orders": _ACCEPTED_ORDERS,
    "accept_sums": _ACCEPT_SUMS,
    "act_sums": _ACT_SUMS,
    "attach_hits": _ATTACH_HITS,
    "attach_sums": _ATTACH_SUMS,
}
MERGED: Final[dict[str, Part]] = {
    "raw_seen": Part(_SEEN_COLUMNS, _EXPOSED),
    "seen": _SEEN_MERGED,
    "people": _PEOPLE_MERGED,
}
"""What takes their place in a project where customers were merged: a pass over all exposures more."""
