"""Several questions in one report: adjusted p-values with the ranges that match them.

Two families: the treatments on the primary metric decide; all secondary metrics and their treatments are explored
together. Treatments that share one control are corrected by Dunnett's test, at later looks with p-values that hold at
every look (a Dunnett level spent over the looks keeps the family's error: `benchmarks/trust_and_families.py`); where
the arms can't be compared so, by Holm, whose simultaneous ranges are Bonferroni's. Secondary metrics are corrected for
false discoveries (Benjamini and Hochberg), their ranges for false coverage. Guardrails are not corrected: missing a
harm is the error that counts there.
Rejected: adjusting the p-value of a stopped trial (stagewise): the range at the adjusted level is the repeated one, and
would contradict it.
"""

from collections.abc import Callable, Sequence
from math import nan

from msgspec.structs import replace

from offerlab.reporting.report import Effect, Interval, MetricResult
from offerlab.stats.dunnett import control_loadings, dunnett
from offerlab.stats.multiplicity import Adjusted, adjust

Widen = Callable[[str, str, float], Interval | None]
"""(metric, variant, alpha) -> the absolute range of that effect at that error rate."""
Repeated = Callable[[str, Effect], float]
"""(metric, effect) -> its p-value, below a level exactly when its range at that level leaves zero out."""


def corrected(
    metrics: Sequence[MetricResult], *, alpha: float, widen: Widen, repeated: Repeated, shared: bool = True
) -> tuple[MetricResult, ...]:
    """The metrics with `p_value_adjusted` and `simultaneous` filled, family by family.

    Args:
        metrics: as worked out, uncorrected.
        alpha: error rate of each family.
        widen: works out a range anew.
        repeated: the p-value that belongs to such ranges.
        shared: whether one rule reads all looks at plain differences (false once the plan was overrun, and where
            weights followed the results): Dunnett's test needs that.
    """
    done = {metric.metric: metric for metric in metrics}
    for role in ("primary", "secondary"):
        effects = [(metric, each) for metric in metrics if metric.role == role for each in metric.effects]
        told = [(metric.metric, each) for metric, each in effects if each.p_value is not None]
        if len(told) == 1:
            done[told[0][0]] = _with(done[told[0][0]], replace(told[0][1], simultaneous=told[0][1].absolute))
        if len(told) <= 1:
            continue
        p_values = [nan if each.p_value is None else repeated(metric.metric, each) for metric, each in effects]
        loadings = _loadings(effects[0][0]) if shared and role == "primary" else None
        if loadings is not None:
            adjusted = dunnett(p_values, loadings, alpha=alpha)
        else:
            adjusted = adjust(p_values, method="holm" if role == "primary" else "bh", alpha=alpha)
        for i, (metric, effect) in enumerate(effects):
            if effect.p_value is not None:
                done[metric.metric] = _with(done[metric.metric], _changed(metric.metric, effect, adjusted, i, widen))
    return tuple(done[metric.metric] for metric in metrics)


def _changed(key: str, effect: Effect, adjusted: Adjusted, i: int, widen: Widen) -> Effect:
    return replace(
        effect,
        p_value_adjusted=float(adjusted.p_values[i]),
        simultaneous=widen(key, effect.variant, float(adjusted.interval_alpha[i])),
        correction=adjusted.method,
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
