"""A shop's own metrics as parts of the one query: each adds up one thing per customer, every value bound."""

from typing import Any, Final

from offerlab.aggregation.parts import Part
from offerlab.domain.clock import SECOND
from offerlab.domain.experiment import MetricPlan
from offerlab.domain.metric import Counted
from offerlab.reporting.measures import own_values

_HOUR: Final = 3_600 * SECOND

_SUMS: Final[dict[tuple[str, str], str]] = {
    ("order", "events"): "1",
    ("order", "revenue"): "s.own * (s.net - s.back)",
    ("order_line", "events"): "1",
    ("order_line", "quantity"): "s.quantity",
    ("order_line", "revenue"): "s.own * s.net",
    ("order_line", "discount"): "s.own * s.off",
    ("feedback", "number"): "COALESCE(CAST(ROUND(s.number * 100) AS BIGINT), 0)",
    ("review", "number"): "COALESCE(CAST(ROUND(s.number * 100) AS BIGINT), 0)",
}


class Own:
    """The plan's own metrics.

    Attributes:
        parts: one for each value, by the value's own name. binds: their values.
    """

    def __init__(self, plan: MetricPlan) -> None:
        self.binds: dict[str, Any] = {}
        self.parts: dict[str, Part] = {}
        for i, metric in enumerate(plan.custom):
            counted = [each for each in (metric.value, metric.per) if each is not None]
            for name, each in zip(own_values(i, metric), counted, strict=True):
                self.parts[f"of_{name}"] = self._part(name, each, any_of=metric.kind == "proportion")

    def _part(self, name: str, counted: Counted, *, any_of: bool) -> Part:
        """One row for each customer who has any."""
        wanted = self._span(name, counted) + self._fields(name, counted)
        total = f"SUM({_SUMS.get((counted.event, counted.sum), '1')})"
        value = f"CASE WHEN {total} > 0 THEN 1 ELSE 0 END" if any_of else total
        if counted.event in ("order", "order_line"):
            source = "bought" if counted.event == "order" else "items"
            chosen, origin, wanted = "s.customer", f"{source} s", ["s.inside = 1", *wanted]
        else:
            self.binds[f"{name}_event"] = counted.event
            source, chosen = "people", "p.customer"
            origin = "people p CROSS JOIN interactions s"
            kind = [f"s.type = :{name}_event", "s.customer = p.number", "s.received_at <= :as_of"]
            wanted = [*kind, "s.occurred_at < p.t0 + :window", *wanted]
        words = ("SELECT", f"{chosen}, {value}", "FROM", origin, "WHERE", " AND ".join(wanted), "GROUP BY", chosen)
        return Part(f"customer, {name}", " ".join(words), (source,))

    def _span(self, name: str, counted: Counted) -> list[str]:
        at, start = ("s.at", "s.t0") if counted.event in ("order", "order_line") else ("s.occurred_at", "p.t0")
        self.binds[f"{name}_from"] = round(counted.from_hours * _HOUR)
        span = [f"{at} >= {start} + :{name}_from"]
        if counted.to_hours is not None:
            self.binds[f"{name}_to"] = round(counted.to_hours * _HOUR)
            span.append(f"{at} < {start} + :{name}_to")
        return span

    def _fields(self, name: str, counted: Counted) -> list[str]:
        found: list[str] = []
        for field, values in counted.where.items():
            marks = [f"{name}_{field}_{i}" for i in range(len(values))]
            self.binds |= dict(zip(marks, values, strict=True))
            found.append(f"s.{field} IN ({', '.join(f':{mark}' for mark in marks)})")
        return found
