"""Effects that may differ between segments: judged by a published meta-analysis, statsmodels and quadrature."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate, optimize
from statsmodels.stats.meta_analysis import combine_effects

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.heterogeneity import against_rest, heterogeneity, pool

# The 13 trials of the BCG vaccine: Colditz et al. (1994), JAMA 271, 698-702; log risk ratios.
TREATED = np.array([
    [4, 119], [6, 300], [3, 228], [62, 13536], [33, 5036], [180, 1361], [8, 2537], [505, 87886], [29, 7470],
    [17, 1699], [186, 50448], [5, 2493], [27, 16886],
])  # fmt: skip
CONTROL = np.array([
    [11, 128], [29, 274], [11, 209], [248, 12619], [47, 5761], [372, 1079], [10, 619], [499, 87892], [45, 7232],
    [65, 1600], [141, 27197], [3, 2338], [29, 17825],
])  # fmt: skip
BCG = np.log(TREATED[:, 0] / TREATED.sum(axis=1)) - np.log(CONTROL[:, 0] / CONTROL.sum(axis=1))
BCG_ERROR = np.sqrt(sum(1 / arm[:, 0] - 1 / arm.sum(axis=1) for arm in (TREATED, CONTROL)))

sizes = st.shared(st.integers(2, 8), key="size")
effects = sizes.flatmap(lambda k: hnp.arrays(np.float64, k, elements=st.floats(-5, 5)))
errors = sizes.flatmap(lambda k: hnp.arrays(np.float64, k, elements=st.floats(0.1, 3)))


def test_published_meta_analysis_comes_out() -> None:
    """BCG trials: Q = 152.23, REML tau^2 = .3132, mean -.7145 (.1798) (Viechtbauer 2010, J. Stat. Softw. 36(3))."""
    test, pooled = heterogeneity(BCG, BCG_ERROR), pool(BCG, BCG_ERROR)
    assert float(test.statistic) == pytest.approx(152.2330, abs=5e-5)
    assert int(test.degrees) == 12
    assert float(pooled.tau) ** 2 == pytest.approx(0.3132, abs=5e-5)
    assert float(pooled.mean) == pytest.approx(-0.7145, abs=5e-5)
    assert float(pooled.mean_error) == pytest.approx(0.1798, abs=5e-5)


@given(effects, errors)
def test_cochrans_q_is_statsmodels(d: np.ndarray, s: np.ndarray) -> None:
    """Q, I^2, common effect and its error as `combine_effects` has them."""
    assume(np.ptp(d) > 0.01)  # statsmodels divides by Q
    with np.errstate(invalid="ignore"):  # and takes the root of a negative random-effects variance
        judge: Any = combine_effects(d, s**2, method_re="chi2")
    ours = heterogeneity(d, s)
    assert float(ours.statistic) == pytest.approx(judge.q, rel=1e-6, abs=1e-9)
    assert float(ours.i_squared) == pytest.approx(max(judge.i2, 0.0), rel=1e-6, abs=1e-6)
    assert float(ours.common) == pytest.approx(judge.mean_effect_fe, rel=1e-6, abs=1e-9)
    assert float(ours.common_error) == pytest.approx(judge.sd_eff_w_fe, rel=1e-6)


def restricted(tau2: float, d: np.ndarray, s: np.ndarray) -> float:
    """Restricted log likelihood, written down a second time."""
    v = tau2 + s**2
    mu = np.average(d, weights=1 / v)
    return float(-0.5 * (np.log(v).sum() + np.log((1 / v).sum()) + ((d - mu) ** 2 / v).sum()))


@settings(max_examples=30)
@given(effects, errors)
def test_tau_maximises_the_restricted_likelihood(d: np.ndarray, s: np.ndarray) -> None:
    """No bounded search finds a better tau."""
    found = restricted(float(pool(d, s).tau) ** 2, d, s)
    judge = optimize.minimize_scalar(lambda t: -restricted(t, d, s), bounds=(0.0, 100.0), method="bounded")
    assert found >= -float(judge.fun) - 1e-6


def test_shrunk_effects_are_the_integral_over_tau() -> None:
    """The grid's answer is adaptive quadrature's."""
    d, s = BCG[:4], BCG_ERROR[:4]
    top = 30.0 * (np.sqrt(4 / np.sum(s**-2.0)) + np.ptp(d))

    def posterior(tau: float) -> tuple[float, float]:
        v = tau**2 + s**2
        mu = np.average(d, weights=1 / v)
        return np.exp(restricted(tau**2, d, s)), mu + tau**2 / v[1] * (d[1] - mu)

    spots = [0.01, 0.1, 0.5, 1.0, 5.0]
    whole = integrate.quad(lambda t: posterior(t)[0], 0, top, points=spots, limit=400)[0]
    first = integrate.quad(lambda t: np.prod(posterior(t)), 0, top, points=spots, limit=400)[0]
    assert float(pool(d, s).estimates[1]) == pytest.approx(first / whole, rel=2e-3)


@settings(max_examples=50)
@given(effects, errors, st.floats(-10, 10), st.floats(0.01, 100))
def test_units_and_origin_do_not_matter(d: np.ndarray, s: np.ndarray, shift: float, factor: float) -> None:
    """Effects in other money, or all moved alike: the answer moves with them, p stays."""
    plain, moved = pool(d, s), pool((d + shift) * factor, s * factor)
    np.testing.assert_allclose(moved.estimates, (plain.estimates + shift) * factor, rtol=1e-6, atol=1e-6 * factor)
    np.testing.assert_allclose(moved.errors, plain.errors * factor, rtol=1e-6)
    test, again = heterogeneity(d, s), heterogeneity((d + shift) * factor, s * factor)
    assert float(again.p_value) == pytest.approx(float(test.p_value), rel=1e-5, abs=1e-12)


@settings(max_examples=50)
@given(effects, errors)
def test_shrunk_effects_lie_within_the_raw_ones(d: np.ndarray, s: np.ndarray) -> None:
    """Pooling draws inwards and never reverses: nothing lies outside the raw range."""
    shrunk = pool(d, s).estimates
    assert (shrunk >= d.min() - 1e-9).all()
    assert (shrunk <= d.max() + 1e-9).all()


@settings(max_examples=50)
@given(effects, errors)
def test_undetermined_segments_take_no_part(d: np.ndarray, s: np.ndarray) -> None:
    """A NaN segment stays NaN and changes nothing for the others; batches equal single calls."""
    gap = np.array([np.nan])
    alone, batch = pool(d, s), pool([np.r_[gap, d], np.r_[d, gap]], [np.r_[gap, s], np.r_[s, gap]])
    np.testing.assert_allclose(batch.estimates[0, 1:], alone.estimates)
    np.testing.assert_allclose(batch.upper[1, :-1], alone.upper)
    assert np.isnan(batch.estimates[0, 0])
    np.testing.assert_allclose(batch.tau, float(alone.tau))
    test = heterogeneity(np.r_[gap, d], np.r_[gap, s])
    assert float(test.p_value) == pytest.approx(float(heterogeneity(d, s).p_value))


def test_two_segments_against_the_rest_are_their_difference() -> None:
    """With two segments each one's rest is the other."""
    difference, error = against_rest([0.3, 0.1], [0.03, 0.04])
    np.testing.assert_allclose(difference, [0.2, -0.2])
    np.testing.assert_allclose(error, [0.05, 0.05])


@given(effects, errors)
def test_contrast_with_the_rest_is_the_closed_form(d: np.ndarray, s: np.ndarray) -> None:
    """d_k less the weighted mean of the others; the variances add."""
    difference, error = against_rest(d, s)
    others = np.average(d[1:], weights=s[1:] ** -2.0)
    assert difference[0] == pytest.approx(d[0] - others, rel=1e-6, abs=1e-7)
    assert error[0] == pytest.approx(np.sqrt(s[0] ** 2 + 1 / np.sum(s[1:] ** -2.0)), rel=1e-6)


def test_a_single_segment_has_nothing_to_differ_from() -> None:
    """One determined segment: no test, no tau, its own effect unshrunk; none: nothing."""
    one, none = [0.2, np.nan], [np.nan, np.nan]
    test, pooled = heterogeneity([one, none], np.ones((2, 2))), pool([one, none], np.ones((2, 2)))
    assert np.isnan(test.p_value).all()
    assert np.isnan(pooled.tau).all()
    assert pooled.estimates[0, 0] == pytest.approx(0.2)
    assert pooled.errors[0, 0] == pytest.approx(1.0)
    assert np.isnan(pooled.estimates[1]).all()


def test_wrong_calls_are_refused() -> None:
    """Shapes, errors and alpha are checked."""
    with pytest.raises(InvalidInput):
        heterogeneity([1.0, 2.0], [1.0])
    with pytest.raises(InvalidInput):
        pool([1.0, 2.0], [1.0, 0.0])
    with pytest.raises(InvalidInput):
        pool([1.0, float("inf")], [1.0, 1.0])
    with pytest.raises(InvalidPlan):
        pool([1.0, 2.0], [1.0, 1.0], alpha=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("segments", [2, 5, 20])
def test_interaction_test_holds_its_level(segments: int) -> None:
    """Equal effects, unequal errors: p < .05 in 5 % of 200,000 experiments."""
    rng, sims = np.random.default_rng(segments), 200_000
    s = rng.uniform(0.2, 2.0, (sims, segments))
    rate = float(np.mean(heterogeneity(0.3 + s * rng.standard_normal(s.shape), s).p_value < 0.05))
    assert rate == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / sims))


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("segments", [2, 3, 5, 10])
def test_shrunk_intervals_cover_and_beat_the_raw_ones(segments: int, tau: float) -> None:
    """Whatever the spread of effects: coverage at least 94 % on average, and a smaller squared error than raw."""
    rng, sims = np.random.default_rng(10 * segments + int(2 * tau)), 20_000
    s = rng.uniform(0.5, 2.0, (sims, segments))
    truth = tau * rng.standard_normal(s.shape)
    d = truth + s * rng.standard_normal(s.shape)
    pooled = pool(d, s)
    assert np.mean((pooled.lower <= truth) & (truth <= pooled.upper)) >= 0.94
    assert np.mean((pooled.estimates - truth) ** 2) < np.mean((d - truth) ** 2)
