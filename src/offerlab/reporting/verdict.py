"""One proposed decision with its reasons: ship, keep control, keep running, investigate.

It reads the default estimates with the corrections of looks and of several arms, and nothing else, so that it cannot
contradict a block of the report. Trust comes first: a broken split is investigated, whatever the effect says.
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from scipy.special import ndtri

from offerlab.domain.experiment import Experiment
from offerlab.reporting.report import (
    Decision,
    Effect,
    Heterogeneity,
    Interval,
    Maturity,
    MetricResult,
    Quality,
    Reason,
    SegmentResult,
    State,
    Verdict,
)

HOPELESS_WEEKS: Final = 26
"""Beyond half a year more, time is not the answer."""


class Situation(Struct, frozen=True, kw_only=True):
    """Where the experiment stands.

    Attributes:
        customers: analysed. per_day: new ones a day lately; 0 when unknown.
        over: the planned end has passed, or it was stopped.
        maturity: how many windows are closed, and when the last one closes.
        early: the plan was to read once, at the end, and the end is not here.
    """

    state: State
    customers: int
    per_day: float
    over: bool
    maturity: Maturity
    early: bool = False


def decide(
    experiment: Experiment,
    metrics: Sequence[MetricResult],
    quality: Quality,
    situation: Situation,
    *,
    segments: Sequence[SegmentResult] = (),
    heterogeneity: Sequence[Heterogeneity] = (),
) -> Verdict:
    """The verdict of a report.

    Args:
        experiment: with its plan.
        metrics: corrected, the primary one first.
        quality: the trust checks.
        situation: where it stands.
        segments: corrected for their number.
        heterogeneity: whether they differ, by treatment.
    """
    if not quality.srm.ok:
        worst = max(quality.srm.arms, key=lambda arm: abs(arm.observed - arm.expected) / max(arm.expected, 1.0))
        reason = Reason(code="srm", variant=worst.variant, n=worst.observed, expected=worst.expected)
        return _verdict("investigate", None, (reason,), situation)
    silence = next((check for check in quality.checks if check.level == "stop"), None)
    if silence is not None:
        return _verdict("investigate", None, (Reason(code=silence.code, detail=silence.detail),), situation)
    if not situation.customers:
        return _verdict(
            "keep_control" if situation.over else "keep_running", None, (Reason(code="no_customers"),), situation
        )
    primary = metrics[0]
    guardrails = [metric for metric in metrics if metric.role == "guardrail"]
    if situation.early:
        return _open(experiment, primary, situation)
    found = _better(experiment, primary, guardrails, situation)
    found = found or _better_somewhere(experiment, guardrails, segments, heterogeneity, situation)
    found = found or _worse(experiment, primary, situation) or _too_small(experiment, primary, situation)
    return found or _open(experiment, primary, situation)


def _verdict(
    decision: Decision, variant: str | None, reasons: Sequence[Reason], situation: Situation, days: int | None = None
) -> Verdict:
    told = list(reasons)
    if situation.state == "maturing":
        open_ = situation.maturity
        told.append(Reason(code="maturing", until=open_.final_at, n=open_.refunds_closed, total=open_.customers))
    return Verdict(
        decision=decision,
        variant=variant,
        reasons=tuple(told),
        locked=situation.state == "maturing",
        days_left=days,
    )


def _better(
    experiment: Experiment, primary: MetricResult, guardrails: Sequence[MetricResult], situation: Situation
) -> Verdict | None:
    """A treatment that is shown to be better and harms nothing; or one that is better and harms."""
    alpha, sign = experiment.analysis.alpha, _sign(primary)
    better = [each for each in primary.effects if _is_shown(each, alpha) and sign * _estimate(each) > 0]
    better.sort(key=lambda each: -sign * _estimate(each))
    harmed: Reason | None = None
    for effect in better:
        about = [(metric, _of(metric, effect.variant)) for metric in guardrails]
        past = [(metric, each) for metric, each in about if each is not None and each.limit == "past"]
        if past:
            harmed = harmed or _about("keep_guardrail", past[0][0], past[0][1], detail=primary.metric)
            continue
        unclear = [(metric, each) for metric, each in about if each is None or each.limit != "within"]
        reasons = [_about(_ship_code(primary, plain=bool(unclear) or not about), primary, effect)]
        reasons += [_about("guardrail_unclear", metric, each) for metric, each in unclear if each and each.absolute]
        return _verdict("ship", effect.variant, reasons, situation)
    return None if harmed is None else _verdict("keep_control", harmed.variant, (harmed,), situation)


def _better_somewhere(
    experiment: Experiment,
    guardrails: Sequence[MetricResult],
    segments: Sequence[SegmentResult],
    heterogeneity: Sequence[Heterogeneity],
    situation: Situation,
) -> Verdict | None:
    """A treatment that helps one segment, where segments differ by more than chance and nothing is harmed there.

    Only the experiment's own segments can be served apart, so a cut by anything else proposes nothing.
    """
    alpha = experiment.analysis.alpha
    differing = {each.variant for each in heterogeneity if (each.p_value_adjusted or 1.0) < alpha}
    best: tuple[float, Verdict] | None = None
    for segment in segments:
        if segment.segment not in experiment.segments or not segment.metrics:
            continue
        within = segment.metrics[0]
        about = [_past(each) for each in (*guardrails, *segment.metrics) if each.role == "guardrail"]
        sign = _sign(within)
        for effect in within.effects:
            gain = sign * _estimate(effect)
            harmed = any(effect.variant in past for past in about)
            if effect.variant not in differing or gain <= 0 or harmed or not _is_shown(effect, alpha):
                continue
            error = effect.standard_error or 1.0
            if best is None or gain / error > best[0]:
                reason = _about("ship_segment", within, effect, segment=segment.segment)
                shipped = _verdict("ship", effect.variant, (reason,), situation)
                best = gain / error, replace(shipped, segment=segment.segment)
    return None if best is None else best[1]


def _past(guardrail: MetricResult) -> set[str]:
    """The treatments past this guardrail's limit."""
    return {each.variant for each in guardrail.effects if each.limit == "past"}


def _worse(experiment: Experiment, primary: MetricResult, situation: Situation) -> Verdict | None:
    """Every treatment is shown to be worse."""
    alpha, sign = experiment.analysis.alpha, _sign(primary)
    effects = primary.effects
    if not effects or not all(_is_shown(each, alpha) and sign * _estimate(each) < 0 for each in effects):
        return None
    code = "keep_worse" if sign > 0 else "keep_worse_higher"
    worst = min(effects, key=lambda each: sign * _estimate(each))
    return _verdict("keep_control", worst.variant, (_about(code, primary, worst),), situation)


def _too_small(experiment: Experiment, primary: MetricResult, situation: Situation) -> Verdict | None:
    """No treatment can reach the smallest gain worth having."""
    sign, worth = _sign(primary), _worth_having(experiment, primary)
    if worth is None or not primary.effects:
        return None
    for effect in primary.effects:
        best = _best_case(effect.simultaneous or effect.absolute, sign)
        if not _is_trusted(effect) or best is None or best >= worth:
            return None
    first = max(primary.effects, key=lambda each: sign * _estimate(each))
    reason = _about("keep_too_small", primary, first, mde=worth)
    return _verdict("keep_control", first.variant, (reason,), situation)


def _open(experiment: Experiment, primary: MetricResult, situation: Situation) -> Verdict:
    """Nothing is shown yet: go on, or, when the plan has run out, say that nothing can be said."""
    sign = _sign(primary)
    told = [each for each in primary.effects if each.absolute is not None]
    if not told:
        why = next((each.undetermined for each in primary.effects if each.undetermined), primary.undetermined)
        code = "keep_unknown" if situation.over else "run_on_thin"
        reason = Reason(code=code, metric=primary.metric, detail=why.detail if why else None)
        return _verdict("keep_control" if situation.over else "keep_running", None, (reason,), situation)
    best = max(told, key=lambda each: sign * _estimate(each))
    if situation.over:
        return _verdict("keep_control", best.variant, (_about("keep_undecided", primary, best),), situation)
    worth = _worth_having(experiment, primary)
    more = None if worth is None else _customers_needed(experiment, best, worth, situation.customers)
    if worth is None or more is None:
        reason = Reason(code="run_on_thin", metric=primary.metric, variant=best.variant)
        return _verdict("keep_running", best.variant, (reason,), situation)
    days = ceil(more / situation.per_day) if situation.per_day else None
    code = "run_on_open" if days is None else "run_on_hopeless" if days > 7 * HOPELESS_WEEKS else "run_on"
    weeks = None if days is None else ceil(days / 7)
    reason = _about(code, primary, best, mde=worth, total=more, days=days, weeks=weeks)
    return _verdict("keep_running", best.variant, (reason,), situation, days)


def _ship_code(metric: MetricResult, *, plain: bool) -> str:
    if metric.better == "down":
        return "ship_plain_lower" if plain else "ship_lower"
    if plain:
        return "ship_plain"
    return "ship_profit" if metric.metric == "gross_profit_per_customer" else "ship"


def _about(code: str, metric: MetricResult, effect: Effect, **more: object) -> Reason:
    """A reason that quotes an effect's default estimate and range."""
    said = effect.absolute
    plain = Reason(
        code=code,
        metric=metric.metric,
        variant=effect.variant,
        unit=metric.unit,
        estimate=said.estimate if said else None,
        lower=said.lower if said else None,
        upper=said.upper if said else None,
        margin=effect.margin,
        p_value=effect.p_value,
    )
    return replace(plain, **more)


def _sign(metric: MetricResult) -> float:
    return 1.0 if metric.better == "up" else -1.0


def _estimate(effect: Effect) -> float:
    return effect.absolute.estimate if effect.absolute else 0.0


def _is_trusted(effect: Effect) -> bool:
    return effect.undetermined is None and not any(each.code in {"too_few", "skewed"} for each in effect.cautions)


def _is_shown(effect: Effect, alpha: float) -> bool:
    return _is_trusted(effect) and effect.p_value_adjusted is not None and effect.p_value_adjusted < alpha


def _of(metric: MetricResult, variant: str) -> Effect | None:
    return next((each for each in metric.effects if each.variant == variant), None)


def _best_case(said: Interval | None, sign: float) -> float | None:
    if said is None or said.shape != "bounded" or said.lower is None or said.upper is None:
        return None
    return said.upper if sign > 0 else -said.lower


def _worth_having(experiment: Experiment, primary: MetricResult) -> float | None:
    """The smallest gain worth having, in the metric's unit: the plan's share of the reference's level."""
    reference = primary.effects[0].reference if primary.effects else None
    mean = next((arm.mean for arm in primary.arms if arm.variant == reference), None)
    if primary.kind == "roi" or not mean:
        return None
    return experiment.analysis.mde * abs(mean)


def _customers_needed(experiment: Experiment, effect: Effect, worth: float, customers: int) -> int | None:
    """How many more customers until a gain of `worth` would be found with the planned power.

    The error of an estimate falls with the root of the customers: (critical + z_power) errors must fit into the gain.
    """
    said, error = effect.absolute, effect.standard_error
    if said is None or said.lower is None or said.upper is None or not error:
        return None
    critical = (said.upper - said.lower) / 2 / error
    needed = ((critical + float(ndtri(experiment.analysis.power))) * error / worth) ** 2 * customers
    return max(ceil(needed) - customers, 1)
