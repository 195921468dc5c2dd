"""What a metric is made of: the per-customer values that it adds up, and how they make a figure.

A value is an exact integer per customer: a flag (0 or 1), a count, minor units of money, or seconds. The engine gives
sums of their products (`Monomial`), never the values. Rejected: SQL per metric: two metrics would then disagree about
what a purchase is.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

from msgspec import Struct

from offerlab.domain.experiment import MetricPlan
from offerlab.domain.metric import Counted, CustomMetric

Monomial: TypeAlias = tuple[str, ...]
"""Names of values multiplied with each other, sorted; a flag stands once, because 1 times 1 is 1."""


class Measure(Struct, frozen=True):
    """A metric as values: `numerator`, over `denominator` where it is a ratio of sums.

    Attributes:
        per: what one unit of the metric is in the numerator's integer: 1, or 3600 seconds per hour.
        within: of a time until something: the days it is followed, 0 for the window; `numerator` are then the seconds
            of those who did it, `denominator` whether they did.
    """

    numerator: str
    denominator: str | None = None
    per: int = 1
    within: int | None = None


AGAIN_DAYS: Final = 90
"""Within how many days of the first order another one is a repeat purchase."""

MEASURES: Final[dict[str, Measure]] = {
    "acceptance_rate": Measure("accepted"),
    "offered_item_rate": Measure("bought"),
    "attach_rate": Measure("attached_orders", "trigger_orders"),
    "conversion_rate": Measure("converted"),
    "orders_per_customer": Measure("orders"),
    "aov": Measure("revenue", "paid_orders"),
    "revenue_per_customer": Measure("revenue"),
    "gross_profit_per_customer": Measure("profit"),
    "discount_cost_per_customer": Measure("discount"),
    "delivery_cost_per_customer": Measure("delivery"),
    "roi": Measure("profit", "offer_cost"),
    "need_fit_rate": Measure("fit"),
    "refund_rate": Measure("refunded"),
    "unsubscribe_rate": Measure("unsubscribed"),
    "complaint_rate": Measure("complained"),
    "checkout_completion_rate": Measure("completed"),
    "cannibalisation_per_customer": Measure("displaced"),
    "repeat_purchase_rate": Measure("repeated"),
    "hours_to_accept": Measure("accept_seconds", "accepted", per=3600, within=0),
    "days_to_second_order": Measure("second_seconds", "repeated", per=86_400, within=AGAIN_DAYS),
    "satisfaction_score": Measure("rating_hundredths", "ratings", per=100),
}
"""Every metric of the contract; the values are defined in docs/glossary.md."""

FLAGS: Final = frozenset(
    (
        "accepted",
        "bought",
        "converted",
        "fit",
        "partial_bundle",
        "refunded",
        "unsubscribed",
        "complained",
        "completed",
        "repeated",
        "shown",
        "had_orders",
        "window_open",
        "refunds_open",
    )
)

MONEY: Final = frozenset(
    (
        "revenue",
        "profit",
        "discount",
        "delivery",
        "offer_cost",
        "displaced",
        "goods",
        "given_back",
        "offered_full",
        "rest_full",
        "attributed",
        "pre_revenue",
        "capped_revenue",
        "capped_profit",
        *(f"money_part_{i}" for i in range(1, 8)),
    )
)

COVARIATES: Final = ("pre_revenue", "pre_orders", "pre_days", "had_orders")
"""What is known of a customer before the first exposure, for variance reduction: what was bought in 90 days, how often,
how many days ago last (0 without), and whether at all."""

_IMPLIED: Final = {"pre_revenue": "had_orders", "pre_orders": "had_orders", "pre_days": "had_orders"}

CAPPED: Final = {"revenue": "capped_revenue", "profit": "capped_profit"}
"""Values carried by a few giants, and their capped twins: no further from zero than the 99th percentile of the sizes of
those who have one, arms pooled (the assignment plays no part)."""

STRETCHES: Final = 7
"""Parts of the window in which the course of an effect is followed."""

COURSES: Final = {unit: tuple(f"{unit}_part_{i}" for i in range(1, STRETCHES + 1)) for unit in ("money", "count")}
"""Values by part of the window: money before refunds, and orders."""

ALWAYS: Final[tuple[str, ...]] = ("window_open", "refunds_open", "shown")
"""Counted for every report, whatever its metrics."""

COUNTED: Final = ("other_currency", "over_refunds", "no_lines", "foreign_refunds")
"""Oddities of the data that a report shows: orders in another currency, refunded by more than their value, …"""

STEPS: Final = ("revenue", "offered_full", "rest_full", "given_back", "goods", "discount", "delivery", "profit")
"""Money values; profit = offered_full + rest_full - given_back - goods - discount - delivery."""

COSTED: Final = frozenset(("profit", "goods"))
"""Values that can't be known when a line has no unit cost."""


_COMPANIONS: Final = {"acceptance_rate": "offered_item_rate", "aov": "revenue_per_customer"}
"""What never stands alone: an acceptance rate hides who would have bought anyway, AOV who does not buy any more."""


def measured(metrics: Iterable[str]) -> tuple[str, ...]:
    """The metrics to work out when `metrics` are asked for, each with its companion behind it."""
    wanted = dict.fromkeys(metrics)
    keys: list[str] = []
    for key in wanted:
        keys.append(key)
        companion = _COMPANIONS.get(key)
        if companion is not None and companion not in wanted:
            keys.append(companion)
    return tuple(keys)


def monomial(*values: str) -> Monomial:
    """The product of `values` in its one written form; a flag that another factor implies is left out."""
    implied = {_IMPLIED[value] for value in values if value in _IMPLIED}
    flags = {value for value in values if value in FLAGS} - implied
    return tuple(sorted([*flags, *(value for value in values if value not in FLAGS)]))


def nonzero(value: str) -> str:
    """Name of the flag "this value is not zero"."""
    return f"{value}?"


def own_values(i: int, metric: CustomMetric) -> tuple[str, ...]:
    """Names of what the plan's `i`-th own metric adds up: its value, and what it is divided by."""
    counted = [(name, each) for name, each in (("value", metric.value), ("per", metric.per)) if each is not None]
    return tuple(f"own_{i}_{name}{_grain(metric, each)}" for name, each in counted)


def _grain(metric: CustomMetric, counted: Counted) -> str:
    if metric.kind == "proportion" or counted.sum not in ("revenue", "discount", "number"):
        return ""
    return "_hundredths" if counted.sum == "number" else "_money"


def measure_of(plan: MetricPlan, key: str) -> Measure:
    """What a metric of the plan adds up.

    Raises:
        KeyError: no metric of the contract, nor the plan's own.
    """
    for i, own in enumerate(plan.custom):
        if own.key == key:
            values = own_values(i, own)
            return Measure(values[0], values[1] if len(values) > 1 else None)
    return MEASURES[key]


def divisor(value: str, minor: int) -> int:
    """How many of a value's integers make one unit: `minor` for money, 100 for numbers that people give."""
    if value in MONEY or value.endswith("_money"):
        return minor
    return 100 if value.startswith("own_") and value.endswith("_hundredths") else 1
