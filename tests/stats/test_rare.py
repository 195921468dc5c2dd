"""Exact inference for rare conversions: level by dynamic programming, mixture by scipy's quadrature, laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import binom, norm

from offerlab.errors import InvalidPlan
from offerlab.stats.effect import Effect, Interval, Undetermined
from offerlab.stats.rare import SPREAD, evidence, rate_ratio

COUNTS = st.integers(0, 60)
SHARES = st.floats(0.05, 0.95)


def _effect(control: int, treatment: int, share: float = 0.5, n: int = 10_000, alpha: float = 0.05) -> Effect:
    found = rate_ratio(control, treatment, n, share, alpha=alpha)
    assert isinstance(found, Effect)
    return found


@pytest.mark.parametrize(("control", "treatment", "share"), [(3, 12, 0.5), (40, 2, 0.2), (0, 5, 0.5), (300, 340, 0.5)])
def test_evidence_is_the_mixture_that_scipy_integrates(control: int, treatment: int, share: float) -> None:
    """Binomial likelihood of the arms mixed over ln r ~ N(0, .5²), over the likelihood at r = 1."""
    x = control + treatment

    def integrand(rho: float) -> float:
        q = share * np.exp(rho) / (share * np.exp(rho) + 1 - share)
        return float(binom.pmf(treatment, x, q) * norm.pdf(rho, 0, SPREAD))

    mixed, _ = quad(integrand, -6, 6, points=[0.0], limit=500, epsabs=1e-14)
    assert_allclose(evidence(control, treatment, share), mixed / binom.pmf(treatment, x, share), rtol=1e-8)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_level_over_ten_looks_is_below_alpha(share: float) -> None:
    """Exact, by following every possible course of 100 converters: fewer than 5 % ever reach an e-value of 20."""
    alive, crossed = np.ones(1), 0.0
    for came in range(1, 101):
        alive = np.append(alive * (1 - share), 0.0) + np.append(0.0, alive * share)
        if came % 10 == 0:  # the looks
            out = np.array([evidence(came - k, k, share) >= 20.0 for k in range(came + 1)])
            crossed += float(alive[out].sum())
            alive[out] = 0.0
    assert 0.0005 < crossed <= 0.05


@settings(max_examples=30)
@given(COUNTS, COUNTS, SHARES, st.sampled_from([0.01, 0.05, 0.2]))
def test_one_verdict(control: int, treatment: int, share: float, alpha: float) -> None:
    """Zero is outside both intervals exactly when p < alpha, and the estimate is inside."""
    found = rate_ratio(control, treatment, 1000, share, alpha=alpha)
    if isinstance(found, Undetermined):
        assert control + treatment == 0
        return
    significant = found.p_value < alpha
    assert found.absolute.contains(0.0) != significant
    assert found.absolute.contains(found.absolute.estimate)
    if isinstance(found.relative, Interval):
        assert found.relative.contains(0.0) != significant
        assert found.relative.contains(found.relative.estimate)
    else:
        assert control == 0


@settings(max_examples=30)
@given(COUNTS, COUNTS.filter(bool), SHARES)
def test_swapping_the_arms_swaps_the_sign(control: int, treatment: int, share: float) -> None:
    """Difference and statistic change sign; p stays."""
    one, other = _effect(control, treatment, share), _effect(treatment, control, 1.0 - share)
    assert_allclose(one.p_value, other.p_value, rtol=1e-9)
    assert_allclose(one.absolute.estimate, -other.absolute.estimate, atol=1e-12)
    assert_allclose(
        [one.absolute.lower, one.absolute.upper], [-other.absolute.upper, -other.absolute.lower], atol=1e-12
    )


@settings(max_examples=30)
@given(COUNTS.filter(bool), COUNTS, COUNTS, COUNTS, SHARES)
def test_splitting_an_epoch_changes_nothing(a: int, b: int, c: int, d: int, share: float) -> None:
    """Two epochs with the same weights are one."""
    whole = _effect(a + c, b + d, share, 2000)
    parts = rate_ratio([a, c], [b, d], [1000, 1000], [share, share], alpha=0.05)
    assert isinstance(parts, Effect)
    assert_allclose(parts.p_value, whole.p_value, rtol=1e-9)
    assert_allclose(parts.absolute.upper, whole.absolute.upper, rtol=1e-9)


def test_estimates_are_the_plain_ones() -> None:
    """With the planned split, lift and difference are those of the raw rates: 60 and 20 of 10,000 each."""
    found = _effect(20, 60, n=20_000)
    assert isinstance(found.relative, Interval)
    assert_allclose([found.absolute.estimate, found.relative.estimate], [0.004, 2.0])
    assert_allclose(found.standard_error, np.sqrt(80) / 10_000)


def test_weights_that_change_by_epoch_do_not_fool_it() -> None:
    """Simpson's paradox: no lift in either epoch, 10/90 then 50/50, while the pooled counts look like a gain."""
    pooled = _effect(190, 110, 0.3, 2000)
    by_epoch = rate_ratio([90, 100], [10, 100], [1000, 1000], [0.1, 0.5], alpha=0.05)
    assert isinstance(by_epoch, Effect)
    assert isinstance(by_epoch.relative, Interval)
    assert_allclose(by_epoch.relative.estimate, 0.0, atol=1e-9)
    assert by_epoch.p_value > 0.5
    assert pooled.p_value < by_epoch.p_value


def test_arms_without_converters_have_open_sides() -> None:
    """None in the treatment: the lift may be -100 %; none in control: there is no lift, but a difference."""
    nothing_sold, all_new = _effect(5, 0), _effect(0, 5)
    assert isinstance(nothing_sold.relative, Interval)
    assert nothing_sold.relative.lower == -1.0
    assert isinstance(all_new.relative, Undetermined)
    assert all_new.absolute.estimate > 0.0
    assert isinstance(rate_ratio(0, 0, 100, 0.5, alpha=0.05), Undetermined)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: rate_ratio(-1, 0, 10, 0.5, alpha=0.05), id="negative"),
        pytest.param(lambda: rate_ratio(6, 6, 10, 0.5, alpha=0.05), id="more-than-entered"),
        pytest.param(lambda: rate_ratio(1, 1, 10, 1.0, alpha=0.05), id="share-1"),
        pytest.param(lambda: rate_ratio(1, 1, 10, 0.5, alpha=2.0), id="alpha-2"),
        pytest.param(lambda: rate_ratio([1, 2], [1, 2], [10, 10], [0.5], alpha=0.05), id="shapes"),
    ],
)
def test_wrong_calls_are_refused(call: object) -> None:
    """Impossible counts, shares and levels raise."""
    assert callable(call)
    with pytest.raises(InvalidPlan):
        call()


@pytest.mark.slow
@pytest.mark.parametrize(("share", "lift"), [(0.5, 0.0), (0.1, 0.0), (0.5, 0.4)])
def test_truth_is_never_left_out_by_more_than_alpha(share: float, lift: float) -> None:
    """4,000 shops read 65 times up to 600 converters: the true lift is outside once in at most 5 % of them."""
    rng, shops = np.random.default_rng(9), 4000
    q = share * (1 + lift) / (share * (1 + lift) + 1 - share)
    treated = np.cumsum(rng.random((shops, 600)) < q, axis=1)
    worst = np.zeros(shops)
    for came in (1, 2, 3, 5, 8, *range(10, 601, 10)):
        counts, whose = np.unique(treated[:, came - 1], return_inverse=True)
        found = np.array([evidence(came - int(k), int(k), share, lift=lift) for k in counts])
        worst = np.maximum(worst, found[whose])
    assert (worst >= 20.0).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / shops)
