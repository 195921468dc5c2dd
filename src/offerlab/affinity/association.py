"""What a pair's counts say: the classical ratios, an interval for lift, and exact one-sided tests.

Everything works on arrays, one entry per pair. n_a, n_b, n_ab are units that hold a, b, both; N is all units.
Lift and its kin are descriptions; whether a pair goes together more often than chance is the test's business.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import gammainc, gammaln, ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NEGLIGIBLE: Final = 1e-14
_THINNED: Final = 0.8  # share still going at which the finished are put aside
_PIECE: Final = 16_384


class Table2x2(Struct, frozen=True, eq=False):
    """Counts of many pairs; the arrays have one shape, or shapes that broadcast to one."""

    both: Ints
    left: Ints
    right: Ints
    total: int


class Interval(Struct, frozen=True, eq=False):
    """Lift of many pairs with its interval."""

    estimate: Floats
    lower: Floats
    upper: Floats


def support(t: Table2x2) -> Floats:
    """n_ab / N."""
    return t.both / t.total


def confidence(t: Table2x2) -> Floats:
    """n_ab / n_a: of the buyers of the left item, the share with the right one."""
    return t.both / t.left


def lift(t: Table2x2) -> Floats:
    """n_ab N / (n_a n_b): how many times as often together as if they were independent."""
    return t.both * t.total / (t.left * t.right.astype(np.float64))


def jaccard(t: Table2x2) -> Floats:
    """n_ab / (n_a + n_b - n_ab)."""
    return t.both / (t.left + t.right - t.both)


def cosine(t: Table2x2) -> Floats:
    """n_ab / sqrt(n_a n_b)."""
    return t.both / np.sqrt(t.left * t.right.astype(np.float64))


def lift_interval(t: Table2x2, *, alpha: float = 0.05) -> Interval:
    """Lift with a two-sided interval of coverage about 1 - alpha.

    Delta method for log lift in a multinomial sample of N units:
    variance = 1/n_ab - 1/n_a - 1/n_b + 2 n_ab/(n_a n_b) - 1/N. Without a unit that holds both, the interval runs from
    0 to the lift at which finding none has probability alpha/2 (Poisson).
    """
    estimate = lift(t)
    left, right = t.left.astype(np.float64), t.right.astype(np.float64)
    both = np.maximum(t.both, 1).astype(np.float64)
    variance = 1 / both - 1 / left - 1 / right + 2 * both / (left * right) - 1 / t.total
    factor = np.exp(-ndtri(alpha / 2) * np.sqrt(np.maximum(variance, 0.0)))
    none = t.both == 0
    upper = np.where(none, -np.log(alpha / 2) * t.total / (left * right), estimate * factor)
    return Interval(estimate, np.where(none, 0.0, estimate / factor), upper)


def fisher_above(t: Table2x2) -> Floats:
    """P(at least n_ab together) if the items were independent: Fisher's exact test, one-sided.

    The hypergeometric tail is summed term by term from n_ab outward until the rest is negligible; below the mode the
    other tail is summed instead. Arrays are taken in pieces that fit the processor's cache.
    """
    factorials = gammaln(np.arange(1, t.total + 2))
    tail = np.ones(t.both.shape)
    for start in range(0, t.both.size, _PIECE):
        chosen = slice(start, start + _PIECE)
        piece = Table2x2(t.both[chosen], t.left[chosen], t.right[chosen], t.total)
        tail[chosen] = _fisher_piece(piece, factorials)
    return tail


def _fisher_piece(t: Table2x2, factorials: Floats) -> Floats:
    mode = (t.left + 1) * (t.right + 1) // (t.total + 2)
    above = t.both > mode
    tail = np.ones(t.both.shape)
    tail[above] = np.exp(_log_tail(_pick(t, above), t.both[above], factorials, up=True))
    below = ~above & (t.both > np.maximum(0, t.left + t.right - t.total))
    tail[below] = -np.expm1(_log_tail(_pick(t, below), t.both[below] - 1, factorials, up=False))
    return np.clip(tail, 0.0, 1.0)


def poisson_above(both: Ints, expected: Floats) -> Floats:
    """P(at least n_ab together) if together were Poisson with this mean.

    An upper bound for a sum of independent rare events wherever n_ab is above the mean by one (Hoeffding 1956).
    """
    return np.where(both > 0, gammainc(np.maximum(both, 1), expected), 1.0)


def _pick(t: Table2x2, chosen: NDArray[np.bool_]) -> Table2x2:
    return Table2x2(t.both[chosen], t.left[chosen], t.right[chosen], t.total)


def _log_tail(t: Table2x2, start: Ints, factorials: Floats, *, up: bool) -> Floats:
    """Logarithm of the hypergeometric sum from `start` to the end of the support, upward or downward.

    The ratio of neighbouring terms falls all the way, so that the terms left out are below a geometric series.
    """
    ones = np.ones(start.size)
    state = np.stack([t.left, t.right, t.total - t.left - t.right, start, ones, ones])
    sums, active = ones.copy(), np.arange(start.size)
    while active.size:
        left, right, rest, k, term, total = state
        if up:
            ratio = (left - k) * (right - k) / ((k + 1) * (rest + k + 1))
        else:
            ratio = k * (rest + k) / ((left - k + 1) * (right - k + 1))
        term *= ratio
        total += term
        k += 1 if up else -1
        going = term * ratio > _NEGLIGIBLE * total * (1 - ratio)
        if np.count_nonzero(going) < _THINNED * active.size:
            sums[active] = total
            state, active = state[:, going], active[going]
    return _log_pmf(start, t, factorials) + np.log(sums)


def _log_pmf(k: Ints, t: Table2x2, factorials: Floats) -> Floats:
    """Log of C(left, k) C(total - left, right - k) / C(total, right); `factorials[n]` is log n!."""

    def log_choose(n: Ints, m: Ints) -> Floats:
        result: Floats = factorials[n] - factorials[m] - factorials[n - m]
        return result

    whole = np.full_like(k, t.total)
    return log_choose(t.left, k) + log_choose(t.total - t.left, t.right - k) - log_choose(whole, t.right)
