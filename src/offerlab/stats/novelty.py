"""Does the effect fade or grow with the days since a customer's first exposure?

A line through the effects by day, with a slope test that knows that the days come from the same customers. Compare
only customers whose whole stretch of days has passed, or the late days are another population than the early ones.
Rejected: comparing the first calendar week with the last (new customers keep arriving, so it mixes cohorts), and
treating the days as independent (a big spender is in all of them).
"""

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from offerlab.errors import InvalidInput
from offerlab.stats.effect import Interval, Undetermined
from offerlab.stats.multiplicity import check_alpha

Course = Literal["fading", "growing", "steady"]

_FEWEST_DAYS = 3
_ROUNDING = 1e-12  # a slope's variance below this share of what independent days would give is rounding


class Trend(Struct, frozen=True):
    """The course of an effect over the days since exposure.

    Attributes:
        course: `fading` or `growing` (in size, whatever its sign) when the slope is significant, else `steady`.
        slope: change of the effect per day, with its interval.
        p_value: two-sided, of no slope; below alpha exactly when the interval leaves zero out.
        average: precision-weighted mean effect over the days.
        first, last: the line at the first and the last day.
    """

    course: Course
    slope: Interval
    p_value: float
    average: float
    first: float
    last: float


def effect_trend(
    days: ArrayLike, estimates: ArrayLike, covariance: ArrayLike, *, alpha: float = 0.05
) -> Trend | Undetermined:
    """Slope of the effect over days since exposure.

    The weights are the days' precisions; the slope's error comes from the whole covariance, so that correlation between
    days is paid for.

    Args:
        days: days since exposure, shape (d,), at least three different ones.
        estimates: effect on each day's outcome, shape (d,).
        covariance: of the estimates, (d, d) as from `wald.joint_differences`; or (d,) variances of independent days.
        alpha: two-sided error rate.

    Raises:
        InvalidInput: shapes that do not fit, or a number that is not finite.

    Source:
        Weighted least squares with the covariance of its own errors: Aitken (1935), Proc. R. Soc. Edinb. 55, 42-48.
    """
    check_alpha(alpha)
    x, d, sigma = (np.asarray(a, dtype=np.float64) for a in (days, estimates, covariance))
    sigma = np.diag(sigma) if sigma.ndim == 1 else sigma
    if x.ndim != 1 or d.shape != x.shape or sigma.shape != (x.size, x.size):
        raise InvalidInput("days, estimates and covariance do not fit each other", field="covariance")
    if not all(np.isfinite(a).all() for a in (x, d, sigma)):
        raise InvalidInput("a day, estimate or covariance is not finite", field="estimates")
    if np.unique(x).size < _FEWEST_DAYS:
        return Undetermined("too_few", f"A course needs {_FEWEST_DAYS} days since exposure.")
    if np.diag(sigma).min() <= 0.0:
        return Undetermined("no_variance", "A day has no variation, so the slope has no error.")
    weights = 1 / np.diag(sigma) / np.sum(1 / np.diag(sigma))
    centre = x - weights @ x
    contrast = weights * centre / np.sum(weights * centre**2)
    slope, average = float(contrast @ d), float(weights @ d)
    variance = float(contrast @ sigma @ contrast)
    if variance <= _ROUNDING * float(contrast**2 @ np.diag(sigma)):
        return Undetermined("no_variance", "The days move together exactly, so the slope has no error.")
    error = float(np.sqrt(variance))
    half = float(-ndtri(alpha / 2)) * error
    p_value = float(2 * ndtr(-abs(slope) / error))
    course: Course = "steady" if p_value >= alpha else "growing" if slope * average > 0 else "fading"
    return Trend(
        course=course,
        slope=Interval(slope, slope - half, slope + half),
        p_value=p_value,
        average=average,
        first=average + slope * float(centre.min()),
        last=average + slope * float(centre.max()),
    )
