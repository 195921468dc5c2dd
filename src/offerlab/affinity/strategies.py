"""How strongly item i calls for item j: the strategies, all behind one interface.

A strategy is a small frozen struct (it can be stored and sent); `scores_of` makes it answer. Scores are compared
within one strategy only. `BEST` is the default: what won on baskets of the past, see `docs/affinity.md`.

The classical ratios are those of Agrawal, Imielinski, Swami (1993) and Brin, Motwani, Ullman, Tsur (1997), the
neighbourhood model is Sarwar, Karypis, Konstan, Riedl (2001), the linear model Steck (2019).
"""

from typing import Final, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.affinity import ease
from offerlab.affinity.association import Table2x2, confidence, cosine, jaccard, lift
from offerlab.affinity.counting import Counts
from offerlab.affinity.ease import Ease

Floats = NDArray[np.float64]


class Popularity(Struct, frozen=True, tag="popularity"):
    """What sells most, whatever was bought: n_b."""


class Count(Struct, frozen=True, tag="count"):
    """Units that hold both: n_ab."""


class Confidence(Struct, frozen=True, tag="confidence"):
    """Share of a's buyers who take b: n_ab / n_a."""


class Lift(Struct, frozen=True, kw_only=True, tag="lift"):
    """n_ab N / (n_a n_b), where at least `fewest_together` units hold both; rare pairs would win otherwise."""

    fewest_together: int = 10


class Cosine(Struct, frozen=True, tag="cosine"):
    """n_ab / sqrt(n_a n_b)."""


class Jaccard(Struct, frozen=True, tag="jaccard"):
    """n_ab / (n_a + n_b - n_ab)."""


class ItemKnn(Struct, frozen=True, kw_only=True, tag="item_knn"):
    """Cosine, shrunk by rarity and kept for each target's nearest neighbours only.

    Attributes:
        neighbours: sources kept per target.
        shrinkage: added to sqrt(n_a n_b).
    """

    neighbours: int = 20
    shrinkage: float = 10.0


Strategy = Popularity | Count | Confidence | Lift | Cosine | Jaccard | ItemKnn | Ease

BEST: Final = Ease(
    ridge=45.0,
    dropout=0.1,
    size_exponent=0.5,
    half_life_days=208.0,
    customer_weight=0.4,
    customer_size_exponent=0.5,
    target_exponent=0.88,
    source_exponent=0.1,
)
"""The default: EASE with weighted baskets."""


class Scores(Protocol):
    """Scores of all targets for some source items; kept in blocks because the whole may not fit in memory twice."""

    def rows(self, start: int, stop: int) -> Floats:
        """(stop - start) x items; larger is better, the diagonal means nothing."""
        ...


def scores_of(counts: Counts, strategy: Strategy = BEST) -> Scores:
    """The strategy's scores on these counts."""
    if isinstance(strategy, Ease):
        return _Linear(ease.fit(counts.baskets, strategy), strategy)
    if isinstance(strategy, ItemKnn):
        return _Neighbours(counts, strategy, _weakest_neighbours(counts, strategy))
    return _Ratios(counts, strategy)


class _Linear(Struct, frozen=True, eq=False):
    inverse: Floats
    model: Ease

    def rows(self, start: int, stop: int) -> Floats:
        """See `Scores`."""
        return ease.scores(self.inverse, self.model, start, stop)


class _Ratios(Struct, frozen=True, eq=False):
    counts: Counts
    strategy: Popularity | Count | Confidence | Lift | Cosine | Jaccard

    def rows(self, start: int, stop: int) -> Floats:
        """See `Scores`."""
        singles = self.counts.singles
        if isinstance(self.strategy, Popularity):
            return np.repeat(singles[None, :].astype(np.float64), stop - start, axis=0)
        both = self.counts.pairs[start:stop].toarray().astype(np.int64)
        table = Table2x2(both, singles[start:stop, None], singles, self.counts.total)
        match self.strategy:
            case Count():
                return both.astype(np.float64)
            case Confidence():
                return confidence(table)
            case Lift(fewest_together=fewest):
                return np.where(both >= fewest, lift(table), 0.0)
            case Cosine():
                return cosine(table)
            case Jaccard():
                return jaccard(table)


class _Neighbours(Struct, frozen=True, eq=False):
    counts: Counts
    strategy: ItemKnn
    weakest: Floats

    def rows(self, start: int, stop: int) -> Floats:
        """See `Scores`."""
        similarity = _shrunk_cosine(self.counts, self.strategy, start, stop)
        return np.where(similarity >= self.weakest, similarity, 0.0)


def _shrunk_cosine(counts: Counts, strategy: ItemKnn, start: int, stop: int) -> Floats:
    singles = counts.singles.astype(np.float64)
    both = counts.pairs[start:stop].toarray().astype(np.float64)
    shrunk: Floats = both / (np.sqrt(singles[start:stop, None] * singles) + strategy.shrinkage)
    return shrunk


def _weakest_neighbours(counts: Counts, strategy: ItemKnn) -> Floats:
    """Similarity of each item's last neighbour that still counts (similarity is symmetric)."""
    size, block = len(counts.items), 1024
    weakest = np.zeros(size)
    if strategy.neighbours >= size:
        return weakest
    for start in range(0, size, block):
        rows = _shrunk_cosine(counts, strategy, start, min(start + block, size))
        weakest[start : start + len(rows)] = np.partition(rows, -strategy.neighbours, axis=1)[:, -strategy.neighbours]
    return weakest
