"""What is measured: the metrics of the contract, each a proportion, mean, ratio, ROI or duration per customer."""

from typing import Final, Literal

from msgspec import Struct

from offerlab.errors import InvalidDefinition

MetricKind = Literal["proportion", "mean", "ratio", "roi", "duration"]
Direction = Literal["up", "down"]
Role = Literal["primary", "secondary", "guardrail"]


Unit = Literal["share", "money", "count", "hours", "days", "factor"]
MOST_HOURS: Final = 24 * 730
"""Two years: the longest window."""


class Metric(Struct, frozen=True, kw_only=True):
    """One metric.

    Attributes:
        unit: `share` (0..1), `money` (major units of the project's currency), `count`, `hours`, `days` or `factor`.
        better: the direction in which a change is good.
        causal: False where the metric looks only at those who bought, whom the offer itself selects (AOV).
    """

    key: str
    kind: MetricKind
    unit: Unit
    better: Direction = "up"
    causal: bool = True


Source = Literal[
    "order",
    "order_line",
    "product_viewed",
    "offer_viewed",
    "offer_clicked",
    "offer_accepted",
    "offer_declined",
    "cart_updated",
    "shipment",
    "unsubscribe",
    "complaint",
    "feedback",
    "review",
]
Sum = Literal["events", "quantity", "revenue", "discount", "number"]

_SUMS: Final[dict[str, frozenset[str]]] = {
    "order": frozenset(("events", "revenue")),
    "order_line": frozenset(("events", "quantity", "revenue", "discount")),
    "feedback": frozenset(("events", "number")),
    "review": frozenset(("events", "number")),
}
_FIELDS: Final[dict[str, frozenset[str]]] = {
    "order": frozenset(),
    "order_line": frozenset(("sku", "offer")),
    "product_viewed": frozenset(("sku",)),
    "review": frozenset(("sku",)),
    "offer_viewed": frozenset(("offer",)),
    "offer_clicked": frozenset(("offer",)),
    "offer_accepted": frozenset(("offer",)),
    "offer_declined": frozenset(("offer",)),
    "feedback": frozenset(("offer",)),
}
MOST_VALUES: Final = 200
"""Values that one field of a definition may name."""


class Counted(Struct, frozen=True, kw_only=True):
    """What is added up for a customer, over events inside the window.

    Attributes:
        event: which events; `order_line` are the lines of orders.
        sum: how many there are (`events`), pieces, revenue (of orders after refunds, of lines before), discount, or the
            number that a feedback or review carries.
        where: by field (`sku`, `offer`), the values of which one must fit.
        from_hours, to_hours: since the first exposure; null is the end of the window.
    """

    event: Source
    sum: Sum = "events"
    where: dict[str, tuple[str, ...]] = {}
    from_hours: float = 0.0
    to_hours: float | None = None

    @property
    def is_money(self) -> bool:
        """Whether it adds up amounts."""
        return self.sum in ("revenue", "discount")


class CustomMetric(Struct, frozen=True, kw_only=True):
    """A shop's own metric, by definition over events.

    Attributes:
        kind: `proportion`: 1 for a customer with any of `value`; `mean`: the sum per customer; `ratio`: sum of `value`
            over sum of `per`.
    """

    key: str
    kind: Literal["proportion", "mean", "ratio"]
    value: Counted
    per: Counted | None = None
    name: str = ""
    better: Direction = "up"

    @property
    def metric(self) -> Metric:
        """How it is read; a ratio looks at those who have something to divide by."""
        money = self.value.is_money and self.kind != "proportion"
        if self.kind == "proportion":
            unit: Unit = "share"
        elif self.per is not None and self.per.is_money:
            unit = "factor" if money else "count"
        else:
            unit = "money" if money else "count"
        return Metric(key=self.key, kind=self.kind, unit=unit, better=self.better, causal=self.kind != "ratio")


def looks_at_opens(metric: CustomMetric) -> bool:
    """Whether it counts what a screen or a mail program reports as seen: machines open mails, and control sees none."""
    return any(each is not None and each.event == "offer_viewed" for each in (metric.value, metric.per))


def check_metric(metric: CustomMetric) -> None:
    """Refuse a definition that contradicts itself.

    Raises:
        InvalidDefinition: names the field at fault.
    """
    if metric.key in METRICS:
        raise InvalidDefinition(f"{metric.key!r} is a metric that every shop has", field="key")
    if (metric.per is not None) != (metric.kind == "ratio"):
        raise InvalidDefinition("a ratio divides by `per`, the other kinds do not", field="per")
    for field, counted in (("value", metric.value), ("per", metric.per)):
        if counted is not None:
            _check_counted(counted, field)


def _check_counted(counted: Counted, field: str) -> None:
    sums = _SUMS.get(counted.event, frozenset(("events",)))
    if counted.sum not in sums:
        raise InvalidDefinition(
            f"{counted.event} has no {counted.sum}, only {', '.join(sorted(sums))}", field=f"{field}.sum"
        )
    fields = _FIELDS.get(counted.event, frozenset())
    for name, values in counted.where.items():
        if name not in fields:
            raise InvalidDefinition(f"{counted.event} has no field {name!r}", field=f"{field}.where.{name}")
        if not 0 < len(values) <= MOST_VALUES:
            raise InvalidDefinition(f"1 to {MOST_VALUES} values are named", field=f"{field}.where.{name}")
    ends = counted.to_hours
    if not 0 <= counted.from_hours < MOST_HOURS or (ends is not None and not counted.from_hours < ends <= MOST_HOURS):
        raise InvalidDefinition("hours run from 0 upwards, the end behind the start", field=f"{field}.to_hours")


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
    Metric(key="hours_to_accept", kind="duration", unit="hours", better="down"),
    Metric(key="days_to_second_order", kind="duration", unit="days", better="down"),
    Metric(key="satisfaction_score", kind="ratio", unit="count", causal=False),
)
"""The metrics of the contract by key, and the satisfaction guardrail; definitions in docs/glossary.md."""
