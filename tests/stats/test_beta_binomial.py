"""Exact posteriors of rates: judged by the closed sum over counts, by adaptive quadrature and by Hillstrom's test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import betaln

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.beta_binomial import compare_rates

counts = st.integers(1, 3_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def closed_sum(a: float, b: float, c: int, d: float) -> float:
    """P(Beta(c, d) > Beta(a, b)) as a sum over counts (Cook 2005, MD Anderson technical report)."""
    i = np.arange(c)
    return float(np.exp(betaln(a + i, b + d) - np.log(d + i) - betaln(1 + i, d) - betaln(a, b)).sum())


@settings(max_examples=60)
@given(counts, counts)
def test_chance_to_beat_is_the_closed_sum(control: tuple[int, int], arm: tuple[int, int]) -> None:
    """Uniform priors: P(B > A) as the finite sum has it."""
    (x, n), (y, m) = control, arm
    ours = compare_rates([x, y], [n, m])
    assert ours.chance_to_be_best[1] == pytest.approx(closed_sum(x + 1, n - x + 1, y + 1, m - y + 1), abs=1e-8)


@settings(max_examples=60)
@given(counts, counts)
def test_expected_loss_is_the_closed_sum(control: tuple[int, int], arm: tuple[int, int]) -> None:
    """E max(B - A, 0) = E B P(B' > A) - E A P(B > A'), with one success more in the primed posterior."""
    (x, n), (y, m) = control, arm
    a, b, c, d = x + 1, n - x + 1, y + 1, m - y + 1
    expected = c / (c + d) * closed_sum(a, b, c + 1, d) - a / (a + b) * closed_sum(a + 1, b, c, d)
    assert compare_rates([x, y], [n, m]).expected_loss[0] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40)
@given(st.lists(counts, min_size=2, max_size=5))
def test_chances_add_up_and_losses_are_those_of_the_means(arms: list[tuple[int, int]]) -> None:
    """Chances sum to one; two arms' expected losses differ by the difference of their means."""
    ours = compare_rates([x for x, _ in arms], [n for _, n in arms])
    assert ours.chance_to_be_best.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(ours.expected_loss - ours.expected_loss[0], ours.mean[0] - ours.mean, atol=1e-9)


def test_three_arms_are_the_double_integral() -> None:
    """Chance of the third of three arms, by scipy's adaptive quadrature, under Jeffreys' prior."""
    x, n = np.array([30, 35, 41]), np.array([400, 380, 420])
    a, b = x + 0.5, n - x + 0.5

    def integrand(t: float) -> float:
        return float(stats.beta.pdf(t, a[2], b[2]) * stats.beta.cdf(t, a[0], b[0]) * stats.beta.cdf(t, a[1], b[1]))

    expected = integrate.quad(integrand, 0, 1, points=[0.05, 0.1, 0.15], limit=200)[0]
    assert compare_rates(x, n, prior=(0.5, 0.5)).chance_to_be_best[2] == pytest.approx(expected, rel=1e-9)


def test_arms_of_very_different_size_are_both_resolved() -> None:
    """A hundred thousand successes beside one: still the closed sum."""
    ours = compare_rates([1, 100_000], [10, 1_000_000])
    assert ours.chance_to_be_best[1] == pytest.approx(closed_sum(2, 10, 100_001, 900_001), abs=1e-8)


def test_tiny_losses_keep_their_digits() -> None:
    """A loss of 5e-18 is neither zero nor negative."""
    loss = compare_rates([122, 267], [21_306, 21_307]).expected_loss[1]
    assert 1e-18 < loss < 1e-17


def test_hillstroms_mails_are_ranked() -> None:
    """Conversions 122, 267 and 189: the Mens mail is the best beyond doubt."""
    ours = compare_rates([122, 267, 189], [21_306, 21_307, 21_387])
    assert ours.chance_to_be_best[1] > 0.9998
    np.testing.assert_allclose(ours.mean, [0.00573, 0.01253, 0.00884], atol=6e-5)


def test_before_any_data_every_arm_is_as_likely_to_be_best() -> None:
    """No customer yet: thirds for three arms."""
    np.testing.assert_allclose(compare_rates([0, 0, 0], [0, 0, 0]).chance_to_be_best, 1 / 3)


def test_many_comparisons_come_at_once() -> None:
    """Rows are comparisons."""
    batch = compare_rates([[1, 2], [30, 20]], [[10, 10], [100, 100]])
    single = compare_rates([30, 20], [100, 100])
    np.testing.assert_array_equal(batch.chance_to_be_best[1], single.chance_to_be_best)


def test_impossible_counts_and_priors_are_refused() -> None:
    """A wrong call raises."""
    with pytest.raises(InvalidInput):
        compare_rates([3, 1], [2, 5])
    with pytest.raises(InvalidInput):
        compare_rates([3], [5])
    with pytest.raises(InvalidPlan):
        compare_rates([1, 1], [2, 2], prior=(0.0, 1.0))


@pytest.mark.slow
def test_chances_are_as_good_as_their_word() -> None:
    """Rates drawn from the prior, 8,000 experiments: of those called x % likely to win, x % win."""
    rng, sims = np.random.default_rng(12), 8_000
    rates = rng.beta(1.0, 1.0, (sims, 2))
    ours = compare_rates(rng.binomial(200, rates), np.full((sims, 2), 200))
    chance, won = ours.chance_to_be_best[:, 1], rates[:, 1] > rates[:, 0]
    for low in np.arange(0.0, 1.0, 0.2):
        said = (chance >= low) & (chance < low + 0.2)
        assert won[said].mean() == pytest.approx(chance[said].mean(), abs=3 * 0.5 / np.sqrt(said.sum()))
