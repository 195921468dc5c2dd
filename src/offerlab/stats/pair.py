"""Two estimated levels and how they vary together, to second order.

Every comparison of means, ratios, adjusted or stratified values is a `Pair`: the level of the treatment over the level
of control, or incremental profit over incremental cost. What differs is only how the pair is made; the test is one.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.stats.moments import Moments

Array = NDArray[np.float64]


class Pair(Struct, frozen=True, eq=False):
    """Estimates `top` and `base` with their joint cumulants; all arrays of one batch shape.

    Attributes:
        top, base: the two levels, in the metric's unit.
        v_tt, v_tb, v_bb: variances and covariance of the estimates.
        k_ttt, k_ttb, k_tbb, k_bbb: third cumulants of their linear parts.
        f_t, f_b: curvature of a ratio estimate: its covariance with the relative error of its own denominator
            (zero for means).
        bias_t, bias_b: known bias of the estimates, of order 1/n.
    """

    top: Array
    base: Array
    v_tt: Array
    v_tb: Array
    v_bb: Array
    k_ttt: Array
    k_ttb: Array
    k_tbb: Array
    k_bbb: Array
    f_t: Array
    f_b: Array
    bias_t: Array
    bias_b: Array

    @property
    def variance(self) -> Array:
        """Of top - base."""
        return np.maximum(self.v_tt - 2 * self.v_tb + self.v_bb, 0.0)

    @property
    def is_plain(self) -> bool:
        """Whether these are two means of arms that share nothing: most terms of the expansion are then zero."""
        rest = (self.v_tb, self.k_ttb, self.k_tbb, self.f_t, self.f_b, self.bias_t, self.bias_b)
        return not any(part.any() for part in rest)

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> "Pair":
        """Some of the batch."""
        return Pair(*(getattr(self, name)[index] for name in self.__struct_fields__))

    def enlarged(self, factor: Array) -> "Pair":
        """The pair with `base` in units `factor` times smaller: its number grows by `factor`."""
        return Pair(
            self.top,
            self.base * factor,
            self.v_tt,
            self.v_tb * factor,
            self.v_bb * factor**2,
            self.k_ttt,
            self.k_ttb * factor,
            self.k_tbb * factor**2,
            self.k_bbb * factor**3,
            self.f_t,
            self.f_b * factor,
            self.bias_t,
            self.bias_b * factor,
        )

    def turned(self, sign: Array) -> "Pair":
        """The pair of the values multiplied by `sign` (plus or minus one)."""
        return Pair(
            sign * self.top,
            sign * self.base,
            self.v_tt,
            self.v_tb,
            self.v_bb,
            sign * self.k_ttt,
            sign * self.k_ttb,
            sign * self.k_tbb,
            sign * self.k_bbb,
            sign * self.f_t,
            sign * self.f_b,
            sign * self.bias_t,
            sign * self.bias_b,
        )


def independent(treatment: "Level", control: "Level") -> Pair:
    """The pair of two arms that share no customer."""
    zero = np.zeros(np.broadcast(treatment.level, control.level).shape)
    return Pair(
        treatment.level + zero,
        control.level + zero,
        treatment.variance + zero,
        zero,
        control.variance + zero,
        treatment.cumulant + zero,
        zero,
        zero,
        control.cumulant + zero,
        treatment.curvature + zero,
        control.curvature + zero,
        treatment.bias + zero,
        control.bias + zero,
    )


class Level(Struct, frozen=True, eq=False):
    """One arm's estimated level: its variance, third cumulant, curvature and bias (see `Pair`)."""

    level: Array
    variance: Array
    cumulant: Array
    curvature: Array
    bias: Array


def mean_level(arm: Moments, column: str | int = 0) -> Level:
    """The mean of a column."""
    i = arm.position(column)
    n = np.maximum(arm.n, 1.0)
    zero = np.zeros(arm.n.shape)
    return Level(arm.mean[..., i], arm.variance(i) / n, arm.third_moment(i) / n**2, zero, zero)


def ratio_level(arm: Moments, numerator: str | int, denominator: str | int) -> Level:
    """The ratio of two column means, by the delta method with its second order.

    Source:
        Deng, Knoblich & Lu (2018), KDD, for the variance; docs/formulas/means.md for curvature and cumulant.
    """
    i, j = arm.position(numerator), arm.position(denominator)
    below = np.where(arm.mean[..., j] != 0, arm.mean[..., j], 1.0)
    ratio = arm.mean[..., i] / below
    k = len(arm.columns)
    weights = np.zeros((*arm.shape, k))
    weights[..., i] = 1 / below
    weights[..., j] -= ratio / below
    linear = arm.linear(weights)
    n = np.maximum(arm.n, 1.0)
    with_denominator = (arm.second[..., i, j] - ratio * arm.second[..., j, j]) / below**2
    curvature = with_denominator / np.maximum(arm.n - 1, 1.0) / n
    return Level(ratio, linear.variance() / n, linear.third_moment() / n**2, curvature, -curvature)
