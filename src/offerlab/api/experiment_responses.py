"""An experiment as clients get it back: as it was defined, where it stands, and what has happened to it."""

from msgspec import Struct

from offerlab.domain.adaptive import Adaptive
from offerlab.domain.approval import Proposal
from offerlab.domain.clock import iso
from offerlab.domain.experiment import SLOTS, Experiment, control_of
from offerlab.domain.halt import Halt
from offerlab.domain.lifecycle import may_change
from offerlab.domain.requirement import Requirement


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
