"""Several questions in one report: adjusted p-values with the ranges that match them.

Two families: the treatments on the primary metric decide; all secondary metrics and their treatments are looked at
together. Both by Holm, whose matching simultaneous ranges are Bonferroni's. Guardrails are not corrected: missing a
harm is the error that counts there.
"""

from collections.abc import Callable, Sequence
from math import nan

from msgspec.structs import replace

from offerlab.reporting.report import Interval, MetricResult
from offerlab.stats.multiplicity import adjust

Widen = Callable[[str, str, int], Interval | None]
"""(metric, variant, tests) -> the absolute range of that effect at its share of alpha."""


def corrected(metrics: Sequence[MetricResult], *, alpha: float, widen: Widen) -> tuple[MetricResult, ...]:
    """The metrics with `p_value_adjusted` and `simultaneous` filled, family by family."""
    done = {metric.metric: metric for metric in metrics}
    for role in ("primary", "secondary"):
        family = [metric for metric in metrics if metric.role == role]
        _correct(done, family, alpha, widen)
    return tuple(done[metric.metric] for metric in metrics)


def _correct(done: dict[str, MetricResult], family: Sequence[MetricResult], alpha: float, widen: Widen) -> None:
    effects = [(metric.metric, effect) for metric in family for effect in metric.effects]
    if not effects:
        return
    p_values = [nan if effect.p_value is None else effect.p_value for _, effect in effects]
    adjusted = adjust(p_values, method="holm", alpha=alpha)
    for (key, effect), p in zip(effects, adjusted.p_values.tolist(), strict=True):
        if effect.p_value is None:
            continue
        wide = effect.absolute if adjusted.tests == 1 else widen(key, effect.variant, adjusted.tests)
        changed = replace(effect, p_value_adjusted=p, simultaneous=wide)
        metric = done[key]
        rest = tuple(changed if each.variant == effect.variant else each for each in metric.effects)
        done[key] = replace(metric, effects=rest)
