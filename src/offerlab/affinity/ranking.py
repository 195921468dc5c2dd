"""`rank(counts, strategy)`: for every item, what goes best with it; and what goes best with a whole basket."""

from bisect import bisect_left
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.sparse import csr_array

from offerlab.affinity.counting import Counts
from offerlab.affinity.strategies import BEST, Scores, Strategy, scores_of
from offerlab.errors import NotFound

Floats = NDArray[np.float64]
Flags = csr_array[np.bool_, tuple[int, int]]

BLOCK: Final = 512
NOBODY: Final = -1
"""Target number where an item has fewer matches than were asked for."""


class Match(Struct, frozen=True):
    """`sku` goes with the item asked about, at place `place` (1 is best)."""

    sku: str
    score: float
    place: int


class Ranking(Struct, frozen=True, eq=False):
    """The best targets of every item.

    Attributes:
        items: the skus by item number.
        targets: items x top, item numbers, best first; `NOBODY` where there are no more.
        scores: items x top, falling; minus infinity where there is no target.
        strategy: what ranked them.
    """

    items: tuple[str, ...]
    targets: NDArray[np.int64]
    scores: Floats
    strategy: Strategy

    def of(self, sku: str) -> tuple[Match, ...]:
        """The matches of one item, best first.

        Raises:
            NotFound: the item was not counted.
        """
        row = _number(self.items, sku)
        pairs = zip(self.targets[row], self.scores[row], strict=True)
        known = [(int(target), float(score)) for target, score in pairs if target != NOBODY]
        return tuple(Match(self.items[target], score, place) for place, (target, score) in enumerate(known, 1))


def rank(
    counts: Counts,
    strategy: Strategy = BEST,
    *,
    top: int = 10,
    allowed: Flags | None = None,
    weights: Floats | None = None,
) -> Ranking:
    """Rank the targets of every item.

    Args:
        counts: what was bought together.
        strategy: how to score; the default won offline.
        top: targets to keep per item; a target scored zero or less is none.
        allowed: items x items, which pairs may be matched at all (see `evidence.discovered`); None: all.
        weights: factor per target, >= 0, for instance from reviews; 0 keeps a target out.
    """
    return rank_scores(counts, strategy, scores_of(counts, strategy), top=top, allowed=allowed, weights=weights)


def rank_scores(
    counts: Counts,
    strategy: Strategy,
    scored: Scores,
    *,
    top: int = 10,
    allowed: Flags | None = None,
    weights: Floats | None = None,
) -> Ranking:
    """As `rank`, with scores that were computed before."""
    size = len(counts.items)
    targets = np.full((size, min(top, size)), NOBODY, dtype=np.int64)
    values = np.full(targets.shape, -np.inf)
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        block = scored.rows(start, stop) * (1.0 if weights is None else weights)
        block[np.arange(stop - start), np.arange(start, stop)] = 0.0
        if allowed is not None:
            block[~allowed[start:stop].toarray()] = 0.0
        targets[start:stop], values[start:stop] = best_of(block, targets.shape[1])
    nothing = values <= 0
    targets[nothing], values[nothing] = NOBODY, -np.inf
    return Ranking(counts.items, targets, values, strategy)


def best_of(scores: Floats, top: int) -> tuple[NDArray[np.int64], Floats]:
    """Columns and values of the `top` best per row, best first; equal scores by column number."""
    width = scores.shape[1]
    if top < width:
        edge = np.partition(scores, width - top, axis=1)[:, width - top, None]
        surely = scores > edge
        room = top - surely.sum(axis=1, keepdims=True)
        at_edge = scores == edge
        chosen = surely | (at_edge & (np.cumsum(at_edge, axis=1) <= room))
        columns = np.nonzero(chosen)[1].reshape(len(scores), top)
    else:
        columns = np.repeat(np.arange(width)[None, :], len(scores), axis=0)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(values, order, axis=1)


def score_baskets(scored: Scores, held: csr_array[np.float64, tuple[int, int]]) -> Floats:
    """Scores of all items for whole baskets: the sum over the items that each basket holds (baskets x items)."""
    total = np.zeros(held.shape)
    for start in range(0, held.shape[1], BLOCK):
        stop = min(start + BLOCK, held.shape[1])
        total += np.asarray(held[:, start:stop] @ scored.rows(start, stop))
    return total


def _number(items: tuple[str, ...], sku: str) -> int:
    row = bisect_left(items, sku)
    if row == len(items) or items[row] != sku:
        raise NotFound(f"no basket counted holds {sku!r}", field="sku")
    return row
