"""Which test answers which metric: an arm's rows -> moments (or sorted values, or resamples) -> an outcome."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.errors import InvalidPlan
from offerlab.frames.columns import Crowd
from offerlab.frames.metrics import Mean, Metric, Proportion, Quantile, Ratio, Return, Statistic
from offerlab.stats.adjust import Slopes
from offerlab.stats.capping import capped, pooled_cap
from offerlab.stats.clustered import clustered_difference
from offerlab.stats.cuped import Adjusted, adjusted_difference
from offerlab.stats.effect import Outcome, Undetermined
from offerlab.stats.means import mean_difference
from offerlab.stats.moments import Moments, from_values, stack
from offerlab.stats.newcombe import newcombe_counts
from offerlab.stats.proportions import Exact, compare_counts, converted
from offerlab.stats.quantiles import arrange, quantile, quantile_difference
from offerlab.stats.ratios import adjusted_ratio_differences, ratio_difference
from offerlab.stats.resampling import resampled, resampled_difference
from offerlab.stats.roi import return_on_cost

Floats: TypeAlias = NDArray[np.float64]
Test: TypeAlias = Callable[[float], Outcome]

FEW_CLUSTERS = 50
"""Clusters of the smaller arm below which the small-sample correction reads them."""


class Table(Struct, frozen=True, eq=False):
    """What one metric needs of all rows.

    Attributes:
        metric: what is asked.
        outcome: (rows, outcome columns), capped where asked for.
        raw: likewise, uncapped.
        known: (rows, covariates), categories as zeros and ones.
        clusters: of each row; null where a row is a customer.
        seed: of the resamples.
    """

    metric: Metric
    outcome: Floats
    raw: Floats
    known: Floats
    clusters: NDArray[np.intp] | None
    seed: int


class Comparison(Struct, frozen=True, eq=False):
    """Two arms on one metric.

    Attributes:
        test: the default test, at any two-sided alpha.
        raw: the same uncapped and unadjusted; null where that is the default.
        saved: share of the variance that covariates took away; null without any.
        balance: p-value that the first covariate is alike in both arms; null likewise.
        counts: for a proportion of customers, (converted in control, customers, converted in treatment, customers).
    """

    test: Test
    raw: Test | None = None
    saved: float | None = None
    balance: float | None = None
    counts: tuple[int, int, int, int] | None = None


def table_of(metric: Metric, crowd: Crowd, outcomes: tuple[str, ...], covariates: tuple[str, ...], seed: int) -> Table:
    """The columns of one metric, capped where it asks for that."""
    raw = np.column_stack([crowd.values[name] for name in outcomes])
    outcome = raw
    if isinstance(metric, Mean) and metric.cap is not None:
        outcome = capped(raw, pooled_cap(raw, share=metric.cap))
    parts = [values for name in covariates for _, values in crowd.known[name]]
    known = np.column_stack(parts) if parts else np.zeros((raw.shape[0], 0))
    return Table(metric, outcome, raw, known, crowd.clusters, seed)


def level_of(table: Table, rows: NDArray[np.bool_]) -> float | None:
    """An arm's raw figure, nothing capped or adjusted; null where there is none."""
    values = table.raw[rows]
    if not len(values) or isinstance(table.metric, Return):
        return None
    if isinstance(table.metric, Ratio):
        below = float(values[:, 1].sum())
        return float(values[:, 0].sum()) / below if below else None
    if isinstance(table.metric, Quantile):
        said = quantile(arrange(values[:, 0]), table.metric.q)
        return None if isinstance(said, Undetermined) else said.estimate
    if isinstance(table.metric, Statistic):
        found = float(table.metric.function(values))
        return found if np.isfinite(found) else None
    return float(values[:, 0].mean())


def comparison_of(table: Table, control: NDArray[np.bool_], treated: NDArray[np.bool_]) -> Comparison:
    """The test of a metric for two sets of rows.

    Raises:
        InvalidPlan: a method that clusters do not allow.
        InvalidMoments: a proportion of what is not zeros and ones.
    """
    metric = table.metric
    if isinstance(metric, Quantile):
        return _quantile(table, metric, control, treated)
    if isinstance(metric, Statistic):
        return _statistic(table, metric, control, treated)
    if isinstance(metric, Proportion):
        return _proportion(table, metric, control, treated)
    if isinstance(metric, Mean):
        return _mean(table, metric, control, treated)
    base, top = (_moments(table, rows) for rows in (control, treated))
    if isinstance(metric, Return):
        return Comparison(lambda alpha: return_on_cost(base, top, alpha=alpha))
    return _ratio(base, top, metric.slopes)


def _moments(table: Table, rows: NDArray[np.bool_], *, raw: bool = False) -> Moments:
    """Of outcomes and covariates, one observation per customer: sums over the rows of a cluster."""
    x = np.column_stack([(table.raw if raw else table.outcome)[rows], table.known[rows]])
    if table.clusters is not None:
        x = _sums(x, table.clusters[rows])
    return from_values(tuple(str(i) for i in range(x.shape[1])), x)


def _sums(x: Floats, clusters: NDArray[np.intp]) -> Floats:
    _, codes = np.unique(clusters, return_inverse=True)
    sums = [np.bincount(codes, weights=column).astype(np.float64) for column in x.T]
    return np.column_stack(sums) if len(x) else x


def _proportion(table: Table, metric: Proportion, control: NDArray[np.bool_], treated: NDArray[np.bool_]) -> Comparison:
    base, top = (from_values(("converted",), table.outcome[rows]) for rows in (control, treated))
    x_c, x_t = converted(base), converted(top)
    if table.clusters is not None:
        if metric.method != "score":
            raise InvalidPlan(f"{metric.method!r} has no form for clusters.", field="method")
        return _of_clusters(table, control, treated)
    cells = tuple(np.atleast_1d(part) for part in (x_c, base.n, x_t, top.n))
    kind: Exact = "barnard" if metric.method == "barnard" else "boschloo"

    def test(alpha: float) -> Outcome:
        if metric.method == "newcombe":
            return newcombe_counts(*cells, alpha=alpha).only()
        return compare_counts(*cells, alpha=alpha, exact=kind).only()

    return Comparison(test, counts=(int(x_c), int(base.n), int(x_t), int(top.n)))


def _mean(table: Table, metric: Mean, control: NDArray[np.bool_], treated: NDArray[np.bool_]) -> Comparison:
    if table.clusters is not None:
        return _of_clusters(table, control, treated)
    (base, top), (raw_base, raw_top) = (
        [_moments(table, rows, raw=raw) for rows in (control, treated)] for raw in (False, True)
    )

    def plain(alpha: float) -> Outcome:
        return mean_difference(raw_base, raw_top, alpha=alpha, method=metric.method)

    if not table.known.shape[1]:
        if metric.cap is None:
            return Comparison(plain)
        return Comparison(lambda alpha: mean_difference(base, top, alpha=alpha, method=metric.method), plain)
    covariates = list(range(1, len(base.columns)))

    def adjusted(alpha: float) -> Outcome:
        return adjusted_difference(
            base, top, alpha=alpha, covariates=covariates, slopes=metric.slopes, method=metric.method
        )[0]

    told = adjusted_difference(base, top, alpha=0.05, covariates=covariates, slopes=metric.slopes)[1]
    return Comparison(adjusted, plain, told.saved if told.covariates else None, told.balance)


def _ratio(base: Moments, top: Moments, slopes: Slopes) -> Comparison:
    def plain(alpha: float) -> Outcome:
        return ratio_difference(base, top, alpha=alpha)

    covariates = list(range(2, len(base.columns)))
    if not covariates:
        return Comparison(plain)

    def adjusted(alpha: float) -> Adjusted:
        return adjusted_ratio_differences(
            stack([base]), stack([top]), alpha=alpha, covariates=covariates, slopes=slopes
        )

    told = adjusted(0.05)
    return Comparison(
        lambda alpha: adjusted(alpha).effects.only(),
        plain,
        float(told.saved[0]),
        float(told.balance[0]),
    )


def _of_clusters(table: Table, control: NDArray[np.bool_], treated: NDArray[np.bool_]) -> Comparison:
    """Means of rows whose cluster was randomised: sums over rows, or CR2 where clusters are few or covariates given."""
    assert table.clusters is not None  # noqa: S101 - the caller has looked
    fewest = min(np.unique(table.clusters[rows]).size for rows in (control, treated))
    both = control | treated
    arms, owners = treated[both], table.clusters[both]

    def corrected(values: Floats, known: Floats) -> Test:
        return lambda alpha: clustered_difference(values[both, 0], arms, owners, alpha=alpha, covariates=known[both])

    def summed(values: Floats) -> Test:
        ones = np.ones(len(values))
        base, top = (
            from_values(("sum", "rows"), _sums(np.column_stack([values[:, 0], ones])[rows], owner[rows]))
            for rows, owner in ((control, table.clusters), (treated, table.clusters))
            if owner is not None
        )
        return lambda alpha: ratio_difference(base, top, alpha=alpha)

    nothing = table.known[:, :0]
    plain = corrected(table.raw, nothing) if fewest < FEW_CLUSTERS else summed(table.raw)
    if table.known.shape[1]:
        return Comparison(corrected(table.outcome, table.known), plain)
    if table.outcome is table.raw:
        return Comparison(plain)
    return Comparison(corrected(table.outcome, nothing) if fewest < FEW_CLUSTERS else summed(table.outcome), plain)


def _quantile(table: Table, metric: Quantile, control: NDArray[np.bool_], treated: NDArray[np.bool_]) -> Comparison:
    owners = table.clusters
    base, top = (
        arrange(table.outcome[rows, 0], None if owners is None else owners[rows]) for rows in (control, treated)
    )
    return Comparison(lambda alpha: quantile_difference(base, top, metric.q, alpha=alpha))


def _statistic(table: Table, metric: Statistic, control: NDArray[np.bool_], treated: NDArray[np.bool_]) -> Comparison:
    found = []
    for number, rows in enumerate((control, treated)):
        owners = None if table.clusters is None else table.clusters[rows]
        rng = np.random.default_rng([table.seed, number])
        found.append(resampled(table.outcome[rows], metric.function, rng, resamples=metric.resamples, clusters=owners))
    base, top = found

    def test(alpha: float) -> Outcome:
        if isinstance(base, Undetermined):
            return base
        return top if isinstance(top, Undetermined) else resampled_difference(base, top, alpha=alpha)

    return Comparison(test)
