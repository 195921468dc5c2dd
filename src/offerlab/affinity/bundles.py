"""Bundles worth trying: sets of items bought together more often than their parts explain.

A popular pair plus any popular third item is a frequent itemset, but no bundle. The test is the weakest split: however
the set is cut in two, the parts must go together more often than independence would have it.
"""

from collections.abc import Mapping
from itertools import combinations
from math import prod

from msgspec import Struct

from offerlab.affinity.itemsets import Itemset


class Bundle(Struct, frozen=True):
    """A candidate for a bundle offer.

    Attributes:
        items: the skus, sorted.
        baskets, support: how many baskets hold all of them, and their share.
        synergy: lift over the weakest split in two parts; above 1.
        appeal: geometric mean of the items' review factors; 1 without reviews.
        score: `baskets` x (1 - 1 / synergy) x `appeal`: the baskets that chance does not explain, weighed by what
            customers liked.
    """

    items: tuple[str, ...]
    baskets: int
    support: float
    synergy: float
    appeal: float
    score: float


def bundles(
    itemsets: tuple[Itemset, ...],
    *,
    appeal: Mapping[str, float] | None = None,
    smallest: int = 2,
    largest: int = 4,
    synergy: float = 1.0,
) -> tuple[Bundle, ...]:
    """Bundle candidates, best first; equal scores by items.

    Args:
        itemsets: frequent itemsets with all their parts.
        appeal: factor per sku from reviews, for instance `ratings.weights`; 0 keeps an item out; absent is 1.
        smallest: items of the smallest bundle wanted.
        largest: items of the largest.
        synergy: the weakest split's lift must be above this.
    """
    known = {itemset.items: itemset.support for itemset in itemsets}
    factors = appeal or {}
    found: list[Bundle] = []
    for itemset in itemsets:
        size = len(itemset.items)
        if not max(2, smallest) <= size <= largest:
            continue
        together = _weakest_split(itemset, known)
        liked = prod(factors.get(sku, 1.0) for sku in itemset.items) ** (1 / size)
        if together > synergy and liked > 0:
            score = itemset.baskets * (1 - 1 / together) * liked
            found.append(Bundle(itemset.items, itemset.baskets, itemset.support, together, liked, score))
    return tuple(sorted(found, key=lambda bundle: (-bundle.score, bundle.items)))


def _weakest_split(itemset: Itemset, known: Mapping[tuple[str, ...], float]) -> float:
    """Smallest support(all) / (support(part) support(rest)) over all splits in two parts."""
    items = itemset.items
    splits = (part for size in range(1, len(items)) for part in combinations(items, size) if items[0] in part)
    return min(
        itemset.support / (known[part] * known[tuple(sku for sku in items if sku not in part)]) for part in splits
    )
