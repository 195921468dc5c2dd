"""The quadratic form that several checks share: judged by its closed form and by scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from offerlab.errors import InvalidInput
from offerlab.stats.moments import from_values
from offerlab.stats.wald import joint_differences, wald_test


def rows(seed: int, n: int, k: int) -> np.ndarray:
    """Correlated customers."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, k)) @ rng.standard_normal((k, k)) + rng.standard_normal(k)


@given(st.integers(0, 500), st.integers(1, 5))
def test_full_rank_is_the_inverse_form(seed: int, k: int) -> None:
    """The statistic is d' S^-1 d, chi-square with k degrees of freedom."""
    sample = rows(seed, 40, k)
    covariance = np.atleast_2d(np.cov(sample, rowvar=False)) / 40
    d = sample.mean(axis=0)
    expected = float(d @ np.linalg.solve(covariance, d))
    test = wald_test(d, covariance)
    assert test.statistic == pytest.approx(expected, rel=1e-5)
    assert test.degrees == k
    assert test.p_value == pytest.approx(float(stats.chi2.sf(test.statistic, k)), rel=1e-9, abs=1e-300)


@given(st.integers(0, 500), st.lists(st.sampled_from([1e-6, 1.0, 1e6]), min_size=3, max_size=3))
def test_units_do_not_matter(seed: int, factors: list[float]) -> None:
    """Cents or millions: the same statistic."""
    sample, scale = rows(seed, 30, 3), np.array(factors)
    d, covariance = sample.mean(axis=0), np.cov(sample, rowvar=False)
    plain, scaled = wald_test(d, covariance), wald_test(d * scale, covariance * np.outer(scale, scale))
    assert scaled.statistic == pytest.approx(plain.statistic, rel=1e-6)
    assert scaled.degrees == plain.degrees


def test_a_copied_column_loses_its_degree_of_freedom() -> None:
    """The same covariate listed twice asks one question."""
    sample = rows(3, 50, 2)
    doubled = np.column_stack([sample, 100 * sample[:, 1]])
    plain = wald_test(sample.mean(axis=0), np.cov(sample, rowvar=False))
    twice = wald_test(doubled.mean(axis=0), np.cov(doubled, rowvar=False))
    assert twice.degrees == plain.degrees == 2
    assert twice.statistic == pytest.approx(plain.statistic, rel=1e-6)


def test_without_any_variance_nothing_speaks_against_equality() -> None:
    """Constant columns have no degree of freedom and p = 1."""
    test = wald_test([0.0, 0.0], np.zeros((2, 2)))
    assert (test.degrees, test.p_value) == (0, 1.0)


def test_joint_differences_are_numpys() -> None:
    """Means and their covariance as from the raw rows."""
    a, b = rows(1, 60, 3), rows(2, 45, 3)
    columns = ("x", "y", "z")
    d, covariance = joint_differences(from_values(columns, a), from_values(columns, b))
    np.testing.assert_allclose(d, b.mean(axis=0) - a.mean(axis=0))
    np.testing.assert_allclose(covariance, np.cov(a, rowvar=False) / 60 + np.cov(b, rowvar=False) / 45)


def test_a_single_customer_has_no_spread() -> None:
    """One customer in an arm is refused, not guessed at."""
    with pytest.raises(InvalidInput):
        joint_differences(from_values(("x",), np.ones((1, 1))), from_values(("x",), np.ones((3, 1))))


def test_shapes_and_numbers_are_checked() -> None:
    """A wrong call raises with the rule broken."""
    with pytest.raises(InvalidInput):
        wald_test([1.0, 2.0], [[1.0]])
    with pytest.raises(InvalidInput):
        wald_test([float("nan")], [[1.0]])
