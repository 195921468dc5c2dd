"""Several questions in one report: adjusted p-values with the ranges that match them.

Two families: the treatments on the primary metric decide; all secondary metrics and their treatments are looked at
together. Treatments that share one control are corrected by Dunnett's test where a single reading is asked about, else
by Holm, whose matching simultaneous ranges are Bonferroni's. Guardrails are not corrected: missing a harm is the error
that counts there.
Rejected: Dunnett at later looks: its integral knows nothing of the readings before.
"""

from collections.abc import Callable, Sequence
from math import nan

from msgspec.structs import replace

from offerlab.reporting.report import Effect, Interval, MetricResult
from offerlab.stats.dunnett import control_loadings, dunnett
from offerlab.stats.multiplicity import Adjusted, adjust

Widen = Callable[[str, str, float], Interval | None]
"""(metric, variant, alpha) -> the absolute range of that effect at that error rate."""


def corrected(
    metrics: Sequence[MetricResult], *, alpha: float, widen: Widen, one_reading: bool = False
) -> tuple[MetricResult, ...]:
    """The metrics with `p_value_adjusted` and `simultaneous` filled, family by family.

    Args:
        metrics: as worked out, uncorrected.
        alpha: familywise error rate.
        widen: works out a range anew.
        one_reading: whether p-values are those of one reading (no earlier look, no confidence sequence).
    """
    done = {metric.metric: metric for metric in metrics}
    for role in ("primary", "secondary"):
        family = [metric for metric in metrics if metric.role == role]
        _correct(done, family, alpha, widen, one_reading=one_reading)
    return tuple(done[metric.metric] for metric in metrics)


def _correct(
    done: dict[str, MetricResult], family: Sequence[MetricResult], alpha: float, widen: Widen, *, one_reading: bool
) -> None:
    effects = [(metric, effect) for metric in family for effect in metric.effects]
    if not effects:
        return
    p_values = [nan if effect.p_value is None else effect.p_value for _, effect in effects]
    loadings = _loadings(family[0]) if one_reading and len(family) == 1 else None
    if loadings is None:
        adjusted = adjust(p_values, method="holm", alpha=alpha)
    else:
        adjusted = dunnett(p_values, loadings, alpha=alpha)
    for i, (metric, effect) in enumerate(effects):
        if effect.p_value is not None:
            done[metric.metric] = _with(done[metric.metric], _changed(metric.metric, effect, adjusted, i, widen))


def _changed(key: str, effect: Effect, adjusted: Adjusted, i: int, widen: Widen) -> Effect:
    alone = adjusted.tests == 1
    return replace(
        effect,
        p_value_adjusted=float(adjusted.p_values[i]),
        simultaneous=effect.absolute if alone else widen(key, effect.variant, float(adjusted.interval_alpha[i])),
        correction="none" if alone else adjusted.method,
        conservative=bool(adjusted.conservative[i]),
    )


def _with(metric: MetricResult, effect: Effect) -> MetricResult:
    return replace(metric, effects=tuple(effect if each.variant == effect.variant else each for each in metric.effects))


def _loadings(metric: MetricResult) -> list[float] | None:
    """How much of each difference's noise is the shared reference's; None where the arms do not say."""
    arms = {arm.variant: arm for arm in metric.arms}
    told = [each for each in metric.effects if each.p_value is not None]
    if len(told) < 2 or any(each.method.endswith("_stratified") for each in told):  # noqa: PLR2004 - one needs no correction
        return None
    errors = [arms[each.variant].se for each in metric.effects]
    shared = arms[metric.effects[0].reference].se
    if not shared or any(not error for error in errors):
        return None
    return [float(each) for each in control_loadings(shared**2, [(error or 0.0) ** 2 for error in errors])]
