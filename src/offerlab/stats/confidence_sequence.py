"""Intervals that hold at every look at once, for experiments without a planned end.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics
52(6), 2613-2640 (arXiv 2103.06476): a normal mixture over the whole course. Its width is a multiple of the standard
error that depends on n only through n / N*, N* being the sample at which it is tightest; so N* is the PLANNED sample.
A constant N* (5,000 in other engines) costs up to half of the power at 100,000 customers; letting N* follow n
protects nothing at all, because the mixture is then another one at every look.

It is asymptotic: it holds from a burn-in on. The caller starts it there (40 expected converters in the smaller arm).
For regressions with few customers the mixture over Student's t is exact where errors are normal (Lindon, Ham, Tingley
and Bojinov 2022); with many it is the same sequence. Readings use it with n - 2 degrees of freedom.
"""

import numpy as np

from offerlab.errors import InvalidPlan
from offerlab.stats.spending import FloatArray


def _course(fraction: FloatArray | float, alpha: float, sides: int) -> FloatArray:
    """n·ρ² of the mixture at each n / N*: ρ² = (-2 ln a + ln(1 - 2 ln a)) / N*, a the two-sided error."""
    if not 0.0 < alpha < (1.0 if sides > 1 else 0.5):
        raise InvalidPlan(f"alpha {alpha} is outside the range of a confidence sequence", field="alpha")
    share = np.asarray(fraction, dtype=np.float64)
    if not np.all(share > 0.0):
        raise InvalidPlan("the sequence needs a sample above 0", field="fraction")
    log = -2.0 * np.log(alpha if sides > 1 else 2.0 * alpha)
    return np.asarray(share * (log + np.log1p(log)))


def multiplier(
    fraction: FloatArray | float, alpha: float, sides: int = 2, degrees: FloatArray | float = np.inf
) -> FloatArray:
    """Half-width of the interval in standard errors.

    Args:
        fraction: n over the planned sample N*, any shape, above 0 (near 1 the interval is tightest relative to n).
        alpha: error over the whole course, two-sided in (0, 1), one-sided in (0, .5).
        sides: 2: estimate ± half-width; 1: a lower bound, estimate - half-width (or an upper one).
        degrees: residual degrees of freedom of the regression behind the standard error, the shape of `fraction`;
            finite: exact for normal errors at any n (two-sided alone).

    Returns:
        Multiples of the standard error, the shape of `fraction`; infinite where so few degrees exclude nothing.

    Raises:
        InvalidPlan: alpha or a fraction outside its range.

    Source:
        Waudby-Smith et al. (2024), theorem 2.2 with the tuning of appendix B (two-sided), equation 134 (one-sided,
        tuned at twice the alpha); here n·ρ² = fraction · (-2 ln a + ln(1 - 2 ln a)). Finite degrees: Lindon, Ham,
        Tingley and Bojinov (2022), arXiv 2210.08589: the t mixture, whose limit is the two-sided sequence.
    """
    course = _course(fraction, alpha, sides)
    grown = 1.0 + course
    if sides > 1:
        freedom, log = np.asarray(degrees, dtype=np.float64), np.log(grown) - 2.0 * np.log(alpha)
        with np.errstate(divide="ignore", invalid="ignore"):
            # ν(1 - a)/(a - r), a = (rα²)^{1/(ν+1)}, r = 1/grown, written so that ν may be infinite
            gone = -np.expm1(-log / (freedom + 1.0))
            exact = np.where(np.isinf(freedom), log, freedom * gone) / (course / grown - gone)
            squared = np.where(gone < course / grown, exact, np.inf)
        return np.asarray(np.sqrt(squared))
    return np.asarray(np.sqrt(2.0 * grown / course * np.log1p(np.sqrt(grown) / (2.0 * alpha))))


def p_value(
    z: FloatArray | float,
    fraction: FloatArray | float,
    alpha: float,
    sides: int = 2,
    degrees: FloatArray | float = np.inf,
) -> FloatArray:
    """Always-valid p-values: the smallest error at which this mixture's interval leaves out zero.

    Args:
        z: estimate over standard error; one-sided: positive against the null hypothesis.
        fraction: n over the planned sample.
        alpha: the planned error, which fixes the mixture.
        sides: 1 or 2.
        degrees: as in `multiplier`.

    Returns:
        Values in (0, 1]; below alpha exactly where |z| (one-sided: z) exceeds `multiplier`.
    """
    course, size = _course(fraction, alpha, sides), np.asarray(z, dtype=np.float64)
    grown = 1.0 + course
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if sides > 1:
            freedom = np.asarray(degrees, dtype=np.float64)
            # ln of the mixture: (ν+1)/2 · ln((1 + z²/ν)/(1 + z²/(ν·grown))), at infinite ν z²c/(2·grown)
            exact = 0.5 * (freedom + 1.0) * (np.log1p(size**2 / freedom) - np.log1p(size**2 / freedom / grown))
            evidence = np.where(np.isinf(freedom), size**2 * course / (2.0 * grown), exact)
            return np.asarray(np.minimum(1.0, np.sqrt(grown) * np.exp(-evidence)))
        exponent = size**2 * course / (2.0 * grown)
        above = np.where(size > 0.0, np.sqrt(grown) / (2.0 * np.expm1(exponent)), 1.0)
    return np.asarray(np.minimum(1.0, above))
