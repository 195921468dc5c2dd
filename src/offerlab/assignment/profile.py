"""Attributes folded from a customer's profile: computed only when a rule asks for one of them."""

from collections.abc import Mapping
from typing import Final

from offerlab.domain.clock import DAY
from offerlab.domain.customer import CustomerState, Profile
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
    state: CustomerState, given: Mapping[str, object], *, now: int, currency: str, folded: bool
) -> Mapping[str, object]:
    """Everything a rule may look at: folded from events, told by profile events, told by the request (wins).

    Args:
        state: the customer; one that could not be read (`known` False) yields only what the request tells.
        given: the request's attributes.
        now: microseconds UTC.
        currency: of the project; `spend_total` and `aov` are in its major unit.
        folded: whether any rule looks at what is folded from events.
    """
    if not state.known:
        return given
    told = state.profile.attributes
    if not folded and not told:
        return given
    found = _folded(state.profile, now, currency) if folded else {}
    for name, (_, value) in told.items():
        found[name] = value
    found.update(given)
    return found


def _folded(profile: Profile, now: int, currency: str) -> dict[str, object]:
    found = dict(_COUNTED)
    orders = [order for order in profile.orders.values() if order[0] <= now]
    if orders:
        spend = sum(order[1] for order in orders) / 10 ** exponent(currency)
        times = [order[0] for order in orders]
        found["orders_count"] = len(orders)
        found["spend_total"] = spend
        found["aov"] = spend / len(orders)
        found["days_since_first_order"] = (now - min(times)) / DAY
        found["days_since_last_order"] = (now - max(times)) / DAY
    found["viewed_skus"] = tuple(profile.viewed)
    found["owned_skus"] = tuple(profile.owned)
    found["cart_skus"] = profile.cart[1]
    return found
