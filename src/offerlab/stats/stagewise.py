"""What may be said after stopping: p-value and estimate by the stagewise ordering.

A trial that stops early on a high value stops on a lucky value: the plain estimate at the stop runs high and the plain
p-value low. The stagewise ordering ranks outcomes by when they stopped and then by Z; it depends on no look that was
never taken, which is what unplanned looks need. Rejected: ordering by likelihood ratio or by sample mean, which need
the future looks' boundaries.

The estimate is the drift for which the outcome is the median one. Its MEDIAN is right; its mean still runs high,
because an early stop on an extreme value has no counterpart below.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from msgspec import Struct
from scipy.special import ndtr

from offerlab.stats.group_sequential import Sides
from offerlab.stats.recursion import Paths, beyond, course
from offerlab.stats.spending import FloatArray

_DRIFTS = 65
_STEPS = 60
_CLOSE = 1e-12
_FAR = 40.0


class Course(Struct, frozen=True):
    """Looks that went by without a crossing, and the one at which the trial is read.

    Attributes:
        times: information fractions, the last is the one read.
        upper: symmetric boundaries of the looks before (one fewer).
        arriving: null paths that arrive at each look.
        above: chance that a null path has crossed upwards before.
    """

    times: tuple[float, ...]
    upper: tuple[float, ...]
    arriving: tuple[Paths, ...]
    above: float


def course_of(times: Sequence[float], upper: Sequence[float], sides: Sides = 2) -> Course:
    """The course through `times` with boundaries `upper` at all but the last, mirrored below if two-sided."""
    return _course(tuple(float(time) for time in times), tuple(float(bound) for bound in upper), sides)


@lru_cache(maxsize=512)
def _course(times: tuple[float, ...], upper: tuple[float, ...], sides: Sides) -> Course:
    bounds = [*upper, np.inf]
    arriving = course(times, [-bound if sides > 1 else -np.inf for bound in bounds], bounds)
    ahead = sum(float(beyond(*look)[0]) for look in zip(arriving, times, upper, strict=False))
    return Course(times, upper, tuple(arriving), ahead)


def stopped_above(path: Course, drift: FloatArray) -> FloatArray:
    """Chance of having crossed upwards at an earlier look, per drift."""
    total = np.zeros(np.shape(drift))
    for paths, time, bound in zip(path.arriving, path.times, path.upper, strict=False):
        total = total + beyond(paths, time, bound, drift)
    return total


def p_value(path: Course, z: FloatArray, sides: Sides = 2) -> FloatArray:
    """Stagewise p-values of outcomes that stop at the course's last look.

    Args:
        path: the looks.
        z: statistics at the last look, one-dimensional.
        sides: those of the course; 1: the upper tail alone.

    Returns:
        The upper tail, or twice the smaller one, at most 1; below the error spent so far exactly when |z| is beyond
        the boundary.
    Source:
        Fairbanks and Madsen (1982), Biometrika 69(1), 69-74; Jennison and Turnbull (2000), section 8.4.
    """
    size = np.abs(z) if sides > 1 else z
    tail = path.above + beyond(path.arriving[-1], path.times[-1], size)
    return np.asarray(np.minimum(1.0, sides * tail))


def median_unbiased(path: Course, z: FloatArray) -> FloatArray:
    """Drifts for which the outcomes are the median ones.

    Exact at 65 drifts, between them a monotone cubic (errors below 1e-4 of a standard error). After many uneventful
    looks a huge last value can't come from a huge drift, which would have crossed before: the estimate levels off.

    Args:
        path: the looks, two-sided.
        z: statistics at the last look, one-dimensional.

    Returns:
        Means of Z at the last look, of the sign of z and no larger: the estimate in standard errors.
    Source:
        Jennison and Turnbull (2000), section 8.3; Kim (1989), Biometrics 45(3), 869-881.
    """
    if not path.upper:
        return np.asarray(z, dtype=np.float64)
    drift, farthest = _drift_of(path.times, path.upper)
    found = drift(np.minimum(np.abs(z), farthest)) * np.sqrt(path.times[-1])
    return np.asarray(np.sign(z) * np.minimum(found, np.abs(z)))


@lru_cache(maxsize=512)
def _drift_of(times: tuple[float, ...], upper: tuple[float, ...]) -> tuple[Callable[[FloatArray], FloatArray], float]:
    """Z to the drift whose median it is, and the largest Z for which that is tabulated."""
    from scipy.interpolate import PchipInterpolator  # noqa: PLC0415  # serving must not pay for this import

    drifts, heights = _table(_course(times, upper, 2))
    return PchipInterpolator(heights, drifts), float(heights[-1])


def _largest_drift(path: Course) -> float:
    """The drift that makes an earlier crossing a matter of chance (one half), or the farthest worth a thought."""
    low, high = 0.0, _FAR / float(np.sqrt(path.times[-1]))
    for _ in range(5):
        tried = np.linspace(low, high, 17)
        reached = stopped_above(path, tried) < 0.5  # noqa: PLR2004  # the median
        if bool(reached[-1]):
            return high
        first = int(np.argmin(reached))
        low, high = float(tried[first - 1]), float(tried[first])
    return low


def _table(path: Course) -> tuple[FloatArray, FloatArray]:
    """Drifts from 0 up and, for each, the Z whose upper tail is one half."""
    time, before = path.times[-1], path.arriving[-1]
    share = np.linspace(1.0, 0.0, _DRIFTS)
    drifts = _largest_drift(path) * (1.0 - share**2)
    wanted = 0.5 - stopped_above(path, drifts)
    mass, gap, root = before.tilted(drifts), np.sqrt(time - before.time), np.sqrt(time)
    mean = before.score + drifts[:, None] * gap**2
    low, high = np.zeros_like(drifts), drifts * root + 9.0
    middle = (low + high) / 2.0
    for _ in range(_STEPS):  # Newton's, and a halving wherever it would leave its bracket
        u = (mean - middle[:, None] * root) / gap
        excess = np.sum(mass * ndtr(u), axis=1) - wanted
        low, high = np.where(excess > 0.0, middle, low), np.where(excess > 0.0, high, middle)
        slope = np.sum(mass * np.exp(-0.5 * u**2), axis=1) * root / (gap * np.sqrt(2.0 * np.pi))
        with np.errstate(divide="ignore", invalid="ignore"):
            tried = middle + excess / slope
        inside = (tried > low) & (tried < high)
        before_step, middle = middle, np.where(inside, tried, (low + high) / 2.0)
        if np.all(np.abs(middle - before_step) < _CLOSE):
            break
    heights = np.array(middle)
    heights[0] = 0.0  # by symmetry
    return drifts, heights
