"""Newcombe's hybrid score interval of two proportions, with the p-value and the lift that belong to it.

The closed form that many analysts know; for those who must match it. Miettinen and Nurminen's stays the default: it
inverts a test, and covers nearer to its level. Here the p-value is found from the interval: the error rate at which one
end touches zero. The lift's ends come from the same two Wilson intervals by MOVER, whose set holds a ratio of one
exactly when the difference's holds zero.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from offerlab.errors import InvalidMoments
from offerlab.stats.effects import Effects, checked_alpha, first_reason, reason_code
from offerlab.stats.trust import few_converters

Array = NDArray[np.float64]

_FARTHEST = 40.0
_STEPS = 80


def newcombe_counts(x_c: Array, n_c: Array, x_t: Array, n_t: Array, *, alpha: float | Array) -> Effects:
    """Differences and lifts from counts; every argument has the batch shape (...).

    Raises:
        InvalidPlan: alpha outside (0, 1).
        InvalidMoments: counts that are negative or exceed the customers.

    Source:
        Newcombe (1998), Statistics in Medicine 17(8), 873-890, method 10; the ratio: Donner & Zou (2012), Statistical
        Methods in Medical Research 21(4), 347-359.
    """
    if np.any(x_c < 0) or np.any(x_t < 0) or np.any(x_c > n_c) or np.any(x_t > n_t):
        raise InvalidMoments("Converted customers are between none and all.", field="x")
    level = np.broadcast_to(checked_alpha(alpha), x_c.shape)
    reason = first_reason(x_c.shape, [("no_units", (n_c == 0) | (n_t == 0))])
    empty = reason != 0
    n_c, n_t = np.where(empty, 1.0, n_c), np.where(empty, 1.0, n_t)
    p_c, p_t = np.where(empty, 0.0, x_c / n_c), np.where(empty, 0.0, x_t / n_t)
    z = _statistic(p_c, n_c, p_t, n_t)
    critical = -ndtri(level / 2)
    low, high = difference_ends(p_c, n_c, p_t, n_t, critical)
    relative = ratio_ends(p_c, n_c, p_t, n_t, critical)
    converters = x_c + x_t
    return Effects(
        estimate=p_t - p_c,
        lower=low,
        upper=high,
        relative=p_t / np.where(p_c > 0, p_c, 1.0) - 1,
        relative_lower=relative[0] - 1,
        relative_upper=relative[1] - 1,
        relative_shape=np.zeros(x_c.shape, np.int8),
        p_value=2 * ndtr(-np.abs(z)),
        z=z,
        standard_error=np.sqrt(p_t * (1 - p_t) / n_t + p_c * (1 - p_c) / n_c),
        reason=reason,
        relative_reason=np.where(p_c > 0, 0, reason_code("control_mean_zero")).astype(np.int8),
        method=np.zeros(x_c.shape, np.int8),
        methods=("newcombe",),
        alpha=level,
        cautions=(few_converters(np.minimum(converters, n_t + n_c - converters), n_c, n_t),),
    )


def difference_ends(p_c: Array, n_c: Array, p_t: Array, n_t: Array, z: Array) -> tuple[Array, Array]:
    """Ends of the difference at a critical value: square and add the distances to Wilson's ends."""
    (low_c, high_c), (low_t, high_t) = _wilson(p_c, n_c, z), _wilson(p_t, n_t, z)
    gap = p_t - p_c
    return gap - np.hypot(p_t - low_t, high_c - p_c), gap + np.hypot(high_t - p_t, p_c - low_c)


def ratio_ends(p_c: Array, n_c: Array, p_t: Array, n_t: Array, z: Array) -> tuple[Array, Array]:
    """Ends of the ratio: where the square-and-add interval of p_t - ratio p_c touches zero; infinite without an end."""
    (low_c, high_c), (low_t, high_t) = _wilson(p_c, n_c, z), _wilson(p_t, n_t, z)
    product = p_c * p_t
    below, above = high_c * (2 * p_c - high_c), low_c * (2 * p_c - low_c)
    with np.errstate(divide="ignore", invalid="ignore"):
        root_low = np.sqrt(np.maximum(product**2 - low_t * (2 * p_t - low_t) * below, 0.0))
        root_high = np.sqrt(np.maximum(product**2 - high_t * (2 * p_t - high_t) * above, 0.0))
        # (product - root) / below, written so that `below` may pass through zero
        top = low_t * (2 * p_t - low_t)
        lower = np.where(top > 0, top / (product + root_low), 0.0)
        upper = np.where(above > 0, (product + root_high) / above, np.inf)
    return np.maximum(lower, 0.0), upper


def _statistic(p_c: Array, n_c: Array, p_t: Array, n_t: Array) -> Array:
    """The critical value at which the end next to zero touches it, with the sign of the difference."""
    gap = p_t - p_c
    low, high = np.zeros(gap.shape), np.full(gap.shape, _FARTHEST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        ends = difference_ends(p_c, n_c, p_t, n_t, middle)
        outside = np.where(gap > 0, ends[0] > 0, ends[1] < 0)
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return np.asarray(np.sign(gap) * (low + high) / 2)


def _wilson(p: Array, n: Array, z: Array) -> tuple[Array, Array]:
    square = z**2
    centre = (p + square / (2 * n)) / (1 + square / n)
    half = np.sqrt(square * (p * (1 - p) / n + square / (4 * n**2))) / (1 + square / n)
    return np.where(p == 0, 0.0, np.maximum(centre - half, 0.0)), np.where(p == 1, 1.0, np.minimum(centre + half, 1.0))
