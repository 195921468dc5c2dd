"""What clients get back; amounts as decimal strings, times as ISO 8601 with a Z."""

from msgspec import Struct

from offerlab.domain.adaptive import Adaptive
from offerlab.domain.approval import Proposal
from offerlab.domain.clock import iso
from offerlab.domain.experiment import SLOTS, Experiment, control_of
from offerlab.domain.halt import Halt
from offerlab.domain.lifecycle import may_change
from offerlab.domain.metric import Counted, CustomMetric, Metric
from offerlab.domain.money import from_micro, text
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product
from offerlab.domain.requirement import Requirement
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


class EpochView(Struct, frozen=True, kw_only=True):
    """A period of constant weights: shares by segment (`*` for the rest) and variant."""

    number: int
    started_at: str
    traffic: float
    weights: dict[str, dict[str, float]]


class HaltView(Struct, frozen=True, kw_only=True):
    """A guardrail that paused the experiment: what got worse where and by how much, and who has read that."""

    at: str
    metric: str
    variant: str
    reference: str
    estimate: float
    customers: int
    acknowledged_at: str | None
    acknowledged_by: str | None
    note: str


class ProposalView(Struct, frozen=True, kw_only=True):
    """What waits for another person's approval: a start, or a change of the split."""

    action: str
    by: str
    at: str
    weights: dict[str, float] | None
    allocation: dict[str, dict[str, float]] | None
    traffic: float | None
    ramp: list[dict[str, object]] | None


class ExperimentView(Struct, frozen=True, kw_only=True):
    """An experiment with its life so far."""

    key: str
    name: str
    status: str
    hypothesis: str
    layer: str | tuple[str, ...] | None
    holdout: str | None
    traffic: float
    segments: tuple[str, ...]
    variants: list[dict[str, object]]
    control: str | None
    allocation: dict[str, dict[str, float]]
    value_type: str
    metrics: dict[str, object]
    window_days: int
    refund_days: int
    starts_at: str | None
    ends_at: str | None
    ramp: list[dict[str, object]]
    ramp_halted: str
    adaptive: Adaptive | None
    auto_pause: bool
    halts: list[HaltView]
    waits_for: ProposalView | None
    approved_by: str | None
    started_at: str | None
    stopped_at: str | None
    analysis: dict[str, object]
    bucket_by: str
    requires: tuple[Requirement, ...]
    forced: dict[str, str]
    epochs: list[EpochView]
    serve: dict[str, str]
    conclusion: str | None
    note: str
    revision: int
    created_at: str
    may_change: tuple[str, ...]


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
        version=offer.version,
    )


def segment_view(segment: Segment) -> SegmentView:
    """A segment as it leaves."""
    return SegmentView(key=segment.key, name=segment.name, priority=segment.priority, rule=to_raw(segment.rule))


def experiment_view(experiment: Experiment) -> ExperimentView:
    """An experiment as it leaves."""
    control = control_of(experiment.variants)
    plan, metrics = experiment.analysis, experiment.metrics
    stopped = next((change for change in experiment.changes if change.status == "stopped"), None)
    return ExperimentView(
        key=experiment.key,
        name=experiment.name,
        status=experiment.status,
        hypothesis=experiment.hypothesis,
        layer=experiment.layer,
        holdout=experiment.holdout,
        traffic=experiment.traffic,
        segments=experiment.segments,
        variants=[
            {"key": arm.key, "weight": arm.weight, "role": arm.role, "offer": arm.offer, "value": arm.value}
            for arm in experiment.variants
        ],
        control=None if control is None else experiment.variants[control].key,
        allocation=experiment.allocation,
        value_type=experiment.value_type,
        metrics={
            "primary": metrics.primary,
            "secondary": metrics.secondary,
            "guardrails": metrics.guardrails,
            "margins": metrics.margins,
        },
        window_days=experiment.window_days,
        refund_days=experiment.refund_days,
        starts_at=_time(experiment.starts_at),
        ends_at=_time(experiment.ends_at),
        ramp=[{"at": iso(step.at), "traffic": step.traffic} for step in experiment.ramp],
        ramp_halted=experiment.ramp_halted,
        adaptive=experiment.adaptive,
        auto_pause=experiment.auto_pause,
        halts=[_halt(one) for one in experiment.halts],
        waits_for=None if experiment.proposal is None else _proposal(experiment.proposal),
        approved_by=experiment.approved_by or None,
        started_at=_time(experiment.epochs[0].started_at if experiment.epochs else None),
        stopped_at=_time(None if stopped is None else stopped.at),
        analysis={
            "alpha": plan.alpha,
            "power": plan.power,
            "mde": plan.mde,
            "sequential": plan.sequential,
            "planned_customers": plan.planned_customers,
        },
        bucket_by=experiment.bucket_by,
        requires=experiment.requires,
        forced=experiment.forced,
        epochs=_epochs(experiment),
        serve={} if stopped is None else {segment or "*": arm for segment, arm in stopped.serve.items()},
        conclusion=experiment.conclusion,
        note=experiment.note,
        revision=experiment.revision,
        created_at=iso(experiment.created_at),
        may_change=may_change(experiment.status),
    )


def _proposal(proposal: Proposal) -> ProposalView:
    ramp = proposal.ramp
    return ProposalView(
        action=proposal.action,
        by=proposal.by,
        at=iso(proposal.at),
        weights=proposal.weights,
        allocation=proposal.allocation,
        traffic=proposal.traffic,
        ramp=None if ramp is None else [{"at": iso(at), "traffic": share} for at, share in ramp],
    )


def _halt(halt: Halt) -> HaltView:
    return HaltView(
        at=iso(halt.at),
        metric=halt.metric,
        variant=halt.variant,
        reference=halt.reference,
        estimate=halt.estimate,
        customers=halt.customers,
        acknowledged_at=_time(halt.read_at),
        acknowledged_by=halt.read_by or None,
        note=halt.note,
    )


def _epochs(experiment: Experiment) -> list[EpochView]:
    views: list[EpochView] = []
    for epoch in experiment.epochs:
        weights: dict[str, dict[str, float]] = {}
        for segment, ranges in epoch.arms.items():
            slots = dict.fromkeys((arm.key for arm in experiment.variants), 0)
            for part in ranges:
                slots[experiment.variants[part.variant].key] += part.end - part.start
            weights[segment or "*"] = {key: count / SLOTS for key, count in slots.items()}
        views.append(
            EpochView(number=epoch.number, started_at=iso(epoch.started_at), traffic=epoch.traffic, weights=weights)
        )
    return views


def _time(micros: int | None) -> str | None:
    return None if micros is None else iso(micros)
