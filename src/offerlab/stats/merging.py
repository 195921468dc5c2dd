"""Segments that may be treated as one: their effects are shown to differ by less than what matters.

"No significant difference" is no reason to merge: thin segments never differ significantly. A merge is suggested only
when equivalence is shown for every pair inside the group, after correction for the number of pairs.
"""

from itertools import combinations, product

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.multiplicity import check_alpha, holm

Floats = NDArray[np.float64]


class Merge(Struct, frozen=True):
    """Segments whose effects are equivalent.

    Attributes:
        segments: positions in the order given, ascending, at least two.
        largest_difference: between the estimates of two of them, in the unit of the effects.
        p_value: largest adjusted p-value of "they differ by the margin or more" among the group's pairs.
    """

    segments: tuple[int, ...]
    largest_difference: float
    p_value: float


def equivalence_p_values(estimates: ArrayLike, errors: ArrayLike, margin: float) -> Floats:
    """Two one-sided tests for each pair of segments: p of "the effects differ by the margin or more".

    Args:
        estimates: effect per segment, shape (segments,), NaN where undetermined.
        errors: standard errors, same shape; segments share no customer.
        margin: smallest difference of effects that matters, in their unit, above zero.

    Returns:
        (segments, segments), symmetric; NaN on the diagonal and for undetermined segments.

    Source:
        Schuirmann (1987), J. Pharmacokinet. Biopharm. 15, 657-680.
    """
    d, s = np.asarray(estimates, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if d.ndim != 1 or d.shape != s.shape:
        raise InvalidInput(f"estimates of shape {d.shape} and errors of {s.shape}", field="errors")
    if not margin > 0.0:
        raise InvalidPlan(f"margin is {margin}: the smallest difference that matters is above zero", field="margin")
    if np.any(s[~np.isnan(d)] <= 0.0):
        raise InvalidInput("a determined effect needs a positive error", field="errors")
    gap = np.abs(np.subtract.outer(d, d))
    p = ndtr((gap - margin) / np.sqrt(np.add.outer(s**2, s**2)))
    np.fill_diagonal(p, np.nan)
    return np.asarray(p, dtype=np.float64)


def suggest_merges(estimates: ArrayLike, errors: ArrayLike, *, margin: float, alpha: float = 0.05) -> tuple[Merge, ...]:
    """Groups of segments that may be merged, the surest first.

    Pairs are joined in the order of their p-values; two groups become one only if every pair across them is equivalent,
    so that nobody is merged by a chain of small steps.

    Args:
        estimates: effect per segment, shape (segments,), NaN where undetermined: such a segment is never merged.
        errors: standard errors, same shape.
        margin: smallest difference of effects that matters, in their unit (as a rule the plan's MDE).
        alpha: familywise chance of calling any pair equivalent that differs by the margin (Holm over the pairs).
    """
    check_alpha(alpha)
    raw = equivalence_p_values(estimates, errors, margin)
    size = raw.shape[0]
    rows, columns = np.triu_indices(size, 1)
    p = np.full(raw.shape, np.nan)
    p[rows, columns] = holm(raw[rows, columns])
    p[columns, rows] = p[rows, columns]
    group = {i: frozenset([i]) for i in range(size)}
    for i, j in sorted(combinations(range(size), 2), key=lambda pair: (np.nan_to_num(p[pair], nan=2.0), pair)):
        if group[i] != group[j] and all(p[a, b] <= alpha for a, b in product(group[i], group[j])):
            joined = group[i] | group[j]
            group.update(dict.fromkeys(joined, joined))
    d = np.asarray(estimates, dtype=np.float64)
    merges = [_describe(tuple(sorted(g)), d, p) for g in set(group.values()) if len(g) > 1]
    return tuple(sorted(merges, key=lambda merge: (merge.p_value, merge.segments)))


def _describe(segments: tuple[int, ...], estimates: Floats, p_values: Floats) -> Merge:
    chosen = estimates[list(segments)]
    largest = max(float(p_values[pair]) for pair in combinations(segments, 2))
    return Merge(segments, float(chosen.max() - chosen.min()), largest)
