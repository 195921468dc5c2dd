"""Levels of two arms with their covariates brought to common means, and how those levels vary together.

Both levels lean on the same pooled mean of the covariates, so they are correlated; a lift that forgets this has
intervals too short. The pair carries the covariance, and third cumulants of both, for the one test.
"""

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.stats.moments import Moments
from offerlab.stats.pair import Pair

Array = NDArray[np.float64]
Slopes = Literal["common", "own"]

RIDGE = 1e-9  # share of a standardised variance: collinear dummies get finite slopes, all else is left alone


class Fit(Struct, frozen=True, eq=False):
    """Adjusted levels, and the slopes (..., p) of treatment and control that made them."""

    pair: Pair
    slopes_t: Array
    slopes_c: Array


def fit(control: Moments, treatment: Moments, *, slopes: Slopes) -> Fit:
    """Adjust column 0 for all further columns.

    Args:
        control: outcome first, then p >= 1 covariates, of (n > p + 1) customers; batch shape (...).
        treatment: likewise.
        slopes: `common`: one regression within both arms, as in CUPED; `own`: one in each arm.

    Source:
        Deng, Xu, Kohavi & Walker (2013), WSDM, eqs. 4-5; Lin (2013), Annals of Applied Statistics 7(1), 295-318;
        docs/formulas/variance-reduction.md for the joint cumulants.
    """
    p = len(control.columns) - 1
    if slopes == "common":
        both = treatment.second + control.second
        slopes_t = slopes_c = least_squares(both)
        lost = p / np.maximum(treatment.n + control.n - 2 - p, 1.0)
        lost_t = lost_c = lost
    else:
        slopes_t, slopes_c = least_squares(treatment.second), least_squares(control.second)
        lost_t = p / np.maximum(treatment.n - 1 - p, 1.0)
        lost_c = p / np.maximum(control.n - 1 - p, 1.0)
    share = treatment.n / np.maximum(treatment.n + control.n, 1.0)
    gap = treatment.mean[..., 1:] - control.mean[..., 1:]
    zero = np.zeros(share.shape)
    if slopes == "common":
        in_t = _Own.of(treatment, slopes_t, share)
        in_c = _Own.of(control, slopes_c, 1 - share)
    else:
        in_t = _Own.of_rows(treatment, _rows((share - 1)[..., None] * slopes_t, share[..., None] * slopes_c))
        in_c = _Own.of_rows(control, _rows(-share[..., None] * slopes_c, (1 - share)[..., None] * slopes_t))
    pair = Pair(
        treatment.mean[..., 0] - (1 - share) * _dot(slopes_t, gap),
        control.mean[..., 0] + share * _dot(slopes_c, gap),
        in_t.own + in_c.other + lost_t * residual_variance(treatment, slopes_t) / np.maximum(treatment.n, 1.0),
        in_t.mixed + in_c.mixed,
        in_t.other + in_c.own + lost_c * residual_variance(control, slopes_c) / np.maximum(control.n, 1.0),
        in_t.own3 + in_c.other3,
        in_t.mixed21 + in_c.mixed12,
        in_t.mixed12 + in_c.mixed21,
        in_t.other3 + in_c.own3,
        zero,
        zero,
        zero,
        zero,
    )
    return Fit(pair, slopes_t, slopes_c)


def least_squares(second: Array) -> Array:
    """(..., p) slopes of column 0 on the others, from centred products (..., 1 + p, 1 + p).

    A covariate without spread gets the slope zero.
    """
    if second.shape[-1] == 2:  # noqa: PLR2004 - the outcome and one covariate
        square = second[..., 1, 1]
        return (second[..., 0, 1] / np.where(square > 0, square, 1.0))[..., None]
    spread = np.sqrt(np.einsum("...ii->...i", second[..., 1:, 1:]))
    unit = np.where(spread > 0, spread, 1.0)
    correlation = second[..., 1:, 1:] / (unit[..., :, None] * unit[..., None, :])
    p = correlation.shape[-1]
    at = np.arange(p)
    correlation[..., at, at] = 1 + RIDGE
    return np.asarray(np.linalg.solve(correlation, (second[..., 1:, 0] / unit)[..., None])[..., 0] / unit)


def residual_variance(arm: Moments, slopes: Array) -> Array:
    """(...) variance (divisor n - 1) of column 0 less slopes times the others; the slopes may be another arm's."""
    return residual_sum(arm, slopes) / np.maximum(arm.n - 1, 1.0)


def residual_sum(arm: Moments, slopes: Array) -> Array:
    """(...) centred sum of squares of column 0 less slopes times the others."""
    cross = _dot(slopes, arm.second[..., 1:, 0])
    if slopes.shape[-1] == 1:
        square = slopes[..., 0] ** 2 * arm.second[..., 1, 1]
    else:
        square = _dot(slopes, np.matmul(arm.second[..., 1:, 1:], slopes[..., None])[..., 0])
    return np.maximum(arm.second[..., 0, 0] - 2 * cross + square, 0.0)


class _Own(Struct, frozen=True, eq=False):
    """What one arm's customers add to the cumulants of their own adjusted level and of the other arm's."""

    own: Array
    mixed: Array
    other: Array
    own3: Array
    mixed21: Array
    mixed12: Array
    other3: Array

    @staticmethod
    def of(arm: Moments, slopes: Array, share: Array) -> "_Own":
        """With slopes common to both arms: all that matters is the outcome y and the prediction f from covariates.

        A customer adds y - (1 - share) f to the own level, and share * f to the other, where `share` is the arm's.
        """
        yy, yf, ff, yyy, yyf, yff, fff = _with_prediction(arm, slopes)
        rest = 1 - share
        n = np.maximum(arm.n, 1.0)
        two = 1 / (np.maximum(arm.n - 1, 1.0) * n)
        three = np.where(arm.n > 2, 1 / np.maximum(n * (n - 1) * (n - 2), 1.0), 0.0)  # noqa: PLR2004 - three points
        return _Own(
            two * (yy - rest * (2 * yf - rest * ff)),
            two * share * (yf - rest * ff),
            two * share**2 * ff,
            three * (yyy - rest * (3 * yyf - rest * (3 * yff - rest * fff))),
            three * share * (yyf - rest * (2 * yff - rest * fff)),
            three * share**2 * (yff - rest * fff),
            three * share**3 * fff,
        )

    @staticmethod
    def of_rows(arm: Moments, rows: Array) -> "_Own":
        """From the linear combinations (..., 2, k) of the arm's columns that enter the own level and the other."""
        n = np.maximum(arm.n, 1.0)
        k = rows.shape[-1]
        turned = np.swapaxes(rows, -1, -2)
        second = np.matmul(np.matmul(rows, arm.second), turned) / (np.maximum(arm.n - 1, 1.0) * n)[..., None, None]
        pairs = np.matmul(arm.third.reshape(*arm.shape, k * k, k), turned)
        scale = np.where(arm.n > 2, 1 / np.maximum(n * (n - 1) * (n - 2), 1.0), 0.0)  # noqa: PLR2004 - three points
        own, other = (
            np.matmul(np.matmul(rows, pairs[..., i].reshape(*arm.shape, k, k)), turned) * scale[..., None, None]
            for i in (0, 1)
        )
        return _Own(
            second[..., 0, 0],
            second[..., 0, 1],
            second[..., 1, 1],
            own[..., 0, 0],
            own[..., 0, 1],
            own[..., 1, 1],
            other[..., 1, 1],
        )


def _with_prediction(arm: Moments, slopes: Array) -> tuple[Array, ...]:
    """Sums of products of deviations of y and f = slopes' x: yy, yf, ff, yyy, yyf, yff, fff."""
    if slopes.shape[-1] == 1:
        s = slopes[..., 0]
        yf, ff = arm.second[..., 0, 1] * s, arm.second[..., 1, 1] * s**2
        yyf, yff, fff = arm.third[..., 0, 0, 1] * s, arm.third[..., 0, 1, 1] * s**2, arm.third[..., 1, 1, 1] * s**3
    else:
        with_one = np.matmul(arm.second[..., 1:], slopes[..., None])[..., 0]
        by_slope = np.matmul(arm.third[..., 1:], slopes[..., None, :, None])[..., 0]
        by_slopes = np.matmul(by_slope[..., 1:], slopes[..., None])[..., 0]
        yf, ff = with_one[..., 0], _dot(with_one[..., 1:], slopes)
        yyf, yff, fff = by_slope[..., 0, 0], by_slopes[..., 0], _dot(by_slopes[..., 1:], slopes)
    return arm.second[..., 0, 0], yf, ff, arm.third[..., 0, 0, 0], yyf, yff, fff


def _rows(own_slopes: Array, other_slopes: Array) -> Array:
    """(..., 2, 1 + p): what one customer of an arm adds to its own level and to the other's."""
    rows = np.empty((*own_slopes.shape[:-1], 2, 1 + own_slopes.shape[-1]))
    rows[..., 0, 0], rows[..., 1, 0] = 1.0, 0.0
    rows[..., 0, 1:], rows[..., 1, 1:] = own_slopes, other_slopes
    return rows


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(np.sum(a * b, axis=-1))
