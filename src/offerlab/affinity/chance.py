"""How often two items would meet by chance, given how much every basket holds.

Under plain independence every basket is alike. Real baskets are not: one with 100 lines holds almost any pair, so that
plain independence calls nearly every pair of a shop with mixed basket sizes a discovery, even after all items were
shuffled between the baskets. Here the chance that basket k of size s holds item a is

    x_a y_s / (1 + x_a y_s)

with x and y such that every item keeps its number of baskets and every basket its size: of all models that keep both,
the one that assumes nothing else (Rasch 1960; the maximum-entropy bipartite configuration model).
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.affinity.counting import Counts, by_customer

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS: Final = 200
_CLOSE: Final = 1e-9
_BLOCK: Final = 1024


class Chance(Struct, frozen=True, eq=False):
    """The fitted model.

    Attributes:
        holds: items x distinct sizes, the probability that a unit of that size holds the item.
        units: number of units of each size.
    """

    holds: Floats
    units: Ints

    def expected(self, left: Ints, right: Ints) -> Floats:
        """Expected number of units that hold both items, one entry per pair; left item numbers must not fall."""
        result = np.empty(left.size)
        weighted = self.holds * self.units
        for start in range(0, self.holds.shape[0], _BLOCK):
            lo, hi = np.searchsorted(left, [start, start + _BLOCK])
            if lo < hi:
                block = weighted[start : start + _BLOCK] @ self.holds.T
                result[lo:hi] = block[left[lo:hi] - start, right[lo:hi]]
        return result


def fit_chance(counts: Counts) -> Chance:
    """Fit x and y by turns until every item's expected count is its own to one part in 10^9."""
    table = counts.baskets.table if counts.unit == "basket" else by_customer(counts.baskets)
    sizes, units = np.unique(np.diff(table.indptr), return_counts=True)
    lines = float(sizes @ units)
    item = counts.singles / np.sqrt(max(lines, 1.0))
    unit = sizes / np.sqrt(max(lines, 1.0))
    for _ in range(_ROUNDS):
        share = 1 / (1 + np.outer(item, unit))
        unit = np.minimum(sizes / np.maximum(item @ share, 1e-300), 1e12)
        share = 1 / (1 + np.outer(item, unit))
        before, item = item, counts.singles / np.maximum(share @ (unit * units), 1e-300)
        if np.allclose(before, item, rtol=_CLOSE, atol=0.0):
            break
    odds = np.outer(item, unit)
    return Chance(odds / (1 + odds), units.astype(np.int64))
