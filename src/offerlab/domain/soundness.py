"""What an experiment may not say of itself: arms, shares, metrics and plan that contradict each other are refused."""

from typing import Final

from offerlab.domain.adaptive import Adaptive, check_adaptive
from offerlab.domain.experiment import HELD_OUT, PROGRAMME, SLOTS, Experiment, MetricPlan, ValueType
from offerlab.domain.metric import METRICS, looks_at_opens
from offerlab.errors import InvalidDefinition, InvalidPlan

MOST_OWN_METRICS: Final = 20
"""Of the shop's own in one plan: what one row of an answer holds on every database."""


def check_experiment(experiment: Experiment) -> None:
    """Refuse an experiment that contradicts itself.

    Raises:
        InvalidDefinition, InvalidPlan: names the field at fault.
    """
    _check_variants(experiment)
    _check_shares({arm.key: arm.weight for arm in experiment.variants}, field="variants.weight")
    for segment, shares in experiment.allocation.items():
        check_allocation(experiment, segment, shares)
    if not 0 < experiment.traffic <= 1:
        raise InvalidPlan(f"traffic {experiment.traffic} is outside (0, 1]", field="traffic")
    if len(set(experiment.layers)) != len(experiment.layers):
        raise InvalidDefinition("a layer stands here twice", field="layer")
    if experiment.holdout is not None and experiment.layers:
        raise InvalidDefinition("a holdout covers a layer, it does not take part in one", field="layer")
    if experiment.holdout is not None and experiment.requires:
        raise InvalidDefinition("a holdout requires nothing: it comes before the experiments", field="requires")
    if len(set(experiment.segments)) != len(experiment.segments):
        raise InvalidDefinition("a segment stands here twice", field="segments")
    _check_metrics(experiment.metrics)
    _check_plan(experiment)
    if experiment.adaptive is not None:
        _check_adaptive(experiment, experiment.adaptive)
    for i, arm in enumerate(experiment.variants):
        _check_value(arm.value, experiment.value_type, f"variants[{i}].value")


def check_allocation(experiment: Experiment, segment: str, shares: dict[str, float]) -> None:
    """Refuse an allocation for a segment that the experiment does not have, or of arms that it has not.

    Raises:
        InvalidDefinition, InvalidPlan: names the field at fault.
    """
    field = f"allocation.{segment}"
    if segment not in experiment.segments:
        raise InvalidDefinition(f"the experiment has no segment {segment!r}", field=field)
    check_weights(experiment, shares, field=field)


def check_weights(experiment: Experiment, shares: dict[str, float], *, field: str = "weights") -> None:
    """Refuse shares that do not name the experiment's arms or do not add up to 1.

    Raises:
        InvalidDefinition, InvalidPlan: names the field at fault.
    """
    known = {arm.key for arm in experiment.variants}
    for key in shares:
        if key not in known:
            raise InvalidDefinition(f"the experiment has no variant {key!r}", field=f"{field}.{key}")
    _check_shares(shares, field=field)


def _check_shares(shares: dict[str, float], *, field: str) -> None:
    for key, share in shares.items():
        if not 0 <= share <= 1:
            raise InvalidPlan(f"weight {share} of {key!r} is outside [0, 1]", field=field)
    total = sum(shares.values())
    if abs(total - 1) > 0.5 / SLOTS:
        raise InvalidPlan(f"weights add up to {total:.6g}, not to 1", field=field)


def _check_variants(experiment: Experiment) -> None:
    arms = experiment.variants
    if not arms:
        raise InvalidDefinition("an experiment has at least one variant", field="variants")
    keys = [arm.key for arm in arms]
    if len(set(keys)) != len(keys):
        raise InvalidDefinition("two variants share a key", field="variants")
    if sum(arm.role == "control" for arm in arms) > 1:
        raise InvalidDefinition("an experiment has at most one control", field="variants")
    if experiment.holdout is not None and set(keys) != {HELD_OUT, PROGRAMME}:
        raise InvalidDefinition(f"a holdout has the arms {HELD_OUT!r} and {PROGRAMME!r}", field="variants")
    if experiment.holdout is not None and any(arm.offer is not None for arm in arms):
        raise InvalidDefinition("the arms of a holdout carry no offer", field="variants")
    for unit, arm_key in experiment.forced.items():
        if arm_key not in keys:
            raise InvalidDefinition(f"the experiment has no variant {arm_key!r}", field=f"forced.{unit}")


def _check_metrics(plan: MetricPlan) -> None:
    if len(plan.custom) > MOST_OWN_METRICS:
        raise InvalidPlan(f"a plan has at most {MOST_OWN_METRICS} metrics of the shop's own", field="metrics")
    for field, keys in (("primary", (plan.primary,)), ("secondary", plan.secondary), ("guardrails", plan.guardrails)):
        for key in keys:
            if key not in METRICS and all(each.key != key for each in plan.custom):
                raise InvalidDefinition(f"no metric is called {key!r}", field=f"metrics.{field}")
    if any(each.key == plan.primary and looks_at_opens(each) for each in plan.custom):
        raise InvalidDefinition(
            "what was opened or seen never decides: machines open mails, and control has nothing to see",
            field="metrics.primary",
        )
    for key, margin in plan.margins.items():
        if key not in plan.guardrails:
            raise InvalidDefinition(f"{key!r} is no guardrail of this experiment", field=f"metrics.margins.{key}")
        if not 0 <= margin <= 1:
            raise InvalidPlan(f"a margin of {margin} is outside [0, 1]", field=f"metrics.margins.{key}")


def _check_adaptive(experiment: Experiment, adaptive: Adaptive) -> None:
    if experiment.holdout is not None:
        raise InvalidDefinition("a holdout keeps its weights", field="adaptive")
    check_adaptive(
        adaptive,
        arms=len(experiment.variants),
        kind=experiment.metrics.definition(experiment.metrics.primary).kind,
        sequential=experiment.analysis.sequential,
        segmented=bool(experiment.allocation),
    )


def _check_plan(experiment: Experiment) -> None:
    plan = experiment.analysis
    if not 0 < plan.alpha < 0.5:  # noqa: PLR2004 - an error rate of one half says nothing
        raise InvalidPlan(f"alpha {plan.alpha} is outside (0, 0.5)", field="analysis.alpha")
    if not 0.5 <= plan.power < 1:  # noqa: PLR2004 - likewise
        raise InvalidPlan(f"power {plan.power} is outside [0.5, 1)", field="analysis.power")
    if not 0 < plan.mde <= 10:  # noqa: PLR2004 - a tenfold lift is a typing error
        raise InvalidPlan(f"mde {plan.mde} is outside (0, 10]", field="analysis.mde")
    if not 0 < experiment.window_days <= 730:  # noqa: PLR2004 - two years
        raise InvalidPlan("window_days is outside 1 to 730", field="window_days")
    if not 0 <= experiment.refund_days <= 730:  # noqa: PLR2004 - two years
        raise InvalidPlan("refund_days is outside 0 to 730", field="refund_days")
    if plan.sequential == "group" and experiment.ends_at is None:
        raise InvalidPlan("group sequential looks need a planned end", field="ends_at")
    if (
        experiment.starts_at is not None
        and experiment.ends_at is not None
        and experiment.ends_at <= experiment.starts_at
    ):
        raise InvalidPlan("the end does not come after the start", field="ends_at")


def _check_value(value: object, value_type: ValueType, field: str) -> None:
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "object": isinstance(value, dict),
    }
    if value is not None and not fits[value_type]:
        raise InvalidDefinition(f"{value!r} is no {value_type}", field=field)
