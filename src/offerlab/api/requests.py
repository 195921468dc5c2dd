"""What clients may send: checked where it enters, then turned into what the domain speaks of."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from offerlab.domain.attribute import Attribute, AttributeType
from offerlab.domain.metric import Counted, CustomMetric, Source, Sum
from offerlab.domain.money import to_micro
from offerlab.domain.naming import Key
from offerlab.domain.offer import (
    BenefitType,
    Channel,
    CodeKind,
    Delivery,
    Discount,
    DiscountType,
    LocalizedText,
    Match,
    Offer,
    OfferKind,
    Stage,
    Timing,
)
from offerlab.domain.product import Product, ProductKind, Relation, RelationKind
from offerlab.domain.segment import Segment, parse_rule

Name = Annotated[str, Meta(max_length=500)]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
Prose = Annotated[str, Meta(max_length=20_000)]
Moment = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[int, Meta(ge=0, le=63_072_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
CustomerId = Annotated[object, Meta(extra_json_schema={"type": ["string", "integer", "null"]})]
Skus = Annotated[tuple[Word, ...], Meta(max_length=1_000)]


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object in which every field has a meaning: others are refused."""


class NewProduct(Body, frozen=True, kw_only=True):
    """One product; prices in the project's currency as decimal strings."""

    sku: Word
    name: Name
    price: Decimal
    category: Name | None = None
    unit_cost: Decimal | None = None
    stock: Annotated[int, Meta(ge=0, le=2**31)] | None = None
    kind: ProductKind = "good"
    attributes: dict[Word, object] = {}

    def to_domain(self) -> Product:
        """The product, with exact amounts.

        Raises:
            InvalidInput: an amount that can't be taken.
        """
        return Product(
            sku=self.sku,
            name=self.name,
            price_micro=to_micro(self.price, field="price"),
            category=self.category,
            unit_cost_micro=None if self.unit_cost is None else to_micro(self.unit_cost, field="unit_cost"),
            stock=self.stock,
            kind=self.kind,
            attributes=self.attributes,
        )


class NewRelation(Body, frozen=True, kw_only=True):
    """`target` goes with `sku`; an upgrade tells what it has more."""

    sku: Word
    kind: RelationKind
    target: Word
    rank: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    features: Annotated[tuple[Name, ...], Meta(max_length=50)] = ()

    def to_domain(self) -> Relation:
        """The relation, curated by a person."""
        return Relation(sku=self.sku, kind=self.kind, target=self.target, rank=self.rank, features=self.features)


class TextBody(Body, frozen=True, kw_only=True):
    """Liquid templates of one language."""

    title: Prose = ""
    body: Prose = ""
    benefit: Prose = ""


class DiscountBody(Body, frozen=True, kw_only=True):
    """What the customer pays less."""

    type: DiscountType = "none"
    value: Decimal | None = None
    code: CodeKind = "none"
    shared_code: Word | None = None


class TimingBody(Body, frozen=True, kw_only=True):
    """When the offer is due, and until when it stands."""

    trigger: Word | None = None
    delay_seconds: Seconds = 0
    expires_after_seconds: Seconds | None = None
    stage: Stage | None = None


class NewOffer(Body, frozen=True, kw_only=True):
    """One offer."""

    key: Key
    kind: OfferKind
    products: Skus = ()
    trigger_products: Skus = ()
    match: Match = "curated"
    message: dict[Word, TextBody] = {}
    discount: DiscountBody = DiscountBody()
    placements: Annotated[tuple[Word, ...], Meta(max_length=50)] = ()
    channel: Channel | None = None
    timing: TimingBody = TimingBody()
    delivery: Delivery = "caller"
    delivery_cost: Decimal = Decimal(0)
    replaces: Key | None = None
    benefit_type: BenefitType | None = None

    def to_domain(self) -> Offer:
        """The offer at version 1; the workflow numbers later ones.

        Raises:
            InvalidInput: an amount that can't be taken.
        """
        return Offer(
            key=self.key,
            kind=self.kind,
            products=self.products,
            trigger_products=self.trigger_products,
            match=self.match,
            message={
                locale: LocalizedText(title=text.title, body=text.body, benefit=text.benefit)
                for locale, text in self.message.items()
            },
            discount=Discount(
                type=self.discount.type,
                value=self.discount.value,
                code=self.discount.code,
                shared_code=self.discount.shared_code,
            ),
            placements=self.placements,
            channel=self.channel,
            timing=Timing(
                trigger=self.timing.trigger,
                delay_seconds=self.timing.delay_seconds,
                expires_after_seconds=self.timing.expires_after_seconds,
                stage=self.timing.stage,
            ),
            delivery=self.delivery,
            delivery_cost_micro=to_micro(self.delivery_cost, field="delivery_cost"),
            replaces=self.replaces,
            benefit_type=self.benefit_type,
        )


class NewSegment(Body, frozen=True, kw_only=True):
    """A named rule: `{"all":[…]}`, `{"any":[…]}` or `{"attribute","op","value"}`."""

    key: Key
    rule: dict[str, object]
    name: Name = ""
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 100

    def to_domain(self) -> Segment:
        """The segment with its parsed rule.

        Raises:
            InvalidDefinition: the rule is none.
        """
        return Segment(key=self.key, rule=parse_rule(self.rule), name=self.name, priority=self.priority)


class NewAttribute(Body, frozen=True, kw_only=True):
    """What the shop says of one attribute of customers; a sensitive one needs its purpose."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    type: AttributeType | None = None
    sensitive: bool = False
    purpose: Name | None = None
    explicit_consent: bool = False
    shown: bool = True

    def to_domain(self) -> Attribute:
        """The attribute; the workflow checks it."""
        return Attribute(
            name=self.name,
            type=self.type,
            sensitive=self.sensitive,
            purpose=self.purpose,
            explicit_consent=self.explicit_consent,
            shown=self.shown,
        )


class CountedBody(Body, frozen=True, kw_only=True):
    """What is added up for a customer; `where` names fields (`sku`, `offer`) with the values of which one must fit."""

    event: Source
    sum: Sum = "events"
    where: dict[Literal["sku", "offer"], tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...]] = {}
    from_hours: float = 0.0
    to_hours: float | None = None

    def to_domain(self) -> Counted:
        """The same, as the domain knows it."""
        where = {str(field): tuple(dict.fromkeys(values)) for field, values in self.where.items()}
        return Counted(event=self.event, sum=self.sum, where=where, from_hours=self.from_hours, to_hours=self.to_hours)


class NewMetric(Body, frozen=True, kw_only=True):
    """A metric of the shop's own, by definition over events: no SQL, no code."""

    key: Key
    kind: Literal["proportion", "mean", "ratio"]
    value: CountedBody
    per: CountedBody | None = None
    name: Name = ""
    better: Literal["up", "down"] = "up"

    def to_domain(self) -> CustomMetric:
        """The metric; the workflow checks it."""
        return CustomMetric(
            key=self.key,
            kind=self.kind,
            value=self.value.to_domain(),
            per=None if self.per is None else self.per.to_domain(),
            name=self.name,
            better=self.better,
        )


class NewLayer(Body, frozen=True, kw_only=True):
    """A layer: its experiments exclude each other."""

    key: Key
    name: Name = ""


class NewKey(Body, frozen=True, kw_only=True):
    """A further API key."""

    kind: Literal["admin", "server", "client", "read"]
    name: Name = ""
