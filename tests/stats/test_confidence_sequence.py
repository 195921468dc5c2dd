"""The confidence sequence against the published formula, and against the recursion for its level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from offerlab.errors import InvalidPlan
from offerlab.stats.confidence_sequence import multiplier, p_value
from offerlab.stats.group_sequential import rejection


def _published(n: float, rho: float, alpha: float) -> float:
    """Half-width over the standard error as equation 9 of Waudby-Smith et al. prints it."""
    return float(np.sqrt(n) * np.sqrt(2 * (n * rho**2 + 1) / (n**2 * rho**2) * np.log(np.sqrt(n * rho**2 + 1) / alpha)))


@pytest.mark.parametrize("n", [500, 5_000, 100_000])
def test_two_sided_width_is_the_published_one(n: int) -> None:
    """With rho tuned to N* = 5,000 the width is that of the paper's formula."""
    rho = np.sqrt((-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)) / 5_000)
    assert_allclose(multiplier(n / 5_000, 0.05), _published(n, rho, 0.05), rtol=1e-12)


def test_one_sided_width_is_the_published_one() -> None:
    """Equation 134 with rho tuned at twice the alpha."""
    n, rho = 2_000.0, np.sqrt((-2 * np.log(0.1) + np.log(-2 * np.log(0.1) + 1)) / 4_000)
    expected = np.sqrt(2 * (n * rho**2 + 1) / (n * rho**2) * np.log1p(np.sqrt(n * rho**2 + 1) / (2 * 0.05)))
    assert_allclose(multiplier(0.5, 0.05, sides=1), expected, rtol=1e-12)


@pytest.mark.parametrize("sides", [1, 2])
def test_the_level_holds_over_four_decades(sides: int) -> None:
    """300 looks from a hundredth to a hundred times the plan cross with chance 5 % at the most, by the recursion."""
    times = np.geomspace(0.01, 100.0, 300)
    crossed = float(rejection(times, multiplier(times, 0.05, sides), 2 if sides == 2 else 1, 0.0)[0])
    assert 0.02 < crossed <= 0.05


@given(z=st.floats(-7, 7), fraction=st.floats(0.01, 50), alpha=st.floats(0.001, 0.4), sides=st.sampled_from([1, 2]))
def test_p_is_below_alpha_exactly_beyond_the_width(z: float, fraction: float, alpha: float, sides: int) -> None:
    """p-value and interval never contradict each other."""
    bound = float(multiplier(fraction, alpha, sides))
    size = abs(z) if sides == 2 else z
    if abs(size - bound) > 1e-9:
        assert (float(p_value(z, fraction, alpha, sides)) < alpha) == (size > bound)


@pytest.mark.parametrize("sides", [1, 2])
def test_p_is_the_error_whose_mixture_just_excludes_zero(sides: int) -> None:
    """With the mixture fixed, the p-value solves the width for the error (root found by scipy)."""
    z, fraction, alpha = 3.4, 0.7, 0.05
    a = alpha if sides == 2 else 2 * alpha
    course = fraction * (-2 * np.log(a) + np.log(-2 * np.log(a) + 1))

    def width(error: float) -> float:
        root = np.sqrt(course + 1)
        log = np.log(root / error) if sides == 2 else np.log1p(root / (2 * error))
        return float(np.sqrt(2 * (course + 1) / course * log))

    expected = brentq(lambda error: width(error) - z, 1e-6, 0.9)
    assert_allclose(p_value(z, fraction, alpha, sides), expected, rtol=1e-9)


@pytest.mark.parametrize("degrees", [20.0, 500.0])
def test_finite_degrees_are_the_published_t_mixture(degrees: float) -> None:
    """Radius and Bayes factor as Lindon et al. (2022) print them, with r = φ/(φ + z²)."""
    fraction, alpha, t = 0.7, 0.05, 2.8
    r = 1.0 / (1.0 + fraction * (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)))
    a = (r * alpha**2) ** (1 / (degrees + 1))
    assert_allclose(multiplier(fraction, alpha, 2, degrees), np.sqrt(degrees * (1 - a) / (a - r)), rtol=1e-10)
    factor = np.sqrt(r) * ((1 + t**2 / degrees) / (1 + r * t**2 / degrees)) ** ((degrees + 1) / 2)
    assert_allclose(p_value(t, fraction, alpha, 2, degrees), min(1.0, 1 / factor), rtol=1e-10)


def test_many_degrees_are_the_sequence_and_too_few_exclude_nothing() -> None:
    """The t mixture's limit is the asymptotic sequence; with three degrees early on the width is infinite."""
    assert_allclose(multiplier(0.5, 0.05, 2, 1e10), multiplier(0.5, 0.05), rtol=1e-7)
    assert multiplier(0.1, 0.05, 2, 3.0) == np.inf


def test_it_is_tightest_near_the_planned_sample() -> None:
    """No constant tuning: the multiple of the standard error has its minimum near n = N*."""
    grid = np.geomspace(0.05, 20, 400)
    assert 0.5 < grid[np.argmin(multiplier(grid, 0.05))] < 2.0


def test_wrong_calls_are_refused() -> None:
    """Alpha out of range and a sample of zero raise."""
    with pytest.raises(InvalidPlan, match="alpha"):
        multiplier(1.0, 1.0)
    with pytest.raises(InvalidPlan, match="alpha"):
        multiplier(1.0, 0.5, sides=1)
    with pytest.raises(InvalidPlan, match="sample"):
        multiplier(0.0, 0.05)
