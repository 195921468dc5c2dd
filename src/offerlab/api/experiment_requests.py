"""What a client may send about experiments: drafts, changes, steps of their life."""

from typing import Annotated, Literal

from msgspec import Meta, field

from offerlab.api.requests import Body, Moment, Name, Prose, Share, Word
from offerlab.domain.adaptive import Adaptive
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
from offerlab.domain.naming import Key
from offerlab.domain.requirement import Requirement
from offerlab.errors import InvalidDefinition


class NewVariant(Body, frozen=True, kw_only=True):
    """One arm; without any weight all arms get the same."""

    key: Key
    weight: Share | None = None
    role: Literal["control", "treatment"] | None = None
    offer: Key | None = None
    value: object = None


class MetricsBody(Body, frozen=True, kw_only=True):
    """What decides, what else is looked at, what must not get worse (and by how much it may)."""

    primary: Word
    secondary: Annotated[tuple[Word, ...], Meta(max_length=50)] = ()
    guardrails: Annotated[tuple[Word, ...], Meta(max_length=50)] = ()
    margins: dict[Word, Share] = field(default_factory=dict)


class AnalysisBody(Body, frozen=True, kw_only=True):
    """The plan of the analysis; frozen at the start."""

    alpha: float = 0.05
    power: float = 0.8
    mde: float = 0.05
    sequential: Sequential = "always"
    planned_customers: Annotated[int, Meta(ge=2, le=2**40)] | None = None


class RequirementBody(Body, frozen=True, kw_only=True):
    """Only customers who are (`holds`) or are not in these arms of another experiment; no arms: in any of them."""

    experiment: Key
    variants: Annotated[tuple[Key, ...], Meta(max_length=50)] = ()
    holds: bool = True

    def to_domain(self) -> Requirement:
        """The same; the workflow checks it."""
        return Requirement(experiment=self.experiment, variants=self.variants, holds=self.holds)


class AdaptiveBody(Body, frozen=True, kw_only=True):
    """Weights that follow the results, a batch at a time; no arm falls below `floor`, `uniform` stays split evenly."""

    rule: Literal["top_two", "thompson"] = "thompson"
    floor: float = 0.05
    uniform: float = 0.1
    every_hours: int = 24

    def to_domain(self) -> Adaptive:
        """The same; the experiment checks it."""
        return Adaptive(rule=self.rule, floor=self.floor, uniform=self.uniform, every_hours=self.every_hours)


class RampStepBody(Body, frozen=True, kw_only=True):
    """From `at` on, this share of eligible customers enters."""

    at: Moment
    traffic: Share

    def to_domain(self) -> RampStep:
        """The step, its time in microseconds."""
        return RampStep(at=to_micros(self.at, field="ramp.at"), traffic=self.traffic)


Ramp = Annotated[tuple[RampStepBody, ...], Meta(max_length=50)]


class NewExperiment(Body, frozen=True, kw_only=True):
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
    allocation: dict[Key, dict[Key, Share]] = field(default_factory=dict)
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
    forced: dict[Word, Key] = field(default_factory=dict)

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


class Reweigh(Body, frozen=True, kw_only=True):
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


class ApproveExperiment(Body, frozen=True, kw_only=True):
    """With the revision that was looked at, nothing newer is approved unseen."""

    revision: int | None = None


class DeclineExperiment(Body, frozen=True, kw_only=True):
    """Why not, for the audit log."""

    note: Annotated[str, Meta(max_length=2_000)] = ""


class ResumeExperiment(Body, frozen=True, kw_only=True):
    """After a pause by a guardrail: that its reason was read, and why the experiment goes on."""

    acknowledge: bool = False
    note: Annotated[str, Meta(max_length=2_000)] = ""


class StopExperiment(Body, frozen=True, kw_only=True):
    """What customers see from now on (an arm, or one by segment), and what was learnt."""

    serve: Key | dict[Key, Key] | None = None
    conclusion: Conclusion | None = None
    note: Prose = ""
