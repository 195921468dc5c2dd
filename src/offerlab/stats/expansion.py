"""The second-order correction of a studentised statistic, from the skewness of the data.

A statistic U that is standard normal to first order has, to second order, the mean E and the skewness K. The cubic
g(U) = U + b U^2 + b^2 U^3 / 3 - E + K/6 with b = -K/6 undoes both and never turns back, so that it can be inverted.
docs/formulas/means.md derives E and K for the logarithm of a ratio and for a contrast.

Source:
    Hall (1992), JRSS-B 54(1), 221-228, for the monotone cubic; Cornish & Fisher (1938).
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.stats.pair import Pair

Array = NDArray[np.float64]

WIDEST_SHIFT = 1.0  # a correction beyond one standard error has left the range where the expansion means anything


class Expansion(Struct, frozen=True, eq=False):
    """Scale, mean and skewness of a statistic: `scale` in its own unit, the others without unit."""

    scale: Array
    mean: Array
    skewness: Array

    @property
    def shift(self) -> Array:
        """g(0): how far zero is from the centre of the corrected statistic."""
        return self.skewness / 6 - self.mean

    def where(self, keep: NDArray[np.bool_]) -> "Expansion":
        """The correction where `keep`, none elsewhere."""
        return Expansion(self.scale, np.where(keep, self.mean, 0.0), np.where(keep, self.skewness, 0.0))


def expand(pair: Pair, a: Array, b: Array, *, logarithm: bool) -> Expansion:
    """Of a * top - b * base; or of ln(top / base) where a = 1/top, b = 1/base and `logarithm`."""
    if logarithm and pair.is_plain:
        w, u = a * a * pair.v_tt, b * b * pair.v_bb
        cumulant, quadratic = a**3 * pair.k_ttt - b**3 * pair.k_bbb, w * w - u * u
        scale = np.sqrt(w + u)
        unit = np.where(scale > 0, scale, 1.0)
        cube = unit**3
        mean = (u - w) / (2 * unit) - (cumulant - 2 * quadratic) / (2 * cube)
        return Expansion(scale, mean, (3 * quadratic - 2 * cumulant) / cube)
    a_t, b_c = a * pair.v_tt - b * pair.v_tb, a * pair.v_tb - b * pair.v_bb
    variance = a * a_t - b * b_c
    cumulant = a**3 * pair.k_ttt - 3 * a * b * (a * pair.k_ttb - b * pair.k_tbb) - b**3 * pair.k_bbb
    quadratic = 2 * (a**3 * pair.v_tt * pair.f_t - b**3 * pair.v_bb * pair.f_b)
    bias = a * pair.bias_t - b * pair.bias_b
    if logarithm:
        quadratic = quadratic + (a * a_t) ** 2 - (b * b_c) ** 2
        bias = bias - (a**2 * pair.v_tt - b**2 * pair.v_bb) / 2
    scale = np.sqrt(np.maximum(variance, 0.0))
    unit = np.where(scale > 0, scale, 1.0)
    cube = unit**3
    mean = bias / unit - (cumulant - 2 * quadratic) / (2 * cube)
    skewness = (3 * quadratic - 2 * cumulant) / cube
    return Expansion(scale, mean, skewness)


def corrected(u: Array, expansion: Expansion) -> Array:
    """g(u), standard normal to second order."""
    b = -expansion.skewness / 6
    bu = b * u
    return u * (1 + bu + bu * bu / 3) + expansion.shift


def uncorrected(g: Array, expansion: Expansion) -> Array:
    """The u whose g(u) is the given value."""
    t = g - expansion.shift
    root: Array = np.cbrt(1 - expansion.skewness * t / 2)
    return 3 * t / (root * root + root + 1)
