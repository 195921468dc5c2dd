"""Contrast of two levels that may be zero or negative: Hall's corrected statistic and Fieller's set.

Where a mean is not clearly on one side of zero there is no logarithm; the ratio is then asked backwards, as Fieller
did: which ratios r does the contrast top - r base not contradict? A stretch, everything but a gap, or all.
"""

from math import pi

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.stats.effects import Codes
from offerlab.stats.expansion import WIDEST_SHIFT, Expansion, corrected, expand, uncorrected
from offerlab.stats.pair import Pair
from offerlab.stats.roots import solve

Array = NDArray[np.float64]

BOUNDED, DISJOINT, WHOLE_LINE = 0, 1, 2
_FAR = 1e50  # standard errors, where a contrast has no error at all


class RatioSet(Struct, frozen=True, eq=False):
    """Ratios not contradicted: their ends and shape (index into effects.SHAPES)."""

    lower: Array
    upper: Array
    shape: Codes


def difference(pair: Pair, critical: Array, *, skewed: bool = True) -> tuple[Array, Array, Array]:
    """(z, lower, upper) of top - base.

    Args:
        pair: with a positive variance of the difference.
        critical: positive; the two-sided quantile of alpha.
        skewed: False leaves the third moments out.
    """
    one = np.ones(pair.top.shape)
    expansion = _within_reach(expand(pair, one, one, logarithm=False), skewed=skewed)
    estimate = pair.top - pair.base
    z = corrected(estimate / expansion.scale, expansion)
    lower = estimate - expansion.scale * uncorrected(critical, expansion)
    upper = estimate - expansion.scale * uncorrected(-critical, expansion)
    return z, lower, upper


def ratios(pair: Pair, critical: Array, *, null: float = 1.0, skewed: bool = True) -> RatioSet:
    """Fieller's set of the ratios r for which top - r base is not contradicted.

    The contrast is top cos(t) - base sin(t) with r = tan(t). Over half a turn, between the two directions in which the
    data contradict most, the statistic falls from its largest to its smallest value; the set is the arc between the
    two places where it passes plus and minus the critical value. The direction of the null ratio is one of the
    points the search starts from, so that the set holds it exactly when the test of it says so.

    Args:
        pair: top and base in any units.
        critical: positive; the two-sided quantile of alpha.
        null: the ratio of no effect: one for a lift, zero for a return.
        skewed: False leaves the third moments out.

    Source:
        Fieller (1954), JRSS-B 16(2), 175-185; Hall (1992) for the skewness.
    """
    factor = _balance(pair)
    even = pair.enlarged(factor)
    at_null = np.arctan2(null, factor)
    keep = _is_within_reach(expand(even, np.cos(at_null), np.sin(at_null), logarithm=False)) & skewed

    def statistic(angle: Array) -> Array:
        a, b = np.cos(angle), np.sin(angle)
        expansion = expand(even, a, b, logarithm=False).where(keep)
        scale = np.where(expansion.scale > 0, expansion.scale, 1.0)
        value = (a * even.top - b * even.base) / scale
        return corrected(np.where(expansion.scale > 0, value, _FAR * np.sign(value)), expansion)

    of_null, far = statistic(at_null), _farthest(even)
    of_far = statistic(far)
    refused = np.abs(of_null) > critical
    whole = ~refused & ~(of_far > critical)
    start = np.where(refused, at_null + np.where(of_null > 0, 0.0, pi), far)
    highest = np.where(refused, np.abs(of_null), of_far)
    turns = np.ceil((start - at_null) / pi)
    between = at_null + pi * turns
    of_between = of_null * (1 - 2 * (turns % 2))
    targets = np.stack([critical, -critical])
    arc = solve(
        lambda t: statistic(t) - targets,
        np.stack([start, start + pi]),
        np.where(refused, np.stack([start + pi, start]), between),
        np.stack([highest, -highest]) - targets,
        np.where(refused, np.stack([-highest, highest]), of_between) - targets,
        np.ones(targets.shape),
    )
    return _unrolled(arc[0], arc[1], whole=whole, factor=factor)


def _within_reach(expansion: Expansion, *, skewed: bool) -> Expansion:
    """The correction, where it is asked for and small enough to mean anything."""
    return expansion.where(_is_within_reach(expansion) & skewed)


def _is_within_reach(expansion: Expansion) -> NDArray[np.bool_]:
    return np.asarray(np.abs(expansion.shift) <= WIDEST_SHIFT)


def _balance(pair: Pair) -> Array:
    """A power of two that brings the error of base to the size of top's: exact, and angles keep their digits."""
    known = (pair.v_tt > 0) & (pair.v_bb > 0)
    share = np.where(known, pair.v_tt, 1.0) / np.where(known, pair.v_bb, 1.0)
    return np.exp2(np.round(np.log2(share) / 2))


def _farthest(pair: Pair) -> Array:
    """The angle, less than half a turn below the estimate's, at which the data contradict most."""
    sine = pair.v_tb * pair.top - pair.v_tt * pair.base
    cosine = pair.v_bb * pair.top - pair.v_tb * pair.base
    angle = np.arctan2(sine, cosine)
    estimate = np.arctan2(pair.top, pair.base)
    return angle + pi * (np.ceil((estimate - angle) / pi) - 1)


def _unrolled(first: Array, last: Array, *, whole: NDArray[np.bool_], factor: Array) -> RatioSet:
    """From an arc of angles to a set of ratios."""
    gap = np.floor(first / pi - 0.5) != np.floor(last / pi - 0.5)
    low, high = np.tan(first) * factor, np.tan(last) * factor
    return RatioSet(
        np.where(whole, -np.inf, np.where(gap, high, low)),
        np.where(whole, np.inf, np.where(gap, low, high)),
        np.where(whole, WHOLE_LINE, np.where(gap, DISJOINT, BOUNDED)).astype(np.int8),
    )
