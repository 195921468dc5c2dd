"""Novelty: the effect by days since a customer's first exposure.

Only customers whose whole window has passed count, or the late days would be those of other customers than the early
ones.
"""

from typing import Final

import numpy as np
from msgspec.structs import replace
from scipy.special import ndtri

from offerlab.domain.clock import DAY
from offerlab.reporting.measures import COURSES, STRETCHES
from offerlab.reporting.metrics import Frame, as_interval, reference_of
from offerlab.reporting.report import CoursePart, Novelty, Undetermined
from offerlab.reporting.split import Arms, Strata
from offerlab.stats import effect as stats
from offerlab.stats.novelty import effect_trend
from offerlab.stats.wald import joint_differences

FEWEST: Final = 100
"""Customers of an arm whose window has passed before a course is spoken of."""


def novelty_of(frame: Frame, *, as_of: int) -> tuple[Novelty, ...]:
    """One for each treatment; nothing where the parts of the window were not summed."""
    cells = frame.strata.cells
    unit = next((unit for unit, parts in COURSES.items() if cells.has(parts[0], parts[0])), None)
    if unit is None:
        return ()
    window = frame.experiment.window_days
    closed = cells.where(lambda cell: (cell.day + 1 + window) * DAY <= as_of)
    strata = Strata(frame.experiment, closed)
    reference = reference_of(frame.experiment)
    return tuple(
        _novelty(replace(frame, strata=strata), unit, reference, i)
        for i in range(len(frame.experiment.variants))
        if i != reference
    )


def _novelty(frame: Frame, unit: str, reference: int, treatment: int) -> Novelty:
    parts, alpha = COURSES[unit], frame.rule.alpha
    strata = frame.strata.pairs(parts, reference, treatment, degree=2)
    usable = [each for each in strata if min(float(each.control.n), float(each.treated.n)) > 1]
    n = round(sum(float(each.control.n) + float(each.treated.n) for each in usable))
    blank = Novelty(
        variant=frame.experiment.variants[treatment].key,
        value="revenue" if unit == "money" else "orders",
        customers=n,
    )
    least = min((frame.strata.arm(arm).n for arm in (reference, treatment)), default=0)
    if not usable or least < FEWEST:
        detail = f"{least} customers of an arm have had their whole window; {FEWEST} are needed."
        return replace(blank, undetermined=Undetermined("too_few", detail))
    estimates, covariance = _joined(usable)
    length = frame.experiment.window_days / STRETCHES  # days in a part
    days = [(i + 0.5) * length for i in range(STRETCHES)]
    estimates, covariance = estimates / length, covariance / length**2
    trend = effect_trend(days, estimates, covariance, alpha=alpha)
    if isinstance(trend, stats.Undetermined):
        return replace(blank, undetermined=Undetermined(trend.reason, trend.detail))
    half = -ndtri(alpha / 2) * np.sqrt(np.diag(covariance))
    return replace(
        blank,
        course=trend.course,
        slope=as_interval(trend.slope),
        p_value=trend.p_value,
        parts=tuple(
            CoursePart(day, float(d), float(d - h), float(d + h))
            for day, d, h in zip(days, estimates, half, strict=True)
        ),
    )


def _joined(strata: list[Arms]) -> tuple[np.ndarray, np.ndarray]:
    """Differences of all parts and their covariance, the strata weighted by their customers."""
    sizes = np.array([float(each.size) for each in strata])
    weights = sizes / sizes.sum()
    each = [joint_differences(one.control, one.treated) for one in strata]
    return (
        np.asarray(sum(w * d for w, (d, _) in zip(weights, each, strict=True))),
        np.asarray(sum(w**2 * v for w, (_, v) in zip(weights, each, strict=True))),
    )
