"""Frequent itemsets and the rules in them, for bundles and for analysts who know them from elsewhere.

Depth-first over items by rising count, each itemset as a bit per basket (Eclat: Zaki 2000): one vectorised AND per
node gives the counts of all its extensions. Every frequent itemset is found, none is approximated.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.affinity.baskets import Baskets
from offerlab.errors import InvalidInput

Bits = NDArray[np.uint8]

_SLACK: Final = 1e-9
"""Thresholds are shares: 0.1 * 30 must not refuse 3 baskets because of rounding."""


class Itemset(Struct, frozen=True):
    """Items bought together: `items` sorted, in `baskets` baskets, a share `support` of all."""

    items: tuple[str, ...]
    baskets: int
    support: float


class Rule(Struct, frozen=True):
    """Who has `given` also has `then`.

    Attributes:
        baskets: baskets with all of them.
        support: their share of all baskets.
        confidence: their share of the baskets with `given`.
        lift: confidence over the share of `then` in all baskets.
    """

    given: tuple[str, ...]
    then: str
    baskets: int
    support: float
    confidence: float
    lift: float


def frequent_itemsets(
    baskets: Baskets, *, support: float, largest: int | None = None, most: int | None = None
) -> tuple[Itemset, ...]:
    """All itemsets in at least this share of the baskets, smaller first, then by items.

    Args:
        baskets: what was bought.
        support: in (0, 1]; the time needed grows steeply as it falls.
        largest: items of the largest itemset wanted; None: of any size.
        most: of more than so many nothing is told, and no time is spent on them.

    Raises:
        InvalidInput: support outside (0, 1], or more than `most` itemsets have it.
    """
    if not 0 < support <= 1:
        raise InvalidInput(f"a support of {support} is no share above zero", field="support")
    fewest = support * baskets.count - _SLACK
    columns = baskets.table.T.tocsr()
    counts = np.diff(columns.indptr)
    chosen = [int(i) for i in np.argsort(counts, kind="stable") if counts[i] >= fewest]
    bits = np.zeros((len(chosen), (baskets.count + 7) // 8), dtype=np.uint8)
    for row, item in enumerate(chosen):
        flags = np.zeros(baskets.count, dtype=np.bool_)
        flags[columns.indices[columns.indptr[item] : columns.indptr[item + 1]]] = True
        bits[row] = np.packbits(flags)
    found = (
        Itemset(tuple(sorted(baskets.items[i] for i in items)), n, n / baskets.count)
        for items, n in islice(
            _extend((), np.array(chosen, dtype=np.int64), bits, counts[chosen], (fewest, largest or len(chosen))),
            None if most is None else most + 1,
        )
    )
    told = list(found)
    if most is not None and len(told) > most:
        raise InvalidInput(f"more than {most} itemsets have a support of {support}", field="support")
    return tuple(sorted(told, key=lambda itemset: (len(itemset.items), itemset.items)))


def _extend(
    prefix: tuple[int, ...],
    items: NDArray[np.int64],
    bits: Bits,
    counts: NDArray[np.int64],
    wanted: tuple[float, int],
) -> Iterator[tuple[tuple[int, ...], int]]:
    """All frequent itemsets that begin with `prefix`; `bits` and `counts` belong to the prefix plus each item.

    `wanted` are the fewest baskets and the most items of an itemset.
    """
    fewest, largest = wanted
    for place in range(len(items)):
        itemset = (*prefix, int(items[place]))
        yield itemset, int(counts[place])
        if len(itemset) == largest:
            continue
        common = bits[place + 1 :] & bits[place]
        together = np.bitwise_count(common).sum(axis=1, dtype=np.int64)
        often = together >= fewest
        if often.any():
            yield from _extend(itemset, items[place + 1 :][often], common[often], together[often], wanted)


def rules(itemsets: tuple[Itemset, ...], *, confidence: float) -> tuple[Rule, ...]:
    """All rules with one item as consequence and at least one as condition, surest first.

    Args:
        itemsets: frequent itemsets with all their parts, as `frequent_itemsets` gives them.
        confidence: smallest, in [0, 1], compared with a slack of 1e-9.
    """
    known = {itemset.items: itemset for itemset in itemsets}
    found = [
        _rule(itemset, known[itemset.items[:i] + itemset.items[i + 1 :]], known[itemset.items[i],])
        for itemset in itemsets
        for i in range(len(itemset.items))
        if len(itemset.items) > 1
    ]
    sure = (rule for rule in found if rule.confidence >= confidence - _SLACK)
    return tuple(sorted(sure, key=lambda rule: (-rule.confidence, -rule.baskets, rule.given, rule.then)))


def _rule(whole: Itemset, given: Itemset, then: Itemset) -> Rule:
    share = whole.baskets / given.baskets
    return Rule(given.items, then.items[0], whole.baskets, whole.support, share, share / then.support)
