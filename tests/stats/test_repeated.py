"""The repeated p-value against its definition."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.special import ndtr

from offerlab.stats.group_sequential import Plan, Sides, boundaries
from offerlab.stats.repeated import repeated_p_value


@pytest.mark.parametrize(("sides", "alpha"), [(1, 0.025), (2, 0.05)])
@pytest.mark.parametrize("looks", [4, 9])
def test_p_is_the_level_at_which_today_would_just_cross(sides: Sides, alpha: float, looks: int) -> None:
    """Root of the boundary in alpha, found by scipy, to 3e-4."""
    times = tuple(np.arange(1, looks + 1) / 10)
    z = np.array([1.9, 2.4, 3.1, 4.2])

    def exact(value: float) -> float:
        def excess(log_alpha: float) -> float:
            return float(boundaries(times, Plan(float(np.exp(log_alpha)), sides=sides))[-1]) - value

        return float(np.exp(brentq(excess, np.log(1e-9), np.log(0.99), xtol=1e-9)))

    plan = Plan(alpha, sides=sides)
    assert_allclose(repeated_p_value(times, z, plan), [exact(value) for value in z], atol=3e-4)


def test_p_is_below_alpha_exactly_beyond_the_boundary() -> None:
    """The planned alpha is one of the knots, so that p-value and boundary can't disagree."""
    times, plan = (0.2, 0.5, 0.6), Plan()
    bound = float(boundaries(times, plan)[-1])
    inside, outside = repeated_p_value(times, np.array([bound - 1e-6, bound + 1e-6]), plan)
    assert inside > 0.05 > outside


def test_p_at_a_single_final_look_is_the_plain_one() -> None:
    """With all information and no earlier look it is the normal p-value."""
    z = np.array([0.5, 1.0, 2.5, -3.0])
    assert_allclose(repeated_p_value((1.0,), z, Plan()), 2 * ndtr(-np.abs(z)), atol=1e-6)


def test_p_under_a_capped_boundary_is_one_until_eight() -> None:
    """Where hardly a level could reject yet p is almost 1; a statistic beyond 8 always rejects."""
    low, high = repeated_p_value((0.001,), np.array([3.0, 8.5]), Plan())
    assert low > 0.98
    assert high < 1e-15
