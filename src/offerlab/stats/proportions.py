"""Proportions: the score test, and the Miettinen-Nurminen intervals that invert it.

No continuity correction: it costs power and buys nothing that the exact fallback does not give better.
Rejected: Wald intervals (they leave [-1, 1] and miss their level for rare offers), and an exact interval beside a score
p-value (the two contradict each other).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from offerlab.errors import InvalidMoments, InvalidPlan
from offerlab.stats.effect import Interval, Undetermined
from offerlab.stats.effects import CautionMask, Effects, checked_alpha, first_reason, reason_code, undetermined
from offerlab.stats.exact import barnard, boschloo
from offerlab.stats.moments import Moments
from offerlab.stats.score import Counts, difference_ends, ratio_ends, score
from offerlab.stats.trust import few_converters

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

Exact = Literal["boschloo", "barnard"]

METHODS = ("score", "exact")
SMALL_CELL = 5.0
BARNARD_CELL = 200.0
"""Smallest expected cell up to which Barnard's test is computed where asked for; beyond, score and exact agree."""


def proportion_differences(
    control: Moments, treatment: Moments, *, alpha: float | Array, column: str | int = 0
) -> Effects:
    """Differences and lifts of the share of customers with a one, for a whole batch of comparisons.

    Args:
        control: a column of zeros and ones; batch shape (...).
        treatment: likewise.
        alpha: two-sided error rate, 0 < alpha < 1.
        column: which column of the moments.

    Raises:
        InvalidPlan: alpha outside (0, 1).
        InvalidMoments: the column does not hold zeros and ones only.
    """
    return compare_counts(converted(control, column), control.n, converted(treatment, column), treatment.n, alpha=alpha)


def converted(arm: Moments, column: str | int = 0) -> Array:
    """(...) how many customers have a one.

    Raises:
        InvalidMoments: the column does not hold zeros and ones only.
    """
    i = arm.position(column)
    share = arm.mean[..., i]
    count = np.round(share * arm.n)
    expected = arm.n * share * (1 - share)
    if np.any(np.abs(arm.second[..., i, i] - expected) > 1e-6 * np.maximum(expected, 1.0)):
        raise InvalidMoments(f"Column {arm.columns[i]!r} holds other values than zero and one.", field="column")
    return count


def compare_counts(
    x_c: Array, n_c: Array, x_t: Array, n_t: Array, *, alpha: float | Array, exact: Exact = "boschloo"
) -> Effects:
    """Differences and lifts from counts; every argument has the batch shape (...).

    The p-value is the score test's, or Boschloo's where an expected cell is below 5 (Barnard's below 200, if asked
    for); where those two disagree about zero, the end of the interval nearest to zero follows the exact test.

    Raises:
        InvalidPlan: alpha outside (0, 1).
        InvalidMoments: counts that are negative or exceed the customers.

    Source:
        Miettinen & Nurminen (1985), Statistics in Medicine 4(2), 213-226; Boschloo (1970); Barnard (1947).
    """
    if np.any(x_c < 0) or np.any(x_t < 0) or np.any(x_c > n_c) or np.any(x_t > n_t):
        raise InvalidMoments("Converted customers are between none and all.", field="x")
    level = np.broadcast_to(checked_alpha(alpha), x_c.shape)
    reason = first_reason(x_c.shape, [("no_units", (n_c == 0) | (n_t == 0))])
    empty = reason != 0
    counts = Counts(
        np.where(empty, 0.0, x_t), np.where(empty, 2.0, n_t), np.where(empty, 1.0, x_c), np.where(empty, 2.0, n_c)
    )
    critical = -ndtri(level / 2)
    raw = score(counts)
    small = _small_cells(counts, SMALL_CELL if exact == "boschloo" else BARNARD_CELL) & ~empty
    p_value, z = _with_exact(counts, raw, small, exact)
    near = _near_critical(raw, z, critical, small)
    up = raw >= 0
    ends = np.stack([np.where(up, near, critical), -np.where(up, critical, near)])
    lower, upper = difference_ends(counts, raw, ends)
    relative_lower, relative_upper = ratio_ends(counts, raw, ends)
    p_t, p_c = counts.rates()
    converters = counts.x_t + counts.x_c
    told = CautionMask("exact_fallback", _EXACT, small & (exact == "boschloo"), critical)
    return Effects(
        estimate=p_t - p_c,
        lower=lower,
        upper=upper,
        relative=p_t / np.where(p_c > 0, p_c, 1.0) - 1,
        relative_lower=relative_lower - 1,
        relative_upper=relative_upper - 1,
        relative_shape=np.zeros(x_c.shape, np.int8),
        p_value=p_value,
        z=z,
        standard_error=np.sqrt(p_t * (1 - p_t) / counts.n_t + p_c * (1 - p_c) / counts.n_c),
        reason=reason,
        relative_reason=np.where(p_c > 0, 0, reason_code("control_mean_zero")).astype(np.int8),
        method=small.astype(np.int8),
        methods=METHODS if exact == "boschloo" else ("score", "barnard"),
        alpha=level,
        cautions=(few_converters(np.minimum(converters, counts.n_t + counts.n_c - converters), n_c, n_t), told),
    )


_EXACT = "Too few conversions for the normal curve: the p-value is Boschloo's exact one."


def rate(arm: Moments, *, alpha: float, column: str | int = 0) -> Interval | Undetermined:
    """One arm's share with Wilson's interval.

    Raises:
        InvalidPlan: alpha outside (0, 1).
        InvalidMoments: the column does not hold zeros and ones only.

    Source:
        Wilson (1927), JASA 22(158), 209-212.
    """
    checked_alpha(alpha)
    n = float(arm.n)
    if n == 0:
        return undetermined(reason_code("no_units"))
    lower, upper = wilson(converted(arm, column), arm.n, alpha=alpha)
    return Interval(float(converted(arm, column)) / n, float(lower), float(upper))


def wilson(x: Array, n: Array, *, alpha: float | Array) -> tuple[Array, Array]:
    """(lower, upper) of Wilson's interval for x of n; n at least 1.

    Raises:
        InvalidPlan: alpha outside (0, 1), or n below 1.
    """
    if np.any(np.asarray(n) < 1):
        raise InvalidPlan("An interval needs at least one customer.", field="n")
    square = ndtri(checked_alpha(alpha) / 2) ** 2
    share = x / n
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = np.sqrt(square * (share * (1 - share) / n + square / (4 * n**2))) / (1 + square / n)
    lower = np.where(x == 0, 0.0, np.maximum(centre - half, 0.0))
    return lower, np.where(x == n, 1.0, np.minimum(centre + half, 1.0))


def _small_cells(counts: Counts, limit: float) -> Flags:
    """Whether an expected cell of the two-by-two table is below the limit."""
    share = (counts.x_t + counts.x_c) / (counts.n_t + counts.n_c)
    return np.minimum(counts.n_t, counts.n_c) * np.minimum(share, 1 - share) < limit


def _with_exact(counts: Counts, raw: Array, exact: Flags, kind: Exact) -> tuple[Array, Array]:
    """(p, z) of the score test, replaced by the exact one where `exact`."""
    test = boschloo if kind == "boschloo" else barnard
    p_value, z = 2 * ndtr(-np.abs(raw)), raw.copy()
    tables = np.stack([counts.x_t[exact], counts.n_t[exact], counts.x_c[exact], counts.n_c[exact]], axis=-1)
    seen: dict[tuple[int, ...], float] = {}
    for table in map(tuple, tables.astype(np.int64).tolist()):
        if table not in seen:
            seen[table] = test(*table)
    p_value[exact] = [seen[table] for table in map(tuple, tables.astype(np.int64).tolist())]
    z[exact] = np.sign(raw[exact]) * np.abs(ndtri(p_value[exact] / 2))
    return p_value, z


def _near_critical(raw: Array, z: Array, critical: Array, exact: Flags) -> Array:
    """The critical value for the end next to zero: scaled where the exact test judges zero otherwise than the score."""
    differs = exact & ((np.abs(z) > critical) != (np.abs(raw) > critical)) & (raw != 0)
    return np.where(differs, critical * np.abs(raw) / np.maximum(np.abs(z), 1e-3), critical)
