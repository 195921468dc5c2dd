"""Do segments differ by more than chance, and what is the best guess for each?

Arrays of any batch shape (metrics, arms, ...) with the segments on the last axis; NaN marks a segment whose effect is
undetermined: it takes no part and stays NaN.

Cochran's Q asks whether anything differs. Partial pooling then draws each segment towards the common effect by as much
as the data say that segments differ. The usual plug-in of one estimate of that spread (tau) is rejected: with few
segments the estimate is often zero and intervals at 95 % then cover 84-92 %. The shrunk effects are averaged over all
tau instead, weighted by their restricted likelihood; the REML estimate is reported beside.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtri

from offerlab.errors import InvalidInput
from offerlab.stats.multiplicity import check_alpha

Floats = NDArray[np.float64]

_GRID = 81
_WIDEST = 30.0  # largest tau considered, in typical errors plus spreads of the estimates
_STEPS = 100


class Heterogeneity(Struct, frozen=True, eq=False):
    """Cochran's test that all segments have the same effect; arrays of the batch shape.

    Attributes:
        statistic: Q, at least zero; NaN with fewer than two segments, like p_value.
        degrees: segments less one.
        p_value: chance of a larger Q when all effects are equal.
        i_squared: share of the variation between the estimates that is not chance, in [0, 1].
        common: precision-weighted mean effect, the best guess if the segments are alike.
        common_error: its standard error.
    """

    statistic: Floats
    degrees: NDArray[np.int64]
    p_value: Floats
    i_squared: Floats
    common: Floats
    common_error: Floats


def heterogeneity(estimates: ArrayLike, errors: ArrayLike) -> Heterogeneity:
    """Interaction test over the last axis.

    Args:
        estimates: effect per segment, shape (..., segments), NaN where undetermined.
        errors: standard errors, same shape; segments share no customer.

    Raises:
        InvalidInput: an error not positive, or shapes that differ.

    Source:
        Cochran (1954), Biometrics 10, 101-129; I squared: Higgins & Thompson (2002), Stat. Med. 21, 1539-1558.
    """
    d, s = _check(estimates, errors)
    made = ~np.isnan(d)
    weight = np.where(made, 1 / np.where(made, s, 1.0) ** 2, 0.0)
    total = weight.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):  # no segment at all: NaN is the answer
        common = np.where(made, weight * np.where(made, d, 0.0), 0.0).sum(axis=-1) / total
        common_error = np.where(total > 0, 1 / np.sqrt(total), np.nan)
    q = (weight * np.where(made, d - common[..., np.newaxis], 0.0) ** 2).sum(axis=-1)
    degrees = np.maximum(made.sum(axis=-1) - 1, 0)
    several = degrees > 0
    beyond = np.maximum(q - degrees, 0.0) / np.where(q > 0, q, 1.0)
    return Heterogeneity(
        statistic=np.where(several, q, np.nan),
        degrees=degrees,
        p_value=np.where(several, chdtrc(np.maximum(degrees, 1), q), np.nan),
        i_squared=np.where(several, beyond, np.nan),
        common=common,
        common_error=common_error,
    )


class Pooled(Struct, frozen=True, eq=False):
    """Segments' effects drawn towards each other.

    Attributes:
        tau: REML estimate of the standard deviation of true effects between segments, batch shape.
        mean, mean_error: average true effect over segments and its error, given that tau; batch shape.
        estimates, errors: shrunk effects and their errors, shape (..., segments).
        lower, upper: their intervals at the alpha asked for.
    """

    tau: Floats
    mean: Floats
    mean_error: Floats
    estimates: Floats
    errors: Floats
    lower: Floats
    upper: Floats


def pool(estimates: ArrayLike, errors: ArrayLike, *, alpha: float = 0.05) -> Pooled:
    """Partial pooling: the segments' effects are a sample from a normal distribution of effects.

    Given tau: B = tau^2 / (tau^2 + s_k^2), effect = mu + B (d_k - mu), variance = B s_k^2 + (1 - B)^2 Var(mu). Averaged
    over tau with its restricted likelihood and a flat prior on [0, 30 (typical error + spread)]. With two segments the
    data hardly limit tau, so little is shrunk.

    Args:
        estimates: effect per segment, shape (..., segments), NaN where undetermined.
        errors: standard errors, same shape.
        alpha: the intervals hold the segments' effects with probability 1 - alpha, on average over segments.

    Raises:
        InvalidInput, InvalidPlan: as `heterogeneity`; alpha outside (0, 1).

    Sources:
        REML: Viechtbauer (2005), J. Educ. Behav. Statist. 30, 261-293. Averaging over tau: Gelman et al. (2013),
        Bayesian Data Analysis, section 5.4; flat prior on tau: Gelman (2006), Bayesian Analysis 1, 515-533.
    """
    check_alpha(alpha)
    d, s = _check(estimates, errors)
    made = ~np.isnan(d)
    values, variances = np.where(made, d, 0.0), np.where(made, s, 1.0) ** 2
    grid = _tau_grid(values, variances, made)
    log_likelihood, mu, mu_variance, weight = _restricted(grid, values, variances, made)
    chance = np.exp(log_likelihood - log_likelihood.max(axis=-1, keepdims=True)) * np.gradient(grid, axis=-1)
    chance /= chance.sum(axis=-1, keepdims=True)
    kept = grid[..., np.newaxis] ** 2 * weight  # B, zero for a segment that takes no part
    centre = mu[..., np.newaxis] + kept * (values[..., np.newaxis, :] - mu[..., np.newaxis])
    spread = kept * variances[..., np.newaxis, :] + (1 - kept) ** 2 * mu_variance[..., np.newaxis]
    shrunk, error = _mixture(chance[..., np.newaxis], centre, spread)
    shrunk, error = np.where(made, shrunk, np.nan), np.where(made, error, np.nan)
    half = float(-ndtri(alpha / 2)) * error
    peak = np.take_along_axis(grid, log_likelihood.argmax(axis=-1)[..., np.newaxis], axis=-1)[..., 0]
    tau = np.where(made.sum(axis=-1) > 1, _reml(peak, values, variances, made), np.nan)
    _, mean, mean_variance, _ = _restricted(np.nan_to_num(tau)[..., np.newaxis], values, variances, made)
    return Pooled(
        tau=tau,
        mean=np.where(made.any(axis=-1), mean[..., 0], np.nan),
        mean_error=np.where(made.any(axis=-1), np.sqrt(mean_variance[..., 0]), np.nan),
        estimates=shrunk,
        errors=error,
        lower=shrunk - half,
        upper=shrunk + half,
    )


def against_rest(estimates: ArrayLike, errors: ArrayLike) -> tuple[Floats, Floats]:
    """Each segment's effect less the precision-weighted effect of all others, and the error of that difference.

    The two sides share no customer, so Var = V_k + V_rest. NaN where a segment or its rest is undetermined.

    Args:
        estimates: effect per segment, shape (..., segments), NaN where undetermined.
        errors: standard errors, same shape.
    """
    d, s = _check(estimates, errors)
    made = ~np.isnan(d)
    weight = np.where(made, 1 / np.where(made, s, 1.0) ** 2, 0.0)
    weighted = weight * np.where(made, d, 0.0)
    alone = made & (made.sum(axis=-1, keepdims=True) < 2)  # noqa: PLR2004 - two sides need two segments
    rest = np.where(made & ~alone, weight.sum(axis=-1, keepdims=True) - weight, np.nan)
    others = (weighted.sum(axis=-1, keepdims=True) - weighted) / rest
    return d - others, np.sqrt(s**2 + 1 / rest)


def _tau_grid(values: Floats, variances: Floats, made: NDArray[np.bool_]) -> Floats:
    """Zero and a geometric grid of tau, shape (..., points)."""
    count = np.maximum(made.sum(axis=-1), 1)
    typical = np.sqrt(count / np.where(made, 1 / variances, 0.0).sum(axis=-1).clip(min=1e-300))
    low = np.where(made, values, np.inf).min(axis=-1)
    spread = np.where(made.any(axis=-1), np.where(made, values, -np.inf).max(axis=-1) - low, 0.0)
    steps = np.concatenate([[0.0], np.geomspace(1e-3, _WIDEST, _GRID - 1)])
    return np.asarray((typical + spread)[..., np.newaxis] * steps, dtype=np.float64)


def _restricted(
    tau: Floats, values: Floats, variances: Floats, made: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Restricted log likelihood of each tau, with the mean, its variance and the weights given it."""
    total = tau[..., np.newaxis] ** 2 + variances[..., np.newaxis, :]
    taking = np.broadcast_to(made[..., np.newaxis, :], total.shape)
    weight = np.where(taking, 1 / total, 0.0)
    precision = weight.sum(axis=-1)
    safe = np.where(precision > 0, precision, 1.0)
    mu = (weight * values[..., np.newaxis, :]).sum(axis=-1) / safe
    squares = (weight * (values[..., np.newaxis, :] - mu[..., np.newaxis]) ** 2).sum(axis=-1)
    logs = np.where(taking, np.log(total), 0.0).sum(axis=-1)
    return -0.5 * (logs + np.log(safe) + squares), mu, 1 / safe, weight


def _reml(start: Floats, values: Floats, variances: Floats, made: NDArray[np.bool_]) -> Floats:
    """Fisher scoring for tau^2 from the best point of the grid."""
    tau2 = start**2
    for _ in range(_STEPS):
        weight = np.where(made, 1 / (tau2[..., np.newaxis] + variances), 0.0)
        total = np.maximum(weight.sum(axis=-1), 1e-300)
        mu = (weight * values).sum(axis=-1) / total
        squares = weight**2 * ((values - mu[..., np.newaxis]) ** 2 - variances)
        step = squares.sum(axis=-1) / np.maximum((weight**2).sum(axis=-1), 1e-300) + 1 / total
        before, tau2 = tau2, np.maximum(step, 0.0)
        if np.all(np.abs(tau2 - before) <= 1e-12 * (tau2 + variances.min(axis=-1))):
            break
    return np.sqrt(tau2)


def _mixture(chance: Floats, centre: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of a mixture of normals over the last axis but one."""
    mean = (chance * centre).sum(axis=-2)
    return mean, np.sqrt((chance * (variance + (centre - mean[..., np.newaxis, :]) ** 2)).sum(axis=-2))


def _check(estimates: ArrayLike, errors: ArrayLike) -> tuple[Floats, Floats]:
    d, s = np.asarray(estimates, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if d.shape != s.shape or d.ndim == 0:
        raise InvalidInput(f"estimates of shape {d.shape} and errors of {s.shape}", field="errors")
    made = ~np.isnan(d)
    if not np.all(np.isfinite(d[made])) or not np.all((s[made] > 0.0) & np.isfinite(s[made])):
        raise InvalidInput("a determined effect needs a finite estimate and a positive error", field="errors")
    return d, np.where(made, s, np.nan)
