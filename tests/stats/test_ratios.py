"""Ratios and returns: against the delta method written out, tea-tasting, Fieller's closed form and simulation."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import tea_tasting as tt  # type: ignore[import-untyped] # ships no types
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from offerlab.errors import InvalidPlan
from offerlab.stats.effect import Effect, Interval, Undetermined
from offerlab.stats.means import mean_difference
from offerlab.stats.moments import Moments, from_values, stack
from offerlab.stats.ratios import adjusted_ratio_differences, ratio_difference
from offerlab.stats.roi import return_on_cost

Values = NDArray[np.float64]
CRITICAL = 1.959963984540054
COLUMNS = ("revenue", "orders", "before", "before_orders")


def _shop(rng: np.random.Generator, n: int, value: float = 20.0) -> Values:
    taste = rng.gamma(4, 0.25, n)
    orders = rng.poisson(1.2 * taste, n).astype(np.float64)
    revenue = value * taste / 2 * rng.gamma(np.maximum(2 * orders, 1e-9)) * (orders > 0)
    before = rng.poisson(1.2 * taste, n).astype(np.float64)
    return np.column_stack([revenue, orders, before * taste * value, before])


def _arms(seed: int, n_c: int = 900, n_t: int = 700, value: float = 22.0) -> tuple[Moments, Moments, Values, Values]:
    rng = np.random.default_rng(seed)
    x, y = _shop(rng, n_c), _shop(rng, n_t, value)
    return from_values(COLUMNS, x), from_values(COLUMNS, y), x, y


def test_order_value_has_the_delta_methods_error() -> None:
    """Estimate and standard error are those of Deng, Knoblich & Lu (2018), by customer."""
    control, treatment, x, y = _arms(1)
    effect = ratio_difference(control, treatment, alpha=0.05)
    assert isinstance(effect, Effect)
    ratio = [arm[:, 0].sum() / arm[:, 1].sum() for arm in (x, y)]
    variance = [
        np.var(arm[:, 0] - r * arm[:, 1], ddof=1) / len(arm) / arm[:, 1].mean() ** 2
        for arm, r in zip((x, y), ratio, strict=True)
    ]
    assert effect.absolute.estimate == pytest.approx(ratio[1] - ratio[0], rel=1e-12)
    assert effect.standard_error == pytest.approx(float(np.sqrt(sum(variance))), rel=1e-12)


def test_order_value_is_near_tea_tastings() -> None:
    """tea-tasting's ratio of means: same estimate and error; its symmetric interval within a tenth of its width."""
    control, treatment, x, y = _arms(2, 4000, 4000)
    frame = pd.DataFrame(np.concatenate([x, y])[:, :2], columns=["revenue", "orders"])
    frame["variant"] = np.repeat([0, 1], [len(x), len(y)])
    judge: Any = tt.Experiment(aov=tt.RatioOfMeans("revenue", "orders")).analyze(frame)["aov"]
    effect = ratio_difference(control, treatment, alpha=0.05)
    assert isinstance(effect, Effect)
    assert isinstance(effect.relative, Interval)
    assert effect.absolute.estimate == pytest.approx(judge.effect_size, rel=1e-9)
    width = judge.effect_size_ci_upper - judge.effect_size_ci_lower
    assert effect.absolute.lower == pytest.approx(judge.effect_size_ci_lower, abs=0.1 * width)
    assert effect.relative.upper == pytest.approx(judge.rel_effect_size_ci_upper, abs=0.1 * width)


def test_a_denominator_of_one_makes_a_ratio_a_mean() -> None:
    """Revenue per customer as a ratio over ones is the mean, corrected statistic and all."""
    rng = np.random.default_rng(3)
    x, y = (np.column_stack([rng.gamma(0.5, 3, n), np.ones(n)]) for n in (400, 300))
    control, treatment = from_values(("y", "one"), x), from_values(("y", "one"), y)
    as_ratio, as_mean = (
        ratio_difference(control, treatment, alpha=0.05),
        mean_difference(control, treatment, alpha=0.05),
    )
    assert isinstance(as_ratio, Effect)
    assert isinstance(as_mean, Effect)
    assert as_ratio.z == pytest.approx(as_mean.z, rel=1e-10)
    assert as_ratio.absolute.lower == pytest.approx(as_mean.absolute.lower, rel=1e-9)


def test_a_constant_times_the_denominator_shifts_the_ratio_only() -> None:
    """Adding 5 per order to every customer's revenue leaves the difference's error as it was."""
    control, treatment, x, y = _arms(4)
    more = [from_values(COLUMNS, arm + 5 * np.outer(arm[:, 1], [1, 0, 0, 0])) for arm in (x, y)]
    one, other = ratio_difference(control, treatment, alpha=0.05), ratio_difference(*more, alpha=0.05)
    assert isinstance(one, Effect)
    assert isinstance(other, Effect)
    assert other.absolute.estimate == pytest.approx(one.absolute.estimate, rel=1e-9)
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-9)


def test_no_orders_in_an_arm_is_undetermined() -> None:
    """A ratio over nothing says so."""
    control, treatment, x, _ = _arms(5)
    none = from_values(COLUMNS, x * [1, 0, 1, 1])
    outcome = ratio_difference(none, treatment, alpha=0.05)
    assert isinstance(outcome, Undetermined)
    assert outcome.reason == "denominator_zero"
    assert isinstance(ratio_difference(control, treatment, alpha=0.05), Effect)


@given(seed=st.integers(0, 1000), unit=st.sampled_from([0.01, 1e4]))
def test_laws_of_one_verdict_hold_for_ratios(seed: int, unit: float) -> None:
    """Swapping flips, rescaling changes no p, zero is outside exactly when p < alpha."""
    control, treatment, x, y = _arms(seed, 60, 40)
    one, back = ratio_difference(control, treatment, alpha=0.2), ratio_difference(treatment, control, alpha=0.2)
    scaled = ratio_difference(*(from_values(COLUMNS, arm * [unit, 1, 1, 1]) for arm in (x, y)), alpha=0.2)
    assert isinstance(one, Effect)
    assert isinstance(back, Effect)
    assert isinstance(scaled, Effect)
    assert back.z == pytest.approx(-one.z, rel=1e-8, abs=1e-10)
    assert scaled.p_value == pytest.approx(one.p_value, rel=1e-7)
    assert one.absolute.contains(0.0) == (one.p_value >= 0.2)


def test_what_was_known_before_narrows_a_ratio() -> None:
    """With the pre-period numerator and denominator the error falls as re-randomisation says it does."""
    rng = np.random.default_rng(6)
    both = _shop(rng, 2400)
    raw, adjusted, claimed = [], [], []
    for _ in range(120):
        mask = rng.permutation(2400) < 1200
        control, treatment = (from_values(COLUMNS, both[m]) for m in (~mask, mask))
        plain = ratio_difference(control, treatment, alpha=0.05)
        better = adjusted_ratio_differences(
            stack([control]), stack([treatment]), alpha=0.05, covariates=["before", "before_orders"]
        )
        assert isinstance(plain, Effect)
        raw.append(plain.absolute.estimate)
        adjusted.append(float(better.effects.estimate[0]))
        claimed.append(float(better.effects.standard_error[0]))
    assert np.std(adjusted) < 0.95 * np.std(raw)
    assert np.mean(claimed) == pytest.approx(np.std(adjusted), rel=0.15)


def test_covariates_of_a_ratio_must_be_others() -> None:
    """Neither part of the ratio, nor none."""
    control, treatment, _, _ = _arms(7)
    for covariates in ([], ["orders"], ["before", "before"]):
        with pytest.raises(InvalidPlan, match="covariate"):
            adjusted_ratio_differences(control, treatment, alpha=0.05, covariates=covariates)


def _profit(rng: np.random.Generator, n: int, gain: float, cost: float) -> Values:
    spent = cost * (rng.random(n) < 0.4)
    return np.asarray(np.column_stack([rng.normal(5 + gain, 3, n) - spent, spent]), dtype=np.float64)


def test_a_return_has_fiellers_interval() -> None:
    """Incremental profit over incremental cost: Fieller's closed form with the covariance of both, normal data."""
    rng = np.random.default_rng(8)
    x, y = _profit(rng, 3000, 0.0, 0.0), _profit(rng, 3000, 1.5, 2.0)
    outcome = return_on_cost(from_values(("p", "c"), x), from_values(("p", "c"), y), alpha=0.05)
    assert isinstance(outcome, Effect)
    top, base = y.mean(axis=0) - x.mean(axis=0)
    v = np.cov(x.T) / len(x) + np.cov(y.T) / len(y)
    a, b, c = (
        base**2 - CRITICAL**2 * v[1, 1],
        -2 * (top * base - CRITICAL**2 * v[0, 1]),
        top**2 - CRITICAL**2 * v[0, 0],
    )
    ends = sorted((-b + s * np.sqrt(b * b - 4 * a * c)) / (2 * a) for s in (-1, 1))
    assert outcome.absolute.estimate == pytest.approx(top / base, rel=1e-12)
    assert (outcome.absolute.lower, outcome.absolute.upper) == pytest.approx(ends, rel=2e-3)
    assert isinstance(outcome.relative, Undetermined)
    assert outcome.absolute.contains(0.0) == (outcome.p_value >= 0.05)


def test_a_known_cost_makes_the_return_a_mean() -> None:
    """When every treated customer costs exactly two, the return's interval is the profit's, halved."""
    rng = np.random.default_rng(9)
    x, y = rng.gamma(2, 2, 800), rng.gamma(2, 2.4, 700) - 2
    arms = [from_values(("p", "c"), np.column_stack([arm, np.full(len(arm), cost)])) for arm, cost in ((x, 0), (y, 2))]
    outcome = return_on_cost(arms[0], arms[1], alpha=0.05)
    profit = mean_difference(arms[0], arms[1], alpha=0.05, method="contrast")
    assert isinstance(outcome, Effect)
    assert isinstance(profit, Effect)
    assert outcome.absolute.lower == pytest.approx(profit.absolute.lower / 2, rel=1e-9)
    assert outcome.absolute.upper == pytest.approx(profit.absolute.upper / 2, rel=1e-9)
    assert outcome.p_value == pytest.approx(profit.p_value, rel=1e-12)


def test_a_cost_that_may_be_nothing_gives_no_false_certainty() -> None:
    """With hardly any incremental cost the set is everything but a gap, or the whole line."""
    rng = np.random.default_rng(10)
    x = np.column_stack([rng.normal(5, 3, 400), rng.normal(1, 1, 400)])
    y = np.column_stack([rng.normal(6.5, 3, 400), rng.normal(1.02, 1, 400)])
    outcome = return_on_cost(from_values(("p", "c"), x), from_values(("p", "c"), y), alpha=0.05)
    assert isinstance(outcome, Effect)
    assert outcome.absolute.shape == "disjoint"
    assert not outcome.absolute.contains(0.0)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        pytest.param([[1.0, 0.0], [2.0, 0.0]], [[1.0, 0.0], [3.0, 0.0]], "no_cost", id="no cost"),
        pytest.param([[1.0, 0.0]], [[1.0, 1.0], [3.0, 1.0]], "one_unit", id="one customer"),
        pytest.param([[1.0, 0.0]] * 3, [[1.0, 1.0]] * 3, "no_variance", id="no spread"),
    ],
)
def test_a_return_that_cannot_be_told_says_why(
    control: list[list[float]], treatment: list[list[float]], reason: str
) -> None:
    """No cost, nobody, no spread: a reason, never a number."""
    outcome = return_on_cost(from_values(("p", "c"), control), from_values(("p", "c"), treatment), alpha=0.05)
    assert isinstance(outcome, Undetermined)
    assert outcome.reason == reason
