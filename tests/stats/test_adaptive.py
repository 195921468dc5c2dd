"""Adaptive allocation: judged by scipy on fixed splits, rows worked one by one, and simulated bandits."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.adaptive import adaptive_difference, thompson_shares, top_two_shares
from support.bandits import Rule, bandits, shares


def test_shares_are_the_chance_to_be_best_above_the_floor() -> None:
    """Two arms: floor plus the rest times Phi(d / se)."""
    shares = thompson_shares([1.0, 1.1], [0.01, 0.02], floor=0.1)
    chance = float(stats.norm.cdf(0.1 / np.sqrt(0.03)))
    np.testing.assert_allclose(shares, [0.1 + 0.8 * (1 - chance), 0.1 + 0.8 * chance], atol=1e-6)


@pytest.mark.parametrize("rule", ["thompson", "top_two"])
def test_the_simulated_bandits_follow_the_engines_shares(rule: Rule) -> None:
    """What the proofs simulate in bulk is what the engine allocates."""
    means, variances = np.array([1.0, 1.1, 0.9]), np.array([0.01, 0.02, 0.005])
    engine = thompson_shares if rule == "thompson" else top_two_shares
    bulk = shares(means[None], variances[None], floor=0.05, rule=rule)[0]
    assert bulk == pytest.approx(engine(means, variances, floor=0.05), abs=1e-6)


@pytest.mark.parametrize("lead", [0.1, 1.0, 5.0, 50.0])
def test_two_arms_top_two_are_even(lead: float) -> None:
    """With two arms the challenger is always the other one: half and half, however sure the leader is."""
    np.testing.assert_allclose(top_two_shares([1.0, 1.0 + lead], [0.01, 0.02], floor=0.05), [0.5, 0.5])


@pytest.mark.parametrize("lead", [0.3, 2.0, 50.0])
def test_half_challenges_a_leader_however_sure_it_is(lead: float) -> None:
    """The better challenger gets no less than the other, where their chances can still be told apart."""
    shares = top_two_shares([1.0 + lead, 1.0, 0.8], [0.01, 0.01, 0.01], floor=1e-9)
    assert shares[0] == pytest.approx(0.5, abs=0.02)
    assert shares[1] >= shares[2]


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=4), st.floats(0.01, 0.2))
def test_shares_add_up_and_keep_the_floor(means: list[float], floor: float) -> None:
    """Shares sum to one, none is under the floor, and a better mean never gets less (equal variances)."""
    for rule in (thompson_shares, top_two_shares):
        shares = rule(means, np.full(len(means), 0.05), floor=floor)
        assert shares.sum() == pytest.approx(1.0)
        assert shares.min() >= floor - 1e-12
        assert (np.diff(shares[np.argsort(means)]) >= -1e-6).all()


def test_the_estimate_is_the_sum_over_customers() -> None:
    """From raw rows, customer by customer, the formula of the docstring."""
    rng = np.random.default_rng(3)
    e = np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.1, 0.8, 0.1]])
    rows = [(t, w, 2.0 + 0.5 * w + rng.normal()) for t in range(3) for w in rng.choice(3, 60, p=e[t])]
    n, y, q, c = (np.zeros((3, 3)) for _ in range(4))
    for t in range(3):
        for w in range(3):
            values = np.array([v for s, a, v in rows if (s, a) == (t, w)])
            off = values - values.mean()
            n[t, w], y[t, w], q[t, w], c[t, w] = values.size, values.mean(), (off**2).sum(), (off**3).sum()
    scores, weights = [], []
    for t in range(3):
        past = [[v for s, a, v in rows if s < t and a == w] for w in range(3)]
        before = np.array([np.mean(p) if p else 0.0 for p in past])
        shift = np.mean([v - before[a] for s, a, v in rows if s == t])
        for s, a, v in rows:
            if s == t:
                g = [before[w] + shift + (a == w) * (v - before[w] - shift) / e[t, w] for w in (1, 0)]
                scores.append(g[0] - g[1])
                weights.append((1 / e[t, 1] + 1 / e[t, 0]) ** -0.5)
    d, h = np.array(scores), np.array(weights)
    expected = (h @ d) / h.sum()
    error = np.sqrt((h**2) @ (d - expected) ** 2) / h.sum()
    skew = (h**3) @ (d - expected) ** 3 / h.sum() ** 3 / error**3
    t = expected / error
    hall = t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6
    ours = adaptive_difference(e, n, y, q, c, arms=(1, 0))
    assert float(ours.estimate) == pytest.approx(expected)
    assert float(ours.standard_error) == pytest.approx(error)
    assert float(ours.p_value) == pytest.approx(2 * stats.norm.sf(abs(hall)))


def test_a_fixed_even_split_is_nearly_welch() -> None:
    """One batch, half and half: the difference of means and Welch's error, up to the split's own chance."""
    rng = np.random.default_rng(5)
    a, b = rng.exponential(2.0, 5_000), rng.exponential(2.3, 5_000)
    squares, cubes = ([[((x - x.mean()) ** power).sum() for x in (a, b)]] for power in (2, 3))
    ours = adaptive_difference([[0.5, 0.5]], [[5_000, 5_000]], [[a.mean(), b.mean()]], squares, cubes, arms=(1, 0))
    judge = stats.ttest_ind(b, a, equal_var=False)
    assert float(ours.estimate) == pytest.approx(b.mean() - a.mean())
    assert float(ours.estimate / ours.standard_error) == pytest.approx(float(judge.statistic), rel=2e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 500), st.floats(0.01, 100), st.floats(-100, 100))
def test_units_and_a_common_shift_do_not_matter(seed: int, factor: float, shift: float) -> None:
    """Other money, or the same amount more for everybody: the same p-value; swapped arms: the other sign."""
    e, n, y, q, c = bandits(seed, 1)
    plain = adaptive_difference(e, n, y, q, c, arms=(1, 0))
    moved = adaptive_difference(e, n, (y + shift) * factor, q * factor**2, c * factor**3, arms=(1, 0))
    swapped = adaptive_difference(e, n, y, q, c, arms=(0, 1))
    assert moved.p_value[0] == pytest.approx(plain.p_value[0], rel=1e-6)
    assert moved.estimate[0] == pytest.approx(plain.estimate[0] * factor)
    assert swapped.estimate[0] == pytest.approx(-plain.estimate[0])
    assert swapped.upper[0] == pytest.approx(-plain.lower[0])
    assert (plain.lower[0] > 0.0 or plain.upper[0] < 0.0) == (plain.p_value[0] < 0.05)


def test_nobody_yet_is_nan_in_the_arrays() -> None:
    """No customer: no number, and no warning."""
    zero = np.zeros((1, 2))
    assert np.isnan(adaptive_difference([[0.5, 0.5]], zero, zero, zero, zero, arms=(1, 0)).p_value)


def test_wrong_calls_are_refused() -> None:
    """Floors, arms, propensities and counts are checked."""
    one = np.ones((1, 2))
    with pytest.raises(InvalidPlan):
        thompson_shares([1.0, 1.0], [1.0, 1.0], floor=0.6)
    with pytest.raises(InvalidPlan):
        top_two_shares([1.0, 1.0], [1.0, 1.0], floor=0.1, first=1.0)
    with pytest.raises(InvalidInput):
        adaptive_difference(one / 2, one, one, one, one, arms=(1, 1))
    with pytest.raises(InvalidInput):
        adaptive_difference(one, one, one, one, one, arms=(1, 0))
    with pytest.raises(InvalidInput):
        adaptive_difference(one / 2, -one, one, one, one, arms=(1, 0))
    with pytest.raises(InvalidInput):
        adaptive_difference([0.5, 0.5], [1, 1], [1, 1], [1, 1], [1, 1], arms=(1, 0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("effect", "how"),
    [
        pytest.param(0.0, {}, id="A/A"),
        pytest.param(0.0, {"floor": 0.01}, id="A/A, floor of one percent"),
        pytest.param(0.0, {"drift": 1.0}, id="A/A with drift"),
        pytest.param(0.1, {}, id="a real effect"),
        pytest.param(0.0, {"arms": 3, "rule": "top_two"}, id="top-two A/A"),
        pytest.param(0.0, {"arms": 3, "rule": "top_two", "floor": 0.01}, id="top-two A/A, floor of one percent"),
        pytest.param(0.0, {"arms": 3, "rule": "top_two", "drift": 1.0}, id="top-two A/A with drift"),
    ],
)
def test_bandit_intervals_cover_as_promised(effect: float, how: dict[str, Any]) -> None:
    """Adaptive allocation on skewed outcomes: 94 to 96 % of the intervals hold the truth, no bias to speak of."""
    parts = [adaptive_difference(*bandits(100 * k, 500, effect=effect, **how), arms=(1, 0)) for k in range(16)]
    lower, upper, estimate = (np.concatenate([getattr(p, f) for p in parts]) for f in ("lower", "upper", "estimate"))
    assert 0.94 <= np.mean((lower <= effect) & (effect <= upper)) <= 0.96
    assert abs(estimate.mean() - effect) < 0.15 * estimate.std()
