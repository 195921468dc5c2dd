"""A p-value for today, for a trial that goes on: the level at which today's value would just cross.

Stagewise p-values speak of a trial that stopped. Before that, the p-value that agrees with the boundary is the smallest
alpha for which the same spending function would reject today. It is below the planned alpha exactly when the planned
boundary is crossed, and it holds at every look at once.
"""

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
    planned, own = float(boundaries(fractions, plan)[-1]), float(-ndtri(plan.alpha / plan.sides))
    inside, outside = size <= planned, (size > planned) & (size < CAP)
    first = 0.01 if plan.sides > 1 else -2.5
    if np.any(inside):
        found[inside] = _between(fractions, size[inside], plan, np.linspace(first, own, _INSIDE))
    if np.any(outside):
        found[outside] = _between(fractions, size[outside], plan, np.linspace(own, max(_FARTHEST, own + 1.0), _OUTSIDE))
    return found


def _between(fractions: tuple[float, ...], size: FloatArray, plan: Plan, quantiles: FloatArray) -> FloatArray:
    """p-values by interpolation between the boundaries of the alphas at `quantiles`."""
    from scipy.interpolate import PchipInterpolator  # noqa: PLC0415  # serving must not pay for this import

    alphas = plan.sides * ndtr(-quantiles)
    bounds = np.array([boundaries(fractions, Plan(float(alpha), plan.spending, plan.sides))[-1] for alpha in alphas])
    keep = np.concatenate([[True], np.diff(bounds) > 0.0])  # at the cap several alphas share one boundary
    if int(np.sum(keep)) < 2:  # noqa: PLR2004  # nothing to interpolate between
        return np.full_like(size, alphas[0])
    at = PchipInterpolator(bounds[keep], quantiles[keep])(np.clip(size, bounds[0], bounds[-1]))
    return np.asarray(np.where(size < bounds[0], 1.0, plan.sides * ndtr(-at)))
