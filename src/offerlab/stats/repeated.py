"""A p-value for today, for a trial that goes on: the level at which today's value would just cross.

Stagewise p-values speak of a trial that stopped. Before that, the p-value that agrees with the boundary is the smallest
alpha for which the same spending function would reject today. It is below the planned alpha exactly when the planned
boundary is crossed, and it holds at every look at once.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from offerlab.stats.group_sequential import Plan, boundaries
from offerlab.stats.recursion import CAP
from offerlab.stats.spending import FloatArray

_INSIDE, _OUTSIDE = 12, 8
_FARTHEST = 8.4


def repeated_p_value(fractions: tuple[float, ...], z: FloatArray, plan: Plan) -> FloatArray:
    """Smallest alphas at which the last look would reject.

    The boundary is computed at some twenty alphas, the planned one among them, and interpolated between them by a
    monotone cubic on the normal scale (errors below 1e-4 in p).

    Args:
        fractions: information fractions, ascending; the last is today's.
        z: today's statistics, one-dimensional; for a one-sided plan positive against the null hypothesis.
        plan: alpha, spending function, sides.

    Returns:
        p-values in (0, 1], below plan.alpha exactly where the boundary is crossed.
    Source:
        Jennison and Turnbull (2000), section 9.2: repeated confidence intervals and p-values.
    """
    size = np.abs(z) if plan.sides > 1 else np.asarray(z, dtype=np.float64)
    found = np.where(size >= CAP, plan.sides * ndtr(-_FARTHEST), 1.0)
    planned = float(boundaries(fractions, plan)[-1])
    inside, outside = size <= planned, (size > planned) & (size < CAP)
    for here, beyond_alpha in ((inside, False), (outside, True)):
        if np.any(here):
            quantile, lowest, highest = _quantile_of(fractions, plan, beyond_alpha=beyond_alpha)
            p = plan.sides * ndtr(-quantile(np.clip(size[here], lowest, highest)))
            found[here] = np.where(size[here] < lowest, 1.0, p)
    return found


@lru_cache(maxsize=1024)
def _quantile_of(
    fractions: tuple[float, ...], plan: Plan, *, beyond_alpha: bool
) -> tuple[Callable[[FloatArray], FloatArray], float, float]:
    """Today's boundary to the quantile of its alpha, on one side of the planned alpha, and the range covered."""
    from scipy.interpolate import PchipInterpolator  # noqa: PLC0415  # serving must not pay for this import

    own = float(-ndtri(plan.alpha / plan.sides))
    first, last = (own, max(_FARTHEST, own + 1.0)) if beyond_alpha else (0.01 if plan.sides > 1 else -2.5, own)
    quantiles = np.linspace(first, last, _OUTSIDE if beyond_alpha else _INSIDE)
    alphas = plan.sides * ndtr(-quantiles)
    bounds = np.array([boundaries(fractions, Plan(float(alpha), plan.spending, plan.sides))[-1] for alpha in alphas])
    keep = np.concatenate([[True], np.diff(bounds) > 0.0])  # at the cap several alphas share one boundary
    if int(np.sum(keep)) < 2:  # noqa: PLR2004  # every alpha has its boundary at the cap
        return PchipInterpolator([0.0, CAP], [first, first]), 0.0, CAP
    return PchipInterpolator(bounds[keep], quantiles[keep]), float(bounds[0]), float(bounds[-1])
