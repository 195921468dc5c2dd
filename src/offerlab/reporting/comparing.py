"""Two arms, one metric: which test of `offerlab.stats` reads it, at whatever error rate it is asked for.

A contrast is asked once at all error rates that a report needs (today's look, the 50 and 80 % ranges); all answers come
from one statistic, so that they nest and never contradict each other.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from scipy.special import ndtr, ndtri

from offerlab.domain.metric import MetricKind
from offerlab.reporting.measures import COVARIATES, MEASURES, Measure
from offerlab.reporting.split import Arms, Strata
from offerlab.reporting.waiting import waiting
from offerlab.stats import contrast, trust
from offerlab.stats.adaptive import adaptive_difference
from offerlab.stats.comparison import compare
from offerlab.stats.cuped import adjusted_differences, adjusted_pair
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.effects import SHAPES
from offerlab.stats.means import mean_differences
from offerlab.stats.moments import Moments, merge_all, stack
from offerlab.stats.pair import Level, Pair, independent, mean_level, ratio_level
from offerlab.stats.proportions import proportion_differences
from offerlab.stats.ratios import ratio_differences
from offerlab.stats.roi import increments, return_on_cost
from offerlab.stats.sequential import signed_z
from offerlab.stats.stratified import post_stratify

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_ORDERS = 40.0
"""Customers with something in the denominator, per arm, before a ratio is spoken of."""


class Contrast(Struct, frozen=True):
    """`treatment` against `reference` on one metric, at the error rates that were asked for, in their order.

    Attributes:
        said: the default outcomes. raw: without variance reduction; the same where nothing was reduced.
        adjusted: whether they differ. saved: share of the variance that the reduction took away.
        strata: how many splits were compared apart.
    """

    said: Sequence[Outcome]
    raw: Sequence[Outcome]
    adjusted: bool = False
    saved: float | None = None
    strata: int = 1


class Asked(Struct, frozen=True):
    """What is compared: what a metric adds up, and of which kind it is."""

    measure: Measure
    kind: MetricKind


ROI: Final = Asked(MEASURES["roi"], "roi")


def contrast_of(asked: Asked, strata: Strata, reference: int, treatment: int, alphas: Sequence[float]) -> Contrast:
    """The contrast of two arms by the test that belongs to the metric's kind.

    Args:
        asked: the metric.
        strata: the customers.
        reference: index of the arm compared with.
        treatment: index of the arm compared.
        alphas: two-sided error rates, each in (0, 1); all are answered by one test.
    """
    return _contrast(asked, strata, reference, treatment, alphas)


def capped_contrast(
    asked: Asked, strata: Strata, reference: int, treatment: int, alphas: Sequence[float]
) -> Contrast | None:
    """The same contrast of the metric capped at its pooled percentile; None where nothing is capped."""
    limit = strata.cells.limits.get(asked.measure.numerator)
    if limit is None or not limit.touched:
        return None
    if strata.follows_results:
        return None
    below = replace(asked, measure=replace(asked.measure, numerator=limit.below))
    if not strata.cells.has(*([limit.below] * 3)):
        return None
    return _contrast(below, strata, reference, treatment, alphas)


def _contrast(asked: Asked, strata: Strata, reference: int, treatment: int, alphas: Sequence[float]) -> Contrast:
    measure, kind = asked.measure, asked.kind
    if strata.follows_results:
        said = _weighted(asked, strata, reference, treatment, alphas)
        return Contrast(said, said)
    if kind == "mean" and strata.knows(measure.numerator):
        columns = (measure.numerator, *COVARIATES)
        return _adjusted(strata.pairs(columns, reference, treatment, dummies=True), alphas)
    arms = strata.pairs(columns_of(measure), reference, treatment)
    if kind == "roi":
        said = _return_on_cost(arms, alphas)
    elif kind == "duration":
        said = _means([_waited(each, measure, strata.window_days) for each in arms], alphas)
    elif measure.denominator is not None:
        said = _ratio(arms, measure, alphas)
    elif kind == "proportion":
        said = _proportion(arms, alphas)
    else:
        said = _means(arms, alphas)
    return Contrast(said, said, strata=len(arms))


def mean_outcome(value: str, strata: Strata, reference: int, treatment: int, alpha: float) -> Outcome:
    """The contrast of the raw means of one per-customer value, whatever metric it belongs to."""
    if strata.follows_results:
        return _weighted(Asked(Measure(value), "mean"), strata, reference, treatment, [alpha])[0]
    return _means(strata.pairs((value,), reference, treatment), [alpha])[0]


def increments_of(strata: Strata, values: tuple[str, str], reference: int, treatment: int) -> Pair:
    """Treatment less reference of two per-customer values, with their joint cumulants, as a batch of one."""
    return _increments(strata.pairs(values, reference, treatment))


def _increments(arms: Sequence[Arms]) -> Pair:
    every = increments(stack([each.control for each in arms]), stack([each.treated for each in arms]), 0, 1)
    return every if len(arms) == 1 else _stratified(arms, every)


def columns_of(measure: Measure) -> tuple[str, ...]:
    """The values that a measure adds up."""
    return (measure.numerator,) if measure.denominator is None else (measure.numerator, measure.denominator)


def _weighted(asked: Asked, strata: Strata, reference: int, treatment: int, alphas: Sequence[float]) -> list[Outcome]:
    """Where shares followed the results: every customer by the logged propensity, every batch by what it can tell."""
    if asked.measure.denominator is not None or asked.kind == "roi":
        why = "The weights followed the results; ratios of sums can't be read without bias then, means and rates can."
        return [Undetermined("follows_results", why)] * len(alphas)
    batches = strata.batches((asked.measure.numerator,))
    e = np.array([each.shares for each in batches])
    n, mean, square, cube = (
        np.array([[part(arm) for arm in each.arms] for each in batches]) for part in (_count, _mean, _square, _cube)
    )
    e, n, mean, square, cube = (np.atleast_2d(part) for part in (e, n, mean, square, cube))
    if not batches or min(float(n[:, arm].sum()) for arm in (reference, treatment)) < 2:  # noqa: PLR2004 - a spread
        return [Undetermined("no_units", "An arm has no customers.")] * len(alphas)
    outcomes: list[Outcome] = []
    for alpha in alphas:
        said = adaptive_difference(e, n, mean, square, cube, arms=(treatment, reference), alpha=alpha)
        estimate, error = float(said.estimate), float(said.standard_error)
        if not error > 0.0:
            outcomes.append(Undetermined("no_variance", "Every customer has the same value, so chance can't be told."))
            continue
        interval = Interval(estimate, float(said.lower), float(said.upper))
        p_value = float(said.p_value)
        lift = Undetermined("follows_results", "The weights followed the results: only the difference has a range.")
        z = signed_z(p_value, estimate)
        outcomes.append(Effect(interval, lift, p_value, z, error, alpha, "adaptively_weighted"))
    return outcomes


def _count(arm: Moments) -> float:
    return float(arm.n)


def _mean(arm: Moments) -> float:
    return float(arm.mean[0])


def _square(arm: Moments) -> float:
    return float(arm.second[0, 0])


def _cube(arm: Moments) -> float:
    return float(arm.third[0, 0, 0])


def _adjusted(arms: Sequence[Arms], alphas: Sequence[float]) -> Contrast:
    """Means, their variance reduced by what was known before the first exposure: the past, and the segment."""
    alone = [Arms(each.control.select([0]), each.treated.select([0]), each.size) for each in arms]
    raw = _means(alone, alphas)
    if not any(float(each.control.second[1, 1]) and float(each.treated.second[1, 1]) for each in arms):
        segments = list(range(1 + len(COVARIATES), len(arms[0].control.columns)))
        if not segments:
            return Contrast(raw, raw, strata=len(arms))  # nobody has a past, and all are of one kind
        kept = [0, *segments]
        arms = [Arms(each.control.select(kept), each.treated.select(kept), each.size) for each in arms]
    if len(arms) == 1:
        k, past = len(alphas), list(range(1, len(arms[0].control.columns)))
        control, treated = stack([arms[0].control] * k), stack([arms[0].treated] * k)
        said = adjusted_differences(control, treated, alpha=np.array(alphas), column=0, covariates=past)
        return Contrast(said.effects.rows(), raw, bool(said.covariates[0]), float(said.saved[0]))
    pair, used = adjusted_pair(stack([each.control for each in arms]), stack([each.treated for each in arms]))
    plain = _stratified(arms, independent(*_levels(alone)))
    whole = _stratified(arms, pair)
    saved = 1 - float(whole.variance[0]) / float(plain.variance[0]) if float(plain.variance[0]) else 0.0
    return Contrast(_read(alone, whole, alphas), raw, bool(used.any()), saved, len(arms))


def _means(arms: Sequence[Arms], alphas: Sequence[float]) -> list[Outcome]:
    k = len(alphas)
    if len(arms) == 1:
        control, treated = arms[0].control, arms[0].treated
        return mean_differences(stack([control] * k), stack([treated] * k), alpha=np.array(alphas)).rows()
    return _read(arms, _stratified(arms, independent(*_levels(arms))), alphas)


def _waited(arms: Arms, measure: Measure, window_days: int) -> Arms:
    control, treated = (waiting(each, measure, window_days) for each in (arms.control, arms.treated))
    return Arms(control, treated, arms.size)


def _proportion(arms: Sequence[Arms], alphas: Sequence[float]) -> list[Outcome]:
    k = len(alphas)
    if len(arms) > 1:
        return _means(arms, alphas)
    control, treated = arms[0].control, arms[0].treated
    return proportion_differences(stack([control] * k), stack([treated] * k), alpha=np.array(alphas)).rows()


def _ratio(arms: Sequence[Arms], measure: Measure, alphas: Sequence[float]) -> list[Outcome]:
    k, both = len(alphas), [merge_all([each.control for each in arms]), merge_all([each.treated for each in arms])]
    counts = [float(each.converters(1)) for each in both]
    if min(counts) < FEWEST_ORDERS:
        detail = f"{counts[1]:.0f} customers count here, {counts[0]:.0f} in the reference; 40 in each are needed."
        return [Undetermined("too_few", detail)] * k
    if len(arms) == 1:
        said = ratio_differences(stack([both[0]] * k), stack([both[1]] * k), alpha=np.array(alphas)).rows()
    else:
        levels = [
            ratio_level(stack([each.treated for each in arms]), 0, 1),
            ratio_level(stack([each.control for each in arms]), 0, 1),
        ]
        said = _read(arms, _stratified(arms, independent(*levels)), alphas)
    return [_per(outcome, measure.per) for outcome in said]


def _per(outcome: Outcome, unit: int) -> Outcome:
    """The same outcome in units of `unit`."""
    if unit == 1 or isinstance(outcome, Undetermined):
        return outcome
    a = outcome.absolute
    absolute = Interval(a.estimate / unit, a.lower / unit, a.upper / unit, a.shape)
    return replace(outcome, absolute=absolute, standard_error=outcome.standard_error / unit)


def _return_on_cost(arms: Sequence[Arms], alphas: Sequence[float]) -> list[Outcome]:
    """Incremental profit over incremental cost of the offer; its p-value is that of no extra profit."""
    pair = _increments(arms)
    if len(arms) == 1:
        refused = return_on_cost(arms[0].control, arms[0].treated, alpha=alphas[0])
        if isinstance(refused, Undetermined):
            return [refused] * len(alphas)
    elif not float(pair.base[0]) or not float(pair.v_tt[0]):
        return [Undetermined("no_cost", "The arms do not differ in cost, so there is no return on it.")] * len(alphas)
    nothing = np.zeros(1)
    profit = replace(pair, base=nothing, v_tb=nothing, v_bb=nothing, k_ttb=nothing, k_tbb=nothing, k_bbb=nothing)
    no_base = Undetermined("control_mean_zero", "A return has no level in control to be a share of.")
    error = float(pair.v_tt[0]) ** 0.5
    outcomes: list[Outcome] = []
    for alpha in alphas:
        critical = np.array([-ndtri(alpha / 2)])
        said = contrast.ratios(pair, critical)
        z = float(contrast.difference(profit, critical)[0][0])
        shape = SHAPES[int(said.shape[0])]
        roi = Interval(float(pair.top[0] / pair.base[0]), float(said.lower[0]), float(said.upper[0]), shape)
        p_value = float(2 * ndtr(-abs(z)))
        outcomes.append(Effect(roi, no_base, p_value, z, error / abs(float(pair.base[0])), alpha, "fieller"))
    return outcomes


def _levels(arms: Sequence[Arms]) -> tuple[Level, Level]:
    return (
        mean_level(stack([each.treated for each in arms])),
        mean_level(stack([each.control for each in arms])),
    )


def _stratified(arms: Sequence[Arms], pair: Pair) -> Pair:
    """One pair from the strata's, as a batch of one; a stratum without two customers in each arm says nothing."""
    usable = np.array([float(each.control.n) > 1 and float(each.treated.n) > 1 for each in arms])
    one = post_stratify(pair, np.array([float(each.size) for each in arms]), usable)
    return Pair(*(np.atleast_1d(getattr(one, name)) for name in Pair.__struct_fields__))


def _read(arms: Sequence[Arms], pair: Pair, alphas: Sequence[float]) -> list[Outcome]:
    """A stratified pair at several error rates, with the cautions of the customers as a whole."""
    k = len(alphas)
    control = stack([merge_all([each.control for each in arms])] * k)
    treated = stack([merge_all([each.treated for each in arms])] * k)
    repeated = pair[np.zeros(k, dtype=np.intp)]
    none: NDArray[np.bool_] = (control.n < 2) | (treated.n < 2)  # noqa: PLR2004 - a spread needs two
    effects = compare(repeated, alpha=np.array(alphas), unusable=(("no_units", none),))
    return effects.cautioned(*trust.cautions(control, treated, 0)).rows()
