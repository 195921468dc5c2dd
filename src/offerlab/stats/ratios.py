"""Ratios of two sums (order value, revenue per order), one pair of values per randomised customer.

A ratio of sums is not the mean of ratios: its denominator varies too. The delta method by customer takes that in, to
second order, and the test is the same as for means. The lift of a ratio like order value is among those who order: a
difference in whom the offer made order is part of it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from offerlab.errors import InvalidPlan
from offerlab.stats import trust
from offerlab.stats.adjust import Slopes
from offerlab.stats.comparison import Method, compare
from offerlab.stats.cuped import Adjusted, adjust_levels
from offerlab.stats.effect import Outcome
from offerlab.stats.effects import Effects
from offerlab.stats.means import too_small
from offerlab.stats.moments import Moments, stack
from offerlab.stats.pair import Level, independent, ratio_level

Array = NDArray[np.float64]


def ratio_differences(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float | Array,
    numerator: str | int = 0,
    denominator: str | int = 1,
    method: Method = "auto",
) -> Effects:
    """Differences and lifts of numerator per denominator, for a whole batch of comparisons.

    Args:
        control: both columns per exposed customer, zeros included; batch shape (...).
        treatment: likewise.
        alpha: two-sided error rate, 0 < alpha < 1.
        numerator: for example revenue.
        denominator: for example orders; its mean must not be zero.
        method: as in `mean_differences`; `welch` takes its degrees of freedom as infinite here.

    Raises:
        InvalidPlan: alpha outside (0, 1).

    Source:
        Deng, Knoblich & Lu (2018), "Applying the Delta Method in Metric Analytics", KDD; docs/formulas.md.
    """
    base = ratio_level(control, numerator, denominator)
    top = ratio_level(treatment, numerator, denominator)
    j = control.position(denominator)
    no_denominator = (control.mean[..., j] == 0) | (treatment.mean[..., j] == 0)
    effects = compare(
        independent(top, base),
        alpha=alpha,
        method=method,
        unusable=(*too_small(control, treatment), ("denominator_zero", no_denominator)),
    )
    return effects.cautioned(*trust.cautions(*linearised(control, treatment, numerator, denominator)))


def ratio_difference(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float,
    numerator: str | int = 0,
    denominator: str | int = 1,
    method: Method = "auto",
) -> Outcome:
    """Difference and lift of two ratios; see `ratio_differences`."""
    return ratio_differences(
        stack([control]), stack([treatment]), alpha=alpha, numerator=numerator, denominator=denominator, method=method
    ).only()


def adjusted_ratio_differences(  # noqa: PLR0913 - a ratio has two columns
    control: Moments,
    treatment: Moments,
    *,
    alpha: float | Array,
    numerator: str | int = 0,
    denominator: str | int = 1,
    covariates: Sequence[str | int],
    slopes: Slopes = "common",
    method: Method = "auto",
) -> Adjusted:
    """Differences and lifts of ratios, adjusted for what was known before exposure.

    Each arm's ratio is linearised, its customers' shares are an ordinary outcome, and `cuped` does the rest. With the
    pre-period numerator AND denominator among the covariates the regression finds the pre-period ratio by itself.

    Args:
        control: numerator, denominator and covariates per exposed customer; batch shape (...).
        treatment: likewise.
        alpha: two-sided error rate, 0 < alpha < 1.
        numerator: for example revenue.
        denominator: for example orders; its mean must not be zero.
        covariates: measured before exposure; first the one to keep when there is room for one alone.
        slopes: as in `cuped.adjusted_differences`.
        method: as in `mean_differences`.

    Raises:
        InvalidPlan: alpha outside (0, 1); no covariate; numerator or denominator among the covariates.

    Source:
        Deng, Xu, Kohavi & Walker (2013), WSDM, appendix B; docs/formulas.
    """
    at = [control.position(name) for name in (numerator, denominator, *covariates)]
    if len(at) < 3 or len(set(at)) < len(at):  # noqa: PLR2004 - two columns make the ratio
        raise InvalidPlan("Give at least one covariate, each once, and no part of the ratio.", field="covariates")
    control, treatment = control.select(at), treatment.select(at)
    lines = [_line(arm, ratio_level(arm, 0, 1)) for arm in (control, treatment)]
    no_denominator = (control.mean[..., 1] == 0) | (treatment.mean[..., 1] == 0)
    return adjust_levels(
        lines[0],
        lines[1],
        alpha=alpha,
        slopes=slopes,
        method=method,
        curvature=(ratio_level(control, 0, 1).curvature, ratio_level(treatment, 0, 1).curvature),
        unusable=(("denominator_zero", no_denominator),),
    )


def _line(arm: Moments, level: Level) -> Moments:
    """The arm's own linearised ratio, R + (y - R x) / mean x, and its covariates."""
    below = np.where(arm.mean[..., 1] != 0, arm.mean[..., 1], 1.0)
    k = len(arm.columns)
    weights = np.zeros((*arm.shape, k - 1, k))
    weights[..., 0, 0] = 1 / below
    weights[..., 0, 1] = -level.level / below
    at = np.arange(1, k - 1)
    weights[..., at, at + 1] = 1.0
    offset = np.zeros((*arm.shape, k - 1))
    offset[..., 0] = level.level
    line = arm.project(weights, ("ratio", *arm.columns[2:]), offset)
    converters = np.concatenate([arm.converters(1)[..., None], arm.nonzero[..., 2:]], axis=-1)
    return Moments(line.columns, line.n, line.mean, line.second, line.third, converters)


def linearised(
    control: Moments, treatment: Moments, numerator: str | int, denominator: str | int
) -> tuple[Moments, Moments]:
    """The customers' linear share in the pooled ratio, (y - R x) / mean x: an ordinary column, converters kept.

    Source:
        Budylin et al. (2018), "Consistent Transformation of Ratio Metrics", WSDM.
    """
    i, j = control.position(numerator), control.position(denominator)
    both = control.n + treatment.n
    total = [(control.n * control.mean[..., at] + treatment.n * treatment.mean[..., at]) for at in (i, j)]
    below = np.where(total[1] != 0, total[1], 1.0)
    ratio = total[0] / below
    weights = np.zeros((*control.shape, len(control.columns)))
    weights[..., i] = np.maximum(both, 1.0) / below
    weights[..., j] -= ratio * np.maximum(both, 1.0) / below
    control_line, treatment_line = control.linear(weights), treatment.linear(weights)
    return (
        _with_converters(control_line, control.converters(j)),
        _with_converters(treatment_line, treatment.converters(j)),
    )


def _with_converters(line: Moments, converters: Array) -> Moments:
    return Moments(line.columns, line.n, line.mean, line.second, line.third, converters[..., None])
