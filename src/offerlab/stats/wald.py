"""Several estimates with their covariance: is there anything in them but noise?

One quadratic form for all who ask (sample ratio, balance before the start, equality of segments), with a
pseudo-inverse: shares that add up to one and columns that copy each other lose a degree of freedom, not their answer.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from offerlab.errors import InvalidInput
from offerlab.stats.moments import Moments

Floats = NDArray[np.float64]

_COLLINEAR = 1e-9  # share of the largest eigenvalue of the correlations below which a direction carries no information


class Wald(Struct, frozen=True):
    """A chi-square test of several contrasts at once.

    Attributes:
        statistic: quadratic form, at least zero.
        degrees: rank of the covariance.
        p_value: chance of a larger statistic when all contrasts are zero; one where there is no degree of freedom.
    """

    statistic: float
    degrees: int
    p_value: float


def wald_test(contrasts: ArrayLike, covariance: ArrayLike) -> Wald:
    """Test that all contrasts are zero.

    Args:
        contrasts: estimates, shape (k,).
        covariance: of the estimates, shape (k, k); its scale per contrast may differ by any factor.

    Raises:
        InvalidInput: shapes that do not fit, or a number that is not finite.

    Source:
        Wald (1943), Trans. Amer. Math. Soc. 54, 426-482.
    """
    d, sigma = np.asarray(contrasts, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    if d.ndim != 1 or sigma.shape != (d.size, d.size):
        raise InvalidInput(f"{d.shape} contrasts and a covariance of {sigma.shape}", field="covariance")
    if not (np.isfinite(d).all() and np.isfinite(sigma).all()):
        raise InvalidInput("a contrast or covariance is not finite", field="contrasts")
    scale = np.sqrt(np.maximum(np.diag(sigma), 0.0))
    kept = scale > 0.0
    if not kept.any():
        return Wald(0.0, 0, 1.0)
    correlation = sigma[np.ix_(kept, kept)] / np.multiply.outer(scale[kept], scale[kept])
    values, vectors = np.linalg.eigh(correlation)
    spanned = values > _COLLINEAR * values[-1]
    turned = vectors.T[spanned] @ (d[kept] / scale[kept])
    statistic, degrees = float(np.sum(turned**2 / values[spanned])), int(spanned.sum())
    return Wald(statistic, degrees, float(chdtrc(degrees, statistic)))


def joint_differences(control: Moments, treatment: Moments) -> tuple[Floats, Floats]:
    """Differences of all columns' means between two arms, and the covariance of these differences.

    Args:
        control: one arm, at least two customers, k columns.
        treatment: likewise, with the same columns.

    Returns:
        (k,) treatment less control, and (k, k).
    """
    if control.columns != treatment.columns or control.shape or treatment.shape:
        raise InvalidInput("two single arms with the same columns are compared", field="treatment")
    if min(float(control.n), float(treatment.n)) < 2:  # noqa: PLR2004 - a spread needs two customers
        raise InvalidInput("an arm has fewer than two customers", field="n")
    covariance = sum(arm.second / ((arm.n - 1) * arm.n) for arm in (control, treatment))
    return treatment.mean - control.mean, np.asarray(covariance)
