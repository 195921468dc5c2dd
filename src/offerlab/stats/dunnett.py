"""Many treatments against one control: Dunnett's test, exact for the shared control.

The differences share the control's noise, so Bonferroni pays for independence that is not there. Given that noise the
arms are independent; one integral over it therefore gives the familywise p-values for any sizes and variances, and the
simultaneous intervals are the same critical value turned round: p and interval always agree.
Rejected: `scipy.stats.dunnett` (raw samples, one pooled variance) and its quasi-Monte Carlo error.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy import special

from offerlab.errors import InvalidInput
from offerlab.stats.multiplicity import Adjusted, check_alpha, check_p_values

Floats = NDArray[np.float64]

_LARGEST_STATISTIC = 37.0  # beyond it the normal tail is no longer a double
_NODES = 48  # for the scale of Student's t


class _Family(Struct, frozen=True, eq=False):
    """Correlations of one family: statistic i is loadings[i] * control noise + own noise."""

    loadings: Floats
    degrees: float | None


def control_loadings(control_variance: ArrayLike, arm_variances: ArrayLike) -> Floats:
    """How much of each difference's noise is the shared control's: sqrt(V_C / (V_C + V_i)).

    Args:
        control_variance: variance of the control's estimate (s2 / n), shape (...,).
        arm_variances: variances of the arms' estimates, shape (..., arms).

    Returns:
        Loadings in [0, 1), shape (..., arms); the correlation of two differences is the product of their loadings.
    """
    control = np.asarray(control_variance, dtype=np.float64)[..., np.newaxis]
    arms = np.asarray(arm_variances, dtype=np.float64)
    if np.any(control < 0.0) or np.any(arms <= 0.0):
        raise InvalidInput("a variance of an estimate is negative, or zero for an arm", field="arm_variances")
    return np.sqrt(control / (control + arms))


def dunnett(p_values: ArrayLike, loadings: ArrayLike, *, alpha: float = 0.05, degrees: float | None = None) -> Adjusted:
    """Familywise p-values of several arms against one control, single step, two-sided.

    Args:
        p_values: two-sided p-values of the single comparisons, shape (..., arms); each row is one family (one metric).
            NaN marks an arm that could not be tested: it is no member of its family.
        loadings: from `control_loadings`, same shape.
        alpha: familywise error rate of each row.
        degrees: degrees of freedom where the p-values come from Student's t with a pooled variance; None for normal.

    Returns:
        Adjusted with `interval_alpha` the common level of the row's simultaneous intervals.

    Source:
        Dunnett (1955), JASA 50, 1096-1121; product correlation: Hsu (1996), Multiple Comparisons, section 3.1.1.
    """
    check_alpha(alpha)
    raw = np.atleast_1d(check_p_values(p_values))
    loads = np.broadcast_to(np.asarray(loadings, dtype=np.float64), raw.shape)
    if np.any((loads < 0.0) | (loads >= 1.0)):
        raise InvalidInput("a loading lies outside [0, 1)", field="loadings")
    adjusted, level = np.full(raw.shape, np.nan), np.full(raw.shape, np.nan)
    for row in np.ndindex(raw.shape[:-1]):
        made = ~np.isnan(raw[row])
        if made.any():
            family = _Family(loads[row][made], degrees)
            adjusted[row][made] = [_tail(_statistic(p, degrees), family) for p in raw[row][made]]
            level[row][made] = _single_level(dunnett_critical_value(loads[row][made], alpha, degrees), degrees)
    return Adjusted(
        method="dunnett",
        alpha=alpha,
        p_values=adjusted,
        rejected=adjusted <= alpha,
        interval_alpha=level,
        conservative=np.zeros(raw.shape, dtype=np.bool_),
        tests=int(np.count_nonzero(~np.isnan(raw))),
    )


def dunnett_critical_value(loadings: ArrayLike, alpha: float = 0.05, degrees: float | None = None) -> float:
    """The |statistic| that the largest of the family exceeds with probability alpha when no arm differs."""
    from scipy.optimize import brentq  # noqa: PLC0415  # serving must not pay for this import

    check_alpha(alpha)
    family = _Family(np.atleast_1d(np.asarray(loadings, dtype=np.float64)), degrees)
    low = _statistic(alpha, degrees) * (1 - 1e-9)
    high = _statistic(alpha / family.loadings.size, degrees) * (1 + 1e-9) + 1e-9

    return float(brentq(lambda critical: _tail(critical, family) - alpha, low, high))


def _statistic(p: float, degrees: float | None) -> float:
    return float(-special.ndtri(p / 2) if degrees is None else -special.stdtrit(degrees, p / 2))


def _single_level(critical: float, degrees: float | None) -> float:
    return float(2 * (special.ndtr(-critical) if degrees is None else special.stdtr(degrees, -critical)))


def _tail(statistic: float, family: _Family) -> float:
    """P(the largest |statistic| of the family is at least this) when nothing differs."""
    if family.degrees is None:
        return float(_normal_tails(np.array([statistic]), family.loadings)[0])
    scale, weights = _chi_nodes(family.degrees)
    return float(np.dot(weights, _normal_tails(statistic * scale, family.loadings)))


def _normal_tails(statistics: Floats, loadings: Floats) -> Floats:
    """Integral of 1 - prod(1 - q_i(u)) over the control's noise u, where q_i is arm i's two tails given u.

    Trapezoids over the whole line converge faster than any power for this analytic integrand, if the step resolves the
    steepest arm; written with log1p so that tiny tails keep their digits.
    """
    c = np.minimum(statistics, _LARGEST_STATISTIC)[:, np.newaxis, np.newaxis]
    own = np.sqrt(1 - loadings**2)
    step = float(np.clip(own.min() / 3, 2e-4, 0.05))
    u = np.arange(0.0, c.max() + 9.0, step)
    shift = np.multiply.outer(u, loadings)
    q = special.ndtr((shift - c) / own) + special.ndtr(-(c + shift) / own)
    with np.errstate(divide="ignore"):  # a tail of one: the logarithm is -inf, the product zero, as it should be
        any_beyond = -np.expm1(np.log1p(-np.minimum(q, 1.0)).sum(axis=2))
    density = np.exp(-(u**2) / 2) * (2 * step / np.sqrt(2 * np.pi))
    density[0] /= 2
    return np.minimum(np.asarray(any_beyond @ density, dtype=np.float64), 1.0)


def _chi_nodes(degrees: float) -> tuple[Floats, Floats]:
    """Nodes and weights for the mean over s = sqrt(chi2 / degrees)."""
    low, high = np.sqrt(2 * special.gammaincinv(degrees / 2, [1e-14, 1 - 1e-14]) / degrees)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    s = low + (high - low) * (nodes + 1) / 2
    half = degrees / 2
    density = 2 / s * np.exp(half * np.log(half * s**2) - half * s**2 - special.gammaln(half))
    return s, weights * density * (high - low) / 2
