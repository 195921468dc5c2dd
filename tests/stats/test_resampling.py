"""The Poisson bootstrap: closed forms it must come near, one verdict, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.resampling import Resampled, resampled, resampled_difference


def _mean(rows: np.ndarray) -> float:
    return float(rows.mean()) if len(rows) else float("nan")


def _both(control: np.ndarray, treatment: np.ndarray, seed: int = 1, resamples: int = 400) -> Outcome:
    rng = np.random.default_rng(seed)
    arms = [resampled(rows[:, None], _mean, rng, resamples=resamples) for rows in (control, treatment)]
    assert isinstance(arms[0], Resampled)
    assert isinstance(arms[1], Resampled)
    return resampled_difference(arms[0], arms[1], alpha=0.05)


def test_a_means_error_is_the_known_one() -> None:
    """4,000 resamples of a mean spread as s / sqrt(n), within four standard errors of that spread."""
    rng = np.random.default_rng(1)
    values = rng.gamma(2.0, 10.0, (400, 1))
    found = resampled(values, _mean, rng, resamples=4_000)
    assert isinstance(found, Resampled)
    expected = values.std(ddof=1) / 20
    assert found.again.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * 4_000))
    assert found.estimate == values.mean()


def test_clusters_are_drawn_whole() -> None:
    """Ten copies of each customer tell no more than one."""
    rng = np.random.default_rng(2)
    values = rng.normal(5.0, 1.0, 200)
    tenfold = resampled(
        np.repeat(values, 10)[:, None], _mean, rng, resamples=2_000, clusters=np.repeat(np.arange(200), 10)
    )
    assert isinstance(tenfold, Resampled)
    assert tenfold.again.std() == pytest.approx(values.std() / np.sqrt(200), rel=0.08)


@settings(max_examples=20)
@given(seed=st.integers(0, 1_000), shift=st.floats(-2.0, 2.0), alpha=st.sampled_from([0.5, 0.1, 0.05, 0.01]))
def test_zero_is_outside_both_ranges_exactly_when_p_is_below_alpha(seed: int, shift: float, alpha: float) -> None:
    """Difference, lift and p-value count the same resamples."""
    rng = np.random.default_rng(seed)
    arms = [resampled(rng.gamma(2.0, 2.0, (40, 1)) + move, _mean, rng, resamples=199) for move in (4.0, 4.0 + shift)]
    assert isinstance(arms[0], Resampled)
    assert isinstance(arms[1], Resampled)
    said = resampled_difference(arms[0], arms[1], alpha=alpha)
    turned = resampled_difference(arms[1], arms[0], alpha=alpha)
    assert isinstance(said, Effect)
    assert isinstance(turned, Effect)
    assert isinstance(said.relative, Interval)
    assert (said.p_value < alpha) == (not said.absolute.contains(0.0)) == (not said.relative.contains(0.0))
    assert said.absolute.lower <= said.absolute.estimate <= said.absolute.upper
    assert turned.absolute.lower == -said.absolute.upper
    assert turned.p_value == said.p_value


def test_a_lift_over_what_may_be_zero_is_not_said() -> None:
    """A control number on either side of zero has a difference and no lift; zero itself likewise."""
    rng = np.random.default_rng(3)
    said = _both(rng.normal(0.0, 1.0, 50), rng.normal(1.0, 1.0, 50))
    assert isinstance(said, Effect)
    assert isinstance(said.relative, Undetermined)
    assert said.relative.reason == "mean_not_positive"
    zero = resampled_difference(Resampled(0.0, np.zeros(200)), Resampled(1.0, 1 + rng.random(200)), alpha=0.05)
    assert isinstance(zero, Effect)
    assert isinstance(zero.relative, Undetermined)
    assert zero.relative.reason == "control_mean_zero"


def test_thin_arms_and_undefined_numbers_are_an_answer() -> None:
    """Nobody, one customer, a handful, a number that some resamples do not have, one that never varies."""
    rng = np.random.default_rng(4)
    rare = np.zeros((30, 1))
    rare[0] = 1.0

    def per_buyer(rows: np.ndarray) -> float:
        return float(rows.sum() / np.count_nonzero(rows)) if rows.any() else float("nan")

    found = [resampled(np.ones((n, 1)), _mean, rng, resamples=100) for n in (0, 1, 5)]
    found.append(resampled(rare, per_buyer, rng, resamples=100))
    assert [each.reason if isinstance(each, Undetermined) else "" for each in found] == [
        "no_units",
        "one_unit",
        "too_few",
        "too_few",
    ]
    still = _both(np.ones(30), np.ones(30))
    assert isinstance(still, Undetermined)
    assert still.reason == "no_variance"


def test_wrong_calls_are_refused() -> None:
    """Too few resamples, clusters of another length, arms resampled unequally often."""
    rng = np.random.default_rng(5)
    with pytest.raises(InvalidPlan, match="100"):
        resampled(np.ones((30, 1)), _mean, rng, resamples=10)
    with pytest.raises(InvalidInput, match="one cluster"):
        resampled(np.ones((30, 1)), _mean, rng, resamples=100, clusters=[1, 2])
    with pytest.raises(InvalidInput, match="equally often"):
        resampled_difference(Resampled(1.0, np.ones(5)), Resampled(1.0, np.ones(6)), alpha=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("lift", [0.0, 0.2])
def test_ranges_cover_the_truth_of_a_trimmed_mean(lift: float) -> None:
    """Log-normal spend trimmed by a tenth each side, 300 an arm: 95 % ranges of both kinds cover 93-97 %."""

    def trimmed(rows: np.ndarray) -> float:
        ordered = np.sort(rows[:, 0])
        cut = ordered.size // 10
        return float(ordered[cut : ordered.size - cut].mean())

    rng = np.random.default_rng(6)
    truth = trimmed(np.exp(np.random.default_rng(7).normal(size=(4_000_000, 1))))
    hit, hit_lift, runs = 0, 0, 1_000
    for _ in range(runs):
        arms = [
            resampled(factor * np.exp(rng.normal(size=(300, 1))), trimmed, rng, resamples=400)
            for factor in (1.0, 1.0 + lift)
        ]
        assert isinstance(arms[0], Resampled)
        assert isinstance(arms[1], Resampled)
        said = resampled_difference(arms[0], arms[1], alpha=0.05)
        assert isinstance(said, Effect)
        assert isinstance(said.relative, Interval)
        hit += said.absolute.contains(truth * lift)
        hit_lift += said.relative.contains(lift)
    assert 0.93 < hit / runs < 0.97
    assert 0.93 < hit_lift / runs < 0.97
