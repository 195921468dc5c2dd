"""What clients get back; amounts as decimal strings, times as ISO 8601 with a Z."""

from msgspec import Struct

from offerlab.domain.metric import Counted, CustomMetric, Metric
from offerlab.domain.money import from_micro, text
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product
from offerlab.domain.segment import Segment, to_raw


class ProductView(Struct, frozen=True, kw_only=True):
    """A product."""

    sku: str
    name: str
    category: str | None
    price: str
    unit_cost: str | None
    stock: int | None
    kind: str
    attributes: dict[str, object]


class UpsertView(Struct, frozen=True, kw_only=True):
    """What a list of products did."""

    created: int
    updated: int


class OfferView(Struct, frozen=True, kw_only=True):
    """An offer, in the shape in which it is sent, with its version."""

    key: str
    kind: str
    products: tuple[str, ...]
    trigger_products: tuple[str, ...]
    match: str
    message: dict[str, dict[str, str]]
    discount: dict[str, str | None]
    placements: tuple[str, ...]
    channel: str | None
    timing: dict[str, str | int | None]
    delivery: str
    delivery_cost: str
    replaces: str | None
    benefit_type: str | None
    version: int


class SegmentView(Struct, frozen=True, kw_only=True):
    """A segment."""

    key: str
    name: str
    priority: int
    rule: dict[str, object]


class MetricView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A metric: one that every shop has, or the shop's own with its definition."""

    key: str
    kind: str
    unit: str
    better: str
    causal: bool
    custom: bool = False
    name: str | None = None
    value: Counted | None = None
    per: Counted | None = None


def metric_view(metric: Metric | CustomMetric) -> MetricView:
    """A metric as the list shows it."""
    own = metric if isinstance(metric, CustomMetric) else None
    plain = metric.metric if isinstance(metric, CustomMetric) else metric
    return MetricView(
        key=plain.key,
        kind=plain.kind,
        unit=plain.unit,
        better=plain.better,
        causal=plain.causal,
        custom=own is not None,
        name=own.name or None if own is not None else None,
        value=None if own is None else own.value,
        per=None if own is None else own.per,
    )


class LayerView(Struct, frozen=True, kw_only=True):
    """A layer and how much of it is still free."""

    key: str
    name: str


class KeyCreated(Struct, frozen=True, kw_only=True):
    """A new key: the secret is shown here and never again."""

    id: int
    key: str
    kind: str
    name: str


class KeyView(Struct, frozen=True, kw_only=True):
    """A key without its secret."""

    id: int
    kind: str
    name: str
    prefix: str
    created_at: str
    revoked_at: str | None


def product_view(product: Product, currency: str) -> ProductView:
    """A product as it leaves."""
    cost = product.unit_cost_micro
    return ProductView(
        sku=product.sku,
        name=product.name,
        category=product.category,
        price=text(from_micro(product.price_micro, currency)),
        unit_cost=None if cost is None else text(from_micro(cost, currency)),
        stock=product.stock,
        kind=product.kind,
        attributes=product.attributes,
    )


def offer_view(offer: Offer, currency: str) -> OfferView:
    """An offer as it leaves."""
    discount = offer.discount
    return OfferView(
        key=offer.key,
        kind=offer.kind,
        products=offer.products,
        trigger_products=offer.trigger_products,
        match=offer.match,
        message={
            locale: {"title": words.title, "body": words.body, "benefit": words.benefit}
            for locale, words in offer.message.items()
        },
        discount={
            "type": discount.type,
            "value": None if discount.value is None else text(discount.value),
            "code": discount.code,
            "shared_code": discount.shared_code,
        },
        placements=offer.placements,
        channel=offer.channel,
        timing={
            "trigger": offer.timing.trigger,
            "delay_seconds": offer.timing.delay_seconds,
            "expires_after_seconds": offer.timing.expires_after_seconds,
            "stage": offer.timing.stage,
        },
        delivery=offer.delivery,
        delivery_cost=text(from_micro(offer.delivery_cost_micro, currency)),
        replaces=offer.replaces,
        benefit_type=offer.benefit_type,
        version=offer.version,
    )


def segment_view(segment: Segment) -> SegmentView:
    """A segment as it leaves."""
    return SegmentView(key=segment.key, name=segment.name, priority=segment.priority, rule=to_raw(segment.rule))
