"""Attributes folded from a customer's profile: computed only when a rule asks for one of them."""

from collections.abc import Iterable, Mapping
from typing import Final

from offerlab.domain.clock import DAY
from offerlab.domain.customer import PROFILED, CustomerState, Profile
from offerlab.domain.money import exponent
from offerlab.domain.product import Product
from offerlab.domain.segment import RATING_OF, VIEW_OF

_COUNTED: Final[dict[str, object]] = {
    "orders_count": 0,
    "spend_total": 0.0,
    "viewed_skus": (),
    "cart_skus": (),
    "owned_skus": (),
}
YEAR_DAYS: Final = 365.0
SHORTEST_DAYS: Final = 30.0
"""Orders a year are told over at least so many days: two orders on one day are no habit."""
"""What is known of a customer of whom nothing is known: no orders. Averages and days since are missing."""


ADULT_YEARS: Final = 14
"""Younger customers are offered nothing (PIPA 22-2): a guardian's consent is not ours to judge."""


def is_barred(profile: Profile, given: Mapping[str, object]) -> bool:
    """Whether a customer takes part in nothing: they objected to being profiled, or are known to be a child."""
    if profile.consents and (objection := profile.consents.get(PROFILED)) is not None and not objection[1]:
        return True
    age = given.get("age")
    if age is None:
        if not profile.attributes:
            return False
        told = profile.attributes.get("age")
        age = None if told is None else told[1]
    return isinstance(age, int | float) and not isinstance(age, bool) and age < ADULT_YEARS


def attributes_of(
    state: CustomerState,
    given: Mapping[str, object],
    *,
    now: int,
    currency: str,
    folded: bool,
    products: Mapping[str, Product] | None = None,
) -> Mapping[str, object]:
    """Everything a rule may look at: folded from events, told by profile events, told by the request (wins).

    Args:
        state: the customer; one that could not be read (`known` False) yields only what the request tells.
        given: the request's attributes.
        now: microseconds UTC.
        currency: of the project; `spend_total` and `aov` are in its major unit.
        folded: whether any rule looks at what is folded from events.
        products: by sku, where any rule looks at categories.
    """
    if not state.known:
        return given
    told = state.profile.attributes
    if not folded and not told:
        return given
    found = _folded(state.profile, now, currency) if folded else {}
    if folded and products is not None:
        found.update(by_category(state.profile, products))
        found.update(since_views(state.profile, now))
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
        found["orders_per_year"] = len(orders) * YEAR_DAYS / max((now - min(times)) / DAY, SHORTEST_DAYS)
    if profile.viewed:
        found["days_since_last_view"] = (now - max(profile.viewed.values())) / DAY
    if profile.ratings:
        found["rating_mean"] = _mean([mark for _, mark in profile.ratings.values()])
    found["viewed_skus"] = tuple(profile.viewed)
    found["owned_skus"] = tuple(profile.owned)
    found["cart_skus"] = profile.cart_skus
    return found


def by_category(profile: Profile, products: Mapping[str, Product]) -> dict[str, object]:
    """What a customer owns, looked at and thinks of, by category; products without one are left out."""
    marks: dict[str, list[float]] = {}
    for sku, (_, mark) in profile.ratings.items():
        category = _category(sku, products)
        if category is not None:
            marks.setdefault(category, []).append(mark)
    found: dict[str, object] = {f"{RATING_OF}{name}": _mean(given) for name, given in marks.items()}
    found["owned_categories"] = _categories(profile.owned, products)
    found["viewed_categories"] = _categories(profile.viewed, products)
    return found


def since_views(profile: Profile, now: int) -> dict[str, object]:
    """How long ago the customer last looked at each product, in days."""
    return {f"{VIEW_OF}{sku}": (now - at) / DAY for sku, at in profile.viewed.items()}


def _categories(skus: Iterable[str], products: Mapping[str, Product]) -> tuple[str, ...]:
    return tuple(sorted({name for sku in skus if (name := _category(sku, products)) is not None}))


def _category(sku: str, products: Mapping[str, Product]) -> str | None:
    product = products.get(sku)
    return None if product is None else product.category


def _mean(marks: list[float]) -> float:
    return sum(marks) / len(marks)
