"""The text of the query: which parts it reads, the figures per customer, their sums by cell."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from offerlab.aggregation.parts import PARTS, Part
from offerlab.domain.clock import DAY
from offerlab.reporting.measures import FLAGS, Monomial

SPLIT: Final = 1.5 * 2.0**82
"""Added and taken off again, it rounds a double to a multiple of 2^30."""

_SOURCES: Final[dict[str, tuple[str, ...]]] = {
    "order_sums": (
        "orders",
        "paid_orders",
        "revenue",
        "given_back",
        "refunded",
        "other_currency",
        "over_refunds",
        "foreign_refunds",
        "no_lines",
        "pre_orders",
        "pre_revenue",
    ),
    "again": ("second_seconds",),
    "item_sums": (
        "lines",
        "uncosted",
        "goods",
        "discount",
        "offered_units",
        "offered_full",
        "rest_full",
        "bought",
        "displaced",
    ),
    "accept_sums": ("attributed",),
    "act_sums": ("unsubscribed", "complained"),
    "attach_sums": ("trigger_orders", "attached_orders"),
    "show_sums": ("shown", "delivery"),
}

_PLAIN: Final = {
    name: (f"CAST(COALESCE({source}.{name}, 0) AS BIGINT)", (source,))
    for source, names in _SOURCES.items()
    for name in names
}

_DERIVED: Final = {
    "converted": ("CASE WHEN order_sums.orders > 0 THEN 1 ELSE 0 END", ("order_sums",)),
    "had_orders": ("CASE WHEN order_sums.pre_orders > 0 THEN 1 ELSE 0 END", ("order_sums",)),
    "completed": (
        """CASE WHEN order_sums.completed = 1
      AND COALESCE(units.placement, 'checkout') IN ('product_page', 'cart', 'checkout') THEN 1 ELSE 0 END""",
        ("order_sums",),
    ),
    "repeated": ("CASE WHEN again.second_seconds IS NULL THEN 0 ELSE 1 END", ("again",)),
    "accepted": (
        "CASE WHEN accept_sums.accepted = 1 OR act_sums.engaged = 1 THEN 1 ELSE 0 END",
        ("accept_sums", "act_sums"),
    ),
    "fit": (
        "CASE WHEN accept_sums.fit = 1 OR act_sums.engaged = 1 THEN 1 ELSE 0 END",
        ("accept_sums", "act_sums"),
    ),
    "accept_seconds": (
        """CAST(COALESCE(CASE WHEN act_sums.engaged = 1 THEN act_sums.engage_seconds
      ELSE accept_sums.accept_seconds END, 0) AS BIGINT)""",
        ("accept_sums", "act_sums"),
    ),
    "profit": (
        """CAST(COALESCE(order_sums.revenue, 0) - COALESCE(item_sums.goods, 0) AS BIGINT) * CAST(:grain AS BIGINT)
      - COALESCE(show_sums.delivery, 0)""",
        ("order_sums", "item_sums", "show_sums"),
    ),
    "offer_cost": (
        """CAST(COALESCE(item_sums.discount, 0) AS BIGINT) * CAST(:grain AS BIGINT)
      + COALESCE(show_sums.delivery, 0)""",
        ("item_sums", "show_sums"),
    ),
    "window_open": ("CASE WHEN units.t0 + :window > :as_of THEN 1 ELSE 0 END", ()),
    "refunds_open": ("CASE WHEN units.t0 + :window + :refunds > :as_of THEN 1 ELSE 0 END", ()),
}


def statement(monomials: Sequence[Monomial], tables: Mapping[str, Part], cut: str) -> str:
    """The one grouped query.

    Args:
        monomials: the products to sum, in the order of the answer's columns `s{i}` or `c{i}` and `f{i}`.
        tables: `arms`, `offered` and `goes_with`.
        cut: a column of `exposures`, checked by the caller.
    """
    names = sorted({_value_of(name) for product in monomials for name in product})
    expressions = {name: _PLAIN.get(name) or _DERIVED[name] for name in names}
    sources = sorted({source for _, used in expressions.values() for source in used})
    figures = ["units.variant", "units.segment", "units.cut", "units.epoch", "units.t0", "units.exposures"]
    figures += [f"{expression} AS {name}" for name, (expression, _) in expressions.items()]
    totals = [
        "variant",
        "segment",
        "cut",
        "epoch",
        f"t0 / {DAY} AS day",
        "COUNT(*) AS n",
        "SUM(exposures) AS exposures",
    ]
    totals += ["MIN(t0) AS first_at", "MAX(t0) AS last_at"]
    totals += [line for i, product in enumerate(monomials) for line in _sums(i, product)]
    lines = [
        with_clause(("units", *sources), tables, cut) + ",",
        "figures AS (",
        "  SELECT",
        "    " + ",\n    ".join(figures),
        "  FROM units",
        *(f"  LEFT JOIN {source} ON {source}.customer = units.customer" for source in sources),
        ")",
        "SELECT",
        "  " + ",\n  ".join(totals),
        "FROM figures",
        f"GROUP BY variant, segment, cut, epoch, t0 / {DAY}",
    ]
    return "\n".join(lines)


def _value_of(name: str) -> str:
    """The value that a "not zero" flag is about, or the value itself."""
    return name.removesuffix("?")


def _sums(i: int, product: Monomial) -> Iterable[str]:
    """Columns `s{i}` for an exact int64 sum, or `c{i}` and `f{i}`, its coarse and its fine part."""
    if product[0].endswith("?"):
        yield f"SUM(CASE WHEN {_value_of(product[0])} <> 0 THEN 1 ELSE 0 END) AS s{i}"
        return
    numbers = [name for name in product if name not in FLAGS]
    if len(numbers) <= 1:
        yield f"SUM({' * '.join(product)}) AS s{i}"
        return
    power = " * ".join(f"CAST({name} AS DOUBLE PRECISION)" for name in product)
    coarse = f"(({power} + :split) - :split)"
    yield f"SUM({coarse}) AS c{i}"
    yield f"SUM({power} - {coarse}) AS f{i}"


def with_clause(wanted: Iterable[str], tables: Mapping[str, Part], cut: str) -> str:
    """The WITH clause of the parts that `wanted` read, each before its readers."""
    known = {**tables, **PARTS}
    needed: set[str] = set()
    queue = list(wanted)
    while queue:
        name = queue.pop()
        if name not in needed:
            needed.add(name)
            queue.extend(known[name].reads)
    texts = (
        f"{name}({known[name].columns}) AS (\n  {known[name].text}\n)".replace("{cut}", cut)
        for name in known
        if name in needed
    )
    return "WITH RECURSIVE " + ",\n".join(texts)
