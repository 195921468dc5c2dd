"""How likely a running experiment is still to succeed: conditional power, for people who decide whether to wait.

A number to plan by, never to decide by: stopping for a low conditional power is futility (non-binding), stopping for
a high one is peeking.
"""

from collections.abc import Sequence

import numpy as np

from offerlab.errors import InvalidPlan
from offerlab.stats.group_sequential import boundaries, crossing
from offerlab.stats.looks import Rule, timeline
from offerlab.stats.spending import FloatArray


def conditional_power(
    z: float, n: float, rule: Rule, past_n: Sequence[float] = (), future_n: Sequence[float] = (), *, drift: float
) -> float:
    """Chance of crossing upwards at one of the future looks, given today's statistic.

    Args:
        z: today's statistic, not (yet) beyond its boundary; positive where the treatment is better.
        n: customers analysed today.
        rule: group or fixed, with a planned sample.
        past_n: customers at the earlier looks.
        future_n: customers at the looks to come before the planned end, which is always one.
        drift: mean of the statistic at the planned sample: of the planned effect, z_{1-alpha/2} + z_{power} of the
            fixed test;
            of the trend so far, z / √(n / planned).

    Raises:
        InvalidPlan: nothing is planned, the end has passed, or a future look is not ahead.

    Source:
        Lan and Wittes (1988), Biometrics 44(2), 579-585; here over all looks to come, by the recursion.
    """
    if not rule.planned or not 0.0 < n < rule.planned:
        raise InvalidPlan("conditional power needs a planned sample that is not in yet", field="planned")
    ahead = sorted({float(size) for size in future_n if size < rule.planned} | {rule.planned})
    if ahead[0] <= n:
        raise InvalidPlan("a future look has more customers than today", field="future_n")
    so_far = timeline(n, rule, past_n)
    later = np.array(ahead) / rule.planned
    if so_far.kind == "group":
        upper = boundaries([*so_far.times, *later], rule.plan)[len(so_far.times) :]
    else:
        later, upper = later[-1:], np.array([so_far.boundary])
    return float(_from_here(z, so_far.fraction, later, upper, drift, two_sided=rule.sides > 1))


def _from_here(
    z: float, now: float, later: FloatArray, upper: FloatArray, drift: float, *, two_sided: bool
) -> np.float64:
    """The score from now on is a Brownian motion that starts at 0: move the boundaries to where it is."""
    score, gone = z * np.sqrt(now), later - now
    high = (upper * np.sqrt(later) - score) / np.sqrt(gone)
    low = (-upper * np.sqrt(later) - score) / np.sqrt(gone) if two_sided else np.full_like(high, -np.inf)
    return np.sum(crossing(gone, low, high, drift)[1])
