"""Attributes folded from a customer's profile: computed only when a rule asks for one of them."""

from collections.abc import Mapping
from typing import Final

from offerlab.domain.clock import DAY
from offerlab.domain.customer import CustomerState
from offerlab.domain.money import exponent

_COUNTED: Final[dict[str, object]] = {
    "orders_count": 0,
    "spend_total": 0.0,
    "viewed_skus": (),
    "cart_skus": (),
    "owned_skus": (),
}
"""What is known of a customer of whom nothing is known: no orders. Averages and days since are missing."""


def attributes_of(
    state: CustomerState, given: Mapping[str, object], *, now: int, currency: str
) -> Mapping[str, object]:
    """Everything a rule may look at: folded from events, told by profile events, told by the request (wins).

    Args:
        state: the customer; one that could not be read (`known` False) yields only what the request tells.
        given: the request's attributes.
        now: microseconds UTC.
        currency: of the project; `spend_total` and `aov` are in its major unit.
    """
    if not state.known:
        return given
    folded = dict(_COUNTED)
    profile = state.profile
    orders = [order for order in profile.orders.values() if order[0] <= now]
    if orders:
        spend = sum(order[1] for order in orders) / 10 ** exponent(currency)
        times = [order[0] for order in orders]
        folded["orders_count"] = len(orders)
        folded["spend_total"] = spend
        folded["aov"] = spend / len(orders)
        folded["days_since_first_order"] = (now - min(times)) / DAY
        folded["days_since_last_order"] = (now - max(times)) / DAY
    folded["viewed_skus"] = tuple(profile.viewed)
    folded["owned_skus"] = tuple(profile.owned)
    folded["cart_skus"] = profile.cart[1]
    for name, (_, value) in profile.attributes.items():
        folded[name] = value
    folded.update(given)
    return folded
