"""Rare conversions, exact at every look, from the first converter on.

While customers are assigned by lot, each converter stands in the treatment with a chance that only the ratio of the two
rates moves: q = w r / (w r + 1 - w), w being the treatment's share of those who entered. So the arms of the converters,
in whatever order they convert, are tosses of that coin. A normal mixture over ln r of their likelihood, over the
likelihood at r, is a martingale that starts at 1: it passes 1/alpha with chance alpha at most, at any number of looks,
with any number of converters, under any drift of the rates that both arms share, and with weights that change by epoch.

No asymptotics, so no burn-in: this is what may be said before 40 expected converters are in. Rejected: the 2x2
e-process in blocks (Turner, Ly and Grünwald 2024), which needs the order of the customers that moments have
forgotten.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from offerlab.errors import InvalidPlan
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.sequential import signed_z
from offerlab.stats.spending import FloatArray

SPREAD = 0.5
"""Standard deviation of ln r in the mixture: lifts of up to about ± 60 % are found soonest."""
METHOD = "exact_sequence"
_NODES, _REACH = 161, 10.0
_LARGEST = 700.0  # logarithm of the largest e-value that is told apart


def rate_ratio(
    control: ArrayLike,
    treatment: ArrayLike,
    entered: ArrayLike,
    shares: ArrayLike,
    *,
    alpha: float,
    spread: float = SPREAD,
) -> Outcome:
    """Lift and difference of two conversion rates, valid at every look.

    Args:
        control: converters in control, one number or one per allocation epoch.
        treatment: converters in the treatment, likewise.
        entered: customers of both arms, likewise.
        shares: the treatment's planned share of them, likewise, in (0, 1): the weights, not the counts that came out.
        alpha: two-sided error over all looks.
        spread: of ln r in the mixture, fixed before the start.

    Returns:
        The effect: lift exact; the difference by the control rate that goes best with each lift (so both leave out
        zero together). `Undetermined` without a converter.

    Raises:
        InvalidPlan: impossible counts, shares or alpha.

    Source:
        Lindon and Malek (2022), NeurIPS 35, anytime-valid inference for multinomial count data, for two arms and a
        mixture over the ratio; Robbins (1970), Annals of Mathematical Statistics 41(5), 1397-1409.
    """
    x_c, x_t, n, w = (
        np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (control, treatment, entered, shares)
    )
    _check(x_c, x_t, n, w, alpha, spread)
    came, above = x_c + x_t, float(x_t.sum())
    if not came.sum() > 0.0:
        return Undetermined("no_variance", "Nobody has converted yet in either arm.")
    weight = _log_mixture(above, came, w, spread)
    p = float(np.exp(min(0.0, float(_log_likelihood(np.zeros(1), above, came, w)[0]) - weight)))
    bound = weight + np.log(alpha)
    ends = np.array([_end(above, came, w, bound, side) for side in (-1.0, 1.0)])
    best = _mode(above, came, w, np.inf)
    estimate, lower, upper = (float(value) for value in _difference(np.array([best, *ends]), came, n, w))
    ratio: Interval | Undetermined = Interval(float(np.expm1(best)), float(np.expm1(ends[0])), float(np.expm1(ends[1])))
    if not np.isfinite(best) and best > 0.0:
        ratio = Undetermined("control_mean_zero", "Nobody has converted in control, so there is no lift over it.")
    n_t, n_c = float(n @ w), float(n @ (1.0 - w))
    return Effect(
        Interval(estimate, lower, upper),
        ratio,
        p,
        signed_z(p, estimate),
        float(np.sqrt(above / n_t**2 + float(x_c.sum()) / n_c**2)),
        alpha,
        METHOD,
    )


def evidence(
    control: ArrayLike, treatment: ArrayLike, shares: ArrayLike, *, spread: float = SPREAD, lift: float = 0.0
) -> float:
    """The e-value against a lift: how many times better the mixture foretold the converters' arms than that lift.

    Args:
        control: converters by epoch, as in `rate_ratio`.
        treatment: likewise.
        shares: likewise.
        spread: likewise.
        lift: the null hypothesis, above -1.

    Returns:
        A martingale under that lift, 1 before the first converter.
    """
    x_c, x_t, w = (np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (control, treatment, shares))
    came, above = x_c + x_t, float(x_t.sum())
    at = _log_likelihood(np.array([np.log1p(lift)]), above, came, w)
    return float(np.exp(min(_log_mixture(above, came, w, spread) - float(at[0]), _LARGEST)))


def _check(x_c: FloatArray, x_t: FloatArray, n: FloatArray, w: FloatArray, alpha: float, spread: float) -> None:
    if not x_c.shape == x_t.shape == n.shape == w.shape:
        raise InvalidPlan("converters, customers and shares come one per epoch", field="shares")
    if not (np.all(x_c >= 0.0) and np.all(x_t >= 0.0) and np.all(x_c + x_t <= n)):
        raise InvalidPlan("converters are 0 or more, and no more than customers", field="treatment")
    if not (np.all((w > 0.0) & (w < 1.0)) and 0.0 < alpha < 1.0 and 0.0 < spread < np.inf):
        raise InvalidPlan("shares and alpha lie between 0 and 1, the spread above 0", field="alpha")


def _log_likelihood(rho: FloatArray, above: float, came: FloatArray, w: FloatArray) -> FloatArray:
    """Of ln r = rho, up to what no ratio moves: above·rho - Σ came·ln(1 + w(e^rho - 1)); concave."""
    return np.asarray(above * rho - np.log1p(w * np.expm1(rho)[:, None]) @ came)


def _slope(rho: float, above: float, came: FloatArray, w: FloatArray, spread: float) -> tuple[float, float]:
    """First derivative and (positive) curvature of likelihood times mixture."""
    inside = w / (w + (1.0 - w) * np.exp(-rho))
    return (
        above - float(came @ inside) - rho / spread**2,
        float(came @ (inside * (1.0 - inside))) + 1.0 / spread**2,
    )


def _mode(above: float, came: FloatArray, w: FloatArray, spread: float) -> float:
    """Where likelihood times mixture is highest (infinite spread: the likelihood alone)."""
    if np.isinf(spread) and above in (0.0, float(came.sum())):
        return -np.inf if above == 0.0 else np.inf
    low, high = -60.0, 60.0
    rho = 0.0
    for _ in range(200):
        slope, curvature = _slope(rho, above, came, w, spread)
        low, high = (rho, high) if slope > 0.0 else (low, rho)
        step = rho + slope / max(curvature, 1e-300)
        step = step if low < step < high else (low + high) / 2.0
        if abs(step - rho) < 1e-13 * (1.0 + abs(rho)):
            break
        rho = step
    return rho


def _log_mixture(above: float, came: FloatArray, w: FloatArray, spread: float) -> float:
    """Ln ∫ likelihood · N(0, spread²): an even grid over ten widths round the peak (exact to rounding)."""
    mode = _mode(above, came, w, spread)
    width = 1.0 / np.sqrt(_slope(mode, above, came, w, spread)[1])
    rho = mode + width * np.linspace(-_REACH, _REACH, _NODES)
    logs = _log_likelihood(rho, above, came, w) - 0.5 * (rho / spread) ** 2
    return float(logsumexp(logs) + np.log(rho[1] - rho[0]) - np.log(spread * np.sqrt(2.0 * np.pi)))


def _end(above: float, came: FloatArray, w: FloatArray, bound: float, side: float) -> float:
    """Where the likelihood falls to `bound` on one side of its peak; infinite if it never does."""
    peak = _mode(above, came, w, np.inf)
    if peak == side * np.inf:
        return peak
    start = peak if np.isfinite(peak) else -side * 60.0
    rho, reach = start, side
    for _ in range(200):  # out past the root, then Newton: on a concave curve it comes back without passing it
        rho, reach = start + reach, 2.0 * reach
        if _excess(rho, above, came, w, bound) < 0.0:
            break
    for _ in range(200):
        step = _excess(rho, above, came, w, bound) / _slope(rho, above, came, w, np.inf)[0]
        rho -= step
        if abs(step) < 1e-12:  # noqa: PLR2004  # far below any printed digit
            break
    return rho


def _excess(rho: float, above: float, came: FloatArray, w: FloatArray, bound: float) -> float:
    return float(_log_likelihood(np.array([rho]), above, came, w)[0]) - bound


def _difference(rho: FloatArray, came: FloatArray, n: FloatArray, w: FloatArray) -> NDArray[np.float64]:
    """Treatment's rate less control's that go best with each ratio: (r - 1) Σx / Σ n(1 - w + w r); rising in r."""
    total, n_c, n_t = float(came.sum()), float(n @ (1.0 - w)), float(n @ w)
    fallen, risen = np.exp(np.minimum(rho, 0.0)), np.exp(-np.maximum(rho, 0.0))
    below = (fallen - 1.0) * total / (n_c + n_t * fallen)
    beyond = (1.0 - risen) * total / (n_c * risen + n_t)
    return np.where(rho > 0.0, beyond, below)
