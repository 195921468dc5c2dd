"""What a message may speak of: the offer, its trigger, the customer; each field with the place it comes from.

Amounts are `Decimal` in major units. Savings and price differences are computed here from prices, never typed by a
person.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from msgspec import Struct

from offerlab.domain.money import from_minor, micro_to_minor
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product
from offerlab.errors import InvalidInput

Path = tuple[str, ...]

FIELDS: Final[dict[Path, str]] = {
    ("offer", "name"): "name of the offer's first product, from the catalogue",
    ("offer", "names"): "names of all its products, a list",
    ("offer", "price"): "catalogue price of the first product; of all together for a bundle",
    ("offer", "offer_price"): "that price after the offer's discount",
    ("offer", "discount_percent"): "what the discount takes off, in percent, rounded down; 0 without one",
    ("offer", "features"): "what an upgrade has and its base lacks, a list; from the product relation",
    ("offer", "code"): "the discount code, where the offer has one; a unique one is the customer's own",
    ("trigger", "name"): "name of the product that gave rise to the offer (bought, viewed, in the cart)",
    ("trigger", "sku"): "its sku",
    ("trigger", "price"): "its catalogue price",
    ("base", "name"): "name of the product that an upsell replaces",
    ("base", "sku"): "its sku",
    ("base", "price"): "its catalogue price",
    ("saving",): "price less offer_price",
    ("saving_amount",): "the same as saving",
    ("saving_percent",): "the saving as a share of the price, in percent, rounded down",
    ("price_diff",): "offer_price less the base's price; only where there is a base",
    ("currency",): "the project's currency, for example KRW",
    ("locale",): "the language asked for, for example ko-KR",
}
"""Every name a template knows beside `customer.…`, whose fields are the customer's own attributes."""

MAX_ATTRIBUTE: Final = 1_000
"""An attribute of more characters counts as missing: a message has no use for it, and rendering stays cheap."""

MAX_ITEMS: Final = 100
"""So does a list with more items."""


class ProductFields(Struct, frozen=True, kw_only=True):
    """A product as a message sees it; `price` in major units."""

    name: str
    sku: str
    price: Decimal


class OfferFields(Struct, frozen=True, kw_only=True):
    """An offer as a message sees it; prices in major units, `discount_percent` in 0..100."""

    name: str
    names: tuple[str, ...]
    price: Decimal
    offer_price: Decimal
    discount_percent: Decimal = Decimal(0)
    features: tuple[str, ...] = ()
    code: str | None = None


class Context(Struct, frozen=True, kw_only=True):
    """All that one message for one customer can say.

    Attributes:
        customer: attributes by name; texts, numbers, booleans and flat lists count, others are missing.
        currency: of every amount here.
    """

    offer: OfferFields
    currency: str
    trigger: ProductFields | None = None
    base: ProductFields | None = None
    customer: Mapping[str, object] = {}

    @property
    def saving(self) -> Decimal:
        """What the customer pays less, in major units."""
        return self.offer.price - self.offer.offer_price

    @property
    def saving_percent(self) -> Decimal:
        """The saving as a share of the price, in percent, rounded down: a message never claims more than is given."""
        return percent_off(self.offer.price, self.offer.offer_price)

    @property
    def price_diff(self) -> Decimal | None:
        """What the upgrade costs more than its base, in major units; None without a base."""
        return None if self.base is None else self.offer.offer_price - self.base.price


def percent_off(price: Decimal, offer_price: Decimal) -> Decimal:
    """Whole percent by which `offer_price` lies under `price`, rounded down; 0 for a price of 0."""
    if price <= 0:
        return Decimal(0)
    return ((price - offer_price) * 100 / price).to_integral_value(rounding=ROUND_FLOOR)


def product_fields(product: Product, currency: str) -> ProductFields:
    """A catalogue product as a message sees it."""
    price = from_minor(micro_to_minor(product.price_micro, currency), currency)
    return ProductFields(name=product.name, sku=product.sku, price=price)


def context_for(  # noqa: PLR0913 - one argument per fact of the decision
    offer: Offer,
    products: Sequence[Product],
    *,
    currency: str,
    trigger: Product | None = None,
    base: Product | None = None,
    customer: Mapping[str, object] | None = None,
    features: Sequence[str] = (),
    code: str | None = None,
) -> Context:
    """What a message of `offer` can say.

    Args:
        offer: the offer; its discount gives the prices.
        products: what is offered, the first one first; empty for an engagement offer.
        currency: the project's.
        trigger: the product that gave rise to the offer; for an upsell also its base unless `base` is given.
        base: what an upsell replaces.
        customer: the customer's attributes, contact-free.
        features: what the upgrade has more, from the relation base -> upgrade.
        code: the code this customer redeems; defaults to the offer's shared code.

    Raises:
        InvalidInput: no products, though the offer is one of products.
    """
    if not products and offer.kind != "engagement":
        raise InvalidInput(f"the offer {offer.key!r} has no product to speak of", field="products")
    if base is None and offer.kind == "upsell":
        base = trigger
    return Context(
        offer=_offer_fields(offer, products, currency, features=features, code=code or offer.discount.shared_code),
        currency=currency,
        trigger=None if trigger is None else product_fields(trigger, currency),
        base=None if base is None else product_fields(base, currency),
        customer=customer or {},
    )


def _offer_fields(
    offer: Offer, products: Sequence[Product], currency: str, *, features: Sequence[str], code: str | None
) -> OfferFields:
    priced = products if offer.kind == "bundle" else products[:1]
    full_micro = sum(product.price_micro for product in priced)
    price = from_minor(micro_to_minor(full_micro, currency), currency)
    offer_price = from_minor(micro_to_minor(offer.discount.price_after(full_micro), currency), currency)
    exact = offer.discount.value if offer.discount.type == "percent" else None
    return OfferFields(
        name=products[0].name if products else "",
        names=tuple(product.name for product in products),
        price=price,
        offer_price=offer_price,
        discount_percent=percent_off(price, offer_price) if exact is None else exact,
        features=tuple(features),
        code=code,
    )


class _Named(dict[str, object]):
    """A product's fields; printed bare it is its name, not a Python dictionary."""

    def __str__(self) -> str:
        return str(self["name"])


def mapping(context: Context, names: frozenset[Path]) -> dict[str, object]:
    """`context` as the names a template reads, only those that it uses (most messages use three).

    Args:
        context: what can be said.
        names: paths that the message uses.
    """
    values: dict[str, object] = {
        root: _VALUES[root](context) for root in {path[0] for path in names} if root in _VALUES
    }
    attributes = context.customer
    fields = {path[1] for path in names if path[0] == "customer"}
    values["customer"] = {name: attributes[name] for name in fields if _is_sayable(attributes.get(name))}
    values["currency"] = context.currency
    return values


def _offer_mapping(offer: OfferFields) -> _Named:
    return _Named(
        name=offer.name,
        names=list(offer.names),
        price=offer.price,
        offer_price=offer.offer_price,
        discount_percent=plain_number(offer.discount_percent),
        features=list(offer.features),
        code=offer.code,
    )


def _product_mapping(product: ProductFields | None) -> _Named | None:
    return None if product is None else _Named(name=product.name, sku=product.sku, price=product.price)


_VALUES: Final[dict[str, Callable[[Context], object]]] = {
    "offer": lambda context: _offer_mapping(context.offer),
    "trigger": lambda context: _product_mapping(context.trigger),
    "base": lambda context: _product_mapping(context.base),
    "saving": lambda context: context.saving,
    "saving_amount": lambda context: context.saving,
    "saving_percent": lambda context: plain_number(context.saving_percent),
    "price_diff": lambda context: context.price_diff,
}


def plain_number(value: Decimal) -> int | Decimal:
    """`value` as people write it: 20, not 20.0 or 2E+1; 12.5 stays 12.5."""
    whole = int(value)
    return whole if value == whole else value.normalize()


def _is_sayable(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ATTRIBUTE
    if isinstance(value, list | tuple):
        return len(value) <= MAX_ITEMS and all(
            isinstance(item, str | int | float | Decimal) and _is_sayable(item) for item in value
        )
    return isinstance(value, int | float | Decimal)
