"""Effect by days since exposure: judged by statsmodels and by Welch's test of each customer's own slope."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.effect import Undetermined
from offerlab.stats.moments import from_values
from offerlab.stats.novelty import Trend, effect_trend
from offerlab.stats.wald import joint_differences

DAYS = np.arange(7.0)


def trend(*args: object, **options: float) -> Trend:
    """The trend, which must exist."""
    result = effect_trend(*args, **options)  # type: ignore[arg-type]  # forwarded as given
    assert isinstance(result, Trend)
    return result


@given(st.integers(0, 300))
def test_independent_days_are_weighted_least_squares(seed: int) -> None:
    """Slope, error and level as statsmodels' WLS with known variances."""
    rng = np.random.default_rng(seed)
    effects, variances = rng.standard_normal(7), rng.uniform(0.5, 2.0, 7)
    judge = sm.WLS(effects, sm.add_constant(DAYS), weights=1 / variances).fit(  # pyright: ignore[reportArgumentType]  # its docstring says float
        cov_type="fixed scale", cov_kwds={"scale": 1.0}
    )
    ours = trend(DAYS, effects, variances)
    assert ours.slope.estimate == pytest.approx(judge.params[1])
    assert ours.p_value == pytest.approx(judge.pvalues[1])
    assert ours.slope.lower == pytest.approx(judge.conf_int()[1][0])
    assert ours.first == pytest.approx(judge.params[0])
    assert ours.last == pytest.approx(judge.params[0] + 6 * judge.params[1])


def test_days_of_the_same_customers_are_a_test_of_each_customers_slope() -> None:
    """With equal daily variances, slope over error is Welch's statistic of the customers' own slopes."""
    rng = np.random.default_rng(4)
    control = rng.standard_normal((400, 1)) + rng.standard_normal((400, 7))
    treated = rng.standard_normal((300, 1)) + rng.standard_normal((300, 7)) + 0.5 - 0.1 * DAYS
    columns = tuple(f"day_{d:.0f}" for d in DAYS)
    effects, covariance = joint_differences(from_values(columns, control), from_values(columns, treated))
    ours = trend(DAYS, effects, covariance)
    weights = 1 / np.diag(covariance)
    centre = DAYS - weights @ DAYS / weights.sum()
    own = weights * centre / np.sum(weights * centre**2)
    judge = stats.ttest_ind(treated @ own, control @ own, equal_var=False)
    half = (ours.slope.upper - ours.slope.lower) / 2 / 1.959963984540054
    assert ours.slope.estimate / half == pytest.approx(float(judge.statistic), rel=1e-9)
    assert ours.course == "fading"


@given(st.integers(0, 300), st.floats(0.01, 100))
def test_units_change_no_verdict(seed: int, factor: float) -> None:
    """Rescaling money rescales slopes and leaves p."""
    rng = np.random.default_rng(seed)
    effects, variances = rng.standard_normal(7) + DAYS / 3, rng.uniform(0.5, 2.0, 7)
    plain, scaled = trend(DAYS, effects, variances), trend(DAYS, effects * factor, variances * factor**2)
    assert scaled.p_value == pytest.approx(plain.p_value)
    assert scaled.slope.estimate == pytest.approx(plain.slope.estimate * factor)
    assert scaled.course == plain.course


@pytest.mark.parametrize(
    ("effects", "course"),
    [
        pytest.param(1.0 - 0.14 * DAYS, "fading", id="fading"),
        pytest.param(-1.0 + 0.14 * DAYS, "fading", id="harm that fades"),
        pytest.param(-0.14 * DAYS, "growing", id="harm that grows"),
        pytest.param(np.full(7, 0.5), "steady", id="steady"),
    ],
)
def test_the_course_speaks_of_the_size_of_the_effect(effects: np.ndarray, course: str) -> None:
    """A harm that lessens is fading too."""
    assert trend(DAYS, effects, np.full(7, 0.01)).course == course


@pytest.mark.parametrize(
    ("days", "variances", "reason"),
    [
        pytest.param([0, 1], [1, 1], "too_few", id="two days"),
        pytest.param([1, 1, 1], [1, 1, 1], "too_few", id="one day thrice"),
        pytest.param([0, 1, 2], [1, 0, 1], "no_variance", id="a day without variance"),
    ],
)
def test_a_course_that_cannot_be_told_says_why(days: list[float], variances: list[float], reason: str) -> None:
    """Thin data is an answer."""
    result = effect_trend(days, np.zeros(len(days)), variances)
    assert isinstance(result, Undetermined)
    assert result.reason == reason


def test_days_that_move_together_exactly_have_no_slope_error() -> None:
    """A constant shift of all days says nothing about the slope's error."""
    result = effect_trend([0, 1, 2], [1, 1, 1], np.ones((3, 3)))
    assert isinstance(result, Undetermined)
    assert result.reason == "no_variance"


def test_wrong_calls_are_refused() -> None:
    """Shapes, finite numbers and alpha are checked."""
    with pytest.raises(InvalidInput):
        effect_trend([0, 1, 2], [1, 2], [1, 1, 1])
    with pytest.raises(InvalidInput):
        effect_trend([0, 1, 2], [1, 2, float("nan")], [1, 1, 1])
    with pytest.raises(InvalidPlan):
        effect_trend([0, 1, 2], [1, 2, 3], [1, 1, 1], alpha=2)
