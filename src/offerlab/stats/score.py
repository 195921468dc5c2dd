"""The score statistic of two proportions, and its inversion in their difference and in their ratio.

Source:
    Miettinen & Nurminen (1985), Statistics in Medicine 4(2), 213-226, with their factor N / (N - 1); the restricted
    estimates in closed form, as in their appendix; Farrington & Manning (1990).
"""

from math import pi

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.stats.roots import solve, widen

Array = NDArray[np.float64]

_POLISH = 1e-6  # one Newton step gives rare offers back the digits that trigonometry loses near its corner
_FAR = 1e9  # stands for the infinite score of an impossible hypothesis


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
    values = at_zero - targets
    inside = np.stack([values[0] > 0, values[1] < 0])
    wall = np.stack([-np.ones(estimate.shape), np.ones(estimate.shape)])
    toward = np.stack([np.minimum(estimate, 0.0), np.maximum(estimate, 0.0)])
    begin, end = np.where(inside, 0.0, toward), np.where(inside, estimate, wall)
    root = solve(
        lambda delta: _difference_score(counts, delta) - targets,
        begin,
        end,
        np.where(begin == 0, values, -targets),
        np.where(inside, -targets, -wall * _FAR),
        np.ones(begin.shape),
    )
    return np.where(estimate <= -1, -1.0, root[0]), np.where(estimate >= 1, 1.0, root[1])


def ratio_ends(counts: Counts, at_one: Array, targets: Array) -> tuple[Array, Array]:
    """The ratios at which the score takes the target values; zero below where nobody in treatment converted.

    Nonsense where nobody in control converted (the caller says so).
    """
    p_t, p_c = counts.rates()
    spread = (1 - p_t) / np.maximum(counts.x_t, 0.5) + (1 - p_c) / np.maximum(counts.x_c, 0.5)
    log = np.log(np.maximum(counts.x_t, 0.5) / counts.n_t) - np.log(np.maximum(counts.x_c, 0.5) / counts.n_c)
    values = at_one - targets
    reach = np.abs(log) + np.max(np.abs(targets), axis=0) * np.sqrt(spread) + 1e-3
    usable = np.stack([(counts.x_t > 0) & (counts.x_c > 0), counts.x_c > 0])

    def miss(t: Array) -> Array:
        return np.where(usable, _ratio_score(counts, t) - targets, 0.0)

    values = np.where(usable, values, 0.0)
    start = np.zeros(values.shape)
    end, at_end, _ = widen(miss, start, np.where(values > 0, reach, -reach), values)
    ratio = np.exp(solve(miss, start, end, values, at_end, np.ones(values.shape)))
    return np.where(counts.x_t > 0, ratio[0], 0.0), ratio[1]


_FARTHEST_LOG = 300.0
"""Ratios beyond e^300 are as good as none; further out the arithmetic overflows."""


def _difference_score(counts: Counts, delta: Array) -> Array:
    """The score of p_t - p_c = delta."""
    p_t, p_c = counts.rates()
    base = _restricted_to_difference(counts, delta)
    top = np.clip(base + delta, 0.0, 1.0)
    size = counts.n_t + counts.n_c
    variance = (top * (1 - top) / counts.n_t + base * (1 - base) / counts.n_c) * size / (size - 1)
    gap = p_t - p_c - delta
    return np.where(variance > 0, gap / np.sqrt(np.where(variance > 0, variance, 1.0)), np.sign(gap) * _FAR)


def _restricted_to_difference(counts: Counts, delta: Array) -> Array:
    """The likeliest p_c when p_t = p_c + delta: the root of a cubic by trigonometry."""
    size, total = counts.n_t + counts.n_c, counts.x_t + counts.x_c
    l2 = (counts.n_t + 2 * counts.n_c) * delta - size - total
    l1 = (counts.n_c * delta - size - 2 * counts.x_c) * delta + total
    l0 = counts.x_c * delta * (1 - delta)
    third = l2 / (3 * size)
    q = third**3 - third * l1 / (2 * size) + l0 / (2 * size)
    p = np.copysign(np.sqrt(np.maximum(third**2 - l1 / (3 * size), 0.0)), q)
    cube = p**3
    angle = (pi + np.arccos(np.clip(q / np.where(cube == 0, 1.0, cube), -1.0, 1.0))) / 3
    root = np.clip(2 * p * np.cos(angle) - third, np.maximum(0.0, -delta), np.minimum(1.0, 1 - delta))
    slope = (3 * size * root + 2 * l2) * root + l1
    step = (((size * root + l2) * root + l1) * root + l0) / np.where(slope == 0, 1.0, slope)
    polished = np.where(np.abs(step) < _POLISH, root - step, root)
    return np.clip(polished, np.maximum(0.0, -delta), np.minimum(1.0, 1 - delta))


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
