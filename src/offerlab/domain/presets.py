"""The five segments that every shop starts from, with limits from the shop's own customers.

Nobody is "high value" by a number out of a book: what counts as much, or as long ago, is where the shop's own buyers
stand. The limits are percentiles of those who ever bought; with too few buyers there is no such preset, and it says so.
"""

from typing import Final, Literal

from msgspec import Struct

from offerlab.domain.offer import OfferKind
from offerlab.domain.segment import All, AnyOf, Condition, Segment

PresetKey = Literal["vip", "high-value", "lapsed", "repeat", "new"]

FEWEST_BUYERS: Final = 20
"""Below that a percentile is one customer's habit."""

HIGH: Final = 0.90
TOP: Final = 0.98
LAPSED: Final = 0.75


class Limits(Struct, frozen=True, kw_only=True):
    """Where the shop's own buyers stand; None where there are too few.

    Attributes:
        buyers: customers with an order.
        high_order: order value (AOV) that only one buyer in ten reaches, major units.
        top_spend: spend that one in fifty reaches, major units.
        quiet_days: days since the last order that one buyer in four has passed.
    """

    buyers: int
    high_order: float | None = None
    top_spend: float | None = None
    quiet_days: float | None = None


class Preset(Struct, frozen=True, kw_only=True):
    """A segment ready to be taken over, with the kind of offer that suits it first.

    Attributes:
        kind: what to start with: cross-sell for newcomers, an upgrade for regulars.
        limit: the shop's own number in the rule, if it has one.
        segment: None where the shop has too few buyers for a limit.
    """

    key: PresetKey
    name: str
    kind: OfferKind
    limit: float | None
    segment: Segment | None


def presets(limits: Limits) -> tuple[Preset, ...]:
    """The five presets in the order of their priority: a regular who spends much is "high value" first."""
    ordered = Condition("orders_count", "gte", 1)
    high, top, quiet = limits.high_order, limits.top_spend, limits.quiet_days
    tagged = Condition("tags", "contains", "vip")
    vip = tagged if top is None else AnyOf((tagged, Condition("spend_total", "gte", top)))
    lasting = All((ordered, Condition("days_since_last_order", "gt", quiet)))
    return (
        _preset("vip", "VIP", "upsell", 10, vip, top),
        _preset("high-value", "High value", "upsell", 20, Condition("aov", "gte", high), high),
        _preset("lapsed", "Lapsed", "cross_sell", 30, lasting, quiet),
        _preset("repeat", "Repeat", "upsell", 40, Condition("orders_count", "gte", 2), None),
        _preset("new", "New", "cross_sell", 50, Condition("orders_count", "eq", 1), None),
    )


def _preset(
    key: PresetKey, name: str, kind: OfferKind, priority: int, rule: Condition | All | AnyOf, limit: float | None
) -> Preset:
    needs = key in ("high-value", "lapsed")
    segment = None if needs and limit is None else Segment(key=key, name=name, priority=priority, rule=rule)
    return Preset(key=key, name=name, kind=kind, limit=limit, segment=segment)
