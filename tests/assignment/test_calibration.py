"""The split is what was asked: a million customers, thirty salts (`make prove`)."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from offerlab.assignment.allocation import Ranges, allocate, reallocate
from offerlab.assignment.bulk import slots
from offerlab.assignment.hashing import Draw, prefix, salt_of
from offerlab.domain.experiment import SLOTS

pytestmark = pytest.mark.slow

CUSTOMERS = 1_000_000
SALTS = [f"{number:032x}" for number in range(10)]
DRAWS: tuple[Draw, ...] = ("arm", "traffic", "layer")
CELLS = 1000
COARSE = 10


@pytest.fixture(scope="module")
def drawn() -> NDArray[np.int32]:
    """Slots of a million customers under ten roots with three draws each: 30 salts."""
    units = [f"customer-{i}" for i in range(CUSTOMERS)]
    found = [slots(prefix(salt_of(salt, draw)), units).astype(np.int32) for salt in SALTS for draw in DRAWS]
    return np.array(found)


def test_slots_are_uniform(drawn: NDArray[np.int32]) -> None:
    """Chi-square p-values over 1,000 cells, one per salt, are themselves uniform."""
    cells = [np.bincount(row // (SLOTS // CELLS), minlength=CELLS) for row in drawn]
    p_values = [stats.chisquare(counts).pvalue for counts in cells]
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_ids_in_a_row_are_independent(drawn: NDArray[np.int32]) -> None:
    """Neighbouring ids fall anywhere: their slots' joint table is uniform too."""
    p_values = [_joint(row[:-1], row[1:]) for row in drawn]
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_pairs_of_draws_are_independent(drawn: NDArray[np.int32]) -> None:
    """The slot under one salt tells nothing of the slot under another, also between draws of one experiment."""
    p_values = [_joint(one, other) for one, other in combinations(drawn, 2)]
    assert min(p_values) > 0.001 / len(p_values)
    # Pairs share their members, so that the p-values are not independent: a thinned chain of disjoint pairs is.
    chain = [_joint(one, other) for one, other in zip(drawn[::2], drawn[1::2], strict=True)]
    assert stats.kstest(chain, "uniform").pvalue > 0.001


def test_arms_of_several_experiments_are_independent(drawn: NDArray[np.int32]) -> None:
    """Half and half in one experiment splits every arm of another half and half."""
    p_values: list[float] = []
    for one, other in pairwise(drawn):
        table = np.bincount(2 * (one < SLOTS // 2) + (other < SLOTS // 2), minlength=4).reshape(2, 2)
        p_values.append(stats.chi2_contingency(table, correction=False).pvalue)
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_50_to_60_moves_exactly_the_necessary_share(drawn: NDArray[np.int32]) -> None:
    """Those who move are those whose slots had to, all to the growing arm: a tenth of the customers."""
    before = allocate([0.5, 0.5])
    after = reallocate(before, [0.6, 0.4])
    for row in drawn:
        old, new = (_arms(row, ranges) for ranges in (before, after))
        moved = old != new
        assert set(new[moved].tolist()) == {0}
        assert moved.sum() == (row >= SLOTS // 2).sum() - (new == 1).sum()
        assert stats.binomtest(int(moved.sum()), CUSTOMERS, 0.1).pvalue > 0.001 / len(drawn)


def _joint(one: NDArray[np.int32], other: NDArray[np.int32]) -> float:
    """p-value of a uniform joint table of two rows of slots."""
    width = SLOTS // COARSE
    counts = np.bincount(one // width * COARSE + other // width, minlength=COARSE * COARSE)
    return float(stats.chisquare(counts).pvalue)


def _arms(row: NDArray[np.int32], ranges: Ranges) -> NDArray[np.int64]:
    ends = np.array([piece.end for piece in ranges])
    return np.array([piece.variant for piece in ranges])[np.searchsorted(ends, row, side="right")]
