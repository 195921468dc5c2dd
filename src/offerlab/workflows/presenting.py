"""From a decision to what a storefront shows: products with prices, words in the customer's language, the code."""

import base64
from collections.abc import Mapping, Sequence

from msgspec import Struct

from offerlab.domain.clock import SECOND, iso
from offerlab.domain.customer import CustomerState
from offerlab.domain.decision import Context, Decision
from offerlab.domain.money import from_micro, micro_per_minor, text
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product
from offerlab.messaging.context import context_for
from offerlab.messaging.render import Rendered, Unrendered, render
from offerlab.storage.customers import digest_of
from offerlab.storage.mac import mac
from offerlab.workflows.snapshot import Snapshot


class ShownProduct(Struct, frozen=True):
    """A product of the offer; prices as decimal strings in the project's currency."""

    sku: str
    name: str
    price: str
    offer_price: str


class ShownMessage(Struct, frozen=True):
    """The words, in one language."""

    title: str
    body: str
    benefit: str
    locale: str


class ShownDiscount(Struct, frozen=True):
    """The discount with the code that this customer redeems."""

    type: str
    value: str | None
    code: str | None


class ShownTiming(Struct, frozen=True):
    """When the offer is due and until when it stands."""

    trigger: str | None
    delay_seconds: int
    expires_at: str | None


class ShownOffer(Struct, frozen=True, kw_only=True):
    """An offer ready to be shown."""

    key: str
    kind: str
    products: list[ShownProduct]
    message: ShownMessage | None
    discount: ShownDiscount
    timing: ShownTiming
    channel: str
    version: int


def attributes_for(state: CustomerState, given: Mapping[str, object]) -> dict[str, object]:
    """The customer's own attributes with the request's over them: what a message may speak of."""
    return {**{name: value for name, (_, value) in state.profile.attributes.items()}, **given}


def present(
    snapshot: Snapshot,
    decision: Decision,
    *,
    unit: str,
    attributes: Mapping[str, object],
    context: Context,
    now: int,
) -> ShownOffer | Unrendered | None:
    """What to show for a decision.

    Returns:
        None when the arm shows nothing; Unrendered when there are no words for this customer: the block stays empty.
    """
    offer = decision.offer
    if offer is None:
        return None
    products = [product for sku in decision.products if (product := snapshot.products.get(sku)) is not None]
    if not products and offer.kind != "engagement":
        return Unrendered("missing_value", "products", "no product of the offer is in the catalogue")
    code = code_of(snapshot.project.secret, offer, unit)
    message = _message(snapshot, offer, products, attributes=attributes, context=context, code=code)
    if isinstance(message, Unrendered):
        return message
    currency = snapshot.project.currency
    prices = offer.discount.prices_after(
        [product.price_micro for product in products], micro_per_minor(currency), together=offer.kind == "bundle"
    )
    expires = offer.timing.expires_after_seconds
    due = now + offer.timing.delay_seconds * SECOND
    return ShownOffer(
        key=offer.key,
        kind=offer.kind,
        products=[
            ShownProduct(
                product.sku,
                product.name,
                text(from_micro(product.price_micro, currency)),
                text(from_micro(price, currency)),
            )
            for product, price in zip(products, prices, strict=True)
        ],
        message=message,
        discount=discount_of(offer, code),
        timing=ShownTiming(
            offer.timing.trigger, offer.timing.delay_seconds, None if expires is None else iso(due + expires * SECOND)
        ),
        channel=offer.channel or context.channel or "web",
        version=offer.version,
    )


def discount_of(offer: Offer, code: str | None) -> ShownDiscount:
    """The offer's discount with the customer's code."""
    value = offer.discount.value
    return ShownDiscount(offer.discount.type, None if value is None else text(value), code)


def code_of(secret: bytes, offer: Offer, unit: str) -> str | None:
    """The code a customer redeems: none, the shared one, or one of their own that needs no row."""
    if offer.discount.code == "shared":
        return offer.discount.shared_code
    if offer.discount.code == "none":
        return None
    return own_code(secret, offer.key, digest_of(secret, unit))


def own_code(secret: bytes, offer: str, digest: bytes) -> str:
    """A customer's own code for an offer, from what the vault knows of them: it can be told again without the id."""
    own = mac(secret, b"code:" + offer.encode() + b":" + digest)
    return base64.b32encode(own[:10]).decode()[:12]


def _message(
    snapshot: Snapshot,
    offer: Offer,
    products: Sequence[Product],
    *,
    attributes: Mapping[str, object],
    context: Context,
    code: str | None,
) -> ShownMessage | Unrendered | None:
    message = snapshot.messages.get(offer.key)
    if message is None or not message.texts:
        return None
    trigger = trigger_of(snapshot, offer, context)
    features: tuple[str, ...] = ()
    if trigger is not None and products:
        for relation in snapshot.relations.get(trigger.sku, ()):
            if relation.kind == "upgrade" and relation.target == products[0].sku:
                features = relation.features
    words = render(
        message,
        context_for(
            offer,
            products,
            currency=snapshot.project.currency,
            trigger=trigger,
            customer=attributes,
            features=features,
            code=code,
        ),
        context.locale,
    )
    if isinstance(words, Rendered):
        return ShownMessage(words.title, words.body, words.benefit, words.locale)
    return words


def trigger_of(snapshot: Snapshot, offer: Offer, context: Context) -> Product | None:
    """The product that gave rise to the offer: the stated one, one in the cart, else the offer's first."""
    stated = [context.trigger_sku, *(sku for sku in context.cart or () if sku in offer.trigger_products)]
    for sku in (*stated, *offer.trigger_products):
        if sku is not None and (product := snapshot.products.get(sku)) is not None:
            return product
    return None
