"""Means per customer, and their lift: one statistic gives p, the absolute and the relative interval."""

import numpy as np
from numpy.typing import NDArray

from offerlab.stats import trust
from offerlab.stats.comparison import Method, compare
from offerlab.stats.effect import Outcome, Reason
from offerlab.stats.effects import Effects
from offerlab.stats.moments import Moments, stack
from offerlab.stats.pair import independent, mean_level

Array = NDArray[np.float64]


def mean_differences(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float | Array,
    column: str | int = 0,
    method: Method = "auto",
) -> Effects:
    """Differences and lifts of the means of one column, for a whole batch of comparisons.

    Args:
        control: one observation per exposed customer; batch shape (...).
        treatment: likewise.
        alpha: two-sided error rate, 0 < alpha < 1.
        column: which column of the moments.
        method: `auto`: the second-order-corrected log ratio, Hall's contrast where a mean is not clearly on one side
            of zero; `welch`: Welch's t with Fieller's set for the lift.

    Raises:
        InvalidPlan: alpha outside (0, 1).

    Source:
        docs/formulas/means.md; Hall (1992); Fieller (1954); Welch (1947), Biometrika 34(1-2), 28-35, degrees of freedom
        by Satterthwaite (1946).
    """
    base, top = mean_level(control, column), mean_level(treatment, column)
    freedom = _freedom(base.variance, top.variance, control.n, treatment.n) if method == "welch" else None
    effects = compare(
        independent(top, base), alpha=alpha, method=method, freedom=freedom, unusable=too_small(control, treatment)
    )
    return effects.cautioned(*trust.cautions(control, treatment, column))


def mean_difference(
    control: Moments, treatment: Moments, *, alpha: float, column: str | int = 0, method: Method = "auto"
) -> Outcome:
    """Difference and lift of two means; see `mean_differences`."""
    return mean_differences(stack([control]), stack([treatment]), alpha=alpha, column=column, method=method).only()


def too_small(control: Moments, treatment: Moments) -> tuple[tuple[Reason, NDArray[np.bool_]], ...]:
    """Arms that no test of means can use."""
    return (
        ("no_units", (control.n == 0) | (treatment.n == 0)),
        ("one_unit", (control.n == 1) | (treatment.n == 1)),
    )


def _freedom(v_c: Array, v_t: Array, n_c: Array, n_t: Array) -> Array:
    """Satterthwaite's degrees of freedom."""
    parts = v_c**2 / np.maximum(n_c - 1, 1) + v_t**2 / np.maximum(n_t - 1, 1)
    return np.where(parts > 0, (v_c + v_t) ** 2 / np.where(parts > 0, parts, 1.0), np.inf)
