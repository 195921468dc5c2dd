"""Who bought what together: purchase lines -> a sparse table of baskets and items.

Counting is per basket and distinct item, never per line. What is no product (postage, fees, gift cards), what was taken
back and whose baskets are stock orders of a reseller is decided here, by `BasketRules`, once for all that follows.

Rejected: guessing fees from names or prices. A shop's own list, or its own test of a sku, is right every time.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from offerlab.affinity.purchase import Purchase
from offerlab.errors import InvalidInput

Ints = NDArray[np.int64]
Table = csr_array[np.int32, tuple[int, int]]

UNKNOWN: Final = -1
"""Customer number of a basket whose customer is not known."""


def every_sku(_: str) -> bool:
    """Take every sku for a product."""
    return True


class BasketRules(Struct, frozen=True, kw_only=True):
    """What counts as a basket and as an item of it.

    Attributes:
        is_product: whether a sku is something to offer; false for postage, fees, gift cards.
        excluded: further skus to leave out.
        largest: distinct products above which a basket is a wholesale order and left out; None keeps all.
        fewest_baskets: baskets that a product needs in order to be counted at all.
        since, until: days, half-open; None is open.
    """

    is_product: Callable[[str], bool] = every_sku
    excluded: frozenset[str] = frozenset()
    largest: int | None = None
    fewest_baskets: int = 1
    since: int | None = None
    until: int | None = None


class Baskets(Struct, frozen=True, eq=False):
    """Baskets in the order of their names, items in the order of their skus.

    Attributes:
        items: the skus, sorted; column numbers everywhere in this room.
        table: baskets x items, 1 where the basket holds the item; no empty row.
        customers: number of each basket's customer, `UNKNOWN` where not known.
        days: proleptic ordinal of each basket's day.
    """

    items: tuple[str, ...]
    table: Table
    customers: Ints
    days: Ints

    @property
    def count(self) -> int:
        """Number of baskets."""
        return int(self.table.shape[0])

    @property
    def sizes(self) -> Ints:
        """Distinct items of each basket."""
        return np.diff(self.table.indptr).astype(np.int64)


def collect(purchases: Iterable[Purchase], rules: BasketRules | None = None) -> Baskets:
    """Baskets from order lines, in any order.

    Args:
        purchases: lines; the customer and day of a basket are those of its first line.
        rules: what counts; None counts everything.
    """
    lines = list(purchases)
    names = {name: i for i, name in enumerate(sorted({line.basket for line in lines}))}
    items = {sku: i for i, sku in enumerate(sorted({line.sku for line in lines}))}
    people = {who: i for i, who in enumerate(sorted({line.customer for line in lines if line.customer is not None}))}
    customers = np.full(len(names), UNKNOWN, dtype=np.int64)
    days = np.zeros(len(names), dtype=np.int64)
    for line in reversed(lines):
        row = names[line.basket]
        customers[row] = UNKNOWN if line.customer is None else people[line.customer]
        days[row] = line.day
    return from_columns(
        np.fromiter((names[line.basket] for line in lines), np.int64, len(lines)),
        np.fromiter((items[line.sku] for line in lines), np.int64, len(lines)),
        np.fromiter((line.quantity for line in lines), np.int64, len(lines)),
        items=tuple(items),
        customers=customers,
        days=days,
        rules=rules,
    )


def from_columns(
    basket: ArrayLike,
    item: ArrayLike,
    quantity: ArrayLike | None = None,
    *,
    items: tuple[str, ...],
    customers: Ints | None = None,
    days: Ints | None = None,
    rules: BasketRules | None = None,
) -> Baskets:
    """Baskets from columns of numbers, for millions of lines.

    Args:
        basket: number of the basket, one per line.
        item: number of the item, one per line.
        quantity: pieces per line, negative where taken back; None is one each.
        items: the skus by item number, sorted.
        customers: one per basket number; None where not known.
        days: likewise.
        rules: what counts; None counts everything.

    Raises:
        InvalidInput: skus out of order or twice; numbers outside their range.
    """
    if any(a >= b for a, b in pairwise(items)):
        raise InvalidInput("skus must be sorted and distinct", field="items")
    rows, columns = np.asarray(basket, dtype=np.int64), np.asarray(item, dtype=np.int64)
    if rows.size and (rows.min() < 0 or columns.min() < 0 or columns.max() >= len(items)):
        raise InvalidInput("a basket or item number is outside its range", field="item")
    height = max(int(rows.max()) + 1 if rows.size else 0, 0 if customers is None else len(customers))
    pieces = np.ones(rows.size, dtype=np.int64) if quantity is None else np.asarray(quantity, dtype=np.int64)
    net = csr_array((pieces, (rows, columns)), shape=(height, len(items)))
    net.sum_duplicates()
    net.data = (net.data > 0).astype(np.int64)
    net.eliminate_zeros()
    whole = Baskets(
        items,
        net.astype(np.int32),
        np.full(height, UNKNOWN, dtype=np.int64) if customers is None else customers,
        np.zeros(height, dtype=np.int64) if days is None else days,
    )
    return _apply(whole, rules or BasketRules())


def _apply(baskets: Baskets, rules: BasketRules) -> Baskets:
    is_product = np.array([s not in rules.excluded and rules.is_product(s) for s in baskets.items], dtype=bool)
    goods = keep_items(between(baskets, rules.since, rules.until), is_product)
    if rules.largest is not None:
        goods = take(goods, goods.sizes <= rules.largest)
    return keep_items(goods, np.asarray(goods.table.sum(axis=0)).ravel() >= rules.fewest_baskets)


def keep_items(baskets: Baskets, chosen: NDArray[np.bool_]) -> Baskets:
    """Only the chosen items (one flag each), and the baskets that still hold one."""
    items = tuple(sku for sku, keep in zip(baskets.items, chosen, strict=True) if keep)
    left = Baskets(items, baskets.table[:, np.flatnonzero(chosen)], baskets.customers, baskets.days)
    return take(left, left.sizes > 0)


def take(baskets: Baskets, chosen: NDArray[np.bool_]) -> Baskets:
    """Only the chosen baskets (one flag each)."""
    rows = np.flatnonzero(chosen)
    return Baskets(baskets.items, baskets.table[rows], baskets.customers[rows], baskets.days[rows])


def between(baskets: Baskets, since: int | None, until: int | None) -> Baskets:
    """The baskets of the days `[since, until)`; None is open."""
    chosen = np.ones(baskets.count, dtype=bool)
    if since is not None:
        chosen &= baskets.days >= since
    if until is not None:
        chosen &= baskets.days < until
    return take(baskets, chosen)


def in_terms_of(baskets: Baskets, items: tuple[str, ...]) -> Baskets:
    """The same baskets with the columns `items` (sorted); other items are dropped, and with them empty baskets."""
    known = {sku: i for i, sku in enumerate(items)}
    target = np.array([known.get(sku, -1) for sku in baskets.items], dtype=np.int64)
    entries = baskets.table.tocoo()
    rows, columns = entries.coords
    kept = target[columns] >= 0 if columns.size else np.zeros(0, dtype=bool)
    shape = (baskets.count, len(items))
    table = csr_array((entries.data[kept], (rows[kept], target[columns[kept]])), shape=shape).astype(np.int32)
    renamed = Baskets(items, table, baskets.customers, baskets.days)
    return take(renamed, renamed.sizes > 0)
