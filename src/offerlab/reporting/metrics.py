"""One metric of the report: raw figures of every arm, and every treatment against its reference."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from scipy.special import ndtr

from offerlab.domain.experiment import Experiment
from offerlab.domain.metric import Metric, Role
from offerlab.reporting.beliefs import beliefs, chances
from offerlab.reporting.comparing import Asked, capped_contrast, columns_of, contrast_of
from offerlab.reporting.harm import converters_in, exact_rate, is_harmed
from offerlab.reporting.looking import PastLook, looks_at
from offerlab.reporting.measures import COSTED, Measure, measure_of, measured
from offerlab.reporting.report import (
    Arm,
    Capped,
    Caution,
    Effect,
    Estimate,
    Interval,
    Limit,
    MetricResult,
    Undetermined,
)
from offerlab.reporting.split import Strata
from offerlab.reporting.waiting import waiting
from offerlab.stats import effect as stats
from offerlab.stats.bayesian import unit_loss
from offerlab.stats.guardrail import Better, Margin, guard
from offerlab.stats.looks import Rule, timeline
from offerlab.stats.moments import Moments
from offerlab.stats.pair import mean_level, ratio_level
from offerlab.stats.peeking import safe_effect
from offerlab.stats.prior import FALLBACK, Prior
from offerlab.stats.repeated import repeated_p_value
from offerlab.stats.sequential import Look, alpha_now, is_burnt_in

_LARGEST_MARGIN = 0.999  # a relative margin of one would let the metric vanish
_OF_OFFERS = ("acceptance_rate", "hours_to_accept")
_INNER = {"50": 0.5, "80": 0.2}


class Frame(Struct, frozen=True, kw_only=True):
    """What every metric of one report shares.

    Attributes:
        strata: the customers. rule: for looking early. looks: earlier reports.
        detailed: with the inner ranges for pictures.
        prior: of a lift, learned from past experiments.
    """

    experiment: Experiment
    strata: Strata
    rule: Rule
    looks: Sequence[PastLook] = ()
    detailed: bool = True
    prior: Prior = FALLBACK

    def metric(self, key: str) -> Metric:
        """A metric of the plan."""
        return self.experiment.metrics.definition(key)

    def measure(self, key: str) -> Measure:
        """What it adds up."""
        return measure_of(self.experiment.metrics, key)

    def asked(self, key: str) -> Asked:
        """Both, for a comparison."""
        return Asked(self.measure(key), self.metric(key).kind)


def metric_results(frame: Frame) -> tuple[MetricResult, ...]:
    """Every metric of the plan in its order, companions behind the metric that asked for them."""
    roles = frame.experiment.metrics.roles()
    results: list[MetricResult] = []
    role: Role = "primary"
    for key in measured(roles):
        role = roles.get(key, "secondary")
        results.append(_result(frame, key, role, companion=key not in roles))
    return tuple(results)


def reference_of(experiment: Experiment) -> int:
    """The arm that others are compared with: control, or the first."""
    return experiment.control if experiment.control is not None else 0


def _result(frame: Frame, key: str, role: Role, *, companion: bool) -> MetricResult:
    metric = frame.metric(key)
    shown = _with_effect(frame.experiment, key)
    why = _withheld(frame, key, shown)
    effects: tuple[Effect, ...] = ()
    if shown:
        reference = reference_of(frame.experiment)
        reference = reference if reference in shown else shown[0]
        effects = tuple(effect_of(frame, key, reference, i, why) for i in shown if i != reference)
        if role == "guardrail":
            effects = tuple(_guarded(frame, key, reference, each) for each in effects)
    arms = tuple(_arm(frame, key, i, why) for i in shown)
    return MetricResult(
        metric=key,
        role=role,
        kind=metric.kind,
        arms=arms,
        effects=effects,
        unit=metric.unit,
        better=metric.better,
        causal=metric.causal,
        companion=companion,
        undetermined=why,
        name=next((own.name for own in frame.experiment.metrics.custom if own.key == key and own.name), None),
        best=chances(metric, arms, effects, frame.prior, frame.rule.alpha)
        if frame.detailed and role != "guardrail" and not frame.strata.follows_results
        else (),
    )


def _withheld(frame: Frame, key: str, shown: Sequence[int]) -> Undetermined | None:
    """Why the metric can't be said at all."""
    if not shown:
        return Undetermined("no_offer", "No arm has an offer that could be accepted.")
    strata = frame.strata
    if COSTED & set(columns_of(frame.measure(key))) and strata.total("uncosted"):
        missing, lines = strata.total("uncosted"), strata.total("lines")
        return Undetermined("no_unit_cost", f"{missing} of {lines} lines sold have no unit cost.")
    if key == "roi" and frame.experiment.control is None:
        return Undetermined("no_control", "Without a control arm nobody knows what would have been sold anyway.")
    if key == "attach_rate" and not strata.total("trigger_orders"):
        return Undetermined("no_trigger_orders", "No order holds a product that triggers an offer.")
    return None


def _arm(frame: Frame, key: str, variant: int, why: Undetermined | None) -> Arm:
    measure, kind = frame.measure(key), frame.metric(key).kind
    name = frame.experiment.variants[variant].key
    tally = frame.strata.arm(variant)
    moments = frame.strata.cells.moments(columns_of(measure), [tally])[0]
    mean = se = None
    if kind == "duration":
        return _waiting_arm(name, tally.n, moments, measure, frame.strata.window_days)
    if why is None and tally.n and kind != "roi":
        if measure.denominator is None:
            level = mean_level(moments)
            mean = float(level.level)
        else:
            level = ratio_level(moments, 0, 1)
            mean = float(level.level) / measure.per if float(moments.mean[1]) else None
        se = sqrt(float(level.variance)) / measure.per if tally.n > 1 and mean is not None else None
    converted = round(float(moments.converters(0))) if tally.n else 0
    if key != "acceptance_rate":
        return Arm(name, tally.n, mean, se, converted)
    shown = _sum(frame, variant, "shown")
    return Arm(name, tally.n, mean, se, converted, shown, converted / shown if shown else None)


def _waiting_arm(name: str, n: int, moments: Moments, measure: Measure, window_days: int) -> Arm:
    """An arm's time until something, over everybody; and over those who did it, whom the offer itself selects."""
    if not n:
        return Arm(name, n, None, None, 0)
    level = mean_level(waiting(moments, measure, window_days))
    se = sqrt(float(level.variance)) if n > 1 else None
    did = float(moments.mean[1])
    among = float(moments.mean[0]) / did / measure.per if did else None
    return Arm(name, n, float(level.level), se, round(n * did), mean_among=among)


def _sum(frame: Frame, variant: int, value: str) -> int:
    cells = frame.strata.cells
    return frame.strata.arm(variant).sums[cells.monomials.index((value,))]


def range_at(frame: Frame, key: str, variant: str, level: float) -> Interval | None:
    """The absolute range of an effect at another error rate, against the same reference."""
    treatment = frame.experiment.index_of(variant)
    assert treatment is not None  # noqa: S101 - the effect names an arm
    strict = replace(frame, rule=replace(frame.rule, alpha=level), detailed=False)
    shown = _with_effect(frame.experiment, key)
    reference = reference_of(frame.experiment)
    return effect_of(strict, key, reference if reference in shown else shown[0], treatment).absolute


def repeated_p(frame: Frame, key: str, effect: Effect) -> float:
    """The p-value that goes with ranges that hold at every look: below a level exactly when `range_at` excludes zero.

    That of a stopped group sequential trial is another: it also counts how early it stopped.
    """
    assert effect.p_value is not None  # noqa: S101 - the families ask about told effects alone
    looks = looks_at(frame.looks, key, effect.variant)
    course = timeline(float(frame.strata.n), frame.rule, [look.n for look in looks])
    if course.kind != "group" or effect.z is None:
        return effect.p_value
    return float(repeated_p_value(course.times, np.array([effect.z]), frame.rule.plan)[0])


def _with_effect(experiment: Experiment, key: str) -> tuple[int, ...]:
    """The arms that a metric has: all, or for acceptance those with an offer."""
    return tuple(i for i, arm in enumerate(experiment.variants) if key not in _OF_OFFERS or arm.offer)


def effect_of(frame: Frame, key: str, reference: int, treatment: int, why: Undetermined | None = None) -> Effect:
    """One treatment on one metric; `why` silences it."""
    names = [arm.key for arm in frame.experiment.variants]
    if why is not None:
        return silent(names[treatment], names[reference], why)
    looks = looks_at(frame.looks, key, names[treatment])
    n = frame.strata.n
    if not n:
        return silent(names[treatment], names[reference], Undetermined("no_units", "An arm has no customers."))
    today = alpha_now(n, frame.rule, [look.n for look in looks])
    alphas = [today, frame.rule.alpha, *(_INNER.values() if frame.detailed else ())]
    contrast = contrast_of(frame.asked(key), frame.strata, reference, treatment, alphas)
    now, first = _safe(contrast.said[0], frame, looks), contrast.said[1]
    if isinstance(now, stats.Undetermined) or isinstance(first, stats.Undetermined):
        said = now if isinstance(now, stats.Undetermined) else first
        return silent(names[treatment], names[reference], _reason(said))
    raw = _safe(contrast.raw[0], frame, looks) if contrast.adjusted else now
    chance, loss = _bayes(frame.metric(key), first)
    cautions = _cautions(frame, key, reference, treatment, now, contrast.strata)
    return Effect(
        variant=names[treatment],
        reference=names[reference],
        absolute=as_interval(now.absolute),
        relative=_relative(now),
        p_value=now.p_value,
        p_value_adjusted=now.p_value,
        chance_to_beat=chance,
        expected_loss=loss,
        method=now.method if contrast.strata == 1 else f"{now.method}_stratified",
        adjusted=contrast.adjusted,
        raw=_estimate(raw),
        undetermined=None,
        cautions=cautions,
        inner={
            name: as_interval(each.absolute)
            for name, each in zip(_INNER, contrast.said[2:], strict=False)
            if isinstance(each, stats.Effect)
        },
        z=first.z,
        standard_error=first.standard_error,
        saved=contrast.saved if contrast.adjusted else None,
        bayes=beliefs(frame.metric(key), first, _arm(frame, key, reference, None).mean, frame.prior),
        capped=_capped(frame, key, reference, treatment, today) if frame.detailed else None,
        exact=_exact(frame, key, reference, treatment) if _is_early(cautions) else None,
    )


def _capped(frame: Frame, key: str, reference: int, treatment: int, today: float) -> Capped | None:
    """The capped metric at today's level: it has no record of looks, so its ranges are those of one reading a look."""
    contrast = capped_contrast(frame.asked(key), frame.strata, reference, treatment, [today])
    value = frame.measure(key).numerator
    limit = frame.strata.cells.limits.get(value)
    if contrast is None or limit is None or limit.limit is None:
        return None
    said = _safe(contrast.said[0], frame, ())
    told = _estimate(said)
    return Capped(
        limit=limit.limit / frame.strata.cells.divisors.get(value, 1),
        touched=limit.touched,
        absolute=told.absolute,
        relative=told.relative,
        p_value=told.p_value,
        adjusted=contrast.adjusted,
    )


def _is_early(cautions: Sequence[Caution]) -> bool:
    return any(each.code == "too_few" for each in cautions)


def _exact(frame: Frame, key: str, reference: int, treatment: int) -> Estimate | None:
    """A rate before its normal theory holds: the exact sequence over the converters, stratum by stratum."""
    if frame.metric(key).kind != "proportion":
        return None
    said = exact_rate(frame.asked(key), frame.strata, reference, treatment, alpha=frame.rule.alpha)
    return None if said is None or isinstance(said, stats.Undetermined) else _estimate(said)


def _safe(said: stats.Outcome, frame: Frame, looks: Sequence[Look]) -> stats.Outcome:
    """An outcome at today's level as it may be read today, all earlier looks counted."""
    return safe_effect(lambda _: said, frame.strata.n, frame.rule, looks)[0]


def _reason(said: stats.Outcome) -> Undetermined:
    assert isinstance(said, stats.Undetermined)  # noqa: S101 - the caller has looked
    return Undetermined(said.reason, said.detail)


def _guarded(frame: Frame, key: str, reference: int, effect: Effect) -> Effect:
    """The effect with its limit: the plan's margin, or the smallest change worth noticing.

    A guardrail has its own one-sided error, half of the plan's alpha, at every look (`harm.py`); it is `past` its limit
    when the whole range is, or when harm is shown and the estimate lies beyond the margin.
    """
    plan = frame.experiment.analysis
    size = frame.experiment.metrics.margins.get(key, plan.mde)
    level = _arm(frame, key, reference, None).mean or 0.0
    treatment = frame.experiment.index_of(effect.variant)
    if effect.absolute is None or treatment is None:
        return replace(effect, limit="cant_tell", margin=size * abs(level))
    better = frame.metric(key).better
    side: Better = "higher" if better == "up" else "lower"
    margin = Margin(min(size, _LARGEST_MARGIN), relative=True, better=side)
    if frame.strata.follows_results:  # there the lift has no range, so the margin stands in the metric's unit
        margin = Margin(size * abs(level), better=side)

    def test(alpha: float) -> stats.Outcome:
        return contrast_of(frame.asked(key), frame.strata, reference, treatment, [alpha]).said[0]

    harmed = is_harmed(
        frame.metric(key),
        frame.asked(key),
        frame.strata,
        reference,
        treatment,
        alpha=plan.alpha / 2,
        planned=plan.planned_customers,
    )
    rule = replace(frame.rule, alpha=plan.alpha / 2, sides=1)
    said = guard(test, margin, frame.strata.n, rule, looks_at(frame.looks, key, effect.variant))
    state = "cannot_tell" if isinstance(said, stats.Undetermined) else said.state
    worse = -margin.sign * effect.absolute.estimate > size * abs(level)
    limit: Limit = "within" if state == "within_limit" else "cant_tell"
    if state == "past_limit" or (harmed and worse):
        limit = "past"
    return replace(effect, limit=limit, margin=size * abs(level), harmed=harmed)


def _estimate(said: stats.Outcome) -> Estimate:
    if isinstance(said, stats.Undetermined):
        return Estimate(None, None, None)
    return Estimate(as_interval(said.absolute), _relative(said), said.p_value)


def silent(variant: str, reference: str, why: Undetermined) -> Effect:
    """An effect of which nothing is said, and why."""
    return Effect(
        variant=variant,
        reference=reference,
        absolute=None,
        relative=None,
        p_value=None,
        p_value_adjusted=None,
        chance_to_beat=None,
        expected_loss=None,
        method="none",
        adjusted=False,
        raw=Estimate(None, None, None),
        undetermined=why,
    )


def _cautions(
    frame: Frame, key: str, reference: int, treatment: int, now: stats.Effect, strata: int
) -> tuple[Caution, ...]:
    told = [Caution(each.code, each.detail) for each in now.warnings]
    converters, share = converters_in(frame.asked(key), frame.strata, reference, treatment)
    started = frame.rule.kind == "fixed" or is_burnt_in(converters, share)
    if not started and not any(each.code == "too_few" for each in told):
        told.append(Caution("too_few", "Fewer than 40 customers with a value are expected in the smaller arm so far."))
    if frame.strata.follows_results:
        told.append(Caution("follows_results", "Customers are weighted by the logged chance of their arm."))
    if strata > 1:
        told.append(Caution("stratified", f"{strata} periods or segments with another split were compared apart."))
    if not frame.metric(key).causal:
        told.append(Caution("selected", "Only buyers are looked at, and the offer changes who buys."))
    return tuple(told)


def _bayes(metric: Metric, effect: stats.Effect) -> tuple[float, float]:
    """Chance to beat the reference and expected loss per customer in the metric's unit, under a flat prior.

    Both from the fixed look's statistic, so that the chance is 1 - p/2 or p/2 of that test.
    """
    z = effect.z if metric.better == "up" else -effect.z
    return float(ndtr(z)), effect.standard_error * float(unit_loss(z))


def as_interval(said: stats.Interval) -> Interval:
    """For the report: an open end becomes null."""
    lower = said.lower if abs(said.lower) != float("inf") else None
    upper = said.upper if abs(said.upper) != float("inf") else None
    return Interval(said.estimate, lower, upper, said.shape)


def _relative(effect: stats.Effect) -> Interval | None:
    return None if isinstance(effect.relative, stats.Undetermined) else as_interval(effect.relative)
