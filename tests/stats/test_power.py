"""Sample size, effect and power against R, statsmodels and the closed forms."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import ndtri
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from offerlab.errors import InvalidPlan
from offerlab.stats.confidence_sequence import multiplier
from offerlab.stats.group_sequential import finding
from offerlab.stats.power import (
    Baseline,
    Design,
    Gain,
    detectable,
    drift_needed,
    inflation_of,
    optimal_weights,
    power_of,
    ratio_sd,
    sample_size,
)

SPEND = Baseline(6.5, sd=60.0)


def test_two_rates_need_what_r_says() -> None:
    """power.prop.test(p1 = .10, p2 = .11, power = .8) gives n = 14750.79 per arm (R 4)."""
    assert_allclose(sample_size(Baseline(0.1), Gain(0.01, relative=False), Design()) / 2, 14750.79, atol=0.005)


def test_two_rates_have_the_power_of_statsmodels() -> None:
    """Pooled variance under the null hypothesis, own variances under the effect."""
    judge: Any = power_proportions_2indep(0.01, 0.1, 15_000, alpha=0.05, alternative="larger")
    one_sided = power_of(Baseline(0.1), Gain(0.01, relative=False), Design(sides=1), 30_000)
    assert_allclose(one_sided, judge.power, atol=1e-9)


def test_two_rates_in_unequal_arms_have_the_power_of_simulation() -> None:
    """40,000 experiments of 90/10, read by the pooled score test (three standard errors)."""
    rng, large, small = np.random.default_rng(6), 45_000, 5_000
    x, y = rng.binomial(large, 0.1, 40_000), rng.binomial(small, 0.112, 40_000)
    pooled = (x + y) / (large + small)
    z = (y / small - x / large) / np.sqrt(pooled * (1 - pooled) * (1 / large + 1 / small))
    planned = power_of(Baseline(0.1), Gain(0.012, relative=False), Design((9.0, 1.0)), large + small)
    assert_allclose((z > ndtri(0.975)).mean(), planned, atol=3 * np.sqrt(0.25 / 40_000))


@pytest.mark.parametrize("ratio", [1.0, 0.25, 4.0])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_two_means_need_what_statsmodels_says(ratio: float, power: float) -> None:
    """Normal two-sample z test, absolute effect, any split (statsmodels counts the wrong tail too: 1e-6 here)."""
    expected = NormalIndPower().solve_power(effect_size=1.5 / 60.0, alpha=0.05, power=power, ratio=ratio)
    design = Design((1.0, ratio))
    assert_allclose(sample_size(SPEND, Gain(1.5, relative=False), design, power) / (1 + ratio), expected, rtol=1e-5)


def test_a_relative_effect_is_planned_on_the_log_scale() -> None:
    """(z + z)² (cv_C² + cv_T²) / ln(1 + r)² per arm, the treatment's mean raised by r."""
    z = ndtri(0.975) + ndtri(0.8)
    expected = z**2 * ((60 / 6.5) ** 2 + (60 / (6.5 * 1.1)) ** 2) / np.log(1.1) ** 2
    assert_allclose(sample_size(SPEND, Gain(0.1), Design()) / 2, expected, rtol=1e-10)


def test_covariates_shrink_the_sample_by_the_squared_correlation() -> None:
    """With correlation .6 the sample is .64 of the plain one."""
    plain, adjusted = (sample_size(SPEND, Gain(0.1), Design(saved=saved)) for saved in (0.0, 0.36))
    assert_allclose(adjusted / plain, 0.64)


def test_looks_inflate_the_sample_as_published() -> None:
    """Five O'Brien-Fleming-like looks: 1.025 (rpact asOF)."""
    fixed = sample_size(SPEND, Gain(0.1), Design())
    group = sample_size(SPEND, Gain(0.1), Design(kind="group", looks=5))
    assert_allclose(group / fixed, 1.025, atol=5e-4)
    assert_allclose(inflation_of(Design(kind="group", looks=5), 0.8), group / fixed, rtol=1e-9)


def test_an_open_ended_reading_has_its_power_by_the_recursion() -> None:
    """At the drift found, the sequence crosses upwards by the planned sample with chance 80 %."""
    design = Design(kind="always", looks=14)
    times = np.arange(1, 15) / 14
    assert_allclose(finding(times, multiplier(times, 0.05), drift_needed(design, 0.8)), 0.8, atol=1e-9)
    assert inflation_of(design, 0.8) > 1.5


def test_many_arms_pay_dunnetts_level() -> None:
    """Two treatments with equal arms: critical value 2.212 (Dunnett 1964, table II, two-sided, infinite df)."""
    assert_allclose(-ndtri(Design((1.0, 1.0, 1.0)).alpha_each / 2), 2.212, atol=5e-4)
    assert Design((1.0, 1.0, 1.0), correction="bonferroni").alpha_each == 0.025
    assert Design((1.0, 1.0, 1.0), correction="none").alpha_each == 0.05


def test_the_square_root_split_needs_the_fewest_customers() -> None:
    """For four treatments no control weight on a grid beats √4 : 1 (at a common level)."""
    best = sample_size(SPEND, Gain(1.0, relative=False), Design(optimal_weights(4), correction="bonferroni"))
    for control in (1.0, 1.5, 1.9, 2.1, 2.5, 4.0):
        design = Design((control, 1.0, 1.0, 1.0, 1.0), correction="bonferroni")
        assert sample_size(SPEND, Gain(1.0, relative=False), design) > best


def test_non_inferiority_is_one_sided_against_the_margin() -> None:
    """2 sd² (z + z)² / margin² per arm; relative: the linear form m_T - .9 m_C."""
    z = ndtri(0.95) + ndtri(0.8)
    found = sample_size(SPEND, Gain(0.0, relative=False, margin=2.0), Design(sides=1))
    assert_allclose(found / 2, 2 * 60.0**2 * z**2 / 2.0**2)
    found = sample_size(SPEND, Gain(0.0, margin=0.1), Design(sides=1))
    assert_allclose(found / 2, (1 + 0.9**2) * 60.0**2 * z**2 / 0.65**2)


def test_a_ratio_plans_with_its_linearised_values() -> None:
    """The delta-method deviation is that of (y - R x) / mean(x), computed here from values."""
    rng = np.random.default_rng(2)
    x = rng.poisson(2.0, 50_000).astype(np.float64)
    y = 20.0 * x + rng.normal(0.0, 8.0, x.size) * np.sqrt(x)
    covariance = np.cov(y, x)
    linear = (y - y.mean() / x.mean() * x) / x.mean()
    expected = linear.std(ddof=1)
    assert_allclose(ratio_sd((y.mean(), covariance[0, 0]), (x.mean(), covariance[1, 1]), covariance[0, 1]), expected)


@settings(max_examples=40)
@given(
    mean=st.one_of(st.floats(0.5, 50.0), st.floats(-50.0, -0.5)),
    cv=st.floats(0.2, 20.0),
    size=st.floats(0.001, 0.4),
    share=st.floats(0.05, 0.95),
    power=st.floats(0.2, 0.99),
    money=st.floats(0.01, 1000.0),
)
def test_effect_power_and_customers_agree(
    mean: float, cv: float, size: float, share: float, power: float, money: float
) -> None:
    """Any two give back the third, and the currency does not matter."""
    baseline, design = Baseline(mean, sd=cv * abs(mean)), Design((1 - share, share))
    n = sample_size(baseline, Gain(size), design, power)
    assert_allclose(power_of(baseline, Gain(size), design, n), power, rtol=1e-6)
    assert_allclose(detectable(baseline, design, n, power), size, rtol=1e-6)
    other = Baseline(mean * money, sd=cv * abs(mean) * money)
    assert_allclose(sample_size(other, Gain(size), design, power), n, rtol=1e-9)


def test_the_smallest_detectable_rate_agrees_with_its_sample() -> None:
    """The MDE of a rate, absolute and relative, finds its own sample again."""
    absolute = detectable(Baseline(0.1), Design(), 2 * 14750.79, relative=False)
    assert_allclose(absolute, 0.01, atol=1e-7)
    assert_allclose(detectable(Baseline(0.1), Design(), 2 * 14750.79), 0.1, atol=1e-6)


def test_no_effect_needs_infinitely_many_and_is_found_by_chance() -> None:
    """An effect of zero has no sample; its power is the error of one side."""
    assert sample_size(SPEND, Gain(0.0), Design()) == np.inf
    assert_allclose(power_of(SPEND, Gain(0.0), Design(), 1000), 0.025, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda: Baseline(1.5), "rate", id="rate-above-1"),
        pytest.param(lambda: Baseline(1.5, sd=0.0), "deviation", id="no-spread"),
        pytest.param(lambda: Design((1.0,)), "two arms", id="one-arm"),
        pytest.param(lambda: Design((1.0, 0.0)), "two arms", id="weight-zero"),
        pytest.param(lambda: Design(alpha=2.0), "alpha", id="alpha-2"),
        pytest.param(lambda: Design(saved=1.0), "variance saved", id="all-saved"),
        pytest.param(lambda: Design(looks=0), "look", id="no-look"),
        pytest.param(lambda: sample_size(Baseline(0.9), Gain(0.5), Design()), "rate", id="rate-too-high"),
        pytest.param(lambda: sample_size(Baseline(0.0, sd=1.0), Gain(0.1), Design()), "side of zero", id="mean-0"),
        pytest.param(lambda: sample_size(SPEND, Gain(0.1), Design(), 0.01), "power", id="power-below-alpha"),
        pytest.param(lambda: power_of(SPEND, Gain(0.1), Design(), 0), "customers", id="nobody"),
        pytest.param(lambda: detectable(SPEND, Design(), -1), "customers", id="negative"),
        pytest.param(lambda: detectable(Baseline(0.5), Design(), 3), "any gain", id="three-customers"),
        pytest.param(lambda: optimal_weights(0), "treatment", id="no-treatment"),
    ],
)
def test_wrong_plans_are_refused(call: object, message: str) -> None:
    """Each impossible plan raises with the rule broken."""
    assert callable(call)
    with pytest.raises(InvalidPlan, match=message):
        call()
