"""From two arms to outcomes: which test of `offerlab.stats` reads which kind of metric.

Each comparison is made at several error rates at once, by one test, so that all its ranges are nested.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from offerlab.domain.metric import METRICS
from offerlab.reporting.measures import MEASURES, Measure
from offerlab.reporting.split import Strata
from offerlab.stats.comparison import compare
from offerlab.stats.contrast import difference, ratios
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.effects import SHAPES
from offerlab.stats.means import mean_differences
from offerlab.stats.moments import Moments, stack
from offerlab.stats.pair import Pair, independent, ratio_level

FEWEST_ORDERS = 40.0
"""Customers with something in the denominator, per arm, before a ratio is spoken of."""


class Comparison(Struct, frozen=True):
    """Outcomes of one contrast, one for each error rate, and whether strata were combined."""

    outcomes: tuple[Outcome, ...]
    strata: int


def compare_arms(metric: str, strata: Strata, reference: int, treatment: int, alphas: Sequence[float]) -> Comparison:
    """`treatment` against `reference` by the test that belongs to the metric's kind.

    Args:
        metric: key of the contract.
        strata: the customers.
        reference: index of the arm compared with.
        treatment: index of the arm compared.
        alphas: two-sided error rates, each in (0, 1).
    """
    measure, kind = MEASURES[metric], METRICS[metric].kind
    columns = columns_of(measure)
    control, treated, count = strata.pair(columns, reference, treatment)
    if kind == "roi":
        return Comparison(_return_on_cost(control, treated, alphas), count)
    if measure.denominator is not None:
        return Comparison(_ratio(control, treated, measure, alphas), count)
    return Comparison(_means(control, treated, alphas), count)


def compare_means(value: str, strata: Strata, reference: int, treatment: int, alpha: float) -> Outcome:
    """Difference of the means of one per-customer value, whatever metric it belongs to."""
    control, treated, _ = strata.pair((value,), reference, treatment)
    return _means(control, treated, [alpha])[0]


def columns_of(measure: Measure) -> tuple[str, ...]:
    """The values that a measure adds up."""
    return (measure.numerator,) if measure.denominator is None else (measure.numerator, measure.denominator)


def _means(control: Moments, treated: Moments, alphas: Sequence[float]) -> tuple[Outcome, ...]:
    k = len(alphas)
    return tuple(mean_differences(stack([control] * k), stack([treated] * k), alpha=np.array(alphas)).rows())


def _ratio(control: Moments, treated: Moments, measure: Measure, alphas: Sequence[float]) -> tuple[Outcome, ...]:
    few = [arm for arm in (control, treated) if float(arm.converters(1)) < FEWEST_ORDERS]
    if few:
        counts = " and ".join(f"{float(arm.converters(1)):.0f}" for arm in (control, treated))
        detail = f"{counts} customers of the arms count here; {FEWEST_ORDERS:.0f} in each are needed."
        return (Undetermined("too_few", detail),) * len(alphas)
    k = len(alphas)
    levels = [ratio_level(stack([arm] * k), 0, 1) for arm in (treated, control)]
    outcomes = compare(independent(*levels), alpha=np.array(alphas)).rows()
    return tuple(_per(outcome, measure.per) for outcome in outcomes)


def _per(outcome: Outcome, unit: int) -> Outcome:
    """The same outcome in units of `unit`."""
    if unit == 1 or isinstance(outcome, Undetermined):
        return outcome
    a = outcome.absolute
    return Effect(
        Interval(a.estimate / unit, a.lower / unit, a.upper / unit, a.shape),
        outcome.relative,
        outcome.p_value,
        outcome.z,
        outcome.standard_error / unit,
        outcome.alpha,
        outcome.method,
        outcome.warnings,
    )


def _return_on_cost(control: Moments, treated: Moments, alphas: Sequence[float]) -> tuple[Outcome, ...]:
    """Incremental profit over incremental cost of the offer; its p-value is that of no extra profit."""
    k = len(alphas)
    if min(float(control.n), float(treated.n)) < 2:  # noqa: PLR2004 - a spread needs two customers
        return (Undetermined("no_units", "An arm has fewer than two customers."),) * k
    pair = increments(control, treated)
    if not float(pair.base[0]):
        return (Undetermined("no_cost", "The arms do not differ in cost, so there is no return on it."),) * k
    outcomes: list[Outcome] = []
    for alpha in alphas:
        critical = np.array([-ndtri(alpha / 2)])
        said = ratios(pair, critical)
        profit_only = replace(pair, base=0 * pair.base, v_tb=0 * pair.v_tb, v_bb=0 * pair.v_bb)
        z = float(difference(profit_only, critical)[0][0])
        roi = Interval(
            float(pair.top[0] / pair.base[0]), float(said.lower[0]), float(said.upper[0]), SHAPES[int(said.shape[0])]
        )
        none = Undetermined("control_mean_zero", "A return has no level in control to be a share of.")
        error = float(pair.v_tt[0]) ** 0.5 / abs(float(pair.base[0]))
        outcomes.append(Effect(roi, none, float(2 * ndtr(-abs(z))), z, error, alpha, "fieller"))
    return tuple(outcomes)


def increments(control: Moments, treated: Moments) -> Pair:
    """Differences of the first (top) and of the second column (base) between the arms, as a batch of one."""
    n_c, n_t = float(control.n), float(treated.n)
    cov = treated.second / (n_t - 1) / n_t + control.second / (n_c - 1) / n_c
    cube = _cumulants(treated) - _cumulants(control)
    gap = treated.mean - control.mean
    one = np.ones(1)
    parts = (
        gap[0],
        gap[1],
        cov[0, 0],
        cov[0, 1],
        cov[1, 1],
        cube[0, 0, 0],
        cube[0, 0, 1],
        cube[0, 1, 1],
        cube[1, 1, 1],
    )
    return Pair(*(one * part for part in parts), *(0 * one for _ in range(4)))


def _cumulants(arm: Moments) -> NDArray[np.float64]:
    """Third cumulants of the means."""
    n = float(arm.n)
    return arm.third * n / ((n - 1) * (n - 2)) / n**2 if n > 2 else 0 * arm.third  # noqa: PLR2004 - three points
