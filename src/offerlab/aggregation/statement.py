"""The text of the query: which parts it reads, the figures per customer, their sums by cell.

What the parts know of a customer is stacked and grouped, not joined: no planner can then turn it into nested loops
(SQLite without statistics did, and took the square of the customers).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from offerlab.aggregation.parts import PARTS, Part
from offerlab.domain.clock import DAY
from offerlab.reporting.cells import EVEN_SLICE
from offerlab.reporting.measures import CAPPED, COURSES, FLAGS, Monomial

SPLITS: Final = {"coarse": 1.5 * 2.0**108, "middle": 1.5 * 2.0**78}
"""Added to a double and taken off again, they round it to a multiple of 2^56 and of 2^26."""

CUTS: Final = {EVEN_SLICE: f"CASE WHEN e.bucket < :slice_end THEN '{EVEN_SLICE}' END"}
"""What is no column of `exposures`: the customers whom an allocation that follows results splits evenly for ever."""

_SOURCES: Final = ("order_sums", "course_sums", "again", "item_sums", "accept_sums", "act_sums", "attach_sums")

_TEXT: Final = frozenset(("segment", "cut", "placement"))
_UNIT: Final = ("variant", "segment", "cut", "epoch", "t0", "placement", "exposures", "seen_offer")


def _columns(source: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in PARTS[source].columns.split(",") if name.strip() != "customer")


_SOURCE_OF: Final = {column: source for source in _SOURCES for column in _columns(source)}

_SIMPLE: Final = frozenset(
    (
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
        "pre_days",
        "second_seconds",
        "lines",
        "uncosted",
        "goods",
        "discount",
        "offered_units",
        "offered_full",
        "rest_full",
        "bought",
        "displaced",
        "attributed",
        "partial_bundle",
        "unsubscribed",
        "complained",
        "trigger_orders",
        "attached_orders",
        "ratings",
        "rating_hundredths",
        *(name for names in COURSES.values() for name in names),
    )
)
"""Values that are a column of a source as it stands."""

_UNCAPPED: Final = {below: name for name, below in CAPPED.items()}

_DELIVERY: Final = "f.seen_offer * COALESCE(a.delivery, 0)"

_DERIVED: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "converted": ("CASE WHEN f.orders > 0 THEN 1 ELSE 0 END", ("orders",)),
    "had_orders": ("CASE WHEN f.pre_orders > 0 THEN 1 ELSE 0 END", ("pre_orders",)),
    "completed": (
        """CASE WHEN f.completed = 1
      AND COALESCE(f.placement, 'cart') IN ('product_page', 'cart', 'checkout') THEN 1 ELSE 0 END""",
        ("completed",),
    ),
    "repeated": ("CASE WHEN f.second_seconds IS NULL THEN 0 ELSE 1 END", ("second_seconds",)),
    "accepted": ("CASE WHEN f.accepted = 1 OR f.engaged = 1 THEN 1 ELSE 0 END", ("accepted", "engaged")),
    "fit": ("CASE WHEN f.fit = 1 OR f.engaged = 1 THEN 1 ELSE 0 END", ("fit", "engaged")),
    "accept_seconds": (
        "COALESCE(CASE WHEN f.engaged = 1 THEN f.engage_seconds ELSE f.accept_seconds END, 0)",
        ("engaged", "engage_seconds", "accept_seconds"),
    ),
    "shown": ("CASE WHEN f.seen_offer = 1 AND a.variant IS NOT NULL THEN 1 ELSE 0 END", ()),
    "delivery": (_DELIVERY, ()),
    "profit": (
        f"(COALESCE(f.revenue, 0) - COALESCE(f.goods, 0)) * CAST(:grain AS BIGINT) - {_DELIVERY}",
        ("revenue", "goods"),
    ),
    "offer_cost": (f"COALESCE(f.discount, 0) * CAST(:grain AS BIGINT) + {_DELIVERY}", ("discount",)),
    "window_open": ("CASE WHEN f.t0 + :window > :as_of THEN 1 ELSE 0 END", ()),
    "refunds_open": ("CASE WHEN f.t0 + :window + :refunds > :as_of THEN 1 ELSE 0 END", ()),
}


def statement(
    monomials: Sequence[Monomial],
    tables: Mapping[str, Part],
    cut: str,
    *,
    swaps: Mapping[str, Part],
    own: Mapping[str, Part] | None = None,
) -> str:
    """The one grouped query.

    Args:
        monomials: the products to sum, in the order of the answer's columns (see `_sums`).
        tables: `arms`, `offered` and `goes_with`.
        cut: a column of `exposures` or one of `CUTS`, checked by the caller.
        swaps: parts that take another's place, because the data need them.
        own: parts of the shop's own metrics, each with one value.
    """
    own = own or {}
    origin = {**_SOURCE_OF, **{name.removeprefix("of_"): name for name in own}}
    asked = sorted({_value_of(n) for product in monomials for n in product})
    capped = {_UNCAPPED[name]: name for name in asked if name in _UNCAPPED}
    plain = sorted({_UNCAPPED.get(name, name) for name in asked})
    values = {name: _expression(name) for name in plain}
    raw = sorted({column for _, used in values.values() for column in used})
    sources = tuple(source for source in (*_SOURCES, *own) if any(origin[column] == source for column in raw))
    totals = ["variant", "segment", "cut", "epoch", f"t0 / {DAY} AS day", "COUNT(*) AS n"]
    totals += ["SUM(exposures) AS exposures", "MIN(t0) AS first_at", "MAX(t0) AS last_at"]
    totals += [line for i, product in enumerate(monomials) for line in _sums(i, product)]
    for name, below in capped.items():
        totals += [
            f"MAX(limit_{name}) AS limit_{name}",
            f"SUM(CASE WHEN {name} <> {below} THEN 1 ELSE 0 END) AS over_{name}",
        ]
    figures = [f"f.{name}" for name in ("variant", "segment", "cut", "epoch", "t0", "exposures")]
    figures += [f"CAST({expression} AS BIGINT) AS {name}" for name, (expression, _) in values.items()]
    wholes = ["customer", *(f"MAX({name}) AS {name}" for name in (*_UNIT, *raw))]
    blocks = {
        "stacked": "\n  UNION ALL\n  ".join(_stack(sources, raw, origin)),
        "whole": "\n  ".join((_select(wholes), "FROM stacked GROUP BY customer")),
        "figures": "\n  ".join((_select(figures), "FROM whole f LEFT JOIN arms a ON a.variant = f.variant")),
    }
    if capped:
        blocks["limits"] = _select([_limit(name) for name in capped])
        kept = [
            "f.*",
            *(f"l.limit_{name}" for name in capped),
            *(_capped(name, below) for name, below in capped.items()),
        ]
        blocks["capped"] = "\n  ".join((_select(kept), "FROM figures f CROSS JOIN limits l"))
    return "\n".join(
        (
            with_clause(("units", "arms", *sources), tables, cut, swaps=swaps, own=own),
            *(f", {name} AS (\n  {text}\n)" for name, text in blocks.items()),
            _select(totals),
            f"FROM {'capped' if capped else 'figures'}\nGROUP BY variant, segment, cut, epoch, t0 / {DAY}",
        )
    )


def _limit(name: str) -> str:
    """The 99th percentile (the smallest value with that share at or below it) of the sizes other than zero."""
    size, everyone = f"ABS({name}) AS size", f"FROM figures WHERE variant >= 0 AND {name} <> 0"
    ranks = f"ROW_NUMBER() OVER (ORDER BY ABS({name})) AS place, COUNT(*) OVER () AS everybody"
    ranked = f"{_select([size, ranks])} {everyone}"
    return f"({_select(['MIN(size)'])} FROM ({ranked}) ranked WHERE place * 100 >= everybody * 99) AS limit_{name}"


def _capped(name: str, below: str) -> str:
    return (
        f"CASE WHEN f.{name} > l.limit_{name} THEN l.limit_{name} "
        f"WHEN f.{name} < -l.limit_{name} THEN -l.limit_{name} ELSE f.{name} END AS {below}"
    )


def _select(columns: Sequence[str]) -> str:
    return "SELECT " + ",\n    ".join(columns)


def _expression(name: str) -> tuple[str, tuple[str, ...]]:
    is_plain = name in _SIMPLE or name.startswith("own_")
    return (f"COALESCE(f.{name}, 0)", (name,)) if is_plain else _DERIVED[name]


def _stack(sources: Sequence[str], raw: Sequence[str], origin: Mapping[str, str]) -> Iterable[str]:
    """One SELECT for the units, one for each source, all of the same columns."""
    nothing = {name: f"CAST(NULL AS {'TEXT' if name in _TEXT else 'BIGINT'})" for name in (*_UNIT, *raw)}
    yield _selected("units", {**nothing, **{name: name for name in _UNIT}})
    for source in sources:
        own = {column: column for column in raw if origin[column] == source}
        yield _selected(source, {**nothing, **own})


def _selected(source: str, columns: Mapping[str, str]) -> str:
    chosen = [text if text == name else f"{text} AS {name}" for name, text in columns.items()]
    return f"{_select(['customer', *chosen])}\n  FROM {source}"


def _value_of(name: str) -> str:
    """The value that a "not zero" flag is about, or the value itself."""
    return name.removesuffix("?")


def _sums(i: int, product: Monomial) -> Iterable[str]:
    """Columns `s{i}` for an exact int64 sum, or `c{i}`, `m{i}` and `f{i}`: the coarse, middle and fine part."""
    if product[0].endswith("?"):
        yield f"SUM(CASE WHEN {_value_of(product[0])} <> 0 THEN 1 ELSE 0 END) AS s{i}"
        return
    numbers = sum(name not in FLAGS for name in product)
    if numbers <= 1:
        yield f"SUM({' * '.join(product)}) AS s{i}"
        return
    power = " * ".join(f"CAST({name} AS DOUBLE PRECISION)" for name in product)
    middle = f"(({power} + :middle) - :middle)"
    if numbers == 2:  # noqa: PLR2004 - squares need two parts, cubes three
        yield f"SUM({middle}) AS m{i}"
    else:
        coarse = f"(({power} + :coarse) - :coarse)"
        yield f"SUM({coarse}) AS c{i}"
        yield f"SUM({middle} - {coarse}) AS m{i}"
    yield f"SUM({power} - {middle}) AS f{i}"


def with_clause(
    wanted: Iterable[str],
    tables: Mapping[str, Part],
    cut: str,
    *,
    swaps: Mapping[str, Part],
    own: Mapping[str, Part] | None = None,
) -> str:
    """The WITH clause of the parts that `wanted` read, each before its readers."""
    known = {**tables, **PARTS, **swaps, **(own or {})}
    ordered: dict[str, Part] = {}

    def include(name: str) -> None:
        if name not in ordered:
            for read in known[name].reads:
                include(read)
            ordered[name] = known[name]

    for name in wanted:
        include(name)
    texts = (f"{name}({part.columns}) AS (\n  {part.text}\n)" for name, part in ordered.items())
    return "WITH RECURSIVE " + ",\n".join(texts).replace("{cut}", CUTS.get(cut, f"e.{cut}"))
