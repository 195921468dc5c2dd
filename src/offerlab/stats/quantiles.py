"""Quantiles: the median order, the slowest twentieth, the best customers' spend.

Moments can't answer this; the sorted values can. One arm's interval runs between two of its order statistics, whose
ranks follow from the binomial law of how many values lie below the quantile: no density is estimated, ties and giants
do no harm, and the ranks are rounded outwards, so that it covers at least what it says. Two arms are compared through
the standard errors that these intervals imply, by the same test as means: lift and difference are one verdict, and
the comparison may be read at any look.

Where a customer brings several values (orders, deliveries) they are not independent: the share of values below the
quantile then varies by customer, and the ranks move apart by that (Deng, Knoblich and Lu 2018).
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from offerlab.errors import InvalidPlan
from offerlab.stats.comparison import compare
from offerlab.stats.effect import Interval, Outcome, Undetermined
from offerlab.stats.pair import Level, independent
from offerlab.stats.spending import FloatArray

_REFERENCE = 0.05
"""Error of the interval from which a standard error is read: it must not move with the alpha of the test."""


class Sorted(Struct, frozen=True, eq=False):
    """One arm's values in order.

    Attributes:
        values: ascending.
        customers: whose each value is; null where every customer has one.
    """

    values: FloatArray
    customers: NDArray[np.intp] | None = None


def arrange(values: ArrayLike, customers: ArrayLike | None = None) -> Sorted:
    """Sort an arm's values, their owners with them.

    Raises:
        InvalidPlan: values that are not finite, or owners of another length.
    """
    given = np.asarray(values, dtype=np.float64).ravel()
    if not np.all(np.isfinite(given)):
        raise InvalidPlan("quantiles need finite values", field="values")
    order = np.argsort(given, kind="stable")
    if customers is None:
        return Sorted(given[order])
    owners = np.asarray(customers).ravel()
    if owners.shape != given.shape:
        raise InvalidPlan("each value has one customer", field="customers")
    return Sorted(given[order], np.unique(owners, return_inverse=True)[1][order])


def quantile(arm: Sorted, q: float, *, alpha: float = 0.05) -> Interval | Undetermined:
    """One arm's quantile with its outer interval.

    Args:
        arm: sorted values.
        q: share of the values below, in (0, 1).
        alpha: two-sided error.

    Returns:
        The quantile (the smallest value with at least that share at or below it); an end is infinite where there are
        too few values for its rank. Undetermined without values.

    Raises:
        InvalidPlan: q or alpha outside (0, 1).

    Source:
        David and Nagaraja (2003), Order Statistics, section 7.1; with several values per customer Deng, Knoblich and Lu
        (2018), KDD, section 4.2.
    """
    if not (0.0 < q < 1.0 and 0.0 < alpha < 1.0):
        raise InvalidPlan("the quantile's share and alpha lie between 0 and 1", field="q")
    n = arm.values.size
    if n == 0:
        return Undetermined("no_units", "There are no values.")
    middle = float(arm.values[_rank(n * q) - 1])
    low, high = _ranks(arm, q, alpha, middle)
    lower = float(arm.values[low - 1]) if low >= 1 else -np.inf
    upper = float(arm.values[high - 1]) if high <= n else np.inf
    return Interval(middle, lower, upper)


def quantile_difference(control: Sorted, treatment: Sorted, q: float, *, alpha: float = 0.05) -> Outcome:
    """Difference and lift of one quantile between two arms.

    Args:
        control: sorted values.
        treatment: likewise.
        q: share below.
        alpha: two-sided error; the test may be read at looks (`peeking.safe_effect`).

    Returns:
        The effect, or `too_few` where an arm is too small for this quantile, `no_variance` where ties hide all spread.

    Source:
        Deng, Knoblich and Lu (2018), KDD, section 4: standard error = (upper - lower) / (2 z).
    """
    arms = [quantile(arm, q, alpha=_REFERENCE) for arm in (control, treatment)]
    found: list[Level] = []
    for arm in arms:
        if isinstance(arm, Undetermined):
            return arm
        if not arm.is_finite:
            return Undetermined("too_few", f"An arm has too few values for its quantile at {q:g}.")
        error = (arm.upper - arm.lower) / (-2.0 * ndtri(_REFERENCE / 2.0))
        nothing = np.zeros(1)
        found.append(Level(np.array([arm.estimate]), np.array([error**2]), nothing, nothing, nothing))
    return compare(independent(found[1], found[0]), alpha=alpha).only()


def _rank(position: float) -> int:
    """The rank at or above a position, tolerant of rounding."""
    return max(1, int(np.ceil(position - 1e-9)))


def _ranks(arm: Sorted, q: float, alpha: float, middle: float) -> tuple[int, int]:
    """Ranks of the ends, from 1; 0 and n + 1 mean that there is none."""
    n = arm.values.size
    if arm.customers is None:
        from scipy.stats import binom  # noqa: PLC0415  # serving must not pay for this import

        return int(binom.ppf(alpha / 2.0, n, q)), int(binom.isf(alpha / 2.0, n, q)) + 1
    values = np.bincount(arm.customers).astype(np.float64)
    below = np.bincount(arm.customers, weights=arm.values <= middle)
    people = values.size
    if people < 2:  # noqa: PLR2004  # no variance between customers
        return 0, n + 1
    apart = below - q * values
    error = np.sqrt(people / (people - 1.0) * float(np.sum((apart - apart.mean()) ** 2)))
    reach = -ndtri(alpha / 2.0) * error
    return max(0, int(np.floor(n * q - reach))), min(n + 1, int(np.ceil(n * q + reach)) + 1)
