"""Where the paths of a test statistic are at each look, as long as no look has stopped them.

The statistic at information fraction t is Z = B/√t, where the score B is a Brownian motion with drift θ: Z has mean θ√t
and variance 1. Each look removes the paths beyond its boundary; the density of those that are left is carried to the
next look by one integral (Armitage, McPherson and Rowe 1969; Jennison and Turnbull 2000, chapter 19). The integral is
a composite Gauss-Legendre rule whose spacing follows the smaller of the two gaps between looks, so that looks a day
apart in a year of data are as exact as five equal ones: errors stay below 1e-8 (Simpson's rule on the z scale, the
usual choice, needs many more points there and fails silently when looks come close).

Only the null density is ever computed. With drift the same paths weigh exp(θb - θ²t/2) (Girsanov), so that power,
p-values and estimates at any number of drifts cost one weighted sum.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from msgspec import Struct
from scipy.special import log_ndtr, ndtr, ndtri

from offerlab.stats.spending import FloatArray

REACH = 12.0  # an open side is integrated to 12 standard deviations: 4e-33 of the null paths lie beyond
CAP = 8.0  # no boundary is wider: two tails beyond 8 hold 1.2e-15
_DENSITY = 2.0  # nodes per standard deviation of the smaller gap: errors about 1e-12 (tests/stats)
_PANEL = 16
_ROOT_TWO_PI = float(np.sqrt(2.0 * np.pi))


class Paths(Struct, frozen=True):
    """Paths that no look has stopped up to `time`: `mass` of the null density at each `score`.

    Attributes:
        time: information fraction of the look that they passed (0: the start).
        score: B at the nodes, ascending.
        mass: null density times quadrature weight; sums to the chance of having got here.
    """

    time: float
    score: FloatArray
    mass: FloatArray

    def tilted(self, drift: FloatArray) -> FloatArray:
        """Mass under each drift: shape (drifts, nodes)."""
        slope = np.atleast_1d(drift)[:, None]
        return np.asarray(self.mass * np.exp(slope * self.score - slope**2 * (self.time / 2.0)))


START = Paths(0.0, np.zeros(1), np.ones(1))


@cache
def _legendre() -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(_PANEL)
    return np.asarray(nodes), np.asarray(weights)


def _grid(low: float, high: float, resolution: float) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on [low, high], about two per `resolution`."""
    panels = max(2, int(np.ceil(_DENSITY * (high - low) / resolution / _PANEL)))
    edges = np.linspace(low, high, panels + 1)
    half, middle = (edges[1:] - edges[:-1]) / 2.0, (edges[1:] + edges[:-1]) / 2.0
    nodes, weights = _legendre()
    return (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


def onward(before: Paths, time: float, lower: float, upper: float, following: float) -> Paths:
    """Paths that stay strictly between the boundaries at `time`, on a grid fine enough for the look at `following`.

    Args:
        before: paths at the look before.
        time: information fraction of this look, above before.time.
        lower: boundary of Z below; minus infinity for an open side.
        upper: boundary above; infinity for an open side.
        following: information fraction of the next look, above `time`.

    Returns:
        The paths that go on.
    """
    root, gap = np.sqrt(time), np.sqrt(time - before.time)
    low, high = max(lower, -REACH) * root, min(upper, REACH) * root
    score, weight = _grid(low, high, min(gap, np.sqrt(following - time)))
    kernel = np.exp(-0.5 * ((score[:, None] - before.score) / gap) ** 2)
    return Paths(time, score, weight * (kernel @ before.mass) / (gap * _ROOT_TWO_PI))


def beyond(before: Paths, time: float, z: FloatArray | float, drift: FloatArray | float = 0.0) -> FloatArray:
    """Chance of going on to `time` and finding Z at or above z there.

    Args:
        before: paths at the look before.
        time: information fraction of this look.
        z: one value, or as many as drifts.
        drift: one value, or as many as z.

    Returns:
        Chances, one-dimensional, one for each z or drift, whichever are more.
    """
    slope, limit = np.atleast_1d(np.asarray(drift, dtype=np.float64)), np.atleast_1d(z)
    gap = np.sqrt(time - before.time)
    mean = before.score + slope[:, None] * gap**2
    return np.asarray(np.sum(before.tilted(slope) * ndtr((mean - limit[:, None] * np.sqrt(time)) / gap), axis=1))


def _log_sum(logs: FloatArray) -> float:
    """Ln Σ exp, without underflow (scipy's costs more than the sum itself here)."""
    top = float(np.max(logs))
    return top + float(np.log(np.sum(np.exp(logs - top))))


def critical(before: Paths, time: float, error: float) -> float:
    """The boundary above which `error` of the null paths leave at `time`, at most `CAP`.

    Newton's method on the logarithm of the chance, which is concave in the boundary; the normal quantile without
    earlier looks lies on the outer side of the root, so that the steps approach it from one side.
    """
    if error < 1e-15:  # noqa: PLR2004  # one tail beyond CAP holds 6e-16
        return CAP
    gap, root, target = np.sqrt(time - before.time), np.sqrt(time), np.log(error)
    with np.errstate(divide="ignore"):
        weight = np.log(before.mass)
    bound = float(-ndtri(error))
    for _ in range(60):
        u = (before.score - bound * root) / gap
        chance = _log_sum(weight + log_ndtr(u))
        slope = np.exp(_log_sum(weight - u**2 / 2.0) - chance) * root / (gap * _ROOT_TWO_PI)
        change = (chance - target) / slope
        bound += change
        if abs(change) < 1e-12:  # noqa: PLR2004  # far below any printed digit
            break
    return min(bound, CAP)


def course(times: Sequence[float], lower: Sequence[float], upper: Sequence[float]) -> list[Paths]:
    """The paths that arrive at each look: `course(...)[k]` is what is left after the looks before `times[k]`.

    Args:
        times: information fractions, strictly ascending, above 0; K of them.
        lower: boundaries of Z below at each look; the last is not used.
        upper: boundaries above, likewise.

    Returns:
        K sets of paths.
    """
    arriving = [START]
    for look in range(len(times) - 1):
        arriving.append(onward(arriving[-1], times[look], lower[look], upper[look], times[look + 1]))
    return arriving
