"""Return on investment: incremental profit over incremental cost, both estimated from the same customers.

Net profit per customer is always defined and comes first; the return divides two uncertain differences, so that its set
may be a stretch, everything but a gap, or the whole line. Two denominators are never used.
"""

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from offerlab.stats import contrast, trust
from offerlab.stats.effect import Outcome
from offerlab.stats.effects import Effects, checked_alpha, first_reason, reason_code
from offerlab.stats.means import too_small
from offerlab.stats.moments import Moments, stack
from offerlab.stats.pair import Pair

Array = NDArray[np.float64]

_ROUNDING = 1e-13
"""Costs that differ by less than this share do not differ: the order in which days were added up does that."""


def returns_on_cost(
    control: Moments, treatment: Moments, *, alpha: float | Array, profit: str | int = 0, cost: str | int = 1
) -> Effects:
    """Incremental profit per unit of incremental cost, for a whole batch of comparisons.

    Args:
        control: profit (after the cost) and cost per exposed customer, same unit; batch shape (...).
        treatment: likewise.
        alpha: two-sided error rate, 0 < alpha < 1.
        profit: column of net profit; with gross profit before the cost the answer is the return plus one.
        cost: column of the cost of the offer.

    Returns:
        Effects whose absolute interval is the return as a share (0.5: half a unit gained per unit spent) with Fieller's
        set, and whose p-value is that of no incremental profit; there is nothing for them to be relative to.

    Raises:
        InvalidPlan: alpha outside (0, 1).

    Source:
        Fieller (1954), JRSS-B 16(2), 175-185, with the covariance of numerator and denominator; Hall (1992) for the
        skewness.
    """
    pair = increments(control, treatment, profit, cost)
    shape = pair.top.shape
    level = np.broadcast_to(checked_alpha(alpha), shape)
    critical = -ndtri(level / 2)
    still = (pair.v_tt == 0) & (pair.v_bb == 0)
    reason = first_reason(
        shape,
        (
            *too_small(control, treatment),
            ("no_cost", np.abs(pair.base) <= _ROUNDING * _size(control, treatment, cost)),
            ("no_variance", still | (pair.v_tt == 0)),
        ),
    )
    usable = reason == 0
    safe = _where_usable(pair, usable)
    said = contrast.ratios(safe, critical, null=0.0)
    none = 0 * safe.top
    profit_alone = replace(safe, base=none, v_tb=none, v_bb=none, k_ttb=none, k_tbb=none, k_bbb=none)
    z = np.where(usable, contrast.difference(profit_alone, critical)[0], 0.0)
    estimate = safe.top / safe.base
    return Effects(
        estimate=estimate,
        lower=said.lower,
        upper=said.upper,
        relative=estimate,
        relative_lower=said.lower,
        relative_upper=said.upper,
        relative_shape=said.shape,
        p_value=2 * ndtr(-np.abs(z)),
        z=z,
        standard_error=np.sqrt(np.maximum(safe.v_tt - 2 * estimate * safe.v_tb + estimate**2 * safe.v_bb, 0.0))
        / np.abs(safe.base),
        reason=reason,
        relative_reason=np.full(shape, reason_code("no_reference"), np.int8),
        method=np.zeros(shape, np.int8),
        methods=("fieller",),
        alpha=level,
        cautions=trust.cautions(control, treatment, profit),
        shape=said.shape,
    )


def return_on_cost(
    control: Moments, treatment: Moments, *, alpha: float, profit: str | int = 0, cost: str | int = 1
) -> Outcome:
    """Incremental profit per unit of incremental cost; see `returns_on_cost`."""
    return returns_on_cost(stack([control]), stack([treatment]), alpha=alpha, profit=profit, cost=cost).only()


def _size(control: Moments, treatment: Moments, column: str | int) -> Array:
    """How large the two means are, together."""
    i = control.position(column)
    return np.asarray(np.abs(control.mean[..., i]) + np.abs(treatment.mean[..., i]))


def increments(control: Moments, treatment: Moments, top: str | int, base: str | int) -> Pair:
    """Treatment less control of two columns, with their joint cumulants."""
    i, j = control.position(top), control.position(base)

    def second(a: int, b: int) -> Array:
        return np.asarray(_second(treatment, a, b) + _second(control, a, b))

    def third(a: int, b: int, c: int) -> Array:
        return np.asarray(_third(treatment, a, b, c) - _third(control, a, b, c))

    zero = np.zeros(control.shape)
    return Pair(
        top=np.asarray(treatment.mean[..., i] - control.mean[..., i]),
        base=np.asarray(treatment.mean[..., j] - control.mean[..., j]),
        v_tt=second(i, i),
        v_tb=second(i, j),
        v_bb=second(j, j),
        k_ttt=third(i, i, i),
        k_ttb=third(i, i, j),
        k_tbb=third(i, j, j),
        k_bbb=third(j, j, j),
        f_t=zero,
        f_b=zero,
        bias_t=zero,
        bias_b=zero,
    )


def _second(arm: Moments, a: int, b: int) -> Array:
    """The covariance of two means of an arm."""
    return np.asarray(arm.second[..., a, b] / (np.maximum(arm.n - 1, 1) * np.maximum(arm.n, 1)))


def _third(arm: Moments, a: int, b: int, c: int) -> Array:
    """The joint third cumulant of three means of an arm."""
    known = arm.n > 2  # noqa: PLR2004 - three points have a third moment
    return np.where(known, arm.third[..., a, b, c] / np.maximum(arm.n * (arm.n - 1) * (arm.n - 2), 1), 0.0)


def _where_usable(pair: Pair, usable: NDArray[np.bool_]) -> Pair:
    """The pair, with harmless numbers where nothing can be said."""
    if usable.all():
        return pair
    names = ("top", "base", "v_tt", "v_bb")
    return Pair(
        **{
            name: np.where(usable, getattr(pair, name), 1.0 if name in names else 0.0)
            for name in Pair.__struct_fields__
        }
    )
