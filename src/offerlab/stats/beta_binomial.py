"""Exact posteriors of acceptance rates: chance to be best and expected loss by quadrature.

Independent Beta posteriors; every integrand is positive and every panel edge is a quantile of one of the arms, so that
tiny losses keep their digits and arms of very different size are both resolved.
Rejected: the closed sum over counts (Cook 2005), which needs as many terms as conversions and cancels; simulation.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincc, betainccinv, betaincinv, betaln, xlog1py, xlogy

from offerlab.errors import InvalidInput, InvalidPlan

Floats = NDArray[np.float64]

_QUANTILES = np.array([1e-17, 1e-13, 1e-10, 1e-7, 1e-5, 1e-3, 0.02, 0.1, 0.3, 0.5])
_NODES, _WEIGHTS = (np.asarray(a) for a in np.polynomial.legendre.leggauss(12))


class RatePosterior(Struct, frozen=True, eq=False):
    """Beliefs about the true rates of some arms; arrays (..., arms).

    Attributes:
        mean, sd: of each arm's Beta posterior.
        chance_to_be_best: sums to one over the arms.
        expected_loss: expected shortfall of the arm's rate behind the best of the others, in rate points.
    """

    mean: Floats
    sd: Floats
    chance_to_be_best: Floats
    expected_loss: Floats


def compare_rates(successes: ArrayLike, units: ArrayLike, *, prior: tuple[float, float] = (1.0, 1.0)) -> RatePosterior:
    """Compare the rates of two or more arms.

    With two arms `chance_to_be_best[..., 1]` is P(B > A).

    Args:
        successes: customers who accepted, shape (..., arms).
        units: exposed customers, same shape.
        prior: the two parameters of every arm's Beta prior, above zero; uniform by default.

    Raises:
        InvalidInput: counts that no data could have given, fewer than two arms.
        InvalidPlan: a prior parameter not positive.

    Source:
        Gelman et al. (2013), Bayesian Data Analysis, section 2.4.
    """
    if not min(prior) > 0.0:
        raise InvalidPlan(f"a Beta prior has two parameters above zero, not {prior}", field="prior")
    x, n = np.asarray(successes, dtype=np.float64), np.asarray(units, dtype=np.float64)
    if x.shape != n.shape or x.ndim == 0 or x.shape[-1] < 2:  # noqa: PLR2004 - a comparison needs two arms
        raise InvalidInput(f"successes of shape {x.shape} and units of {n.shape}", field="units")
    if not (np.isfinite(n).all() and np.all((x >= 0.0) & (x <= n))):
        raise InvalidInput("successes lie between zero and the units", field="successes")
    a, b = x + prior[0], n - x + prior[1]
    mean = a / (a + b)
    chance, loss = np.empty(x.shape), np.empty(x.shape)
    for row in np.ndindex(x.shape[:-1]):
        chance[row], loss[row] = _best(a[row], b[row])
    return RatePosterior(mean, np.sqrt(mean * (1 - mean) / (a + b + 1)), chance, loss)


def _best(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """P(arm k is best) = int f_k prod F_j; loss of k = int F_k (1 - prod of the others' F_j)."""
    lower, upper = betaincinv(a, b, _QUANTILES[:, np.newaxis]), betainccinv(a, b, _QUANTILES[:, np.newaxis])
    edges = np.unique(np.concatenate([[0.0, 1.0], lower.ravel(), upper.ravel()]))
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    x = (middle[:, np.newaxis] + half[:, np.newaxis] * _NODES).ravel()[:, np.newaxis]
    weight = (half[:, np.newaxis] * _WEIGHTS).ravel()
    below, above = betainc(a, b, x), betaincc(a, b, x)
    density = np.exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))
    chance, loss = np.empty(a.size), np.empty(a.size)
    for k in range(a.size):
        rest = np.delete(np.arange(a.size), k)
        some_above = -np.expm1(np.log1p(-np.minimum(above[:, rest], 1 - 1e-16)).sum(axis=1))
        chance[k] = weight @ (density[:, k] * below[:, rest].prod(axis=1))
        loss[k] = weight @ (below[:, k] * some_above)
    return chance / chance.sum(), loss
