"""Ordered questions: judged by Holm's procedure, a graph worked by hand and simulated error rates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import ndtr

from offerlab.errors import InvalidPlan
from offerlab.stats.gatekeeping import fixed_sequence, gated, graphical, weighted_holm
from offerlab.stats.multiplicity import holm

p_arrays = hnp.arrays(np.float64, st.integers(1, 8), elements=st.floats(0, 1))


@given(p_arrays)
def test_equal_weights_are_holms_procedure(p: np.ndarray) -> None:
    """Weighted Holm with equal weights is Holm."""
    np.testing.assert_allclose(weighted_holm(p, np.ones(p.size)).p_values, holm(p))


def test_parallel_gatekeeping_worked_by_hand() -> None:
    """Two primaries at .025 each, each passing half to each of two secondaries: only the second primary is rejected.

    With p = .04, .01, .03, .6 the second is rejected at .025 (.01 / .5 = .02); the secondaries get .0125 each, the
    first primary keeps .025 (.04 / .5 = .08): nothing more can be rejected.
    """
    transitions = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5], [0, 0, 0, 1], [0, 0, 1, 0]])
    result = graphical([0.04, 0.01, 0.03, 0.6], [0.5, 0.5, 0, 0], transitions)
    assert result.rejected.tolist() == [False, True, False, False]
    np.testing.assert_allclose(result.interval_alpha, [0.025, 0.025, 0.0125, 0.0125])
    np.testing.assert_allclose(result.p_values[:2], [0.08, 0.02])


@given(p_arrays)
def test_a_fixed_sequence_stops_at_the_first_failure(p: np.ndarray) -> None:
    """Adjusted p-values are the running maximum."""
    np.testing.assert_allclose(fixed_sequence(p.tolist()).p_values, np.maximum.accumulate(p))


@given(p_arrays, st.floats(0.01, 0.2))
def test_rejection_does_not_depend_on_how_it_is_read(p: np.ndarray, alpha: float) -> None:
    """Adjusted p-values do not move with alpha, and intervals leave zero out exactly for the rejected."""
    weights = np.arange(1.0, p.size + 1)
    result = weighted_holm(p, weights, alpha=alpha)
    np.testing.assert_allclose(result.p_values, weighted_holm(p, weights, alpha=0.5).p_values)
    away = np.abs(p - result.interval_alpha) > 1e-9
    np.testing.assert_array_equal((p <= result.interval_alpha)[away], result.rejected[away])


def test_a_secondary_waits_for_its_primary() -> None:
    """A tiny secondary p-value behind a failed primary is not rejected; behind a rejected one it is, within its arm."""
    result = gated([0.001, 0.4], [[0.004, 0.3], [1e-9, 1e-9]])
    assert result.rejected.tolist() == [[True, True, False], [False, False, False]]
    np.testing.assert_allclose(result.p_values[0], [0.002, 0.016, 0.6])


def test_tests_that_were_not_made_pass_through() -> None:
    """NaN stays NaN; in weighted Holm its share goes to the others, a primary without a test opens no gate."""
    result = weighted_holm([np.nan, 0.03, 0.04], [5.0, 1.0, 1.0])
    np.testing.assert_allclose(result.p_values[1:], holm([0.03, 0.04]))
    assert np.isnan(result.p_values[0])
    closed = gated([np.nan], [[0.001]])
    assert not closed.rejected.any()
    assert closed.tests == 1


def test_graphs_that_are_none_are_refused() -> None:
    """Weights above one, rows above one, self-loops and shapes."""
    with pytest.raises(InvalidPlan):
        graphical([0.1, 0.2], [0.8, 0.8], np.zeros((2, 2)))
    with pytest.raises(InvalidPlan):
        graphical([0.1, 0.2], [0.5, 0.5], np.ones((2, 2)))
    with pytest.raises(InvalidPlan):
        graphical([0.1], [0.5, 0.5], np.zeros((2, 2)))
    with pytest.raises(InvalidPlan):
        weighted_holm([0.1, 0.2], [1.0, 0.0])
    with pytest.raises(InvalidPlan):
        gated([0.1, 0.2], [[0.1]])


@pytest.mark.slow
def test_the_gate_keeps_the_familywise_error() -> None:
    """Three arms, one with an effect on its primary alone, strong correlation: false rejections in at most 5 %."""
    rng, sims, wrong = np.random.default_rng(6), 5_000, 0
    for _ in range(sims):
        z = np.sqrt(0.5) * rng.standard_normal() + np.sqrt(0.5) * rng.standard_normal((3, 4))
        z[0, 0] += 4.0
        p = 2 * ndtr(-np.abs(z))
        rejected = gated(p[:, 0], p[:, 1:]).rejected
        rejected[0, 0] = False
        wrong += bool(rejected.any())
    assert wrong / sims <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / sims)
