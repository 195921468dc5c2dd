"""The score statistic of two proportions, and its inversion in their difference and in their ratio.

Source:
    Miettinen & Nurminen (1985), Statistics in Medicine 4(2), 213-226, with their factor N / (N - 1); the restricted
    estimates in closed form, as in their appendix; Farrington & Manning (1990).
"""

from collections.abc import Callable
from math import pi

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.stats.roots import secant, solve, widen

Array = NDArray[np.float64]

_POLISH = 1e-6  # one Newton step gives rare offers back the digits that trigonometry loses near its corner
_FAR = 1e9  # stands for the infinite score of an impossible hypothesis
_FARTHEST_LOG = 300.0  # ratios beyond e^300 are as good as none; further out the arithmetic overflows


class Counts(Struct, frozen=True, eq=False):
    """Converted customers and customers of treatment and control; arrays of one batch shape, n at least 1."""

    x_t: Array
    n_t: Array
    x_c: Array
    n_c: Array

    def rates(self) -> tuple[Array, Array]:
        """Observed shares of treatment and control."""
        return self.x_t / self.n_t, self.x_c / self.n_c


def score(counts: Counts) -> Array:
    """The signed statistic of equal proportions; zero where nobody or everybody converted."""
    p_t, p_c = counts.rates()
    size = counts.n_t + counts.n_c
    share = (counts.x_t + counts.x_c) / size
    variance = share * (1 - share) * (1 / counts.n_t + 1 / counts.n_c) * size / (size - 1)
    return (p_t - p_c) / np.sqrt(np.where(variance > 0, variance, 1.0))


def difference_ends(counts: Counts, at_zero: Array, targets: Array) -> tuple[Array, Array]:
    """The differences at which the score takes the target values, (2, ...): first positive, then negative."""
    p_t, p_c = counts.rates()
    estimate = p_t - p_c
    error = np.sqrt(p_t * (1 - p_t) / counts.n_t + p_c * (1 - p_c) / counts.n_c)

    miss = _difference_miss(counts, targets)
    inside = np.stack([at_zero > targets[0], at_zero < targets[1]])
    first = np.clip(estimate - targets * error, -0.999, 0.999)
    second = np.clip(first + miss(first) * error, -0.999, 0.999)
    root, settled = secant(miss, first, second, np.ones(first.shape))
    side = np.where(inside, np.sign(estimate), np.array([-1.0, 1.0]).reshape(2, *([1] * estimate.ndim)))
    good = settled & (root * side >= 0) & (np.abs(root) < 1)
    if not good.all():
        root = np.where(good, root, _bracketed_difference(miss, estimate, at_zero - targets, targets, inside))
    return np.where(estimate <= -1, -1.0, root[0]), np.where(estimate >= 1, 1.0, root[1])


def _bracketed_difference(
    miss: Callable[[Array], Array], estimate: Array, values: Array, targets: Array, inside: NDArray[np.bool_]
) -> Array:
    """The same, safe at any corner of the table: between zero, the estimate and the walls at -1 and 1."""
    wall = np.stack([-np.ones(estimate.shape), np.ones(estimate.shape)])
    toward = np.stack([np.minimum(estimate, 0.0), np.maximum(estimate, 0.0)])
    begin, end = np.where(inside, 0.0, toward), np.where(inside, estimate, wall)
    at_begin, at_end = np.where(begin == 0, values, -targets), np.where(inside, -targets, -wall * _FAR)
    return solve(miss, begin, end, at_begin, at_end, np.ones(begin.shape))


def ratio_ends(counts: Counts, at_one: Array, targets: Array) -> tuple[Array, Array]:
    """The ratios at which the score takes the target values; zero below where nobody in treatment converted.

    Nonsense where nobody in control converted (the caller says so).
    """
    p_t, p_c = counts.rates()
    x_t, x_c = np.maximum(counts.x_t, 0.5), np.maximum(counts.x_c, 0.5)
    error = np.sqrt((1 - p_t) / x_t + (1 - p_c) / x_c + 1e-12)
    log = np.log(x_t / counts.n_t) - np.log(x_c / counts.n_c)
    usable = np.stack([(counts.x_t > 0) & (counts.x_c > 0), counts.x_c > 0])

    def miss(t: Array) -> Array:
        return np.where(usable, _ratio_score(counts, t) - targets, 0.0)

    first = log - targets * error
    second = first + np.clip(miss(first), -1.0, 1.0) * error
    root, settled = secant(miss, first, second, np.ones(first.shape))
    values = np.where(usable, at_one - targets, 0.0)
    good = ~usable | (settled & ((root > 0) == (values > 0)))
    if not good.all():
        reach = np.abs(log) + np.max(np.abs(targets), axis=0) * error + 1e-3
        start = np.zeros(values.shape)
        end, at_end, _ = widen(miss, start, np.where(values > 0, reach, -reach), values)
        root = np.where(good, root, solve(miss, start, end, values, at_end, np.ones(values.shape)))
    ratio = np.exp(np.where(usable, root, 0.0))
    return np.where(counts.x_t > 0, ratio[0], 0.0), ratio[1]


def _difference_miss(counts: Counts, targets: Array) -> Callable[[Array], Array]:
    """The score of p_t - p_c = delta, less the targets, as a function of delta.

    The likeliest p_c under that hypothesis is the root of a cubic, by trigonometry and one Newton step.
    """
    p_t, p_c = counts.rates()
    size, total = counts.n_t + counts.n_c, counts.x_t + counts.x_c
    factor = size / (size - 1)
    per_t, per_c = factor / counts.n_t, factor / counts.n_c
    a, b = (counts.n_t + 2 * counts.n_c) / (3 * size), (size + total) / (3 * size)
    c, d, e = counts.n_c / (3 * size), (size + 2 * counts.x_c) / (3 * size), total / (3 * size)
    h = counts.x_c / size
    estimate = p_t - p_c

    def miss(delta: Array) -> Array:
        third, l1 = a * delta - b, (c * delta - d) * delta + e  # of the cubic's coefficients over 3 N
        l0 = h * delta * (1 - delta)
        q = third * (third * third - 1.5 * l1) + l0 / 2
        p = np.copysign(np.sqrt(np.maximum(third * third - l1, 0.0)), q)
        cube = p * p * p
        angle = (pi + np.arccos(np.clip(q / np.where(cube == 0, 1.0, cube), -1.0, 1.0))) / 3
        low, high = np.maximum(0.0, -delta), np.minimum(1.0, 1 - delta)
        base = np.minimum(np.maximum(2 * p * np.cos(angle) - third, low), high)
        slope = 3 * ((base + 2 * third) * base + l1)
        step = (((base + 3 * third) * base + 3 * l1) * base + l0) / np.where(slope == 0, 1.0, slope)
        base = np.minimum(np.maximum(np.where(np.abs(step) < _POLISH, base - step, base), low), high)
        top = np.minimum(np.maximum(base + delta, 0.0), 1.0)
        variance = top * (1 - top) * per_t + base * (1 - base) * per_c
        gap = estimate - delta
        score_ = np.where(variance > 0, gap / np.sqrt(np.where(variance > 0, variance, 1.0)), np.sign(gap) * _FAR)
        return np.asarray(score_ - targets)

    return miss


def _ratio_score(counts: Counts, log_ratio: Array) -> Array:
    """The score of p_t / p_c = exp(log_ratio)."""
    p_t, p_c = counts.rates()
    ratio = np.exp(np.clip(log_ratio, -_FARTHEST_LOG, _FARTHEST_LOG))
    size = counts.n_t + counts.n_c
    middle = counts.n_t * ratio + counts.x_t + counts.n_c + counts.x_c * ratio
    product = 4 * size * ratio * (counts.x_t + counts.x_c)
    root = np.sqrt(np.maximum(middle * middle - product, 0.0))
    base = np.clip(2 * (counts.x_t + counts.x_c) / (middle + root), 0.0, np.minimum(1.0, 1 / ratio))
    top = np.clip(base * ratio, 0.0, 1.0)
    variance = (top * (1 - top) / counts.n_t + ratio**2 * base * (1 - base) / counts.n_c) * size / (size - 1)
    gap = p_t - ratio * p_c
    return np.where(variance > 0, gap / np.sqrt(np.where(variance > 0, variance, 1.0)), np.sign(gap) * _FAR)
