"""Return on investment: incremental profit over incremental cost, both estimated from the same customers.

Net profit per customer is always defined and comes first; the return divides two uncertain differences, so that its set
may be a stretch, everything but a gap, or the whole line. Two denominators are never used.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from offerlab.stats import contrast
from offerlab.stats.effect import Interval, Undetermined
from offerlab.stats.effects import SHAPES, checked_alpha, reason_code, undetermined
from offerlab.stats.moments import Moments, stack
from offerlab.stats.pair import Pair

Array = NDArray[np.float64]


def return_on_cost(
    control: Moments, treatment: Moments, *, alpha: float, profit: str | int = 0, cost: str | int = 1
) -> Interval | Undetermined:
    """Incremental profit per unit of incremental cost.

    Args:
        control: profit (after the cost) and cost per exposed customer, same unit.
        treatment: likewise.
        alpha: two-sided error rate, 0 < alpha < 1.
        profit: column of net profit; with gross profit before the cost the answer is the return plus one.
        cost: column of the cost of the offer.

    Returns:
        The return as a share (0.5: half a unit gained per unit spent) with Fieller's set.

    Raises:
        InvalidPlan: alpha outside (0, 1).

    Source:
        Fieller (1954), JRSS-B 16(2), 175-185, with the covariance of numerator and denominator; Hall (1992) for the
        skewness.
    """
    critical = -ndtri(checked_alpha(alpha) / 2)
    smallest = min(float(control.n), float(treatment.n))
    if smallest < 2:  # noqa: PLR2004 - one customer has no spread
        return undetermined(reason_code("no_units" if smallest == 0 else "one_unit"))
    pair = increments(stack([control]), stack([treatment]), profit, cost)
    if pair.base[0] == 0:
        return undetermined(reason_code("no_cost"))
    if pair.v_tt[0] == 0 and pair.v_bb[0] == 0:
        return undetermined(reason_code("no_variance"))
    said = contrast.ratios(pair, np.atleast_1d(critical))
    estimate = float(pair.top[0] / pair.base[0])
    return Interval(estimate, float(said.lower[0]), float(said.upper[0]), SHAPES[int(said.shape[0])])


def increments(control: Moments, treatment: Moments, top: str | int, base: str | int) -> Pair:
    """Treatment less control of two columns, with their joint cumulants."""
    i, j = control.position(top), control.position(base)

    def second(a: int, b: int) -> Array:
        return np.asarray(_second(treatment, a, b) + _second(control, a, b))

    def third(a: int, b: int, c: int) -> Array:
        return np.asarray(_third(treatment, a, b, c) - _third(control, a, b, c))

    zero = np.zeros(control.shape)
    return Pair(
        np.asarray(treatment.mean[..., i] - control.mean[..., i]),
        np.asarray(treatment.mean[..., j] - control.mean[..., j]),
        second(i, i),
        second(i, j),
        second(j, j),
        third(i, i, i),
        third(i, i, j),
        third(i, j, j),
        third(j, j, j),
        zero,
        zero,
        zero,
        zero,
    )


def _second(arm: Moments, a: int, b: int) -> Array:
    """The covariance of two means of an arm."""
    return np.asarray(arm.second[..., a, b] / (np.maximum(arm.n - 1, 1) * np.maximum(arm.n, 1)))


def _third(arm: Moments, a: int, b: int, c: int) -> Array:
    """The joint third cumulant of three means of an arm."""
    known = arm.n > 2  # noqa: PLR2004 - three points have a third moment
    return np.where(known, arm.third[..., a, b, c] / np.maximum(arm.n * (arm.n - 1) * (arm.n - 2), 1), 0.0)
