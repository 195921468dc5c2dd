"""An offer: product, message, discount, timing and channel; what a variant shows."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from offerlab.domain.money import MICRO, round_ratio, spread
from offerlab.domain.product import Product
from offerlab.errors import InvalidDefinition

OfferKind = Literal["cross_sell", "upsell", "bundle", "order_bump", "engagement"]
Match = Literal["curated", "affinity", "similar", "recently_viewed", "random"]
DiscountType = Literal["none", "percent", "amount", "free_shipping", "gift"]
CodeKind = Literal["shared", "unique", "none"]
BenefitType = Literal["money", "feature", "service"]
"""What a customer gains: pays less, can do more, is helped."""
Channel = Literal["web", "email", "sms", "push", "agent"]
Delivery = Literal["caller", "webhook", "email"]
"""Who brings the offer: whoever asked shows it, a webhook tells the shop's sender when it is due, or we mail it."""
Stage = Literal["label_created", "in_transit", "out_for_delivery", "delivered", "exception", "returned"]
"""Where a parcel is."""

_HUNDRED = Decimal(100)


class LocalizedText(Struct, frozen=True, kw_only=True):
    """Liquid templates of one language."""

    title: str = ""
    body: str = ""
    benefit: str = ""


class Discount(Struct, frozen=True, kw_only=True):
    """What the customer pays less.

    Attributes:
        value: percent points (0..100), an amount in the project's currency, or None.
        code: whether the customer needs a code, shared by all or derived per customer.
    """

    type: DiscountType = "none"
    value: Decimal | None = None
    code: CodeKind = "none"
    shared_code: str | None = None

    def price_after(self, price_micro: int) -> int:
        """Unit price after this discount, in millionths, never below zero."""
        if self.type == "percent" and self.value is not None:
            return int((price_micro * (_HUNDRED - self.value) / _HUNDRED).to_integral_value())
        if self.type == "amount" and self.value is not None:
            return max(0, price_micro - int(self.value * MICRO))
        return 0 if self.type == "gift" else price_micro

    def prices_after(self, prices: Sequence[int], unit: int, *, together: bool) -> list[int]:
        """Unit prices of an offer's products after this discount, as a till can charge them.

        Args:
            prices: in millionths.
            unit: the currency's smallest amount, in millionths.
            together: whether they are sold as one set: then the set's price is rounded and its saving is spread.

        Returns:
            In millionths; of a set they add up to the set's price.
        """
        if self.type in ("none", "free_shipping"):
            return list(prices)
        if len(prices) == 1 or not (together or self.type == "amount"):
            return [unit * round_ratio(self.price_after(price), unit) for price in prices]
        whole = sum(prices)
        off = round_ratio(whole, unit) - round_ratio(self.price_after(whole), unit)
        return [max(0, price - unit * part) for price, part in zip(prices, spread(off, list(prices)), strict=True)]


class Timing(Struct, frozen=True, kw_only=True):
    """When the offer is due after its trigger, and until when it stands.

    Attributes:
        stage: with a trigger of an order, the delay counts from the moment its parcel reaches this stage.
    """

    trigger: str | None = None
    delay_seconds: int = 0
    expires_after_seconds: int | None = None
    stage: Stage | None = None


class Offer(Struct, frozen=True, kw_only=True):
    """One offer as a marketer defined it; a changed offer is a new `version`.

    Attributes:
        replaces: key of the offer that this one is the successor of: what was learnt of that one led to this one.
        benefit_type: what the customer gains, as the marketer said it; see `benefit_of` for where nobody did.
    """

    key: str
    kind: OfferKind
    products: tuple[str, ...] = ()
    trigger_products: tuple[str, ...] = ()
    match: Match = "curated"
    message: dict[str, LocalizedText] = {}
    discount: Discount = Discount()
    placements: tuple[str, ...] = ()
    channel: Channel | None = None
    timing: Timing = Timing()
    delivery: Delivery = "caller"
    delivery_cost_micro: int = 0
    version: int = 1
    replaces: str | None = None
    benefit_type: BenefitType | None = None


def benefit_of(offer: Offer) -> BenefitType | None:
    """What the customer gains: as said, else where it is evident: features that its texts list, or a discount."""
    if offer.benefit_type is not None:
        return offer.benefit_type
    if any("offer.features" in text.benefit or "offer.features" in text.body for text in offer.message.values()):
        return "feature"
    return None if offer.discount.type == "none" else "money"


def check_offer(offer: Offer, product: Callable[[str], Product | None]) -> None:
    """Refuse an offer that contradicts itself or the catalogue.

    Args:
        offer: the offer.
        product: looks up a product by sku.

    Raises:
        InvalidDefinition: names the field at fault.
    """
    _check_products(offer, product)
    _check_discount(offer.discount)
    if offer.kind == "upsell":
        _check_upsell(offer, product)
    _check_delivery(offer)


def _check_delivery(offer: Offer) -> None:
    if offer.delivery == "email" and offer.channel != "email":
        raise InvalidDefinition("an offer that is mailed goes through the channel email", field="channel")
    if offer.delivery == "webhook" and offer.channel in (None, "web"):
        raise InvalidDefinition(
            "an offer that a webhook brings names its channel: email, sms, push or agent", field="channel"
        )
    if offer.timing.stage is not None:
        if offer.delivery == "caller":
            raise InvalidDefinition("only an offer that is delivered can wait for a parcel", field="delivery")
        if offer.timing.trigger != "order_placed":
            raise InvalidDefinition("a parcel is waited for after order_placed", field="timing.trigger")


def _check_products(offer: Offer, product: Callable[[str], Product | None]) -> None:
    for field, skus in (("products", offer.products), ("trigger_products", offer.trigger_products)):
        for i, sku in enumerate(skus):
            if product(sku) is None:
                raise InvalidDefinition(f"no product has the sku {sku!r}", field=f"{field}[{i}]")
        if len(set(skus)) != len(skus):
            raise InvalidDefinition("a sku stands here twice", field=field)
    if offer.match == "curated" and not offer.products and offer.kind != "engagement":
        raise InvalidDefinition("a curated offer names its products", field="products")
    both = set(offer.products) & set(offer.trigger_products)
    if both and offer.kind != "bundle":
        raise InvalidDefinition(f"{min(both)!r} would be offered to who is buying it", field="products")
    if offer.kind == "bundle" and len(offer.products) == 1:
        raise InvalidDefinition("a bundle has at least two products", field="products")


def _check_discount(discount: Discount) -> None:
    value = discount.value
    if discount.type in ("percent", "amount"):
        if value is None or not value.is_finite() or value <= 0:
            raise InvalidDefinition(f"a discount of type {discount.type} needs a value above 0", field="discount.value")
        if discount.type == "percent" and value > _HUNDRED:
            raise InvalidDefinition(f"{value} percent is more than the price", field="discount.value")
    elif value is not None:
        raise InvalidDefinition(f"a discount of type {discount.type} has no value", field="discount.value")
    if discount.code == "shared" and not discount.shared_code:
        raise InvalidDefinition("a shared code is written out", field="discount.shared_code")
    if discount.code != "shared" and discount.shared_code is not None:
        raise InvalidDefinition("only a shared code is written out", field="discount.shared_code")


def _check_upsell(offer: Offer, product: Callable[[str], Product | None]) -> None:
    for locale, text in offer.message.items():
        if not text.benefit.strip():
            raise InvalidDefinition("an upsell says what the customer gains", field=f"message.{locale}.benefit")
    for sku in offer.products:
        for base in offer.trigger_products:
            better, plain = product(sku), product(base)
            if better is not None and plain is not None and better.price_micro <= plain.price_micro:
                raise InvalidDefinition(f"upgrade {sku!r} is not dearer than its base {base!r}", field="products")
