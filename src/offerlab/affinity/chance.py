"""How often two items would meet by chance, given how much every basket holds.

Under plain independence every basket is alike. Real baskets are not: one with 100 lines holds almost any pair, so that
plain independence calls nearly every pair of a shop with mixed basket sizes a discovery, even after all items were
shuffled between the baskets. Here the chance that basket k of size s holds item a is

    x_a y_s / (1 + x_a y_s)

with x and y such that every item keeps its number of baskets and every basket its size: of all models that keep both,
the one that assumes nothing else (Rasch 1960; the maximum-entropy bipartite configuration model).

Two items compete for the places of a basket: in one of size two, the second item has one place left, not two. With p_a,
p_b the chances above and d = sum of p (1 - p) over all items, a basket of that size holds both with probability

    p_a p_b (1 - (1 - p_a)(1 - p_b) / d)                          Hajek (1964), Ann. Math. Stat. 35, 1491-1523.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.affinity.counting import Counts, by_customer

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS: Final = 1000
_CLOSE: Final = 1e-8
_TINY: Final = 1e-300
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
        spread = self.holds * (1 - self.holds)
        free = spread.sum(axis=0)
        competing = self.units / np.where(free > 0, free, np.inf)
        for start in range(0, self.holds.shape[0], _BLOCK):
            lo, hi = np.searchsorted(left, [start, start + _BLOCK])
            if lo < hi:
                rows = slice(start, start + _BLOCK)
                block = (self.holds[rows] * self.units) @ self.holds.T - (spread[rows] * competing) @ spread.T
                result[lo:hi] = block[left[lo:hi] - start, right[lo:hi]]
        return np.maximum(result, 0.0)


def fit_chance(counts: Counts) -> Chance:
    """Fit x and y by turns until they stand still to one part in 10^8; a unit that holds everything is certain."""
    table = counts.baskets.table if counts.unit == "basket" else by_customer(counts.baskets)
    sizes, units = np.unique(np.diff(table.indptr), return_counts=True)
    partial = sizes < table.shape[1]
    singles = counts.singles - units[~partial].sum()
    holds = np.ones((table.shape[1], sizes.size))
    holds[:, partial] = _fit(singles.astype(np.float64), sizes[partial].astype(np.float64), units[partial])
    return Chance(holds, units.astype(np.int64))


def _fit(singles: Floats, sizes: Floats, units: Ints) -> Floats:
    """Items x sizes, the probabilities whose sums are the items' counts and the sizes."""
    root = max(float(sizes @ units), 1.0) ** 0.5
    item, unit = singles / root, sizes / root
    for _ in range(_ROUNDS):
        share = 1 / (1 + np.outer(item, unit))
        unit = sizes / np.maximum(item @ share, _TINY)
        share = 1 / (1 + np.outer(item, unit))
        before, item = item, singles / np.maximum(share @ (unit * units), _TINY)
        if np.allclose(before, item, rtol=_CLOSE, atol=0.0):
            break
    odds = np.outer(item, unit)
    holds: Floats = odds / (1 + odds)
    return holds
