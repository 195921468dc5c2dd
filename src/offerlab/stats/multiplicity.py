"""Several questions at once: p-values and the intervals that belong to them.

Everything works on arrays of any shape (flattened into one family). NaN marks a test that could not be made: it is no
member of the family and comes back as NaN; `Undetermined` entries of a report therefore pass through untouched.
A p-value without a matching interval invites two verdicts, so each correction also names the error rate at which each
interval has to be computed again (by the same test that gave the p-value), and marks where the two can differ.

Rejected: solving a standard error back from an adjusted p-value, as some engines do: the resulting interval covers
nothing in particular.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from offerlab.errors import InvalidInput, InvalidPlan

Floats = NDArray[np.float64]
Method = Literal["none", "bonferroni", "holm", "hochberg", "bh", "by"]


class Adjusted(Struct, frozen=True, eq=False):
    """A family of tests after its correction; every array has the shape of the p-values that came in.

    Attributes:
        method: the correction.
        alpha: the error rate of the family: familywise for bonferroni, holm and hochberg, the false discovery rate for
            bh and by.
        p_values: adjusted, in [0, 1]; NaN where the test could not be made.
        rejected: adjusted p-value at most alpha.
        interval_alpha: error rate at which each interval is to be computed; NaN where there is none.
        conservative: rejected, although the matching interval still holds zero (Holm and Hochberg, whose simple
            two-sided intervals are Bonferroni's); nowhere else.
        tests: number of tests in the family.
    """

    method: str
    alpha: float
    p_values: Floats
    rejected: NDArray[np.bool_]
    interval_alpha: Floats
    conservative: NDArray[np.bool_]
    tests: int


def adjust(p_values: ArrayLike, *, method: Method = "holm", alpha: float = 0.05) -> Adjusted:
    """Correct a family of p-values and say at which level its intervals match.

    Args:
        p_values: any shape, in [0, 1]; NaN for a test that could not be made.
        method: `holm` for the metrics that decide, `bh` for exploring metrics and segments x metrics; `hochberg` needs
            independent or positively dependent tests, `by` holds under any dependence.
        alpha: error rate of the family, in (0, 1).

    Raises:
        InvalidPlan: alpha or method unknown.
        InvalidInput: a p-value outside [0, 1].

    Sources:
        Holm (1979), Scand. J. Statist. 6, 65-70. Hochberg (1988), Biometrika 75, 800-802.
        Benjamini & Hochberg (1995), JRSS-B 57, 289-300. Benjamini & Yekutieli (2001), Ann. Statist. 29, 1165-1188.
        Intervals under bh: Benjamini & Yekutieli (2005), JASA 100, 71-81 (false coverage rate).
    """
    check_alpha(alpha)
    if method not in _CORRECTIONS:
        raise InvalidPlan(f"method is {method!r}: one of {', '.join(_CORRECTIONS)}", field="method")
    raw = check_p_values(p_values)
    made = ~np.isnan(raw)
    family = raw[made]
    adjusted, level = np.full(raw.shape, np.nan), np.full(raw.shape, np.nan)
    if family.size:
        correct, interval_level = _CORRECTIONS[method]
        adjusted[made] = correct(family)
        level[made] = interval_level(adjusted[made], alpha)
    rejected = adjusted <= alpha
    return Adjusted(
        method=method,
        alpha=alpha,
        p_values=adjusted,
        rejected=rejected,
        interval_alpha=level,
        conservative=rejected & (raw > level) & (method in _STEPWISE_FAMILYWISE),
        tests=family.size,
    )


def holm(p_values: ArrayLike) -> Floats:
    """Step-down p-values for the familywise error rate, for callers that need no intervals. NaN stays NaN."""
    return adjust(p_values, method="holm").p_values


def _step_down(p: Floats) -> Floats:
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return _unsort(stepped, order)


def _step_up(p: Floats, factors: Floats) -> Floats:
    """Running minimum from the largest p-value down; `factors` belong to the sorted p-values."""
    order = np.argsort(p, kind="stable")
    stepped = np.minimum.accumulate((p[order] * factors)[::-1])[::-1]
    return _unsort(np.minimum(stepped, 1.0), order)


def _unsort(stepped: Floats, order: NDArray[np.intp]) -> Floats:
    out = np.empty_like(stepped)
    out[order] = stepped
    return out


def _false_discovery_factors(m: int) -> Floats:
    return m / np.arange(1.0, m + 1)


def _harmonic(m: int) -> float:
    return float(np.sum(1.0 / np.arange(1, m + 1)))


def _bonferroni_level(adjusted: Floats, alpha: float) -> float:
    return alpha / adjusted.size


def _false_coverage_level(adjusted: Floats, alpha: float, inflation: float = 1.0) -> float:
    """R q / m for the R selected; also for the others, whose intervals then hold zero exactly when not selected."""
    selected = max(int(np.count_nonzero(adjusted <= alpha)), 1)
    return alpha * selected / adjusted.size / inflation


_CORRECTIONS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats, float], float]]] = {
    "none": (lambda p: p, lambda _, alpha: alpha),
    "bonferroni": (lambda p: np.minimum(p * p.size, 1.0), _bonferroni_level),
    "holm": (_step_down, _bonferroni_level),
    "hochberg": (lambda p: _step_up(p, np.arange(p.size, 0, -1.0)), _bonferroni_level),
    "bh": (lambda p: _step_up(p, _false_discovery_factors(p.size)), _false_coverage_level),
    "by": (
        lambda p: _step_up(p, _harmonic(p.size) * _false_discovery_factors(p.size)),
        lambda p, alpha: _false_coverage_level(p, alpha, _harmonic(p.size)),
    ),
}


# Their dual regions are no intervals, so Bonferroni's are shown. (Under bh and by, equal only up to rounding.)
_STEPWISE_FAMILYWISE = ("holm", "hochberg")


def check_alpha(alpha: float) -> None:
    """Refuse an error rate outside (0, 1) with `InvalidPlan`."""
    if not 0.0 < alpha < 1.0:
        raise InvalidPlan(f"alpha is {alpha}: it lies between 0 and 1, both excluded", field="alpha")


def check_p_values(p_values: ArrayLike) -> Floats:
    """As an array of doubles, NaN allowed; anything else outside [0, 1] is refused with `InvalidInput`."""
    raw = np.asarray(p_values, dtype=np.float64)
    if np.any((raw < 0.0) | (raw > 1.0)):
        raise InvalidInput("a p-value lies outside 0..1", field="p_values")
    return raw
