"""The Bayesian view of a lift: chance to beat control, expected loss, and the effect without the winner's curse.

Normal evidence on the lift and a normal prior; the same evidence under a flat prior always stands beside it, so that
nobody has to believe the prior. The evidence is taken from the very statistic that gives p and the intervals: under the
flat prior the chance to beat control is 1 - p/2 or p/2, and no picture can contradict another.
Not claimed: that a flat-prior posterior may be peeked at. The calibration of a learned prior holds on average over the
programme's experiments, whatever the stopping rule; for one experiment read the sequential intervals.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from offerlab.errors import InvalidInput
from offerlab.stats.effect import Effect, Undetermined
from offerlab.stats.multiplicity import check_alpha
from offerlab.stats.prior import FLAT, Prior

Floats = NDArray[np.float64]

_FAR = 5.0  # from here on the unit loss is a small difference of large numbers


class Posterior(Struct, frozen=True, eq=False):
    """Beliefs about true lifts after the data; arrays of the batch shape, NaN where there is no evidence.

    Attributes:
        prior: the prior used.
        mean, sd: of the normal posterior; `mean` is the shrunk lift.
        lower, upper: credible interval at the alpha asked for.
        chance_to_beat: chance that the treatment is better than control (in the metric's good direction).
        loss_of_shipping: expected lift given away if the treatment ships: E max(-lift, 0), a share of control's mean.
        loss_of_keeping: expected lift given away if control stays: E max(lift, 0).
    """

    prior: Prior
    mean: Floats
    sd: Floats
    lower: Floats
    upper: Floats
    chance_to_beat: Floats
    loss_of_shipping: Floats
    loss_of_keeping: Floats


def posterior(
    lifts: ArrayLike, errors: ArrayLike, prior: Prior = FLAT, *, increase_is_good: bool = True, alpha: float = 0.05
) -> Posterior:
    """Conjugate normal update.

    Args:
        lifts: relative effects, any shape, NaN for none.
        errors: their standard errors, same shape.
        prior: `learn_prior(...)`, `FALLBACK` or `FLAT`.
        increase_is_good: False for metrics whose rise is harm (unsubscribes): chance and losses turn round.
        alpha: the credible interval holds 1 - alpha.

    Raises:
        InvalidInput: an error not positive, shapes that differ. InvalidPlan: alpha.

    Source:
        Gelman et al. (2013), Bayesian Data Analysis, section 2.5; expected loss: DeGroot (1970), Optimal Statistical
        Decisions, section 11.9 (unit normal loss).
    """
    check_alpha(alpha)
    d, s = np.asarray(lifts, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    made = ~np.isnan(d)
    if d.shape != s.shape or not np.all(s[made] > 0.0) or not np.isfinite(d[made]).all():
        raise InvalidInput("a lift needs a finite estimate and a positive error", field="errors")
    s = np.where(made, s, np.nan)
    kept = 1 / (1 + (s / prior.sd) ** 2)
    mean, sd = prior.mean + kept * (d - prior.mean), np.sqrt(kept) * s
    half = float(-ndtri(alpha / 2)) * sd
    good = 1.0 if increase_is_good else -1.0
    z = good * mean / sd
    return Posterior(
        prior=prior,
        mean=mean,
        sd=sd,
        lower=mean - half,
        upper=mean + half,
        chance_to_beat=ndtr(z),
        loss_of_shipping=sd * unit_loss(z),
        loss_of_keeping=sd * unit_loss(-z),
    )


def unit_loss(z: ArrayLike) -> Floats:
    """Expected shortfall below zero of a normal with mean z and variance one: phi(z) - z Phi(-z), never negative.

    For z above 5 the difference of two nearly equal numbers is replaced by its continued fraction.
    """
    x = np.asarray(z, dtype=np.float64)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    plain = density - x * ndtr(-x)
    far = np.where(x > _FAR, x, _FAR)
    # Phi(-x) = phi(x) / (x + 1/(x + 2/(x + 3/(x + ...)))), so the loss is phi(x) (1 - x / (x + tail)).
    tail = np.zeros_like(far)
    for k in range(60, 0, -1):
        tail = k / (far + tail)
    return np.asarray(np.where(x > _FAR, density * tail / (far + tail), plain), dtype=np.float64)


def lift_evidence(effect: Effect) -> tuple[float, float] | None:
    """Lift and standard error that carry the statistic of a test: lift / error = z.

    The error is the half width of the lift's interval over its normal quantile, the lift is z times it: the estimate
    less the bias that the test corrects for.

    Args:
        effect: of the fixed look, not widened for peeking: the prior has accounted for luck already.

    Returns:
        (lift, error); None where the lift has no bounded range.
    """
    relative = effect.relative
    if isinstance(relative, Undetermined) or not relative.is_finite:
        return None
    error = (relative.upper - relative.lower) / (2 * -float(ndtri(effect.alpha / 2)))
    return (effect.z * error, error) if error > 0 else None
