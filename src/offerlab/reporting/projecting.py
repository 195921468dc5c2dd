"""How a running plan will probably end: a number to plan by, never to decide by."""

from math import sqrt

from scipy.special import ndtri

from offerlab.reporting.metrics import Frame
from offerlab.reporting.report import MetricResult, Projection
from offerlab.stats.conditional import conditional_power


def projections_of(frame: Frame, primary: MetricResult, *, margin: float | None) -> tuple[Projection, ...]:
    """One for each treatment not yet shown to differ on the primary metric, while fewer customers are in than planned.

    Args:
        frame: of the whole experiment.
        primary: as reported.
        margin: the smallest gain worth having, in the metric's unit.
    """
    rule, n = frame.rule, frame.strata.n
    if rule.kind == "always" or not rule.planned or not 0 < n < rule.planned:
        return ()
    part = sqrt(n / rule.planned)
    past = [float(look.n) for look in frame.looks if 0 < look.n < n]
    better = 1.0 if primary.better == "up" else -1.0
    power = frame.experiment.analysis.power
    found: list[Projection] = []
    for effect in primary.effects:
        shown = effect.p_value is not None and effect.p_value < rule.alpha
        if shown or effect.z is None or not effect.standard_error:
            continue
        z, error = better * effect.z, effect.standard_error * part
        as_seen = _chance(frame, z, past, drift=z / part)
        found.append(
            Projection(
                variant=effect.variant,
                metric=primary.metric,
                planned=round(rule.planned),
                smallest_gain=(float(-ndtri(rule.alpha / 2)) + float(ndtri(power))) * error,
                chance_as_planned=None if margin is None else _chance(frame, z, past, drift=margin / error),
                chance_as_seen=as_seen,
            )
        )
    return tuple(found)


def _chance(frame: Frame, z: float, past: list[float], *, drift: float) -> float:
    return min(max(conditional_power(z, float(frame.strata.n), frame.rule, past, drift=drift), 0.0), 1.0)
