"""Variance reduction by what was known before: regression on pre-period covariates, from moments alone.

Rejected, each measured on Online Retail by re-randomisation: own slopes in each arm by default (Lin; with giants in the
data a single covariate then saves only .75 to .96 of what common slopes save), judging covariates by in-sample R^2
(it always prefers more), and dropping to no covariate at all where a giant makes the slopes look useless (.8).
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.special import ndtr

from offerlab.errors import InvalidPlan
from offerlab.stats import trust
from offerlab.stats.adjust import Fit, Slopes, fit, least_squares, residual_sum, residual_variance
from offerlab.stats.comparison import Method, compare
from offerlab.stats.effect import Outcome, Reason
from offerlab.stats.effects import CautionMask, Effects
from offerlab.stats.means import too_small
from offerlab.stats.moments import Moments, stack
from offerlab.stats.pair import Pair, independent, mean_level

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

PER_COVARIATE = 10.0  # customers of the smaller arm needed per covariate


class Adjusted(Struct, frozen=True, eq=False):
    """Adjusted effects of a batch, and what the adjustment did; the raw ones are `means.mean_differences`.

    Attributes:
        effects: the default estimate.
        covariates: (...) how many were used: all of them, the first alone, or none.
        saved: (...) share of the raw variance of the difference that the adjustment took away; may be negative.
        balance: (...) p-value that the means of the first covariate agree, as randomisation promises.
    """

    effects: Effects
    covariates: NDArray[np.int8]
    saved: Array
    balance: Array


class Diagnosis(Struct, frozen=True, tag="diagnosis"):
    """What the adjustment of one comparison did; see `Adjusted`."""

    covariates: int
    saved: float
    balance: float


def adjusted_differences(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float | Array,
    column: str | int = 0,
    covariates: Sequence[str | int],
    slopes: Slopes = "common",
    method: Method = "auto",
) -> Adjusted:
    """Differences and lifts of adjusted means, for a whole batch of comparisons.

    All covariates are used where they predict the other arm better than the first alone does, else the first alone;
    none where an arm has fewer than ten customers for it.

    Args:
        control: outcome and covariates per exposed customer; batch shape (...).
        treatment: likewise.
        alpha: two-sided error rate, 0 < alpha < 1.
        column: the outcome.
        covariates: measured before exposure; first the one to keep when there is room for one alone.
        slopes: `common` to both arms, or each arm its `own` (Lin).
        method: as in `mean_differences`.

    Raises:
        InvalidPlan: alpha outside (0, 1); no covariate; the outcome among the covariates.

    Source:
        Deng, Xu, Kohavi & Walker (2013), WSDM; Lin (2013), Annals of Applied Statistics 7(1), 295-318; docs/formulas.md
        for the joint cumulants and the choice of covariates.
    """
    chosen = _columns(control, column, covariates)
    return adjust_levels(control.select(chosen), treatment.select(chosen), alpha=alpha, slopes=slopes, method=method)


def adjust_levels(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float | Array,
    slopes: Slopes = "common",
    method: Method = "auto",
    curvature: tuple[Array, Array] | None = None,
    unusable: tuple[tuple[Reason, Flags], ...] = (),
) -> Adjusted:
    """Adjust column 0, which may be a linearised ratio, for all further columns.

    Args:
        control: outcome and covariates; batch shape (...).
        treatment: likewise.
        alpha: two-sided error rate, 0 < alpha < 1.
        slopes: as in `adjusted_differences`.
        method: as in `mean_differences`.
        curvature: of control and treatment, where the outcome is a linearised ratio (`pair.Level`).
        unusable: further reasons for which nothing can be said.

    Raises:
        InvalidPlan: alpha outside (0, 1).
    """
    pair, used, fits = _chosen(control, treatment, slopes)
    if curvature is not None:
        pair = replace(pair, f_b=curvature[0], f_t=curvature[1], bias_b=-curvature[0], bias_t=-curvature[1])
    effects = compare(pair, alpha=alpha, method=method, unusable=(*too_small(control, treatment), *unusable))
    effects = effects.cautioned(*_cautions(control, treatment, used, fits))
    raw = _variance(control, treatment, 0)
    return Adjusted(effects, used, 1 - pair.variance / np.where(raw > 0, raw, 1.0), _balance(control, treatment))


def adjusted_difference(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float,
    column: str | int = 0,
    covariates: Sequence[str | int],
    slopes: Slopes = "common",
    method: Method = "auto",
) -> tuple[Outcome, Diagnosis]:
    """Difference and lift of two adjusted means, and what the adjustment did; see `adjusted_differences`."""
    answer = adjusted_differences(
        stack([control]),
        stack([treatment]),
        alpha=alpha,
        column=column,
        covariates=covariates,
        slopes=slopes,
        method=method,
    )
    return answer.effects.only(), Diagnosis(int(answer.covariates[0]), float(answer.saved[0]), float(answer.balance[0]))


def adjusted_pair(control: Moments, treatment: Moments, *, slopes: Slopes = "common") -> tuple[Pair, NDArray[np.int8]]:
    """The two adjusted levels and how many covariates made them; column 0 is the outcome, all others covariates."""
    pair, used, _ = _chosen(control, treatment, slopes)
    return pair, used


def _columns(arm: Moments, column: str | int, covariates: Sequence[str | int]) -> list[str | int]:
    at = [arm.position(column), *(arm.position(covariate) for covariate in covariates)]
    if len(at) == 1 or len(set(at)) < len(at):
        raise InvalidPlan("Give at least one covariate, each once, and not the outcome itself.", field="covariates")
    return list(at)


def _chosen(control: Moments, treatment: Moments, slopes: Slopes) -> tuple[Pair, NDArray[np.int8], tuple[Fit, ...]]:
    """The pair that the choice of covariates gives, and the number used."""
    p = len(control.columns) - 1
    smaller = np.minimum(control.n, treatment.n)
    raw = independent(mean_level(treatment), mean_level(control))
    single = fit(control.select([0, 1]), treatment.select([0, 1]), slopes=slopes)
    used = np.where(smaller > 1 + PER_COVARIATE, 1, 0).astype(np.int8)
    pair = _where(used > 0, single.pair, raw)
    if p == 1:
        return pair, used, (single,)
    everything = fit(control, treatment, slopes=slopes)
    better = crossed_risk(control, treatment) < crossed_risk(control.select([0, 1]), treatment.select([0, 1]))
    take_all = better & (smaller > 1 + PER_COVARIATE * p)
    return _where(take_all, everything.pair, pair), np.where(take_all, p, used).astype(np.int8), (single, everything)


def crossed_risk(control: Moments, treatment: Moments) -> Array:
    """(...) variance of the difference when each arm is adjusted with the slopes that the OTHER arm has learnt.

    The other arm's customers are other people, so overfitting shows: the nearest to new data that moments can give.
    """
    return residual_variance(treatment, least_squares(control.second)) / np.maximum(
        treatment.n, 1.0
    ) + residual_variance(control, least_squares(treatment.second)) / np.maximum(control.n, 1.0)


def _variance(control: Moments, treatment: Moments, column: int) -> Array:
    """Of the raw difference."""
    return np.asarray(
        control.variance(column) / np.maximum(control.n, 1.0)
        + treatment.variance(column) / np.maximum(treatment.n, 1.0)
    )


def _balance(control: Moments, treatment: Moments) -> Array:
    """p-value of equal means of the first covariate (unequal variances, normal); one where it is constant."""
    variance = _variance(control, treatment, 1)
    gap = treatment.mean[..., 1] - control.mean[..., 1]
    return np.asarray(2 * ndtr(-np.abs(gap) / np.sqrt(np.where(variance > 0, variance, np.inf))))


def _where(mask: Flags, yes: Pair, no: Pair) -> Pair:
    if mask.all():
        return yes
    if not mask.any():
        return no
    return Pair(*(np.where(mask, getattr(yes, name), getattr(no, name)) for name in Pair.__struct_fields__))


def _cautions(
    control: Moments, treatment: Moments, used: NDArray[np.int8], fits: tuple[Fit, ...]
) -> tuple[CautionMask, ...]:
    """Trust of the outcome; and a word where covariates were dropped.

    What adjustment leaves has heavier tails than the outcome: measured on Online Retail, the customers needed grow with
    the share of the variance taken away.
    """
    few, skewed = trust.cautions(control, treatment, 0)
    p = len(control.columns) - 1
    last = fits[-1]
    keep = (used == p)[..., None]
    slopes = np.where(keep, last.slopes_t, 0.0)
    slopes[..., :1] = np.where(keep, slopes[..., :1], np.where(used > 0, fits[0].slopes_t[..., 0], 0.0)[..., None])
    residual = np.maximum(residual_sum(control, slopes) + residual_sum(treatment, slopes), np.finfo(float).tiny)
    raw = control.second[..., 0, 0] + treatment.second[..., 0, 0]
    needed = skewed.values * np.maximum(raw / residual, 1.0)
    smaller = np.minimum(control.n, treatment.n)
    return (
        few,
        CautionMask(skewed.code, skewed.detail, smaller < needed, needed),
        CautionMask("fallback", _FALLBACK, used < p, used.astype(np.float64)),
    )


_FALLBACK = "More covariates would have added noise here: {value} used."
