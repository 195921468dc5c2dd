"""Group sequential tests at looks whose number and dates nobody fixed: boundaries, power, p-values, estimates.

The efficacy boundary is symmetric by default: at each look both sides together may spend what the function of
`spending.py` allows by then (each side half of alpha). Binding futility is rejected: a team that goes on after it would
break its level; `futility` never lowers the efficacy boundary.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
from msgspec import Struct
from scipy.special import ndtri

from offerlab.errors import InvalidPlan
from offerlab.stats.recursion import START, Paths, beyond, course, critical, onward
from offerlab.stats.spending import FloatArray, Spending, spent

Sides = Literal[1, 2]


class Plan(Struct, frozen=True):
    """What was fixed before the start.

    Attributes:
        alpha: whole error rate; of both sides together, or of the one.
        spending: how early it may be spent.
        sides: 2: a difference in either direction; 1: only Z above the boundary counts.
    """

    alpha: float = 0.05
    spending: Spending = "obrien_fleming"
    sides: Sides = 2

    def __post_init__(self) -> None:
        """Refuse what is no plan."""
        if not 0.0 < self.alpha < 1.0:
            raise InvalidPlan(f"alpha lies between 0 and 1, not {self.alpha}", field="alpha")

    def lower(self, upper: Sequence[float]) -> list[float]:
        """The other side's boundary."""
        return [-bound if self.sides > 1 else -np.inf for bound in upper]


def check_fractions(fractions: Sequence[float] | FloatArray) -> tuple[float, ...]:
    """Information fractions of looks as floats, refused unless positive, finite and strictly ascending."""
    times = tuple(float(value) for value in fractions)
    rising = all(before < after for before, after in pairwise((0.0, *times)))
    if not times or not rising or not np.isfinite(times[-1]):
        raise InvalidPlan("looks need positive, strictly ascending information fractions", field="fractions")
    return times


@lru_cache(maxsize=4096)
def _arriving(plan: Plan, times: tuple[float, ...]) -> Paths:
    """Null paths that reach the last of `times` without having crossed before."""
    if len(times) == 1:
        return START
    before = times[:-1]
    bound = _bound(plan, before)
    return onward(_arriving(plan, before), before[-1], plan.lower([bound])[0], bound, times[-1])


@lru_cache(maxsize=4096)
def _bound(plan: Plan, times: tuple[float, ...]) -> float:
    share = spent(np.array([0.0, *times])[-2:], plan.alpha / plan.sides, plan.spending)
    return critical(_arriving(plan, times), times[-1], float(share[1] - share[0]))


def boundaries(fractions: Sequence[float] | FloatArray, plan: Plan | None = None) -> FloatArray:
    """Critical values of Z at each look: beyond one the null hypothesis is rejected.

    Args:
        fractions: planned information in at each look, strictly ascending, K of them; beyond 1 only the first such look
            has anything left to spend.
        plan: alpha, spending function and sides; by default .05, O'Brien-Fleming-like, two-sided.

    Returns:
        K positive values (two-sided: reject when |Z| reaches it), at most 8.

    Raises:
        InvalidPlan: fractions not ascending, alpha outside (0, 1).
    Source:
        Lan and DeMets (1983), Biometrika 70(3), 659-663; Jennison and Turnbull (2000), sections 7.2 and 19.2.
    """
    return _boundaries(check_fractions(fractions), plan or Plan()).copy()


@lru_cache(maxsize=1024)
def _boundaries(times: tuple[float, ...], plan: Plan) -> FloatArray:
    # Shorter prefixes first: each finds its predecessor in the cache, so that no recursion goes deep.
    return np.array([_bound(plan, times[: look + 1]) for look in range(len(times))])


def crossing(
    fractions: Sequence[float] | FloatArray,
    lower: Sequence[float] | FloatArray,
    upper: Sequence[float] | FloatArray,
    drift: FloatArray | float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Chance of leaving first at each look, downwards and upwards.

    Args:
        fractions: K information fractions.
        lower: K boundaries of Z below; minus infinity for none.
        upper: K boundaries above; infinity for none.
        drift: D means of Z at full information (fraction 1).

    Returns:
        (down, up), each of shape (D, K).
    Source:
        Armitage, McPherson and Rowe (1969), JRSS-A 132(2), 235-244.
    """
    times, slope = check_fractions(fractions), np.atleast_1d(np.asarray(drift, dtype=np.float64))
    low, high = [float(value) for value in lower], [float(value) for value in upper]
    arriving = course(times, low, high)
    up = [beyond(paths, time, z, slope) for paths, time, z in zip(arriving, times, high, strict=True)]
    # Downwards is upwards of the mirrored paths.
    mirrored = [Paths(paths.time, -paths.score, paths.mass) for paths in arriving]
    down = [beyond(paths, time, -z, -slope) for paths, time, z in zip(mirrored, times, low, strict=True)]
    return np.stack(down, axis=1), np.stack(up, axis=1)


def rejection(
    fractions: Sequence[float] | FloatArray,
    upper: Sequence[float] | FloatArray,
    sides: Sides,
    drift: FloatArray | float,
) -> FloatArray:
    """Chance of rejecting at any of the looks, per drift: the level at drift 0, the power elsewhere."""
    values = np.asarray(upper, dtype=np.float64)
    down, up = crossing(fractions, -values if sides > 1 else np.full_like(values, -np.inf), values, drift)
    return np.asarray(np.sum(down, axis=1) + np.sum(up, axis=1))


def finding(
    fractions: Sequence[float] | FloatArray,
    upper: Sequence[float] | FloatArray,
    drift: FloatArray | float,
    sides: Sides = 2,
) -> FloatArray:
    """Chance of rejecting upwards, per drift: a significant loss finds no gain."""
    values = np.asarray(upper, dtype=np.float64)
    return np.asarray(
        np.sum(crossing(fractions, -values if sides > 1 else np.full_like(values, -np.inf), values, drift)[1], axis=1)
    )


def drift_for(
    power: float, fractions: Sequence[float] | FloatArray, upper: Sequence[float] | FloatArray, sides: Sides = 2
) -> float:
    """The mean of Z at full information for which the test rejects upwards with chance `power`.

    Args:
        power: wanted chance, above the level and below 1.
        fractions: the looks.
        upper: their critical values.
        sides: 1 or 2.

    Returns:
        The drift; its square over that of the fixed test is the inflation of the sample.
    """
    from scipy.optimize import brentq  # noqa: PLC0415  # serving must not pay for this import

    if not float(rejection(fractions, upper, sides, 0.0)[0]) < power < 1.0:
        raise InvalidPlan(f"power lies between the error rate and 1, not {power}", field="power")
    return float(brentq(lambda drift: float(finding(fractions, upper, drift, sides)[0]) - power, 0.0, 40.0))


def futility(
    fractions: Sequence[float] | FloatArray, plan: Plan | None = None, *, power: float = 0.8, drift: float | None = None
) -> FloatArray:
    """Values of Z below which going on is not worth it: beta spending, never binding.

    With the planned effect, the paths that fall below spend no more than 1 - power; the efficacy boundary is computed
    as if nobody ever stopped here, so that ignoring this boundary costs no level.

    Args:
        fractions: K information fractions.
        plan: the efficacy plan; Z is positive where the treatment is better.
        power: wanted power; 1 - power is spent with the plan's function.
        drift: mean of Z at full information under the planned effect; by default that of the fixed test with this
            power.

    Returns:
        K values; from the look at which going on can no longer help (at the latest the planned end) the efficacy
        boundary.
    Source:
        Pampallona, Tsiatis and Kim (2001), Drug Information Journal 35, 1113-1121; Jennison and Turnbull (2000), 7.3.
    """
    times, rule = check_fractions(fractions), plan or Plan()
    effect = drift if drift is not None else float(-ndtri(rule.alpha / rule.sides) + ndtri(power))
    upper = boundaries(times, rule)
    allowed = np.diff(spent(np.array(times), 1.0 - power, rule.spending), prepend=0.0)
    found: list[float] = []
    arriving = START
    for look, (time, bound) in enumerate(zip(times, upper, strict=True)):
        under = Paths(arriving.time, effect * arriving.time - arriving.score, arriving.tilted(np.array([effect]))[0])
        below = effect * np.sqrt(time) - critical(under, time, float(allowed[look]))
        if time >= 1.0 or below >= bound:
            return np.array([*found, *upper[look:]])
        found.append(below)
        if look + 1 < len(times):
            arriving = onward(arriving, time, below, float(bound), times[look + 1])
    return np.array(found)
