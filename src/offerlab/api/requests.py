"""What clients may send: checked where it enters, then turned into what the domain speaks of."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from msgspec import Meta, Raw, Struct

from offerlab.domain.adaptive import Adaptive
from offerlab.domain.attribute import Attribute, AttributeType
from offerlab.domain.clock import to_micros
from offerlab.domain.experiment import (
    AnalysisPlan,
    Conclusion,
    Experiment,
    MetricPlan,
    RampStep,
    Sequential,
    ValueType,
    Variant,
)
from offerlab.domain.metric import Counted, CustomMetric, Source, Sum
from offerlab.domain.money import to_micro
from offerlab.domain.naming import Key
from offerlab.domain.offer import (
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
from offerlab.domain.requirement import Requirement
from offerlab.domain.segment import Segment, parse_rule
from offerlab.errors import InvalidDefinition

Name = Annotated[str, Meta(max_length=500)]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
Prose = Annotated[str, Meta(max_length=20_000)]
Moment = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[int, Meta(ge=0, le=63_072_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
CustomerId = Annotated[object, Meta(extra_json_schema={"type": ["string", "integer", "null"]})]
Skus = Annotated[tuple[Word, ...], Meta(max_length=1_000)]


class _Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class NewProduct(_Body, frozen=True, kw_only=True):
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


class NewRelation(_Body, frozen=True, kw_only=True):
    """`target` goes with `sku`; an upgrade tells what it has more."""

    sku: Word
    kind: RelationKind
    target: Word
    rank: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    features: Annotated[tuple[Name, ...], Meta(max_length=50)] = ()

    def to_domain(self) -> Relation:
        """The relation, curated by a person."""
        return Relation(sku=self.sku, kind=self.kind, target=self.target, rank=self.rank, features=self.features)


class TextBody(_Body, frozen=True, kw_only=True):
    """Liquid templates of one language."""

    title: Prose = ""
    body: Prose = ""
    benefit: Prose = ""


class DiscountBody(_Body, frozen=True, kw_only=True):
    """What the customer pays less."""

    type: DiscountType = "none"
    value: Decimal | None = None
    code: CodeKind = "none"
    shared_code: Word | None = None


class TimingBody(_Body, frozen=True, kw_only=True):
    """When the offer is due, and until when it stands."""

    trigger: Word | None = None
    delay_seconds: Seconds = 0
    expires_after_seconds: Seconds | None = None
    stage: Stage | None = None


class NewOffer(_Body, frozen=True, kw_only=True):
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
        )


class NewSegment(_Body, frozen=True, kw_only=True):
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


class NewAttribute(_Body, frozen=True, kw_only=True):
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


class CountedBody(_Body, frozen=True, kw_only=True):
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


class NewMetric(_Body, frozen=True, kw_only=True):
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


class NewLayer(_Body, frozen=True, kw_only=True):
    """A layer: its experiments exclude each other."""

    key: Key
    name: Name = ""


class NewVariant(_Body, frozen=True, kw_only=True):
    """One arm; without any weight all arms get the same."""

    key: Key
    weight: Share | None = None
    role: Literal["control", "treatment"] | None = None
    offer: Key | None = None
    value: object = None


class MetricsBody(_Body, frozen=True, kw_only=True):
    """What decides, what else is looked at, what must not get worse (and by how much it may)."""

    primary: Word
    secondary: Annotated[tuple[Word, ...], Meta(max_length=50)] = ()
    guardrails: Annotated[tuple[Word, ...], Meta(max_length=50)] = ()
    margins: dict[Word, Share] = {}


class AnalysisBody(_Body, frozen=True, kw_only=True):
    """The plan of the analysis; frozen at the start."""

    alpha: float = 0.05
    power: float = 0.8
    mde: float = 0.05
    sequential: Sequential = "always"
    planned_customers: Annotated[int, Meta(ge=2, le=2**40)] | None = None


class RequirementBody(_Body, frozen=True, kw_only=True):
    """Only customers who are (`holds`) or are not in these arms of another experiment; no arms: in any of them."""

    experiment: Key
    variants: Annotated[tuple[Key, ...], Meta(max_length=50)] = ()
    holds: bool = True

    def to_domain(self) -> Requirement:
        """The same; the workflow checks it."""
        return Requirement(experiment=self.experiment, variants=self.variants, holds=self.holds)


class AdaptiveBody(_Body, frozen=True, kw_only=True):
    """Weights that follow the results, a batch at a time; no arm falls below `floor`, `uniform` stays split evenly."""

    rule: Literal["top_two", "thompson"] = "top_two"
    floor: float = 0.05
    uniform: float = 0.1
    every_hours: int = 24

    def to_domain(self) -> Adaptive:
        """The same; the experiment checks it."""
        return Adaptive(rule=self.rule, floor=self.floor, uniform=self.uniform, every_hours=self.every_hours)


class RampStepBody(_Body, frozen=True, kw_only=True):
    """From `at` on, this share of eligible customers enters."""

    at: Moment
    traffic: Share

    def to_domain(self) -> RampStep:
        """The step, its time in microseconds."""
        return RampStep(at=to_micros(self.at, field="ramp.at"), traffic=self.traffic)


Ramp = Annotated[tuple[RampStepBody, ...], Meta(max_length=50)]


class NewExperiment(_Body, frozen=True, kw_only=True):
    """One experiment, stored as a draft."""

    key: Key
    variants: Annotated[tuple[NewVariant, ...], Meta(max_length=50)]
    metrics: MetricsBody
    name: Name = ""
    hypothesis: Prose = ""
    layer: Key | Annotated[tuple[Key, ...], Meta(min_length=1, max_length=10)] | None = None
    holdout: Annotated[str, Meta(pattern=r"\A(\*|[A-Za-z0-9._-]{1,100})\Z")] | None = None
    traffic: Share = 1.0
    segments: Annotated[tuple[Key, ...], Meta(max_length=100)] = ()
    allocation: dict[Key, dict[Key, Share]] = {}
    value_type: ValueType = "string"
    window_days: int = 14
    refund_days: int = 30
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    ramp: Ramp = ()
    adaptive: AdaptiveBody | None = None
    auto_pause: bool = True
    analysis: AnalysisBody = AnalysisBody()
    bucket_by: Literal["customer_id", "anonymous_id"] = "customer_id"
    requires: Annotated[tuple[RequirementBody, ...], Meta(max_length=10)] = ()
    forced: dict[Word, Key] = {}

    def to_domain(self) -> Experiment:
        """The draft; the workflow gives it id and salt.

        Raises:
            InvalidDefinition: some arms have a weight and some have none.
        """
        return Experiment(
            id=0,
            key=self.key,
            salt="",
            variants=_variants(self.variants),
            metrics=MetricPlan(
                primary=self.metrics.primary,
                secondary=self.metrics.secondary,
                guardrails=self.metrics.guardrails,
                margins=self.metrics.margins,
            ),
            name=self.name,
            hypothesis=self.hypothesis,
            layer=self.layer,
            holdout=self.holdout,
            traffic=self.traffic,
            segments=self.segments,
            allocation=self.allocation,
            value_type=self.value_type,
            window_days=self.window_days,
            refund_days=self.refund_days,
            starts_at=None if self.starts_at is None else to_micros(self.starts_at, field="starts_at"),
            ends_at=None if self.ends_at is None else to_micros(self.ends_at, field="ends_at"),
            ramp=tuple(step.to_domain() for step in self.ramp),
            adaptive=None if self.adaptive is None else self.adaptive.to_domain(),
            auto_pause=self.auto_pause,
            analysis=AnalysisPlan(
                alpha=self.analysis.alpha,
                power=self.analysis.power,
                mde=self.analysis.mde,
                sequential=self.analysis.sequential,
                planned_customers=self.analysis.planned_customers,
            ),
            bucket_by=self.bucket_by,
            requires=tuple(one.to_domain() for one in self.requires),
            forced=self.forced,
        )


def _variants(arms: tuple[NewVariant, ...]) -> tuple[Variant, ...]:
    given = [arm.weight for arm in arms if arm.weight is not None]
    if given and len(given) != len(arms):
        raise InvalidDefinition("either every variant has a weight or none", field="variants.weight")
    equal = 1 / len(arms) if arms else 0.0
    return tuple(
        Variant(
            key=arm.key,
            weight=equal if arm.weight is None else arm.weight,
            role=arm.role,
            offer=arm.offer,
            value=arm.value,
        )
        for arm in arms
    )


class Reweigh(_Body, frozen=True, kw_only=True):
    """What may change on a running experiment; the first three open a new epoch, a new ramp lifts a halt."""

    weights: dict[Key, Share] | None = None
    allocation: dict[Key, dict[Key, Share]] | None = None
    traffic: Share | None = None
    ramp: Ramp | None = None
    auto_pause: bool | None = None
    name: Name | None = None
    hypothesis: Prose | None = None

    @property
    def splits(self) -> bool:
        """Whether it changes who gets what, now or later."""
        return any(part is not None for part in (self.weights, self.allocation, self.traffic, self.ramp))


class ApproveExperiment(_Body, frozen=True, kw_only=True):
    """With the revision that was looked at, nothing newer is approved unseen."""

    revision: int | None = None


class DeclineExperiment(_Body, frozen=True, kw_only=True):
    """Why not, for the audit log."""

    note: Annotated[str, Meta(max_length=2_000)] = ""


class ResumeExperiment(_Body, frozen=True, kw_only=True):
    """After a pause by a guardrail: that its reason was read, and why the experiment goes on."""

    acknowledge: bool = False
    note: Annotated[str, Meta(max_length=2_000)] = ""


class StopExperiment(_Body, frozen=True, kw_only=True):
    """What customers see from now on (an arm, or one by segment), and what was learnt."""

    serve: Key | dict[Key, Key] | None = None
    conclusion: Conclusion | None = None
    note: Prose = ""


class Trigger(_Body, frozen=True, kw_only=True):
    """What set the moment off."""

    sku: Word | None = None
    event: Word | None = None


class CartItem(_Body, frozen=True, kw_only=True):
    """One thing in the cart."""

    sku: Word
    quantity: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    price: Decimal | None = None


class ContextBody(_Body, frozen=True, kw_only=True):
    """The moment. What is absent matches every experiment; `agent` is kept with the exposure and decides nothing."""

    placement: Word | None = None
    channel: Word | None = None
    locale: Word | None = None
    agent: Word | None = None
    trigger: Trigger | None = None
    cart: Annotated[tuple[CartItem, ...], Meta(max_length=1_000)] | None = None


class PreviewRequest(_Body, frozen=True, kw_only=True):
    """Who looks at the offer, and when; nobody in particular without a customer."""

    customer_id: CustomerId = None
    attributes: dict[Word, object] = {}
    context: ContextBody = ContextBody()


class DecisionRequest(_Body, frozen=True, kw_only=True):
    """Which variant for this customer, now?"""

    customer_id: CustomerId = None
    anonymous_id: CustomerId = None
    attributes: dict[str, object] = {}
    context: ContextBody = ContextBody()
    experiments: Annotated[tuple[str, ...], Meta(max_length=1_000)] | None = None
    expose: bool = False


class BulkCustomer(_Body, frozen=True, kw_only=True):
    """One customer of a mailing."""

    customer_id: CustomerId = None
    attributes: dict[str, object] = {}


MOST_CUSTOMERS: Final = 100_000


class BulkRequest(_Body, frozen=True, kw_only=True):
    """Which variants for these customers, now?"""

    customers: Annotated[tuple[BulkCustomer, ...], Meta(max_length=MOST_CUSTOMERS)]
    context: ContextBody = ContextBody()
    experiments: Annotated[tuple[str, ...], Meta(max_length=1_000)] | None = None
    expose: bool = False


class BulkEnvelope(_Body, frozen=True, kw_only=True):
    """A `BulkRequest` with its customers unread: they are read one by one, others are served in between."""

    customers: Raw
    context: ContextBody = ContextBody()
    experiments: Annotated[tuple[str, ...], Meta(max_length=1_000)] | None = None
    expose: bool = False


class NewKey(_Body, frozen=True, kw_only=True):
    """A further API key."""

    kind: Literal["admin", "server", "client", "read"]
    name: Name = ""
