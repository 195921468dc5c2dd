"""What is measured: the metrics of the contract, each a proportion, mean, ratio, ROI or duration per customer."""

from typing import Final, Literal

from msgspec import Struct

MetricKind = Literal["proportion", "mean", "ratio", "roi", "duration"]
Direction = Literal["up", "down"]
Role = Literal["primary", "secondary", "guardrail"]


class Metric(Struct, frozen=True, kw_only=True):
    """One metric.

    Attributes:
        unit: `share` (0..1), `money` (major units of the project's currency), `count`, `hours`, `days` or `factor`.
        better: the direction in which a change is good.
        causal: False where the metric looks only at those who bought, whom the offer itself selects (AOV).
    """

    key: str
    kind: MetricKind
    unit: Literal["share", "money", "count", "hours", "days", "factor"]
    better: Direction = "up"
    causal: bool = True


def _by_key(*metrics: Metric) -> dict[str, Metric]:
    return {metric.key: metric for metric in metrics}


METRICS: Final = _by_key(
    Metric(key="acceptance_rate", kind="proportion", unit="share"),
    Metric(key="offered_item_rate", kind="proportion", unit="share"),
    Metric(key="attach_rate", kind="ratio", unit="share", causal=False),
    Metric(key="conversion_rate", kind="proportion", unit="share"),
    Metric(key="orders_per_customer", kind="mean", unit="count"),
    Metric(key="aov", kind="ratio", unit="money", causal=False),
    Metric(key="revenue_per_customer", kind="mean", unit="money"),
    Metric(key="gross_profit_per_customer", kind="mean", unit="money"),
    Metric(key="discount_cost_per_customer", kind="mean", unit="money", better="down"),
    Metric(key="delivery_cost_per_customer", kind="mean", unit="money", better="down"),
    Metric(key="roi", kind="roi", unit="factor"),
    Metric(key="need_fit_rate", kind="proportion", unit="share"),
    Metric(key="refund_rate", kind="proportion", unit="share", better="down"),
    Metric(key="unsubscribe_rate", kind="proportion", unit="share", better="down"),
    Metric(key="complaint_rate", kind="proportion", unit="share", better="down"),
    Metric(key="checkout_completion_rate", kind="proportion", unit="share"),
    Metric(key="cannibalisation_per_customer", kind="mean", unit="money", better="down"),
    Metric(key="repeat_purchase_rate", kind="proportion", unit="share"),
    Metric(key="hours_to_accept", kind="duration", unit="hours", better="down", causal=False),
    Metric(key="days_to_second_order", kind="duration", unit="days", better="down", causal=False),
    Metric(key="satisfaction_score", kind="ratio", unit="count", causal=False),
)
"""The metrics of the contract by key, and the satisfaction guardrail; definitions in docs/glossary.md."""
