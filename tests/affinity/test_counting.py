"""Counts of items and pairs."""

from collections import Counter
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from offerlab.affinity.counting import count

from .shops import baskets_of, groceries

SHOPS = st.lists(st.sets(st.sampled_from("abcdef"), min_size=1), min_size=1, max_size=20)


@given(SHOPS)
def test_counts_are_those_of_a_plain_loop(held: list[set[str]]) -> None:
    """Items and pairs are counted as a loop over the baskets would (judge: itertools)."""
    counts = count(baskets_of(*held))
    singles = Counter(sku for skus in held for sku in skus)
    pairs = Counter(pair for skus in held for pair in combinations(sorted(skus), 2))
    table = counts.pairs.toarray()
    ours = {(a, b): int(table[i, j]) for (i, a), (j, b) in combinations(enumerate(counts.items), 2) if table[i, j]}
    assert (dict(zip(counts.items, counts.singles.tolist(), strict=True)), ours) == (dict(singles), dict(pairs))


@given(SHOPS)
def test_pairs_are_symmetric_and_nothing_goes_with_itself(held: list[set[str]]) -> None:
    """The table of pairs equals its transpose and has an empty diagonal."""
    table = count(baskets_of(*held)).pairs.toarray()
    assert (table == table.T).all()
    assert not table.diagonal().any()


def test_a_customer_counts_once() -> None:
    """By customer, a pair that one reseller bought three times counts once, and strangers one by one."""
    baskets = baskets_of("ab", "ab", "ab", "ab", "a", "b", customers=("reseller",) * 3 + (None, "amy", "amy"))
    by_basket, by_customer = count(baskets), count(baskets, unit="customer")
    assert (by_basket.total, int(by_basket.pairs[0, 1])) == (6, 4)
    assert (by_customer.total, int(by_customer.pairs[0, 1]), by_customer.singles.tolist()) == (3, 3, [3, 3])


def test_groceries_have_their_published_counts() -> None:
    """The textbook's five most frequent items have the published counts, and 43,367 pairs stand in one basket each."""
    counts = count(groceries())
    most = sorted(zip(counts.singles.tolist(), counts.items, strict=True), reverse=True)[:5]
    expected = [
        (2513, "whole milk"),
        (1903, "other vegetables"),
        (1809, "rolls/buns"),
        (1715, "soda"),
        (1372, "yogurt"),
    ]
    assert (expected, 9835) == (most, counts.total)


def test_together_answers_pair_by_pair() -> None:
    """Looked up by item number, pairs have the counts of the table; no pair, no count."""
    counts = count(baskets_of("ab", "ab", "bc"))
    found = counts.together(np.array([0, 1, 0]), np.array([1, 2, 2]))
    assert found.tolist() == [2, 1, 0]
