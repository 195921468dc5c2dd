"""Score a strategy on baskets that it has not seen, before it goes live.

Two tasks: complete a basket of which one item was hidden, and foresee a customer's next basket. Baskets are split by
time, never at random: a strategy that saw tomorrow's baskets has an answer key. The offline score chooses what to try;
only the experiment tells what it is worth (a good match may be one that customers find by themselves).

Discounted gain as in Jarvelin, Kekalainen (2002) with gain 1 per hit and log2(place + 1).
"""

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.sparse import csr_array

from offerlab.affinity.baskets import UNKNOWN, Baskets, Ints, in_terms_of, take
from offerlab.affinity.counting import Counts
from offerlab.affinity.ranking import best_of, score_baskets
from offerlab.affinity.strategies import Strategy, scores_of
from offerlab.errors import InvalidInput

Floats = NDArray[np.float64]
Held = csr_array[np.float64, tuple[int, int]]


class Cases(Struct, frozen=True, eq=False):
    """Questions with known answers.

    Attributes:
        visible: cases x items, what the strategy is shown.
        hidden: cases x items, what it should find.
        customers: number of each case's customer, `UNKNOWN` where not known.
        repeats: whether shown items may be answers, too (next basket with repeat purchases).
    """

    visible: Held
    hidden: Held
    customers: Ints
    repeats: bool = False


class Figure(Struct, frozen=True):
    """A mean over cases with its bootstrap interval by customer."""

    estimate: float
    lower: float
    upper: float


class Score(Struct, frozen=True):
    """How well a strategy answered.

    Attributes:
        cases: number of questions.
        top: answers looked at per question.
        hit_rate: share of questions with a right answer among the first `top`.
        ndcg: mean discounted gain of the first `top` over the best possible.
        mrr: mean of 1 / place of the first right answer, at any place.
        coverage: share of the items that were given as an answer at least once.
        novelty: mean of -log2(share of baskets with the answer) over all answers.
    """

    cases: int
    top: int
    hit_rate: Figure
    ndcg: Figure
    mrr: Figure
    coverage: float
    novelty: float


def hide_one(test: Baskets, items: tuple[str, ...], rng: Generator, *, smallest: int = 2, largest: int = 50) -> Cases:
    """One hidden item per basket; baskets in the order of their names, items in the order of their skus.

    Args:
        test: baskets after the split.
        items: the items that the strategy knows; others do not count.
        rng: draws the place of the hidden item, once per case.
        smallest: known items that a basket must hold to be a case.
        largest: likewise, at most.
    """
    known = in_terms_of(test, items)
    chosen = take(known, (known.sizes >= smallest) & (known.sizes <= largest))
    table, sizes = chosen.table, chosen.sizes
    table.sort_indices()
    places = table.indptr[:-1] + rng.integers(0, sizes)
    is_hidden = np.zeros(table.nnz, dtype=bool)
    is_hidden[places] = True
    rows = np.repeat(np.arange(chosen.count), sizes)
    return Cases(
        _flags(rows[~is_hidden], table.indices[~is_hidden], table.shape),
        _flags(rows[is_hidden], table.indices[is_hidden], table.shape),
        chosen.customers,
    )


def next_baskets(train: Baskets, test: Baskets, *, repeats: bool) -> Cases:
    """Each known customer's first basket after the split, asked from their last one before it.

    Args:
        train: baskets before the split.
        test: baskets after it, customers numbered alike.
        repeats: whether buying the same item again counts; else only what is new in the basket is asked for.
    """
    after = in_terms_of(test, train.items)
    last = _one_each(train, latest=True)
    first = _one_each(after, latest=False)
    both = sorted(last.keys() & first.keys())
    visible = train.table[[last[c] for c in both]].astype(np.float64)
    hidden = after.table[[first[c] for c in both]].astype(np.float64)
    if not repeats:
        hidden = hidden - hidden.multiply(visible)
        hidden.eliminate_zeros()
    asked = np.diff(hidden.tocsr().indptr) > 0
    rows = np.flatnonzero(asked)
    return Cases(visible[rows], csr_array(hidden)[rows], np.array(both, dtype=np.int64)[rows], repeats)


def evaluate(counts: Counts, strategy: Strategy, cases: Cases, rng: Generator, *, top: int = 10) -> Score:
    """Answer the cases and score the answers.

    Args:
        counts: from baskets before the split.
        strategy: what answers.
        cases: questions from after the split, in terms of the counted items.
        rng: resamples customers for the intervals.
        top: answers looked at.

    Raises:
        InvalidInput: there is no case.
    """
    if not cases.visible.shape[0]:
        raise InvalidInput("there is no case to answer: no basket after the split fits", field="cases")
    scores = score_baskets(scores_of(counts, strategy), cases.visible)
    if not cases.repeats:
        scores[cases.visible.nonzero()] = -np.inf
    answers, _ = best_of(scores, min(top, scores.shape[1]))
    right = cases.hidden.toarray()[np.arange(len(scores))[:, None], answers] > 0
    discount = 1 / np.log2(np.arange(2, right.shape[1] + 2))
    possible = np.cumsum(discount)[np.minimum(np.diff(cases.hidden.indptr), right.shape[1]) - 1]
    values = np.stack(
        [
            right.any(axis=1).astype(np.float64),
            (right * discount).sum(axis=1) / possible,
            1 / _first_place(scores, cases),
        ]
    )
    hit_rate, ndcg, mrr = _figures(values, cases.customers, rng)
    given = np.unique(answers)
    popularity = counts.singles[answers] / counts.total
    return Score(
        cases=len(scores),
        top=top,
        hit_rate=hit_rate,
        ndcg=ndcg,
        mrr=mrr,
        coverage=len(given) / len(counts.items),
        novelty=float(-np.log2(popularity).mean()),
    )


def compare(
    counts: Counts, strategies: Mapping[str, Strategy], cases: Cases, rng: Generator, *, top: int = 10
) -> dict[str, Score]:
    """The table to look at before a strategy goes live: the same cases for all, best discounted gain first."""
    table = {name: evaluate(counts, strategy, cases, rng, top=top) for name, strategy in strategies.items()}
    return dict(sorted(table.items(), key=lambda row: -row[1].ndcg.estimate))


def _first_place(scores: Floats, cases: Cases) -> Floats:
    """Place of the best-placed hidden item; equal scores by item number."""
    rows, columns = cases.hidden.nonzero()
    values = scores[rows, columns]
    places = np.empty(len(rows))
    for i, (row, column, value) in enumerate(zip(rows, columns, values, strict=True)):
        line = scores[row]
        places[i] = 1 + np.count_nonzero(line > value) + np.count_nonzero(line[: int(column)] == value)
    first = np.full(len(scores), float(scores.shape[1]))
    np.minimum.at(first, rows, places)
    return first


def _figures(values: Floats, customers: Ints, rng: Generator, *, draws: int = 1000) -> tuple[Figure, Figure, Figure]:
    """Means with 95 % percentile intervals; whole customers are drawn, cases without one stand alone."""
    alone = customers.max(initial=0) + 1 + np.arange(len(customers))
    _, cluster = np.unique(np.where(customers == UNKNOWN, alone, customers), return_inverse=True)
    size = np.bincount(cluster)
    sums = np.stack([np.bincount(cluster, row) for row in values])
    shares = np.full(len(size), 1 / len(size))
    drawn = rng.multinomial(len(size), shares, size=draws).astype(np.float64)
    means = (drawn @ sums.T) / (drawn @ size)[:, None]
    lower, upper = np.quantile(means, [0.025, 0.975], axis=0)
    figures = [Figure(float(v.mean()), float(lo), float(up)) for v, lo, up in zip(values, lower, upper, strict=True)]
    return figures[0], figures[1], figures[2]


def _one_each(baskets: Baskets, *, latest: bool) -> dict[int, int]:
    """Row of each known customer's latest (or earliest) basket; of one day's baskets the last (first) by name."""
    order = np.argsort(baskets.days, kind="stable")
    rows = order if latest else order[::-1]
    return {int(baskets.customers[row]): int(row) for row in rows if baskets.customers[row] != UNKNOWN}


def _flags(rows: NDArray[np.integer], columns: NDArray[np.integer], shape: tuple[int, int]) -> Held:
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
