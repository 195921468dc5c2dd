"""Quantiles against scipy's exact interval, the binomial law, and simulation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import ndtri
from scipy.stats import binom, quantile_test

from offerlab.errors import InvalidPlan
from offerlab.stats.effect import Effect, Interval, Undetermined
from offerlab.stats.looks import Rule
from offerlab.stats.peeking import safe_effect
from offerlab.stats.quantiles import arrange, quantile, quantile_difference


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [60, 501])
def test_interval_runs_between_scipys_order_statistics(q: float, n: int) -> None:
    """The exact interval of scipy.stats.quantile_test, or one rank further out."""
    values = np.random.default_rng(n).lognormal(0.0, 1.0, n)
    judge: Any = quantile_test(values, q=0.0, p=q).confidence_interval(0.95)
    found = quantile(arrange(values), q)
    assert isinstance(found, Interval)
    assert found.lower <= judge.low
    assert found.upper >= judge.high
    ranked = np.sort(values)
    low, high = np.searchsorted(ranked, [found.lower, found.upper]) + 1
    assert binom.cdf(low - 1, n, q) <= 0.025 < binom.cdf(low, n, q)
    assert binom.sf(high - 1, n, q) <= 0.025 < binom.sf(high - 2, n, q)


def test_the_quantile_is_numpys_inverse_of_the_distribution() -> None:
    """The smallest value with at least that share at or below it."""
    values = np.random.default_rng(1).normal(size=999)
    for q in (0.05, 0.5, 0.999):
        found = quantile(arrange(values), q)
        assert isinstance(found, Interval)
        assert found.estimate == np.quantile(values, q, method="inverted_cdf")


def test_a_few_values_leave_a_side_open() -> None:
    """Ten values have no upper limit for their 99th percentile; without values there is nothing to say."""
    found = quantile(arrange(np.arange(10.0)), 0.99)
    assert isinstance(found, Interval)
    assert found.upper == np.inf
    assert isinstance(quantile(arrange([]), 0.5), Undetermined)


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), q=st.floats(0.1, 0.9), money=st.floats(0.01, 100.0), shift=st.floats(0.5, 2.0))
def test_one_verdict_and_the_laws(seed: int, q: float, money: float, shift: float) -> None:
    """Zero is outside both intervals exactly when p < alpha; the currency moves no p; swapping arms flips the sign."""
    rng = np.random.default_rng(seed)
    control, treatment = arrange(rng.lognormal(1, 1, 300)), arrange(shift * rng.lognormal(1, 1, 200))
    effect = quantile_difference(control, treatment, q)
    assert isinstance(effect, Effect)
    assert isinstance(effect.relative, Interval)
    for interval in (effect.absolute, effect.relative):
        assert interval.contains(0.0) != (effect.p_value < 0.05)
    other = quantile_difference(arrange(money * treatment.values), arrange(money * control.values), q)
    assert isinstance(other, Effect)
    assert_allclose(other.p_value, effect.p_value, rtol=1e-6)
    assert_allclose(other.absolute.estimate, -money * effect.absolute.estimate, rtol=1e-9, atol=1e-12)


def test_ties_and_tiny_arms_are_undetermined() -> None:
    """All values alike have no spread; three values have no median interval."""
    same = arrange(np.zeros(100))
    assert isinstance(quantile_difference(same, same, 0.5), Undetermined)
    tiny = quantile_difference(arrange([1.0, 2.0, 3.0]), arrange([1.0, 2.0, 3.0]), 0.5)
    assert isinstance(tiny, Undetermined)
    assert tiny.reason == "too_few"
    assert isinstance(quantile_difference(arrange([]), same, 0.5), Undetermined)


def test_a_quantile_may_be_read_at_any_look() -> None:
    """Through `safe_effect` like any other test."""
    rng = np.random.default_rng(3)
    control, treatment = arrange(rng.lognormal(0, 1, 500)), arrange(rng.lognormal(0.5, 1, 500))
    effect, reading = safe_effect(
        lambda alpha: quantile_difference(control, treatment, 0.5, alpha=alpha), 1000, Rule("group", 2000)
    )
    assert isinstance(effect, Effect)
    assert reading is not None
    assert reading.crossed == (effect.p_value < 0.05)


def test_several_values_per_customer_widen_the_interval() -> None:
    """Ten identical values of each customer tell as much as one of each."""
    once = np.random.default_rng(4).normal(size=400)
    plain = quantile(arrange(once), 0.5)
    copied = quantile(arrange(np.repeat(once, 10), np.repeat(np.arange(400), 10)), 0.5)
    naive = quantile(arrange(np.repeat(once, 10)), 0.5)
    assert isinstance(plain, Interval)
    assert isinstance(copied, Interval)
    assert isinstance(naive, Interval)
    assert_allclose(copied.upper - copied.lower, plain.upper - plain.lower, rtol=0.1)
    assert naive.upper - naive.lower < 0.5 * (plain.upper - plain.lower)


def test_one_customer_alone_tells_nothing() -> None:
    """Without variance between customers both sides are open."""
    found = quantile(arrange(np.arange(50.0), np.zeros(50)), 0.5)
    assert isinstance(found, Interval)
    assert (found.lower, found.upper) == (-np.inf, np.inf)


def test_wrong_calls_are_refused() -> None:
    """A share of 1, values without owners and values that are not finite raise."""
    with pytest.raises(InvalidPlan, match="share"):
        quantile(arrange([1.0]), 1.0)
    with pytest.raises(InvalidPlan, match="finite"):
        arrange([np.nan])
    with pytest.raises(InvalidPlan, match="customer"):
        arrange([1.0, 2.0], [1])


@pytest.mark.slow
@pytest.mark.parametrize("q", [0.5, 0.9])
@pytest.mark.parametrize("lift", [1.0, 1.2])
def test_intervals_of_the_difference_cover_the_truth(q: float, lift: float) -> None:
    """1,500 pairs of skewed arms of 4,000 and 1,000 customers: coverage between 93.5 and 97.5 %."""
    rng, runs = np.random.default_rng(5), 1500
    truth = float(np.exp(1.5 * ndtri(q))) * (lift - 1.0)
    inside = 0
    for _ in range(runs):
        control, treatment = arrange(rng.lognormal(0, 1.5, 4000)), arrange(lift * rng.lognormal(0, 1.5, 1000))
        effect = quantile_difference(control, treatment, q)
        inside += isinstance(effect, Effect) and effect.absolute.contains(truth)
    assert 0.935 < inside / runs < 0.975


@pytest.mark.slow
def test_clusters_keep_the_level_where_the_naive_interval_loses_it() -> None:
    """Customers with 1 to 15 orders that resemble each other: 93 to 97 % coverage, without the clusters below 85 %."""
    rng, runs = np.random.default_rng(6), 2000
    covered, naive = 0, 0
    for _ in range(runs):
        owners = np.repeat(np.arange(500), rng.integers(1, 16, 500))
        values = rng.normal(size=500)[owners] + 0.7 * rng.normal(size=owners.size)
        with_clusters, without = quantile(arrange(values, owners), 0.5), quantile(arrange(values), 0.5)
        covered += isinstance(with_clusters, Interval) and with_clusters.contains(0.0)
        naive += isinstance(without, Interval) and without.contains(0.0)
    assert 0.93 < covered / runs < 0.97
    assert naive / runs < 0.85
