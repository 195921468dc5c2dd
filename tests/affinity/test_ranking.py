"""Strategies and rankings, against plain algebra."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from offerlab import affinity
from offerlab.affinity.counting import Counts, count
from offerlab.affinity.ease import Ease
from offerlab.affinity.ranking import NOBODY, best_of, rank
from offerlab.affinity.strategies import (
    BEST,
    Confidence,
    Cosine,
    Count,
    ItemKnn,
    Jaccard,
    Lift,
    Popularity,
    Strategy,
    scores_of,
)
from offerlab.errors import InvalidInput, NotFound

from .shops import baskets_of, random_baskets, seeded

CLASSICAL = (Popularity(), Count(), Confidence(), Lift(fewest_together=2), Cosine(), Jaccard())
EVERY: tuple[Strategy, ...] = (*CLASSICAL, ItemKnn(neighbours=3), Ease(), BEST)


@pytest.fixture(scope="module")
def counts() -> Counts:
    """A random shop of 300 baskets and 12 items."""
    return count(random_baskets(seeded(), baskets=300, items=12, mean_size=3))


def test_ease_solves_its_regressions(counts: Counts) -> None:
    """Column j of the plain model is the ridge regression of item j on all others (judge: numpy's solver)."""
    held = counts.baskets.table.toarray().astype(float)
    scores = scores_of(counts, Ease(ridge=7.0)).rows(0, 12)
    for j in range(12):
        others = [i for i in range(12) if i != j]
        features = held[:, others]
        weights = np.linalg.solve(features.T @ features + 7.0 * np.eye(11), features.T @ held[:, j])
        np.testing.assert_allclose(scores[others, j], weights, rtol=1e-9, atol=1e-12)


def test_ease_with_dropout_is_steck_2020(counts: Counts) -> None:
    """Hiding a share p of the items while fitting adds p / (1 - p) of the diagonal to the ridge (judge: numpy)."""
    gram = (counts.baskets.table.T @ counts.baskets.table).toarray().astype(float)
    inverse = np.linalg.inv(gram + np.diag(7.0 + 0.25 / 0.75 * np.diag(gram)))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(scores_of(counts, Ease(ridge=7.0, dropout=0.25)).rows(0, 12), expected, atol=1e-12)


def test_ease_weighs_baskets() -> None:
    """With half-life and size exponent, the model is the plain one on the weighted products (judge: numpy)."""
    baskets = baskets_of("ab", "abc", "bc", "ac", "a", days=(0, 10, 20, 30, 40))
    sizes = np.array([2, 3, 2, 2, 1])
    weights = sizes**-0.5 * 2.0 ** (-np.array([40, 30, 20, 10, 0]) / 20)
    weights *= sizes.sum() / (sizes @ weights)
    held = baskets.table.toarray().astype(float)
    inverse = np.linalg.inv(held.T @ (weights[:, None] * held) + 3.0 * np.eye(3))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    model = Ease(ridge=3.0, size_exponent=0.5, half_life_days=20)
    np.testing.assert_allclose(scores_of(count(baskets), model).rows(0, 3), expected, atol=1e-12)


def test_ease_learns_from_a_customers_history() -> None:
    """Two baskets of one customer join items that never lay in one basket."""
    baskets = baskets_of("a", "b", "c", "d", customers=("amy", "amy", "bob", "cat"))
    apart = scores_of(count(baskets), Ease(ridge=1.0)).rows(0, 4)
    joined = scores_of(count(baskets), Ease(ridge=1.0, customer_weight=1.0)).rows(0, 4)
    assert apart[0, 1] == pytest.approx(0)
    assert joined[0, 1] > 0
    assert joined[0, 2] == pytest.approx(0)


@pytest.mark.parametrize("model", [Ease(ridge=0), Ease(ridge=-1), Ease(dropout=1.0)])
def test_ease_refuses_what_has_no_solution(counts: Counts, model: Ease) -> None:
    """Without a ridge, or with everything hidden, there is no model."""
    with pytest.raises(InvalidInput):
        rank(counts, model)


@pytest.mark.parametrize("strategy", CLASSICAL, ids=lambda s: type(s).__name__)
def test_ratios_are_their_formulas(counts: Counts, strategy: Strategy) -> None:
    """Each classical strategy scores by its textbook ratio."""
    n, singles = counts.pairs.toarray().astype(float), counts.singles.astype(float)
    a, b = singles[:, None], singles[None, :]
    textbook = {
        "Popularity": b + 0 * a,
        "Count": n,
        "Confidence": n / a,
        "Lift": np.where(n >= 2, n * counts.total / (a * b), 0),
        "Cosine": n / np.sqrt(a * b),
        "Jaccard": n / (a + b - n),
    }
    np.testing.assert_allclose(scores_of(counts, strategy).rows(0, 12), textbook[type(strategy).__name__])


def test_item_knn_is_a_shrunk_cosine(counts: Counts) -> None:
    """With all neighbours kept, the score is n_ab over sqrt(n_a n_b) plus the shrinkage."""
    n, singles = counts.pairs.toarray().astype(float), counts.singles.astype(float)
    expected = n / (np.sqrt(np.outer(singles, singles)) + 10)
    np.testing.assert_allclose(scores_of(counts, ItemKnn(neighbours=12, shrinkage=10)).rows(0, 12), expected)


def test_item_knn_keeps_the_nearest_sources_of_each_target(counts: Counts) -> None:
    """With two neighbours, each target is scored by two sources, its most similar ones."""
    whole = scores_of(counts, ItemKnn(neighbours=12)).rows(0, 12)
    cut = scores_of(counts, ItemKnn(neighbours=2)).rows(0, 12)
    for j in range(12):
        nearest = np.sort(np.argsort(-whole[:, j])[:2])
        assert np.flatnonzero(cut[:, j]).tolist() == nearest.tolist()


@pytest.mark.parametrize("strategy", EVERY, ids=lambda s: type(s).__name__)
def test_ranking_is_the_sorted_scores(counts: Counts, strategy: Strategy) -> None:
    """Each item's matches are its positive scores in falling order, without itself, ties by sku (judge: sorted)."""
    ranking = rank(counts, strategy, top=5)
    scores = scores_of(counts, strategy).rows(0, 12)
    for i, sku in enumerate(counts.items):
        wanted = sorted((-scores[i, j], j) for j in range(12) if j != i and scores[i, j] > 0)[:5]
        assert [counts.items[j] for _, j in wanted] == [match.sku for match in ranking.of(sku)]


@pytest.mark.parametrize("strategy", EVERY, ids=lambda s: type(s).__name__)
def test_blocks_equal_the_whole(counts: Counts, strategy: Strategy) -> None:
    """Scores asked for in pieces are those asked for at once."""
    scored = scores_of(counts, strategy)
    pieces = np.concatenate([scored.rows(0, 5), scored.rows(5, 12)])
    np.testing.assert_array_equal(scored.rows(0, 12), pieces)


def test_the_seam_has_its_name(counts: Counts) -> None:
    """`affinity.rank(counts, strategy)` is the interface that others call; the default strategy is the best one."""
    assert affinity.rank is rank
    assert affinity.rank(counts).strategy == BEST


def test_only_allowed_pairs_are_matched(counts: Counts) -> None:
    """A pair that is not allowed is not matched, however well it scores."""
    allowed = csr_array((np.array([True]), ([0], [3])), shape=(12, 12))
    ranking = rank(counts, Count(), allowed=allowed)
    assert [match.sku for match in ranking.of(counts.items[0])] == [counts.items[3]]
    assert (ranking.targets[1:] == NOBODY).all()


def test_weights_lift_and_forbid(counts: Counts) -> None:
    """A factor of 0 keeps a target out, a large one brings it to the front."""
    weights = np.ones(12)
    weights[[0, 11]] = 0, 1000
    ranking = rank(counts, Count(), top=12, weights=weights)
    assert (ranking.targets != 0).all()
    assert (ranking.targets[:11, 0] == 11).all()


def test_an_unknown_item_is_named() -> None:
    """Asking for an item that nobody bought is an error that names it."""
    with pytest.raises(NotFound, match="teapot"):
        rank(count(baskets_of("ab")), Count()).of("teapot")


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=4), st.integers(1, 8))
def test_best_are_a_stable_sort(rows: list[list[int]], top: int) -> None:
    """The best columns are the first of a stable falling sort, however many are equal (judge: sorted)."""
    scores = np.array(rows, dtype=float)
    columns, values = best_of(scores, min(top, 6))
    expected = [sorted(range(6), key=lambda j: (-row[j], j))[:top] for row in rows]
    assert columns.tolist() == expected
    np.testing.assert_array_equal(values, np.take_along_axis(scores, np.array(expected), axis=1))
