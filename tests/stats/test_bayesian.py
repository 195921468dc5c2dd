"""Normal posteriors of lifts: judged by closed forms, scipy, simulation of the joint posterior and calibration runs."""

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.bayesian import lift_evidence, posterior, unit_loss
from offerlab.stats.best_arm import best_arm
from offerlab.stats.effect import Effect, Interval, Undetermined
from offerlab.stats.means import mean_difference
from offerlab.stats.moments import from_values
from offerlab.stats.prior import FALLBACK, FLAT, Prior, learn_prior

lifts = st.floats(-0.5, 0.5)
errors = st.floats(0.005, 0.5)
widths = st.floats(0.01, 0.5)


@settings(max_examples=30)
@given(lifts, errors, st.floats(-0.1, 0.1), widths)
def test_posterior_is_the_conjugate_one(lift: float, error: float, centre: float, width: float) -> None:
    """Precision-weighted mean, added precisions, and scipy's normal for the rest."""
    ours = posterior([lift], [error], Prior(centre, width, "given"))
    precision = error**-2 + width**-2
    judge = stats.norm((lift * error**-2 + centre * width**-2) / precision, precision**-0.5)
    assert ours.mean[0] == pytest.approx(judge.mean(), abs=1e-12)
    assert ours.sd[0] == pytest.approx(judge.std())
    assert (ours.lower[0], ours.upper[0]) == pytest.approx(judge.interval(0.95))
    assert ours.chance_to_beat[0] == pytest.approx(judge.sf(0.0), abs=1e-12)
    start = min(float(judge.mean()) - 12 * float(judge.std()), 0.0)
    shortfall = integrate.quad(lambda x: float(judge.cdf(x)), start, 0.0)[0]
    assert ours.loss_of_shipping[0] == pytest.approx(shortfall, abs=1e-7)


@given(lifts, errors)
def test_a_flat_prior_leaves_the_evidence_alone(lift: float, error: float) -> None:
    """Mean and error unchanged; the chance to beat control is one minus half of p for a positive lift."""
    ours = posterior([lift], [error], FLAT)
    assert ours.mean[0] == lift
    assert ours.sd[0] == pytest.approx(error)
    assert ours.chance_to_beat[0] == pytest.approx(float(stats.norm.cdf(lift / error)))


@given(lifts, errors, widths)
def test_shrinking_never_turns_the_sign(lift: float, error: float, width: float) -> None:
    """A prior around zero draws the lift towards zero and not beyond."""
    shrunk = posterior([lift], [error], Prior(0.0, width, "given")).mean[0]
    assert 0.0 <= shrunk * np.sign(lift) <= abs(lift)


@given(lifts, errors, widths)
def test_where_a_rise_is_harm_everything_turns_round(lift: float, error: float, width: float) -> None:
    """Unsubscribes: chance and losses are those of the mirrored lift."""
    prior = Prior(0.0, width, "given")
    harm, mirrored = posterior([lift], [error], prior, increase_is_good=False), posterior([-lift], [error], prior)
    assert harm.chance_to_beat[0] == pytest.approx(mirrored.chance_to_beat[0])
    assert harm.loss_of_shipping[0] == pytest.approx(mirrored.loss_of_shipping[0])
    assert harm.mean[0] == pytest.approx(-mirrored.mean[0])


def test_without_evidence_there_is_no_posterior_entry() -> None:
    """NaN passes through an array and touches no neighbour."""
    ours = posterior([0.1, np.nan], [0.05, np.nan], FALLBACK)
    assert np.isnan(ours.chance_to_beat[1])
    assert np.isfinite(ours.chance_to_beat[0])


@pytest.mark.parametrize("z", [-30.0, -3.0, 0.0, 1.0, 4.999, 5.001, 12.0, 35.0])
def test_unit_loss_is_the_integral_of_the_tail(z: float) -> None:
    """E max(-X, 0) is the integral of Phi(-x) from z on, to relative precision far in the tail."""
    scale = float(stats.norm.sf(z))
    expected = integrate.quad(lambda x: stats.norm.sf(x) / scale, z, max(z + 3, 9.0), limit=200)[0] * scale
    assert float(unit_loss(z)) == pytest.approx(expected, rel=1e-6)


def test_evidence_carries_the_tests_own_statistic() -> None:
    """Real-looking skewed spend: the flat chance to beat control is 1 - p/2 of the very test that is reported."""
    rng = np.random.default_rng(5)
    control, arm = (
        from_values(("spend",), rng.lognormal(0, 1, (n, 1)) * (rng.random((n, 1)) < rate))
        for n, rate in ((4_000, 0.05), (3_000, 0.06))
    )
    effect = mean_difference(control, arm, alpha=0.05)
    assert isinstance(effect, Effect)
    assert isinstance(effect.relative, Interval)
    found = lift_evidence(effect)
    assert found is not None
    flat = posterior([found[0]], [found[1]], FLAT)
    half = effect.p_value / 2
    assert flat.chance_to_beat[0] == pytest.approx(1 - half if effect.z > 0 else half)
    assert flat.mean[0] == pytest.approx(effect.relative.estimate, rel=0.1)


@pytest.mark.parametrize(
    "relative",
    [
        pytest.param(Undetermined("control_mean_zero", "no level"), id="no lift"),
        pytest.param(Interval(0.1, -0.2, 0.3, "disjoint"), id="disjoint"),
        pytest.param(Interval(0.1, -inf, inf, "whole_line"), id="whole line"),
        pytest.param(Interval(0.1, 0.1, 0.1), id="without width"),
    ],
)
def test_a_lift_without_a_range_is_no_evidence(relative: Interval | Undetermined) -> None:
    """Nothing is believed of a lift that the test does not bound."""
    said = Effect(Interval(1.0, 0.5, 1.5), relative, 0.01, 2.6, 0.25, 0.05, "log_ratio")
    assert lift_evidence(said) is None


def test_a_young_programme_has_the_stated_prior() -> None:
    """Nineteen finished experiments: N(0, .1^2), and how many there are."""
    prior = learn_prior(np.full(19, 0.02), np.full(19, 0.01))
    assert (prior.mean, prior.sd, prior.source, prior.experiments) == (0.0, 0.1, "fallback", 19)


def test_undetermined_experiments_teach_nothing() -> None:
    """NaN is no experiment."""
    assert learn_prior([np.nan] * 30, [np.nan] * 30).experiments == 0


def test_the_learned_width_is_near_the_true_one() -> None:
    """Two thousand experiments with a width of .04: learned within 5 %."""
    rng = np.random.default_rng(9)
    error = rng.uniform(0.01, 0.08, 2_000)
    prior = learn_prior(0.04 * rng.standard_normal(2_000) + error * rng.standard_normal(2_000), error)
    assert prior.source == "programme"
    assert prior.sd == pytest.approx(0.04, rel=0.05)


@settings(max_examples=30)
@given(st.integers(0, 1_000), st.floats(0.01, 100))
def test_the_learned_width_has_the_unit_of_the_lifts(seed: int, factor: float) -> None:
    """Percent or shares: the same prior in other units."""
    rng = np.random.default_rng(seed)
    d, s = rng.normal(0, 0.05, 25), rng.uniform(0.01, 0.1, 25)
    assert learn_prior(d * factor, s * factor).sd == pytest.approx(learn_prior(d, s).sd * factor)


def test_the_learned_width_is_never_zero() -> None:
    """Twenty null experiments do not make the next one certain."""
    assert learn_prior(np.zeros(20), np.full(20, 0.02)).sd > 0.001


@given(lifts, errors, errors, widths)
@settings(max_examples=30, deadline=None)
def test_two_arms_are_the_single_comparison(lift: float, own: float, control: float, width: float) -> None:
    """Best of control and one treatment: the posterior of their difference."""
    prior = Prior(0.0, width, "given")
    ours = best_arm([1.0, 1.0 + lift], [control**2, own**2], prior)
    judge = posterior([lift], [np.hypot(own, control)], prior)
    assert ours.chance[1] == pytest.approx(judge.chance_to_beat[0], abs=1e-6)
    assert ours.expected_loss[1] == pytest.approx(judge.loss_of_shipping[0], abs=1e-6)
    assert ours.expected_loss[0] == pytest.approx(judge.loss_of_keeping[0], abs=1e-6)


def test_best_of_several_is_the_simulated_posterior() -> None:
    """Control and three arms, prior .05: within four standard errors of 400,000 draws of the joint posterior."""
    y, v, tau = np.array([1.0, 1.03, 0.98, 1.05]), np.array([0.01, 0.02, 0.03, 0.04]) ** 2, 0.05
    # The joint posterior by linear algebra: flat control, differences N(0, tau^2).
    design = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]], dtype=float)
    precision = design.T @ np.diag(1 / v) @ design + np.diag([0, *[tau**-2] * 3])
    mean = np.linalg.solve(precision, design.T @ (y / v))
    draws = np.random.default_rng(1).multivariate_normal(mean, np.linalg.inv(precision), 400_000)
    truths = np.column_stack([np.zeros(400_000), draws[:, 1:]])
    expected = np.bincount(truths.argmax(axis=1), minlength=4) / 400_000
    ours = best_arm(y, v, Prior(0.0, tau, "given"))
    np.testing.assert_allclose(ours.chance, expected, atol=4 * 0.5 / np.sqrt(400_000))
    np.testing.assert_allclose(ours.expected_loss, truths.max(axis=1).mean() - truths.mean(axis=0), atol=2e-4)


def test_equal_arms_share_the_chance() -> None:
    """Three equal treatments are equally likely; with control all sum to one."""
    ours = best_arm([1.0, 1.1, 1.1, 1.1], [0.01] * 4, FALLBACK)
    np.testing.assert_allclose(ours.chance[1:], ours.chance[1])
    assert ours.chance.sum() == pytest.approx(1.0)


def test_wrong_calls_are_refused() -> None:
    """Errors, widths, shapes and alpha are checked."""
    with pytest.raises(InvalidInput):
        posterior([0.1], [0.0])
    with pytest.raises(InvalidInput):
        learn_prior([0.1], [0.1, 0.2])
    with pytest.raises(InvalidInput):
        learn_prior([0.1], [0.0])
    with pytest.raises(InvalidInput):
        best_arm([1.0], [1.0])
    with pytest.raises(InvalidInput):
        best_arm([1.0, 1.0], [1.0, 0.0])
    with pytest.raises(InvalidPlan):
        Prior(0.0, 0.0, "given")
    with pytest.raises(InvalidPlan):
        posterior([0.1], [0.1], alpha=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("width", [0.01, 0.03, 0.1])
def test_a_learned_prior_is_calibrated_and_lifts_the_winners_curse(width: float) -> None:
    """Programmes of 20 past experiments, then a new one: credible intervals cover, winners are not exaggerated."""
    rng, sims = np.random.default_rng(int(1_000 * width)), 8_000
    truth, raw, shrunk, covered, chance = (np.empty(sims) for _ in range(5))
    for i in range(sims):
        error = np.exp(rng.uniform(np.log(0.01), np.log(0.08), 20))
        prior = learn_prior(width * rng.standard_normal(20) + error * rng.standard_normal(20), error)
        truth[i], own = width * rng.standard_normal(), rng.uniform(0.01, 0.05)
        raw[i] = truth[i] + own * rng.standard_normal()
        p = posterior(raw[i : i + 1], [own], prior)
        shrunk[i], chance[i] = p.mean[0], p.chance_to_beat[0]
        covered[i] = p.lower[0] <= truth[i] <= p.upper[0]
    assert 0.92 <= covered.mean() <= 0.985
    winners = chance > 0.9
    exaggeration = np.mean(raw[winners] - truth[winners])
    assert abs(np.mean(shrunk[winners] - truth[winners])) < 0.35 * exaggeration
    for low, high in ((0.1, 0.3), (0.3, 0.7), (0.7, 0.9), (0.9, 1.0)):
        said = (chance >= low) & (chance < high)
        assert np.mean(truth[said] > 0) == pytest.approx(chance[said].mean(), abs=0.03 + 1.5 / np.sqrt(said.sum()))
