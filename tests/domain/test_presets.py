"""Presets: the five segments with the shop's own limits."""

from offerlab.assignment.rules import compile_rule
from offerlab.domain.presets import Limits, presets

LIMITS = Limits(buyers=100, high_order=200.0, top_spend=5000.0, quiet_days=90.0)


def first_of(attributes: dict[str, object], limits: Limits = LIMITS) -> str | None:
    """The preset that takes a customer: the first by priority whose rule holds."""
    ordered = sorted((one.segment for one in presets(limits) if one.segment), key=lambda one: one.priority)
    return next((one.key for one in ordered if compile_rule(one.rule)(attributes, 0)), None)


def test_each_customer_belongs_to_the_first_preset_that_fits() -> None:
    """A tag or great spend is VIP, then order value, then silence, then how often."""
    once: dict[str, object] = {"orders_count": 1, "spend_total": 50.0, "aov": 50.0, "days_since_last_order": 3.0}
    assert first_of(once) == "new"
    assert first_of({**once, "orders_count": 4}) == "repeat"
    assert first_of({**once, "orders_count": 4, "days_since_last_order": 91.0}) == "lapsed"
    assert first_of({**once, "aov": 200.0}) == "high-value"
    assert first_of({**once, "spend_total": 5000.0}) == "vip"
    assert first_of({"tags": ["vip"], "orders_count": 0}) == "vip"
    assert first_of({"orders_count": 0, "spend_total": 0.0}) is None


def test_too_few_buyers_have_no_percentiles() -> None:
    """Without limits there is no high value and nobody lapsed; VIP goes by the tag alone."""
    found = {one.key: one.segment for one in presets(Limits(buyers=3))}
    assert [key for key, segment in found.items() if segment is None] == ["high-value", "lapsed"]
    assert first_of({"tags": ["vip"]}, Limits(buyers=3)) == "vip"
    assert first_of({"spend_total": 10.0**9, "orders_count": 1}, Limits(buyers=3)) == "new"


def test_presets_say_what_to_offer_first() -> None:
    """Newcomers and the lapsed get a cross-sell, regulars and high value an upgrade."""
    kinds = {one.key: one.kind for one in presets(LIMITS)}
    assert kinds == {
        "vip": "upsell",
        "high-value": "upsell",
        "lapsed": "cross_sell",
        "repeat": "upsell",
        "new": "cross_sell",
    }
