"""More often together than chance: the tests, their family, and what shuffled baskets must not show."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator
from scipy.stats import binom, false_discovery_control

from offerlab.affinity.baskets import Baskets
from offerlab.affinity.chance import fit_chance
from offerlab.affinity.counting import Counts, count
from offerlab.affinity.discovery import assess, false_discovery_rate

from .shops import (
    baskets_of,
    groceries,
    online_retail,
    random_baskets,
    seeded,
    shuffled_cells,
    shuffled_columns,
)

LEVEL = 0.05
Shuffle = Callable[[Baskets, Generator], Baskets]


def discoveries(counts: Counts) -> int:
    """Pairs discovered at the usual rate."""
    return int((assess(counts, fewest_together=1).q_value <= LEVEL).sum())


def test_false_discovery_rate_is_the_published_procedure() -> None:
    """Adjusted p-values equal scipy's, with the untested pairs of the family standing at 1."""
    p_values = seeded().uniform(size=200) ** 3
    padded = np.concatenate([p_values, np.ones(800)])
    np.testing.assert_allclose(false_discovery_rate(p_values, 1000), false_discovery_control(padded)[:200])


def test_family_is_every_pair_of_the_catalogue() -> None:
    """Pairs never seen together are members of the family: four items are six tests."""
    assert assess(count(baskets_of("ab", "cd"))).family == 6


def test_pairs_can_be_looked_up_from_both_sides() -> None:
    """The entry of (a, b) is that of (b, a); a pair seen too seldom has none."""
    assessed = assess(count(baskets_of("ab", "ab", "bc", "cd", "cd")), fewest_together=2)
    assert assessed.places_of(np.array([0, 1, 3, 1]), np.array([1, 0, 2, 2])).tolist() == [0, 0, 1, -1]


def test_chance_keeps_items_and_sizes() -> None:
    """The model's expected counts are every item's own, and its expected sizes every basket's own."""
    counts = count(random_baskets(seeded(), baskets=400, items=60, mean_size=6, spread=0.8))
    chance = fit_chance(counts)
    sizes = np.unique(counts.baskets.sizes)
    np.testing.assert_allclose(chance.holds @ chance.units, counts.singles, rtol=1e-4)
    np.testing.assert_allclose(chance.holds.sum(axis=0), sizes, rtol=1e-4)


def test_chance_foresees_the_mean_of_shuffles() -> None:
    """Over 100 shuffles that keep items and sizes, pairs meet as often as expected (judge: simulation)."""
    rng = seeded()
    baskets = random_baskets(rng, baskets=200, items=15, mean_size=4, spread=0.9)
    left, right = np.triu_indices(15, 1)
    expected = fit_chance(count(baskets)).expected(left, right)
    met = np.zeros(left.size)
    for _ in range(100):
        baskets = shuffled_cells(baskets, rng, rounds=3)
        met += count(baskets).together(left, right) / 100
    np.testing.assert_allclose(met, expected, atol=0.35, rtol=0.04)


@pytest.mark.parametrize("shuffle", [shuffled_columns, shuffled_cells], ids=["items", "cells"])
def test_shuffled_baskets_hold_no_discovery(shuffle: Shuffle) -> None:
    """In shuffled baskets of very mixed sizes, at most as many of 30 shops show any discovery as the rate allows."""
    rng = seeded()
    baskets = random_baskets(rng, baskets=200, items=40, mean_size=6, spread=1.0)
    shown = sum(discoveries(count(shuffle(baskets, rng))) > 0 for _ in range(30))
    assert shown <= binom.ppf(0.999, 30, LEVEL)


def test_plain_independence_would_have_been_fooled() -> None:
    """The very reason for the second test: Fisher's alone calls shuffled baskets of mixed sizes full of pairs."""
    rng = seeded()
    shuffled = shuffled_cells(random_baskets(rng, baskets=600, items=40, mean_size=6, spread=1.0), rng)
    assessed = assess(count(shuffled), fewest_together=1)
    fooled = int((false_discovery_rate(assessed.p_fisher, assessed.family) <= LEVEL).sum())
    assert fooled > 100 * max(1, int((assessed.q_value <= LEVEL).sum()))


def test_planted_pairs_are_found() -> None:
    """Three pairs planted in 2,000 random baskets are discovered, with at most two others beside them."""
    rng = seeded()
    baskets = random_baskets(rng, baskets=2000, items=60, mean_size=4, spread=0.5)
    held = [[baskets.items[i] for i in row] for row in np.split(baskets.table.indices, baskets.table.indptr[1:-1])]
    for a, b in (("item0050", "item0055"), ("item0040", "item0058"), ("item0030", "item0059")):
        for skus in held:
            if a in skus and b not in skus and rng.uniform() < 0.4:
                skus.append(b)
    assessed = assess(count(baskets_of(*held)), fewest_together=1)
    found = np.flatnonzero(assessed.q_value <= LEVEL)
    pairs = {(int(assessed.left[i]), int(assessed.right[i])) for i in found}
    assert {(50, 55), (40, 58), (30, 59)} <= pairs
    assert len(pairs) <= 5


def test_real_groceries_hold_discoveries() -> None:
    """The textbook's baskets do hold pairs beyond chance, beef with root vegetables among them."""
    assessed = assess(count(groceries()))
    number = {sku: i for i, sku in enumerate(assessed.counts.items)}
    place = assessed.places_of(np.array([number["beef"]]), np.array([number["root vegetables"]]))[0]
    assert assessed.q_value[place] < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [shuffled_columns, shuffled_cells], ids=["items", "cells"])
def test_real_baskets_shuffled_hold_no_discovery(shuffle: Shuffle) -> None:
    """Online Retail's 14,124 baskets of 1 to hundreds of items, shuffled: no more discoveries than allowed.

    Each round of trades leaves half of what lay together together, and pairs that met 500 times are slow to be
    forgotten (after 5, 10, 15, 20, 25, 30 rounds 98,582, 38,806, 9,928, 679, 5 and 0 are left): the first 30 rounds
    are not looked at, and each shuffle goes on from the one before.
    """
    rng, (baskets, _) = seeded(), online_retail()
    for _ in range(6):
        baskets = shuffle(baskets, rng)
    shown = 0
    for _ in range(10):
        baskets = shuffle(baskets, rng)
        shown += discoveries(count(baskets)) > 0
    assert shown <= binom.ppf(0.999, 10, LEVEL)
