"""Means and lift: against scipy, against the formulas written out, and the laws of one verdict."""

from math import cos, exp, isfinite, log, sin, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize
from scipy import stats as scipy_stats

from offerlab.errors import InvalidPlan
from offerlab.stats.comparison import Method
from offerlab.stats.effect import Effect, Interval, Undetermined
from offerlab.stats.means import mean_difference, mean_differences
from offerlab.stats.moments import Moments, from_sums, from_values, stack

Values = NDArray[np.float64]


def _arm(values: Values) -> Moments:
    return from_values(("x",), values)


def _effect(control: Values, treatment: Values, *, alpha: float = 0.05, method: Method = "auto") -> Effect:
    outcome = mean_difference(_arm(control), _arm(treatment), alpha=alpha, method=method)
    assert isinstance(outcome, Effect)
    return outcome


def _lift(effect: Effect) -> Interval:
    assert isinstance(effect.relative, Interval)
    return effect.relative


def _sparse(rng: np.random.Generator, n: int, rate: float = 0.3, scale: float = 10.0) -> Values:
    return np.asarray(rng.gamma(1.5, scale, n) * (rng.random(n) < rate), dtype=np.float64)


def test_welch_on_request_is_scipys() -> None:
    """Difference, p and interval of `welch` are those of scipy's t-test with unequal variances."""
    rng = np.random.default_rng(1)
    x, y = _sparse(rng, 300), _sparse(rng, 120, scale=14)
    effect = _effect(x, y, method="welch")
    judge = scipy_stats.ttest_ind(y, x, equal_var=False)
    interval = judge.confidence_interval()
    assert effect.p_value == pytest.approx(judge.pvalue, rel=1e-10)
    assert (effect.absolute.lower, effect.absolute.upper) == pytest.approx((interval.low, interval.high), rel=1e-10)
    assert effect.method == "welch"


def test_the_lift_of_welch_is_fiellers_set_in_closed_form() -> None:
    """The relative interval inverts the same t-test: Fieller's quadratic (1954)."""
    rng = np.random.default_rng(2)
    x, y = _sparse(rng, 400), _sparse(rng, 300, scale=12)
    lift = _lift(_effect(x, y, method="welch"))
    v_c, v_t = x.var(ddof=1) / 400, y.var(ddof=1) / 300
    df = (v_c + v_t) ** 2 / (v_c**2 / 399 + v_t**2 / 299)
    z = float(scipy_stats.t.ppf(0.975, df))
    g, ratio = z * z * v_c / x.mean() ** 2, y.mean() / x.mean()
    assert g < 1
    half = z / x.mean() * sqrt(v_t + ratio**2 * v_c - g * v_t)
    assert lift.lower == pytest.approx((ratio - half) / (1 - g) - 1, rel=1e-9)
    assert lift.upper == pytest.approx((ratio + half) / (1 - g) - 1, rel=1e-9)


def _published_statistic(x: Values, y: Values, ratio: float) -> float:
    """The corrected log ratio of one hypothesised ratio, symbol by symbol as docs/formulas has it."""
    w = y.var(ddof=1) / len(y) / y.mean() ** 2
    u = x.var(ddof=1) / len(x) / x.mean() ** 2
    third = [float(scipy_stats.kstat(arm, 3)) / len(arm) ** 2 / arm.mean() ** 3 for arm in (y, x)]
    s = sqrt(w + u)
    a = third[0] - 2 * w * w - (third[1] - 2 * u * u)
    mean = -(w - u) / (2 * s) - a / (2 * s**3)
    skewness = (third[0] - third[1]) / s**3 - 3 * (w * w - u * u) / s**3 - 3 * a / s**3
    b, value = -skewness / 6, log(y.mean() / (ratio * x.mean())) / s
    return float(value + b * value**2 + b**2 * value**3 / 3 - mean + skewness / 6)


def test_the_default_is_the_corrected_log_ratio_of_the_formula_book() -> None:
    """P and the lift's ends solve the published statistic, found here by scipy's root finder."""
    rng = np.random.default_rng(3)
    x, y = _sparse(rng, 900), _sparse(rng, 300, scale=12)
    effect = _effect(x, y)
    lift = _lift(effect)
    assert effect.method == "log_ratio"
    assert effect.z == pytest.approx(_published_statistic(x, y, 1), rel=1e-10)
    assert effect.p_value == pytest.approx(2 * scipy_stats.norm.sf(abs(effect.z)), rel=1e-10)
    for end, target in ((lift.lower, 1.959963984540054), (lift.upper, -1.959963984540054)):

        def miss(log_ratio: float, target: float = target) -> float:
            return _published_statistic(x, y, exp(log_ratio)) - target

        assert end == pytest.approx(exp(optimize.brentq(miss, -3, 3, xtol=1e-13)) - 1, rel=1e-8)


def test_the_ends_of_the_difference_are_where_the_shifted_arm_would_pass_the_test() -> None:
    """Adding the end to the lower arm's values makes its mean the other's, at exactly the critical value."""
    rng = np.random.default_rng(4)
    x, y = _sparse(rng, 900), _sparse(rng, 300, scale=12)
    effect = _effect(x, y)
    upper = _effect(x + effect.absolute.upper, y)
    assert upper.z == pytest.approx(-1.959963984540054, rel=1e-9)
    lower = effect.absolute.lower
    shifted = _effect(x + max(lower, 0), y - min(lower, 0))
    assert shifted.z == pytest.approx(1.959963984540054, rel=1e-9)


def test_halls_contrast_where_a_mean_is_not_clearly_positive() -> None:
    """Around zero the statistic is Hall's (1992): T + lam T^2/3 + lam^2 T^3/27 + lam/6."""
    rng = np.random.default_rng(5)
    x, y = _sparse(rng, 200) - 4.4, _sparse(rng, 150) - 3.0
    effect = _effect(x, y)
    v = [arm.var(ddof=1) / len(arm) for arm in (y, x)]
    lam = (float(scipy_stats.kstat(y, 3)) / 150**2 - float(scipy_stats.kstat(x, 3)) / 200**2) / sum(v) ** 1.5
    t = (y.mean() - x.mean()) / sqrt(sum(v))
    assert effect.method == "contrast"
    assert effect.z == pytest.approx(t + lam * t**2 / 3 + lam**2 * t**3 / 27 + lam / 6, rel=1e-10)
    for end, target in ((effect.absolute.lower, 1.959963984540054), (effect.absolute.upper, -1.959963984540054)):
        moved = (y.mean() - x.mean() - end) / sqrt(sum(v))
        assert moved + lam * moved**2 / 3 + lam**2 * moved**3 / 27 + lam / 6 == pytest.approx(target, rel=1e-9)


def test_the_ends_of_a_contrasts_lift_pass_halls_test_of_that_ratio() -> None:
    """Each finite end r makes Hall's statistic of m_T - r m_C critical."""
    rng = np.random.default_rng(6)
    x, y = rng.gamma(2, 1, 400) - 1.5, rng.gamma(2, 1, 500) - 2.04
    effect = _effect(x, y)
    lift = _lift(effect)
    assert effect.method == "contrast"
    assert lift.shape == "bounded"
    for end in (lift.lower, lift.upper):
        r = 1 + end
        v = y.var(ddof=1) / 500 + r * r * x.var(ddof=1) / 400
        third = float(scipy_stats.kstat(y, 3)) / 500**2 - r**3 * float(scipy_stats.kstat(x, 3)) / 400**2
        lam, t = third / v**1.5, (y.mean() - r * x.mean()) / sqrt(v)
        assert abs(t + lam * t**2 / 3 + lam**2 * t**3 / 27 + lam / 6) == pytest.approx(1.959963984540054, rel=1e-6)


@pytest.mark.parametrize(
    ("control_mean", "treatment_mean", "shape"),
    [
        pytest.param(1.0, 0.0, "bounded", id="control clearly positive"),
        pytest.param(0.05, 1.0, "disjoint", id="control near zero, difference clear"),
        pytest.param(0.02, 0.03, "whole_line", id="nothing clear"),
        pytest.param(-1.0, 0.0, "bounded", id="control clearly negative"),
    ],
)
def test_fiellers_three_shapes(control_mean: float, treatment_mean: float, shape: str) -> None:
    """The lift is a stretch, everything but a gap, or the whole line, as the data allow."""
    noise = np.linspace(-1, 1, 101)
    effect = _effect(noise + control_mean, noise + treatment_mean)
    lift = _lift(effect)
    assert lift.shape == shape
    assert lift.contains(lift.estimate)
    assert lift.contains(0.0) == (effect.p_value >= 0.05)


def test_a_negative_control_does_not_turn_the_sign() -> None:
    """From a loss of 10 to a loss of 8 is a rise, in the unit and in per cent."""
    rng = np.random.default_rng(7)
    x, y = rng.normal(-10, 1, 200), rng.normal(-8, 1, 200)
    effect = _effect(x, y)
    lift = _lift(effect)
    assert effect.absolute.estimate > 0
    assert lift.estimate == pytest.approx(effect.absolute.estimate / abs(x.mean()))
    assert 0 < lift.lower < lift.estimate < lift.upper
    assert effect.z > 0


arms = st.integers(0, 10_000).map(np.random.default_rng)
shifts = st.sampled_from([0.0, 0.0, 0.0, -2.0, -4.6, -100.0])
rates = st.sampled_from([0.02, 0.1, 0.5, 1.0])


@given(rng=arms, shift=shifts, rate=rates, alpha=st.sampled_from([0.5, 0.1, 0.05, 0.001]), boost=st.floats(0.2, 3))
def test_zero_is_outside_both_intervals_exactly_when_p_is_below_alpha(
    rng: np.random.Generator, shift: float, rate: float, alpha: float, boost: float
) -> None:
    """One verdict: p, difference and lift never contradict each other, whatever the data."""
    x, y = _sparse(rng, 60, rate) + shift, _sparse(rng, 25, rate, 10 * boost) + shift
    methods: tuple[Method, ...] = ("auto", "welch", "contrast")
    for method in methods:
        outcome = mean_difference(_arm(x), _arm(y), alpha=alpha, method=method)
        if isinstance(outcome, Undetermined) or abs(outcome.p_value - alpha) < 1e-9:
            continue
        significant = outcome.p_value < alpha
        assert outcome.absolute.contains(0.0) != significant
        if isinstance(outcome.relative, Interval):
            assert outcome.relative.contains(0.0) != significant
            assert isfinite(outcome.relative.estimate)
        assert 0 <= outcome.p_value <= 1


@given(rng=arms, shift=shifts, rate=rates)
def test_swapping_the_arms_flips_the_sign(rng: np.random.Generator, shift: float, rate: float) -> None:
    """The difference the other way round is minus the difference, interval and all; p stays."""
    x, y = _sparse(rng, 80, rate) + shift, _sparse(rng, 40, rate) + shift
    one, other = (mean_difference(_arm(a), _arm(b), alpha=0.05) for a, b in ((x, y), (y, x)))
    if isinstance(one, Undetermined) or isinstance(other, Undetermined):
        assert one == other
        return
    assert other.p_value == pytest.approx(one.p_value, rel=1e-9)
    assert other.z == pytest.approx(-one.z, rel=1e-9, abs=1e-12)
    assert (-other.absolute.upper, -other.absolute.lower) == pytest.approx(
        (one.absolute.lower, one.absolute.upper), rel=1e-7, abs=1e-9
    )


@given(rng=arms, shift=shifts, unit=st.sampled_from([1e-6, 0.01, 100.0, 1e6]))
def test_rescaling_money_changes_no_p_and_no_lift(rng: np.random.Generator, shift: float, unit: float) -> None:
    """Cents or euros: the same p and lift, the difference in the new unit."""
    x, y = _sparse(rng, 80) + shift, _sparse(rng, 40) + shift
    one, other = _effect(x, y), _effect(unit * x, unit * y)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-8)
    assert other.absolute.lower == pytest.approx(unit * one.absolute.lower, rel=1e-6)
    assert _lift(other).shape == _lift(one).shape
    assert (_lift(other).lower, _lift(other).upper) == pytest.approx((_lift(one).lower, _lift(one).upper), rel=1e-6)


@given(rng=arms, cut=st.integers(0, 80))
def test_splitting_days_changes_nothing(rng: np.random.Generator, cut: int) -> None:
    """Moments of two days merged give the effect of both days' rows."""
    x, y = _sparse(rng, 80), _sparse(rng, 80)
    whole = _effect(x, y)
    split = mean_difference(_arm(x[:cut]).merge(_arm(x[cut:])), _arm(y[:cut]).merge(_arm(y[cut:])), alpha=0.05)
    assert isinstance(split, Effect)
    assert split.p_value == pytest.approx(whole.p_value, rel=1e-9)
    assert split.absolute.lower == pytest.approx(whole.absolute.lower, rel=1e-8)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        pytest.param([], [1.0, 2.0], "no_units", id="nobody in control"),
        pytest.param([1.0], [1.0, 2.0], "one_unit", id="one in control"),
        pytest.param([0.0] * 50, [0.0] * 50, "no_variance", id="nobody bought"),
        pytest.param([3.0] * 50, [4.0] * 50, "no_variance", id="each arm constant"),
    ],
)
def test_thin_data_is_an_answer(control: list[float], treatment: list[float], reason: str) -> None:
    """What cannot be said is Undetermined with its reason."""
    outcome = mean_difference(_arm(np.array(control)), _arm(np.array(treatment)), alpha=0.05)
    assert isinstance(outcome, Undetermined)
    assert outcome.reason == reason


def test_a_control_that_bought_nothing_has_a_difference_but_no_lift() -> None:
    """Zero as reference: the difference stands, the lift says why it is missing."""
    rng = np.random.default_rng(8)
    effect = _effect(np.zeros(100), _sparse(rng, 100))
    assert isinstance(effect.relative, Undetermined)
    assert effect.relative.reason == "control_mean_zero"
    assert effect.absolute.is_finite


def test_one_giant_order_is_answered_with_a_caution() -> None:
    """A single giant gives finite numbers and the word that they are not to be trusted."""
    rng = np.random.default_rng(9)
    x, y = _sparse(rng, 500), _sparse(rng, 500)
    y[0] = 1e7
    effect = _effect(x, y)
    assert {caution.code for caution in effect.warnings} == {"skewed"}
    assert effect.absolute.is_finite


def test_few_converters_are_told() -> None:
    """Below forty converting customers, weighed by the smaller arm, the effect says too few."""
    rng = np.random.default_rng(10)
    effect = _effect(_sparse(rng, 900, 0.03), _sparse(rng, 100, 0.03))
    assert "too_few" in {caution.code for caution in effect.warnings}
    assert "below 40" in next(caution.detail for caution in effect.warnings if caution.code == "too_few")


def test_a_batch_gives_what_single_calls_give() -> None:
    """A thousand comparisons in one call are the same as one by one."""
    rng = np.random.default_rng(11)
    pairs = [(_arm(_sparse(rng, 60) - d), _arm(_sparse(rng, 50) - d)) for d in (0, 0, 3, 100, 0)]
    batch = mean_differences(stack([c for c, _ in pairs]), stack([t for _, t in pairs]), alpha=0.05).rows()
    assert batch == [mean_difference(c, t, alpha=0.05) for c, t in pairs]


def test_other_critical_values_are_another_alpha() -> None:
    """A sequential look calls the same test with its own alpha; the interval widens, p and z stay."""
    rng = np.random.default_rng(12)
    x, y = _sparse(rng, 600), _sparse(rng, 600)
    wide, narrow = _effect(x, y, alpha=1e-9), _effect(x, y, alpha=0.05)
    assert (wide.p_value, wide.z) == (narrow.p_value, narrow.z)
    assert wide.absolute.lower < narrow.absolute.lower < narrow.absolute.upper < wide.absolute.upper


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0, -0.1, float("nan")])
def test_an_impossible_alpha_is_refused(alpha: float) -> None:
    """Alpha outside (0, 1) is a wrong call."""
    arm = _arm(np.arange(10.0))
    with pytest.raises(InvalidPlan, match="between 0 and 1"):
        mean_difference(arm, arm, alpha=alpha)


def test_a_mean_of_a_billion_is_compared_as_if_it_were_small() -> None:
    """Mean 1e9, deviation 1: the difference is that of the values less a billion."""
    rng = np.random.default_rng(13)
    x, y = (np.round(1024 * rng.normal(gap, 1, 5000)) / 1024 for gap in (0, 0.05))
    small, large = _effect(x, y, method="contrast"), _effect(x + 1e9, y + 1e9, method="contrast")
    assert large.p_value == pytest.approx(small.p_value, rel=1e-6)
    assert large.absolute.estimate == pytest.approx(small.absolute.estimate, rel=1e-5)


def test_unknown_third_moments_are_zero_sums_not_a_crash() -> None:
    """Sums without skewness give the plain studentised statistic of the log."""
    n, total, squares = 1000, 5000.0, 30_000.0
    arm = from_sums(("x",), n, [0.0], [total, squares, 3 * 5 * squares - 2 * n * 5.0**3])
    assert float(arm.third_moment()) == pytest.approx(0, abs=1e-6)
    effect = mean_difference(arm, arm, alpha=0.05)
    assert isinstance(effect, Effect)
    assert effect.z == pytest.approx(0, abs=1e-12)
    assert effect.p_value == pytest.approx(1)


def test_the_disjoint_set_is_everything_but_a_gap() -> None:
    """Cos and sin of the ends: both lie on the critical contour of Fieller's quadratic."""
    noise = np.linspace(-1, 1, 101)
    effect = _effect(noise + 0.05, noise + 1.0, method="welch")
    lift = _lift(effect)
    v = noise.var(ddof=1) / 101
    critical = float(scipy_stats.t.ppf(0.975, 200))
    for end in (lift.lower, lift.upper):
        angle = np.arctan(1 + end)
        gap = cos(angle) * 1.0 - sin(angle) * 0.05
        assert abs(gap) / sqrt(v) == pytest.approx(critical, rel=1e-9)
