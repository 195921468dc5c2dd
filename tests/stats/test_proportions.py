"""Proportions: against statsmodels, scipy, a published table and the likelihood itself; one verdict."""

from math import log
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats import proportion as judge

from offerlab.errors import InvalidMoments, InvalidPlan
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.exact import boschloo
from offerlab.stats.moments import empty, from_values, stack
from offerlab.stats.proportions import compare_counts, proportion_differences, rate, wilson

CRITICAL = 1.959963984540054


def _outcome(x_t: int, n_t: int, x_c: int, n_c: int, *, alpha: float = 0.05) -> Outcome:
    x_t_, n_t_, x_c_, n_c_ = (np.array([float(v)]) for v in (x_t, n_t, x_c, n_c))
    return compare_counts(x_c_, n_c_, x_t_, n_t_, alpha=alpha).only()


def _effect(x_t: int, n_t: int, x_c: int, n_c: int, *, alpha: float = 0.05) -> Effect:
    outcome = _outcome(x_t, n_t, x_c, n_c, alpha=alpha)
    assert isinstance(outcome, Effect)
    return outcome


def _lift(effect: Effect) -> Interval:
    assert isinstance(effect.relative, Interval)
    return effect.relative


TABLES = [
    pytest.param(50, 210, 30, 200, id="usual"),
    pytest.param(3894, 21307, 2262, 21306, id="Hillstrom's mens mail"),
    pytest.param(120, 900, 1000, 10_000, id="unequal arms"),
    pytest.param(20, 1_000_000, 7, 1_000_000, id="rare"),
    pytest.param(980, 1000, 950, 1000, id="nearly all"),
]


@pytest.mark.parametrize(("x_t", "n_t", "x_c", "n_c"), TABLES)
def test_p_and_lift_are_those_of_statsmodels_score_test(x_t: int, n_t: int, x_c: int, n_c: int) -> None:
    """Pooled score test with Miettinen and Nurminen's factor, and their interval of the ratio."""
    effect = _effect(x_t, n_t, x_c, n_c)
    expected: Any = judge.test_proportions_2indep(x_t, n_t, x_c, n_c, method="score", compare="diff")
    low, high = judge.confint_proportions_2indep(x_t, n_t, x_c, n_c, method="score", compare="ratio")
    assert effect.method == "score"
    assert effect.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert _lift(effect).lower == pytest.approx(low - 1, rel=1e-4)
    assert _lift(effect).upper == pytest.approx(high - 1, rel=1e-4)


@pytest.mark.parametrize(
    ("x_t", "n_t", "x_c", "n_c", "lower", "upper"),
    [
        pytest.param(56, 70, 48, 80, 0.0528, 0.3382, id="a"),
        pytest.param(9, 10, 3, 10, 0.1700, 0.8406, id="b"),
        pytest.param(5, 56, 0, 29, -0.0326, 0.1933, id="d"),
        pytest.param(0, 10, 0, 20, -0.1658, 0.2844, id="e"),
        pytest.param(0, 10, 0, 10, -0.2879, 0.2879, id="f"),
        pytest.param(10, 10, 0, 20, 0.7156, 1.0000, id="g"),
        pytest.param(10, 10, 0, 10, 0.6636, 1.0000, id="h"),
    ],
)
def test_difference_intervals_are_the_published_ones(
    x_t: int, n_t: int, x_c: int, n_c: int, lower: float, upper: float
) -> None:
    """Miettinen and Nurminen's intervals as in Newcombe (1998), Statistics in Medicine 17, table II."""
    effect = _effect(x_t, n_t, x_c, n_c)
    assert round(effect.absolute.lower, 4) == lower
    assert round(effect.absolute.upper, 4) == upper


@pytest.mark.parametrize(("x_t", "n_t", "x_c", "n_c"), TABLES)
def test_difference_ends_maximise_the_restricted_likelihood(x_t: int, n_t: int, x_c: int, n_c: int) -> None:
    """At each end the score with the likeliest pair of rates that far apart is critical.

    statsmodels 0.15 is no judge here: its restricted estimate has a wrong coefficient (its issue 10269).
    """
    effect = _effect(x_t, n_t, x_c, n_c)
    for end in (effect.absolute.lower, effect.absolute.upper):

        def slope(p: float, gap: float = end) -> float:
            q = p + gap
            return x_t / q - (n_t - x_t) / (1 - q) + x_c / p - (n_c - x_c) / (1 - p)

        tiny = 1e-12
        p = optimize.brentq(slope, max(0, -end) + tiny, min(1, 1 - end) - tiny, xtol=1e-16, rtol=1e-14)
        q, size = p + end, n_t + n_c
        variance = (q * (1 - q) / n_t + p * (1 - p) / n_c) * size / (size - 1)
        assert abs(x_t / n_t - x_c / n_c - end) / variance**0.5 == pytest.approx(CRITICAL, rel=1e-6)


@pytest.mark.parametrize(
    ("x_t", "n_t", "x_c", "n_c"),
    [(7, 12, 1, 12), (6, 50, 1, 50), (0, 20, 3, 9), (7, 7, 9, 15), (5, 10, 5, 10), (3, 3, 2, 40), (0, 10, 0, 10)],
)
def test_boschloos_test_is_scipys(x_t: int, n_t: int, x_c: int, n_c: int) -> None:
    """The exact p-value agrees with scipy's to the precision of its search."""
    expected = stats.boschloo_exact([[x_t, x_c], [n_t - x_t, n_c - x_c]]).pvalue
    assert boschloo(x_t, n_t, x_c, n_c) == pytest.approx(expected, rel=1e-6)


def test_boschloos_published_example() -> None:
    """7 of 12 against 1 of 12 (Mehta & Senchaudhuri 2003): one-sided about .0051, where Fisher gives .0136."""
    assert boschloo(7, 12, 1, 12) == pytest.approx(2 * 0.00514, rel=1e-2)


@pytest.mark.parametrize(
    ("n_t", "n_c", "true_rate"),
    [
        (30, 30, 0.05),
        pytest.param(15, 60, 0.2, marks=pytest.mark.slow),
        pytest.param(600, 900, 0.002, marks=pytest.mark.slow),
    ],
)
def test_the_exact_test_keeps_its_level_by_enumeration(n_t: int, n_c: int, true_rate: float) -> None:
    """The chance of p < .05 when both arms convert alike, summed over all likely tables, is at most .05."""
    most_t, most_c = (int(stats.binom.isf(1e-7, n, true_rate)) for n in (n_t, n_c))
    level = 0.0
    for x_t in range(most_t + 1):
        for x_c in range(most_c + 1):
            if boschloo(x_t, n_t, x_c, n_c) < 0.05:
                level += float(stats.binom.pmf(x_t, n_t, true_rate) * stats.binom.pmf(x_c, n_c, true_rate))
    assert level <= 0.05


def test_large_rare_tables_are_exact_within_the_stated_miss_and_more_powerful_than_fisher() -> None:
    """Searching only plausible rates, 10 against 1 of 100,000 each is .0077, not Fisher's .0117."""
    table = np.array([[10, 1], [99_990, 99_999]])
    assert boschloo(10, 100_000, 1, 100_000) < stats.fisher_exact(table).pvalue
    assert boschloo(10, 100_000, 1, 100_000) == pytest.approx(boschloo(1, 100_000, 10, 100_000), rel=1e-9)


@given(
    n_t=st.integers(1, 40),
    n_c=st.integers(1, 40),
    t=st.floats(0, 1),
    c=st.floats(0, 1),
    alpha=st.sampled_from([0.05, 0.2]),
)
def test_zero_is_outside_both_intervals_exactly_when_p_is_below_alpha(
    n_t: int, n_c: int, t: float, c: float, alpha: float
) -> None:
    """One verdict in every small table, where the exact test decides, and every shape of it is finite."""
    x_t, x_c = round(t * n_t), round(c * n_c)
    effect = _effect(x_t, n_t, x_c, n_c, alpha=alpha)
    significant = effect.p_value < alpha
    assert effect.absolute.contains(0.0) != significant
    assert -1 <= effect.absolute.lower <= effect.absolute.estimate <= effect.absolute.upper <= 1
    if isinstance(effect.relative, Interval):
        assert effect.relative.contains(0.0) != significant
        assert effect.relative.lower - 1e-9 <= effect.relative.estimate <= effect.relative.upper + 1e-9


@given(n_t=st.integers(2, 5000), n_c=st.integers(2, 5000), t=st.floats(0, 1), c=st.floats(0, 1))
def test_swapping_the_arms_flips_the_sign(n_t: int, n_c: int, t: float, c: float) -> None:
    """The difference the other way round is its mirror image."""
    x_t, x_c = round(t * n_t), round(c * n_c)
    one, other = _effect(x_t, n_t, x_c, n_c), _effect(x_c, n_c, x_t, n_t)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-8)
    assert other.z == pytest.approx(-one.z, rel=1e-8)
    assert (-other.absolute.upper, -other.absolute.lower) == pytest.approx(
        (one.absolute.lower, one.absolute.upper), abs=1e-9
    )


def test_the_log_of_the_ratio_flips_too() -> None:
    """The lift's interval read backwards is the interval of the ratio the other way round."""
    one, other = _lift(_effect(50, 210, 30, 200)), _lift(_effect(30, 200, 50, 210))
    assert log(1 + one.lower) == pytest.approx(-log(1 + other.upper), rel=1e-9)


@pytest.mark.parametrize(
    ("x_t", "n_t", "x_c", "n_c"), [(0, 10, 0, 10), (10, 10, 10, 10), (1, 1, 0, 1), (0, 1, 0, 1), (0, 5, 5, 5)]
)
def test_nobody_or_everybody_converted_is_a_finite_answer(x_t: int, n_t: int, x_c: int, n_c: int) -> None:
    """The corners of the table have p, both ends and no NaN."""
    effect = _effect(x_t, n_t, x_c, n_c)
    assert effect.absolute.is_finite
    assert 0 <= effect.p_value <= 1
    assert isinstance(effect.relative, Interval) == (x_c > 0)


@pytest.mark.parametrize(
    ("x_t", "n_t", "x_c", "n_c", "told"),
    [
        pytest.param(45, 1000, 40, 1000, False, id="42 each"),
        pytest.param(30, 1000, 40, 1000, True, id="35 each"),
        pytest.param(990, 1000, 985, 1000, True, id="hardly anybody without"),
        pytest.param(8, 2000, 72, 18_000, True, id="8 in a tenth"),
    ],
)
def test_few_conversions_are_told(x_t: int, n_t: int, x_c: int, n_c: int, *, told: bool) -> None:
    """Below forty, weighed by the smaller arm, the effect says too few, as the means do."""
    effect = _effect(x_t, n_t, x_c, n_c)
    assert ("too_few" in {caution.code for caution in effect.warnings}) is told


def test_an_empty_arm_is_undetermined() -> None:
    """Without customers nothing can be said."""
    outcome = _outcome(0, 0, 3, 10)
    assert isinstance(outcome, Undetermined)
    assert outcome.reason == "no_units"


def test_moments_of_zeros_and_ones_are_counts() -> None:
    """The face on moments gives what the counts give."""
    control, treatment = np.repeat([1.0, 0.0], [30, 170]), np.repeat([1.0, 0.0], [50, 160])
    arms = (stack([from_values(("a",), values)]) for values in (control, treatment))
    assert proportion_differences(*arms, alpha=0.05).only() == _effect(50, 210, 30, 200)


def test_a_column_with_other_values_is_refused() -> None:
    """Amounts are no proportion; neither are more conversions than customers."""
    amounts = from_values(("a",), [0.0, 0.5, 1.0, 1.0])
    with pytest.raises(InvalidMoments, match="other values"):
        proportion_differences(amounts, amounts, alpha=0.05)
    with pytest.raises(InvalidMoments, match="between none and all"):
        _outcome(11, 10, 1, 10)
    with pytest.raises(InvalidPlan, match="alpha"):
        _outcome(5, 10, 1, 10, alpha=2)


@pytest.mark.parametrize(("x", "n"), [(0, 10), (1, 30), (263, 18_320), (10, 10)])
def test_one_arm_has_wilsons_interval(x: int, n: int) -> None:
    """Share and interval of one arm are statsmodels' Wilson."""
    got = rate(from_values(("a",), np.repeat([1.0, 0.0], [x, n - x])), alpha=0.05)
    low, high = judge.proportion_confint(x, n, method="wilson")
    assert isinstance(got, Interval)
    assert (got.estimate, got.lower, got.upper) == pytest.approx((x / n, low, high), abs=1e-12)
    assert wilson(np.array([float(x)]), np.array([float(n)]), alpha=0.05)[1][0] == pytest.approx(high)


def test_an_arm_without_customers_has_no_rate() -> None:
    """No division by nobody."""
    got = rate(empty(("a",)), alpha=0.05)
    assert isinstance(got, Undetermined)
    with pytest.raises(InvalidPlan, match="at least one"):
        wilson(np.zeros(1), np.zeros(1), alpha=0.05)
