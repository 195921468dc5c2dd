"""Which pairs go together more often than chance, with the false discovery rate held over all pairs of the catalogue.

A pair is a discovery only if it is surprising in both senses: items independent (Fisher's exact test) and baskets of
these very sizes (`chance`). The larger p-value counts. The family is every pair of counted items, also those never seen
together, whose p-value is 1: leaving them out would be choosing the tests after seeing the data.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.sparse import triu

from offerlab.affinity.association import Table2x2, fisher_above, poisson_above
from offerlab.affinity.chance import fit_chance
from offerlab.affinity.counting import Counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Assessed(Struct, frozen=True, eq=False):
    """One entry per pair with at least `fewest_together` units, left item before right, sorted by both.

    Attributes:
        counts: what was tested.
        left, right: item numbers, left < right.
        both: units that hold both.
        expected: units that would hold both by chance, given all basket sizes.
        p_fisher: one-sided, items independent.
        p_sized: one-sided, baskets of these sizes.
        p_value: the larger of the two.
        q_value: smallest false discovery rate at which the pair is a discovery (Benjamini, Hochberg 1995).
        family: number of pairs the rate is held over.
    """

    counts: Counts
    left: Ints
    right: Ints
    both: Ints
    expected: Floats
    p_fisher: Floats
    p_sized: Floats
    p_value: Floats
    q_value: Floats
    family: int

    def places_of(self, a: Ints, b: Ints) -> Ints:
        """Entry of each pair of item numbers; -1 where it has too few units to be tested."""
        width = len(self.counts.items)
        codes, wanted = self.left * width + self.right, np.minimum(a, b) * width + np.maximum(a, b)
        if not codes.size:
            return np.full(wanted.shape, -1, dtype=np.int64)
        places = np.minimum(np.searchsorted(codes, wanted), codes.size - 1)
        return np.where(codes[places] == wanted, places, -1)


def assess(counts: Counts, *, fewest_together: int = 2) -> Assessed:
    """Test every pair of items.

    Args:
        counts: what was bought together.
        fewest_together: pairs with fewer units get p-value 1 without being computed (which can only lose power).
    """
    left, right, both = _pairs(counts, fewest_together)
    table = Table2x2(both, counts.singles[left], counts.singles[right], counts.total)
    expected = fit_chance(counts).expected(left, right)
    p_fisher, p_sized = fisher_above(table), poisson_above(both, expected)
    p_value = np.maximum(p_fisher, p_sized)
    family = len(counts.items) * (len(counts.items) - 1) // 2
    q_value = false_discovery_rate(p_value, family)
    return Assessed(counts, left, right, both, expected, p_fisher, p_sized, p_value, q_value, family)


def false_discovery_rate(p_values: Floats, family: int) -> Floats:
    """Benjamini-Hochberg adjusted p-values of a family of which only these p-values are below 1."""
    order = np.argsort(p_values, kind="stable")
    raw = p_values[order] * family / np.arange(1, p_values.size + 1)
    adjusted = np.empty(p_values.size)
    adjusted[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return adjusted


def _pairs(counts: Counts, fewest_together: int) -> tuple[Ints, Ints, Ints]:
    """Left, right and units of each pair seen often enough, sorted by left, then right."""
    upper = triu(counts.pairs, k=1, format="csr")
    rows = np.repeat(np.arange(upper.shape[0]), np.diff(upper.indptr))
    often = upper.data >= fewest_together
    return rows[often], upper.indices[often].astype(np.int64), upper.data[often].astype(np.int64)
