"""Moments against numpy and scipy, and the laws of merging."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from offerlab.errors import InvalidMoments
from offerlab.stats import moments as m

COLUMNS = ("spend", "before", "orders")


def _sample(rows: int, seed: int, *, centre: float = 3.0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    base = rng.gamma(0.7, 2.0, (rows, 3))
    base[:, 1] += 0.5 * base[:, 0]
    return np.asarray(base + centre, dtype=np.float64)


def _close(left: m.Moments, right: m.Moments, *, rtol: float = 1e-9, scale: float = 1.0) -> bool:
    return bool(
        left.columns == right.columns
        and np.array_equal(left.n, right.n)
        and np.allclose(left.mean, right.mean, rtol=rtol)
        and np.allclose(left.second, right.second, rtol=rtol, atol=rtol * scale**2)
        and np.allclose(left.third, right.third, rtol=rtol, atol=rtol * scale**3)
        and np.array_equal(left.nonzero, right.nonzero)
    )


def test_moments_match_numpy_and_scipy() -> None:
    """Mean, covariance and third central moment are those of numpy and scipy."""
    x = _sample(400, 1)
    got = m.from_values(COLUMNS, x)
    assert np.allclose(got.mean, x.mean(axis=0))
    assert np.allclose(got.second / 399, np.cov(x.T))
    assert np.allclose([got.variance(i) for i in range(3)], x.var(axis=0, ddof=1))
    assert np.allclose([got.third_moment(i) for i in range(3)], scipy_stats.kstat(x, 3, axis=0))
    cross = np.mean((x[:, 0] - x[:, 0].mean()) * (x[:, 1] - x[:, 1].mean()) * (x[:, 2] - x[:, 2].mean()))
    assert np.allclose(got.third[0, 1, 2] / 400, cross)


def test_a_mean_of_a_billion_keeps_the_spread() -> None:
    """Mean 1e9 with deviation 1 loses nothing, from rows or from sums about a near shift."""
    rng = np.random.default_rng(2)
    noise = rng.standard_normal(10_000)
    shifted = (noise + 1e9)[:, None]
    got = m.from_values(("x",), shifted)
    exact = shifted[:, 0] - 1e9
    assert got.variance() == pytest.approx(exact.var(ddof=1), rel=1e-9)
    assert got.third_moment() == pytest.approx(float(scipy_stats.kstat(exact, 3)), rel=1e-6)
    d = shifted[:, 0] - (1e9 + 2)
    sums = m.from_sums(("x",), 10_000, [1e9 + 2], [d.sum(), (d**2).sum(), (d**3).sum()])
    assert sums.variance() == pytest.approx(exact.var(ddof=1), rel=1e-9)
    assert sums.third_moment() == pytest.approx(float(scipy_stats.kstat(exact, 3)), rel=1e-6)


@given(
    cuts=st.lists(st.integers(0, 60), min_size=2, max_size=2).map(sorted),
    seed=st.integers(0, 50),
    centre=st.sampled_from([0.0, 3.0, -1000.0]),
)
def test_merging_is_associative_and_equals_the_whole(cuts: list[int], seed: int, centre: float) -> None:
    """Any split into days, empty ones included, merged in any bracketing gives the whole."""
    x = _sample(60, seed, centre=centre)
    a, b, c = (m.from_values(COLUMNS, part) for part in np.split(x, cuts))
    whole = m.from_values(COLUMNS, x)
    scale = 10.0
    assert _close(a.merge(b).merge(c), whole, scale=scale)
    assert _close(a.merge(b.merge(c)), whole, scale=scale)
    assert _close(c.merge(a).merge(b), whole, scale=scale)
    assert _close(m.empty(COLUMNS).merge(a), a, scale=scale)
    assert _close(a.merge(m.empty(COLUMNS)), a, scale=scale)


def test_flat_sums_in_the_order_of_monomials_give_the_moments_of_the_rows() -> None:
    """A query that sums the listed products about a shift gives what the rows give, batch after batch."""
    parts = [_sample(50, seed) for seed in (3, 4)]
    shift = np.array([4.0, 5.0, 3.5])
    rows = [[np.prod((x - shift)[:, index], axis=1).sum() for index in map(list, m.monomials(3))] for x in parts]
    nonzero = [np.count_nonzero(x, axis=0) for x in parts]
    got = m.from_sums(COLUMNS, [50, 50], shift, rows, nonzero)
    assert got.shape == (2,)
    for i, x in enumerate(parts):
        assert _close(got[i], m.from_values(COLUMNS, x))
    assert _close(m.stack([m.from_values(COLUMNS, x) for x in parts])[1], got[1])


def test_a_linear_combination_has_the_moments_of_the_combined_values() -> None:
    """Weights on moments equal weights on rows, for one arm and for a batch."""
    x = _sample(80, 5)
    weights = np.array([1.0, -0.5, 2.0])
    combined = m.from_values(("combination",), x @ weights + 7)
    got = m.from_values(COLUMNS, x).linear(weights, 7)
    assert np.allclose(got.mean, combined.mean)
    assert np.allclose(got.second, combined.second)
    assert np.allclose(got.third, combined.third)
    batch = m.stack([m.from_values(COLUMNS, x)] * 2).linear(np.stack([weights, 2 * weights]), [7, 14])
    assert np.allclose(batch.third[:, 0, 0, 0], combined.third[0, 0, 0] * np.array([1, 8]))
    assert np.allclose(batch.mean[:, 0], combined.mean[0] * np.array([1, 2]))


def test_selecting_columns_keeps_their_products() -> None:
    """A selection is what those columns alone would have given."""
    x = _sample(30, 6)
    assert _close(m.from_values(COLUMNS, x).select(["orders", 0]), m.from_values(("orders", "spend"), x[:, [2, 0]]))


def test_converters_are_counted_or_bounded_from_below() -> None:
    """Without a count the fewest converters that fit the sums are taken: exact when all spend the same."""
    x = np.array([0, 0, 5.0, 5.0, 5.0])
    d = x - 1
    counted = m.from_values(("x",), x)
    uncounted = m.from_sums(("x",), 5, [1.0], [d.sum(), (d**2).sum(), (d**3).sum()])
    assert counted.converters() == 3
    assert uncounted.converters() == pytest.approx(3)


def test_a_constant_column_has_exactly_no_spread() -> None:
    """Rounding of a constant never looks like variance."""
    x = np.full(7, 0.1)
    assert m.from_values(("x",), x).second[0, 0] == 0
    d = x - 0.3
    assert m.from_sums(("x",), 7, [0.3], [d.sum(), (d**2).sum(), (d**3).sum()]).second[0, 0] == 0


@pytest.mark.parametrize(
    ("n", "sums", "rule"),
    [
        pytest.param(-1, [0, 0, 0], "whole number", id="negative n"),
        pytest.param(2.5, [0, 0, 0], "whole number", id="half a customer"),
        pytest.param(10, [5, 1, 1], "squares cannot be negative", id="squares too small for the sum"),
        pytest.param(1, [0, 4, 0], "no spread", id="spread of one"),
        pytest.param(10, [0, 10, 1e6], "cubes exceeds", id="cubes too large"),
        pytest.param(10, [float("nan"), 10, 0], "not finite", id="not a number"),
    ],
)
def test_impossible_sums_are_refused_with_the_rule(n: float, sums: list[float], rule: str) -> None:
    """Sums that no data could have produced are an error, not an estimate."""
    with pytest.raises(InvalidMoments, match=rule):
        m.from_sums(("x",), n, [0.0], sums)


def test_impossible_products_and_counts_are_refused() -> None:
    """Cauchy-Schwarz, and never more converters than customers."""
    with pytest.raises(InvalidMoments, match="Cauchy"):
        m.from_sums(("x", "y"), 10, [0, 0], [0, 0, 1, 5, 1, 0, 0, 0, 0])
    with pytest.raises(InvalidMoments, match="No more customers"):
        m.from_sums(("x",), 10, [0], [1, 5, 1], [11])
    with pytest.raises(InvalidMoments, match="need 3 sums"):
        m.from_sums(("x",), 10, [0], [1, 5])
    with pytest.raises(InvalidMoments, match="not finite"):
        m.from_values(("x",), [1.0, float("nan")])
    with pytest.raises(InvalidMoments, match="Cannot merge"):
        m.empty(("x",)).merge(m.empty(("y",)))
    with pytest.raises(InvalidMoments, match="no column"):
        m.empty(("x",)).position("y")
