"""How often each item, and each pair of items, was bought: the only numbers that the rest of this room rests on."""

from typing import Literal

import numpy as np
from msgspec import Struct
from scipy.sparse import csr_array

from offerlab.affinity.baskets import UNKNOWN, Baskets, Ints, Table

Unit = Literal["basket", "customer"]


class Counts(Struct, frozen=True, eq=False):
    """Counts over `total` units of observation.

    Attributes:
        baskets: what was counted.
        unit: whether a basket or a customer counts once. A customer's unit is everything they ever bought, so that
            a pair bought a hundred times by one reseller counts once.
        total: number of units.
        singles: units that hold the item, one per item.
        pairs: items x items, units that hold both; symmetric, nothing on the diagonal.
    """

    baskets: Baskets
    unit: Unit
    total: int
    singles: Ints
    pairs: Table

    @property
    def items(self) -> tuple[str, ...]:
        """The skus by item number."""
        return self.baskets.items

    def together(self, a: Ints, b: Ints) -> Ints:
        """Units that hold both items of each pair of item numbers."""
        if not a.size:
            return np.zeros(0, dtype=np.int64)
        return np.asarray(self.pairs[a, b], dtype=np.int64)


def count(baskets: Baskets, *, unit: Unit = "basket") -> Counts:
    """Count items and pairs.

    Args:
        baskets: what to count.
        unit: `customer` merges the baskets of each known customer first.
    """
    table = baskets.table if unit == "basket" else by_customer(baskets)
    return Counts(baskets, unit, int(table.shape[0]), _singles(table), _pairs(table))


def by_customer(baskets: Baskets) -> Table:
    """Customers x items: everything a customer ever bought; baskets without a known customer stand for themselves."""
    known = baskets.customers != UNKNOWN
    numbers = np.where(known, baskets.customers, baskets.customers.max(initial=0) + 1 + np.arange(baskets.count))
    _, rows = np.unique(numbers, return_inverse=True)
    shape = (int(rows.max(initial=-1)) + 1, baskets.count)
    owner = csr_array((np.ones(baskets.count, dtype=np.int32), (rows, np.arange(baskets.count))), shape=shape)
    table = csr_array(owner @ baskets.table)
    table.data = np.ones_like(table.data)
    return table.astype(np.int32)


def _singles(table: Table) -> Ints:
    return np.bincount(table.indices, minlength=table.shape[1]).astype(np.int64)


def _pairs(table: Table) -> Table:
    together = csr_array(table.T @ table)
    together.data[together.indices == np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))] = 0
    together.eliminate_zeros()
    together.sort_indices()
    return together.astype(np.int32)
