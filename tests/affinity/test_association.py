"""What a pair's counts say, against scipy, published figures and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy.stats import hypergeom, poisson

from offerlab.affinity import association
from offerlab.affinity.association import (
    Table2x2,
    fisher_above,
    lift_interval,
    poisson_above,
)
from offerlab.affinity.baskets import Ints
from offerlab.affinity.counting import count

from .shops import groceries, seeded


def table(both: ArrayLike, left: ArrayLike, right: ArrayLike, total: int) -> Table2x2:
    """Counts of pairs."""

    def whole(values: ArrayLike) -> Ints:
        return np.atleast_1d(np.asarray(values, dtype=np.int64))

    return Table2x2(whole(both), whole(left), whole(right), total)


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """One possible table: both, left, right, total."""
    total = draw(st.integers(1, 400))
    left, right = draw(st.integers(0, total)), draw(st.integers(0, total))
    both = draw(st.integers(max(0, left + right - total), min(left, right)))
    return both, left, right, total


@given(tables())
def test_fisher_is_the_exact_test(counts: tuple[int, int, int, int]) -> None:
    """The one-sided p-value is the hypergeometric tail (judge: scipy)."""
    both, left, right, total = counts
    above = hypergeom.sf(both - 1, total, left, right)
    np.testing.assert_allclose(fisher_above(table(*counts)), [above], rtol=1e-9, atol=1e-15)


def test_fisher_keeps_its_digits_far_out() -> None:
    """Pairs as strong as 1e-200 in a million baskets still have an exact p-value (judge: scipy's logarithm)."""
    t = table([60, 100, 3], [200, 150, 2000], [250, 2000, 1500], 1_000_000)
    judge = [hypergeom.logsf(k - 1, t.total, a, b) for k, a, b in zip(t.both, t.left, t.right, strict=True)]
    np.testing.assert_allclose(np.log(fisher_above(t)), judge, rtol=1e-7)


def test_poisson_is_the_poisson_tail() -> None:
    """P(at least n) is scipy's survival function at n - 1; at least none is certain."""
    both, mean = np.array([0, 1, 7, 40]), np.array([2.0, 0.3, 2.5, 11.0])
    np.testing.assert_allclose(poisson_above(both, mean), poisson.sf(both - 1, mean), rtol=1e-12)


def test_published_lifts_of_groceries() -> None:
    """Beef with root vegetables and herbs with root vegetables have the textbook's support, confidence and lift."""
    counts = count(groceries())
    number = {sku: i for i, sku in enumerate(counts.items)}
    left = np.array([number["beef"], number["herbs"]])
    right = np.array([number["root vegetables"]] * 2)
    t = Table2x2(counts.together(left, right), counts.singles[left], counts.singles[right], counts.total)
    np.testing.assert_allclose(association.support(t), [0.01739, 0.007016], atol=5e-6)
    np.testing.assert_allclose(association.confidence(t)[1], 0.43125)
    np.testing.assert_allclose(association.lift(t), [3.0404, 3.9565], atol=5e-5)


def test_ratios_by_hand() -> None:
    """Of 100 baskets 20 hold a, 25 hold b, 10 both: every ratio is a fraction one can check in the head."""
    t = table(10, 20, 25, 100)
    ratios = {
        "support": 0.1,
        "confidence": 0.5,
        "lift": 2.0,
        "jaccard": 10 / 35,
        "cosine": 10 / 500**0.5,
    }
    assert ratios == pytest.approx({name: float(getattr(association, name)(t)[0]) for name in ratios})


@pytest.mark.parametrize("lift", [0.5, 1.0, 4.0])
def test_lift_interval_covers(lift: float) -> None:
    """In 4,000 multinomial samples the 95 % interval holds the true lift in 94 to 96 of 100."""
    total, a, b = 5000, 0.06, 0.08
    both = a * b * lift
    draws = seeded().multinomial(total, [both, a - both, b - both, 1 - a - b + both], size=4000)
    t = table(draws[:, 0], draws[:, 0] + draws[:, 1], draws[:, 0] + draws[:, 2], total)
    interval = lift_interval(t)
    covered = float(np.mean((interval.lower <= lift) & (lift <= interval.upper)))
    assert 0.94 <= covered <= 0.965


def test_lift_never_seen_has_an_upper_end() -> None:
    """Without a basket that holds both, the lift is 0 and its interval ends where finding none has 2.5 %."""
    interval = lift_interval(table(0, 200, 300, 10_000))
    assert (interval.estimate[0], interval.lower[0]) == (0, 0)
    assert np.exp(-interval.upper[0] * 200 * 300 / 10_000) == pytest.approx(0.025)


@given(tables())
def test_swapping_the_items_changes_nothing_symmetric(counts: tuple[int, int, int, int]) -> None:
    """Fisher's p-value knows no left and right."""
    both, left, right, total = counts
    swapped = fisher_above(table(both, right, left, total))
    np.testing.assert_allclose(fisher_above(table(*counts)), swapped, rtol=1e-9, atol=1e-15)
