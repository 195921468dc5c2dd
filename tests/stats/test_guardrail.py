"""Guardrails against statsmodels, the closed forms, and their own laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from statsmodels.stats.weightstats import ttost_ind, ztest

from offerlab.errors import InvalidPlan
from offerlab.stats.comparison import compare
from offerlab.stats.confidence_sequence import multiplier
from offerlab.stats.effect import Interval, Outcome, Undetermined
from offerlab.stats.guardrail import Better, Guardrail, Margin, equivalence, guard, judge, non_inferiority, tost
from offerlab.stats.looks import Rule
from offerlab.stats.means import mean_difference
from offerlab.stats.moments import from_values, stack
from offerlab.stats.pair import Pair, independent, mean_level
from offerlab.stats.sequential import Look

HARM = Rule("always", 1000, alpha=0.025, sides=1)


def _symmetric(seed: int, mean: float, n: int = 4000) -> NDArray[np.float64]:
    """Values whose sample skewness is exactly zero: the skewness correction then does nothing."""
    half = np.random.default_rng(seed).normal(0.0, 2.0, n // 2)
    return mean + np.concatenate([half, -half])


def _pair(control: NDArray[np.float64], treatment: NDArray[np.float64]) -> Pair:
    arms = [stack([from_values(("value",), values[:, None])]) for values in (treatment, control)]
    return independent(mean_level(arms[0]), mean_level(arms[1]))


def _outcome(control: NDArray[np.float64], treatment: NDArray[np.float64], alpha: float) -> Outcome:
    return mean_difference(
        from_values(("value",), control[:, None]), from_values(("value",), treatment[:, None]), alpha=alpha
    )


@pytest.mark.parametrize(("better", "alternative", "sign"), [("higher", "larger", 1.0), ("lower", "smaller", -1.0)])
def test_an_absolute_margin_agrees_with_statsmodels(better: Better, alternative: str, sign: float) -> None:
    """One-sided z test against the margin (control mean near zero, where the plain contrast is used)."""
    control, treatment = _symmetric(1, 0.02), _symmetric(2, 0.0)
    _, p = non_inferiority(_pair(control, treatment), Margin(0.1, better=better))
    _, expected = ztest(treatment, control, value=-sign * 0.1, alternative=alternative, usevar="unequal")  # pyright: ignore[reportArgumentType]  # an int by its default only
    assert_allclose(p, expected, rtol=2e-3)


def test_a_relative_margin_is_the_linear_form() -> None:
    """m_T - .9 m_C over its standard error, with a control mean too small for any ratio."""
    control, treatment = _symmetric(3, 0.05), _symmetric(4, 0.04)
    _, p = non_inferiority(_pair(control, treatment), Margin(0.1, relative=True))
    _, expected = ztest(treatment, 0.9 * control, alternative="larger", usevar="unequal")
    assert_allclose(p, expected, rtol=2e-3)


def test_equivalence_agrees_with_statsmodels() -> None:
    """Two one-sided tests within ± .15."""
    control, treatment = _symmetric(5, 0.0), _symmetric(6, 0.03)
    expected, *_ = ttost_ind(treatment, control, -0.15, 0.15, usevar="unequal")
    assert_allclose(equivalence(_pair(control, treatment), 0.15), expected, rtol=1e-2)  # t with 7,998 df there


def test_equivalence_is_the_larger_of_two_tests() -> None:
    """Both sides must be shown: the worse one counts (normal table: z = 1.645 is 5 %)."""
    assert_allclose(tost(1.6448536, -3.0), 0.05, rtol=1e-6)
    assert_allclose(tost(3.0, 0.0), 0.5)


@settings(max_examples=30)
@given(
    lift=st.floats(-0.3, 0.3),
    size=st.floats(0.0, 0.3),
    relative=st.booleans(),
    better=st.sampled_from(["higher", "lower"]),
    seed=st.integers(0, 5),
)
def test_margin_is_outside_the_interval_exactly_when_shown(
    lift: float, size: float, *, relative: bool, better: Better, seed: int
) -> None:
    """Non-inferiority at alpha, and the interval of coverage 1 - 2 alpha on the good side of the margin, are one."""
    rng = np.random.default_rng(seed)
    control, treatment = rng.gamma(2.0, 5.0, 300), rng.gamma(2.0, 5.0 * (1.0 + lift), 300)
    pair, margin = _pair(control, treatment), Margin(size if relative else 10.0 * size, relative, better)
    effects = compare(pair, alpha=0.05)
    low, high = (effects.relative_lower, effects.relative_upper) if relative else (effects.lower, effects.upper)
    _, p = non_inferiority(pair, margin, alpha=0.025)
    if abs(float(p[0]) - 0.025) > 1e-6:
        state = judge(Interval(0.0, float(low[0]), float(high[0])), margin)
        assert (state == "within_limit") == (float(p[0]) < 0.025)


@settings(max_examples=30)
@given(seed=st.integers(0, 20), lift=st.floats(-0.5, 0.5), size=st.floats(0.0, 0.4))
def test_mirrored_metric_has_the_same_state(seed: int, lift: float, size: float) -> None:
    """A metric counted as lost instead of kept (sign flipped, lower better) is judged alike."""
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.normal(lift, 0.2, 2))
    state = judge(Interval(0.0, low, high), Margin(size, better="higher"))
    assert state == judge(Interval(0.0, -high, -low), Margin(size, better="lower"))


@pytest.mark.parametrize(
    ("lower", "upper", "state"),
    [(-0.04, 0.2, "within_limit"), (-0.2, -0.06, "past_limit"), (-0.2, 0.2, "cannot_tell")],
)
def test_three_states(lower: float, upper: float, state: str) -> None:
    """Within, past, or not yet known, for a margin of .05."""
    assert judge(Interval(0.0, lower, upper), Margin(0.05)) == state


def test_a_lift_without_bounds_tells_nothing() -> None:
    """A disjoint or unbounded set cannot be judged by its ends."""
    assert judge(Interval(0.0, 0.1, 0.2, "disjoint"), Margin(0.05)) == "cannot_tell"


@pytest.mark.parametrize(
    ("better", "drop", "harmed"), [("higher", 0.3, True), ("higher", 0.05, False), ("lower", 0.3, False)]
)
def test_harm_is_worse_than_no_change_beyond_the_boundary(better: Better, drop: float, *, harmed: bool) -> None:
    """A large drop harms a metric where more is better, and no other."""
    control, treatment = _symmetric(7, 5.0), _symmetric(8, 5.0 - drop)
    found = guard(lambda alpha: _outcome(control, treatment, alpha), Margin(0.1, better=better), 800, HARM)
    assert isinstance(found, Guardrail)
    assert found.harmed == harmed
    assert_allclose(found.reading.boundary, multiplier(0.8, 0.025, sides=1))


def test_harm_remembers_an_earlier_crossing() -> None:
    """A guardrail that was crossed at an earlier look says so although it has recovered."""
    control, treatment = _symmetric(7, 5.0), _symmetric(8, 5.0)
    found = guard(lambda alpha: _outcome(control, treatment, alpha), Margin(0.0), 800, HARM, [Look(400, -4.0)])
    assert isinstance(found, Guardrail)
    assert not found.harmed
    assert found.reading.crossed_at == 400


@pytest.mark.parametrize("kind", ["group", "always", "fixed"])
def test_harm_and_the_bound_on_the_other_side_agree(kind: str) -> None:
    """Harmed exactly when the whole interval at that level is on the bad side of zero."""
    rule = Rule(kind, 1000, alpha=0.05, sides=1)  # type: ignore[arg-type]  # the parameter is one of the kinds
    for drop in (0.0, 0.08, 0.1, 0.12, 0.3):
        control, treatment = _symmetric(9, 5.0), _symmetric(10, 5.0 - drop)
        found = guard(lambda alpha, c=control, t=treatment: _outcome(c, t, alpha), Margin(0.0), 700, rule)  # type: ignore[misc]  # bound now
        assert isinstance(found, Guardrail)
        assert found.harmed == (found.state == "past_limit") == (found.reading.p_value < 0.05)


def test_nothing_is_said_about_an_empty_arm() -> None:
    """What the test cannot say the guardrail can't either."""
    values = _symmetric(1, 5.0)
    assert isinstance(guard(lambda alpha: _outcome(np.empty(0), values, alpha), Margin(0.1), 10, HARM), Undetermined)


@pytest.mark.parametrize(
    ("step", "better", "state"),
    [(1.0, "higher", "within_limit"), (1.0, "lower", "past_limit"), (0.0, "lower", "cannot_tell")],
)
def test_a_share_of_a_control_mean_of_zero_is_a_margin_of_zero(step: float, better: Better, state: str) -> None:
    """m_T ≥ (1 - m)·0 is a margin of zero in the metric's own unit: the absolute range decides."""
    control = np.tile([1.0, -1.0], 500)
    margin = Margin(0.1, relative=True, better=better)
    found = guard(lambda alpha: _outcome(control, control + step, alpha), margin, 800, HARM)
    assert isinstance(found, Guardrail)
    assert (found.state, found.limit) == (state, 0.0)
    _, p = non_inferiority(_pair(control, control + step), margin, alpha=HARM.alpha)
    assert (float(p[0]) < HARM.alpha) == (state == "within_limit")


def test_wrong_calls_are_refused() -> None:
    """A negative margin, a relative margin of 1 and a two-sided guardrail raise."""
    with pytest.raises(InvalidPlan, match="0 or more"):
        Margin(-0.1)
    with pytest.raises(InvalidPlan, match="below 1"):
        Margin(1.0, relative=True)
    with pytest.raises(InvalidPlan, match="one-sided"):
        guard(lambda alpha: _outcome(_symmetric(1, 5.0), _symmetric(2, 5.0), alpha), Margin(0.1), 800, Rule("always"))
