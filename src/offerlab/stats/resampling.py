"""Poisson bootstrap: for numbers that neither moments nor order statistics can answer.

Each customer counts Poisson(1) times in each resample: arms, days and shards may be drawn apart, in any order. Ranges
are percentiles of the resampled differences and lifts, and the p-value counts how many of them lie across zero, so
that all three are one verdict by construction. Rejected: BCa (its shifts differ between difference and lift: two
verdicts), and bootstrap-t for numbers whose error nobody can compute.
"""

from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.multiplicity import check_alpha

Array = NDArray[np.float64]
METHOD = "poisson_bootstrap"
FEWEST = 20
"""Customers of an arm below which resamples say little: some hold nobody."""


class Resampled(Struct, frozen=True, eq=False):
    """One arm's number, and the same from each resample.

    Attributes:
        estimate: from the rows as they are.
        again: (resamples,).
    """

    estimate: float
    again: Array


def resampled(
    rows: ArrayLike,
    statistic: Callable[[Array], float],
    rng: np.random.Generator,
    *,
    resamples: int = 2_000,
    clusters: ArrayLike | None = None,
) -> Resampled | Undetermined:
    """A number of one arm, and how it would vary.

    Args:
        rows: (rows, columns) of one arm.
        statistic: rows -> the number; blind to their order.
        rng: where the chance comes from.
        resamples: how many.
        clusters: whose each row is; null where every row is a customer.

    Returns:
        The number and its resamples; Undetermined below 20 customers, or where the number itself is undefined.

    Raises:
        InvalidPlan: fewer than 100 resamples.
        InvalidInput: clusters of another length.

    Source:
        Chamandy, Muralidharan, Najmi & Naidu (2012), Estimating uncertainty for massive data streams, Google.
    """
    if resamples < 100:  # noqa: PLR2004 - below that no tail is seen
        raise InvalidPlan(f"a bootstrap needs 100 resamples or more, not {resamples}", field="resamples")
    x = np.asarray(rows, dtype=np.float64)
    size = x.shape[0]
    owners = np.arange(size) if clusters is None else np.unique(np.asarray(clusters).ravel(), return_inverse=True)[1]
    if owners.size != size:
        raise InvalidInput("each row has one cluster", field="clusters")
    customers = int(owners.max()) + 1 if size else 0
    if customers < 2:  # noqa: PLR2004 - spread between customers
        alone = Undetermined("one_unit", "An arm has a single customer, so its spread is unknown.")
        return alone if customers else Undetermined("no_units", "An arm has no customers.")
    if customers < FEWEST:
        return Undetermined("too_few", f"An arm has {customers} customers; resampling needs {FEWEST}.")
    estimate = float(statistic(x))
    again = np.empty(resamples)
    for i in range(resamples):
        again[i] = statistic(np.repeat(x, rng.poisson(1.0, customers)[owners], axis=0))
    if not (np.isfinite(estimate) and np.isfinite(again).all()):
        return Undetermined("too_few", "The number is undefined for some resamples of an arm: there are too few rows.")
    return Resampled(estimate, again)


def resampled_difference(control: Resampled, treatment: Resampled, *, alpha: float) -> Outcome:
    """Difference and lift of two arms' numbers, by percentiles.

    Args:
        control: as from `resampled`, drawn independently of the treatment's.
        treatment: likewise, equally many resamples.
        alpha: two-sided error rate; an end is open where the resamples are too few for it.

    Raises:
        InvalidPlan: alpha outside (0, 1).
        InvalidInput: resamples that differ in number.

    Source:
        Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    check_alpha(alpha)
    if control.again.shape != treatment.again.shape:
        raise InvalidInput("both arms are resampled equally often", field="resamples")
    gaps = np.sort(treatment.again - control.again)
    if gaps[0] == gaps[-1]:
        return Undetermined("no_variance", "The number never varied, so chance cannot be measured.")
    size = gaps.size + 1
    sides = np.count_nonzero(gaps <= 0.0) + 1, np.count_nonzero(gaps >= 0.0) + 1
    p = min(1.0, 2.0 * min(sides) / size)
    rank = int(np.ceil(alpha / 2.0 * size - 1e-9)) - 1  # zero is left out exactly when p < alpha
    estimate = treatment.estimate - control.estimate
    return Effect(
        _interval(estimate, gaps, rank),
        _lift(control, treatment, rank),
        p,
        float(np.sign(np.median(gaps)) * -ndtri(max(p, np.finfo(np.float64).tiny) / 2.0)),
        float(gaps.std(ddof=1)),
        alpha,
        METHOD,
    )


def _lift(control: Resampled, treatment: Resampled, rank: int) -> Interval | Undetermined:
    if control.estimate == 0.0:
        return Undetermined("control_mean_zero", "The control's number is zero: there is nothing to be relative to.")
    if np.any(np.sign(control.again) != np.sign(control.estimate)):
        return Undetermined("mean_not_positive", "The control's number may lie on either side of zero.")
    lifts = np.sort((treatment.again - control.again) / np.abs(control.again))
    return _interval((treatment.estimate - control.estimate) / abs(control.estimate), lifts, rank)


def _interval(estimate: float, ordered: Array, rank: int) -> Interval:
    """The order statistics of that rank from both ends; the estimate stays inside."""
    lower = float(ordered[rank - 1]) if rank >= 1 else -np.inf
    upper = float(ordered[-rank]) if rank >= 1 else np.inf
    return Interval(min(max(estimate, lower), upper), lower, upper)
