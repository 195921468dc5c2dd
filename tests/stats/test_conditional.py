"""Conditional power against its closed form and simulation."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtr, ndtri

from offerlab.errors import InvalidPlan
from offerlab.stats.conditional import conditional_power
from offerlab.stats.group_sequential import boundaries
from offerlab.stats.looks import Rule

DRIFT = float(ndtri(0.975) + ndtri(0.8))


@pytest.mark.parametrize("z", [-0.5, 1.0, 2.2])
def test_one_look_left_is_the_closed_form(z: float) -> None:
    """Φ((b + θ(1 - t) - c) / √(1 - t)) for a fixed test, b = z √t (Lan and Wittes 1988)."""
    t = 0.4
    expected = ndtr((z * np.sqrt(t) + DRIFT * (1 - t) - ndtri(0.975)) / np.sqrt(1 - t))
    found = conditional_power(z, 400, Rule("fixed", 1000), drift=DRIFT)
    assert_allclose(found, expected, atol=1e-9)


def test_looks_to_come_agree_with_simulation() -> None:
    """200,000 continuations of a path at half of the plan, two looks to come (three standard errors)."""
    rule, z = Rule("group", 1000), 1.4
    found = conditional_power(z, 500, rule, [250], [750], drift=DRIFT)
    rng = np.random.default_rng(4)
    score = z * np.sqrt(0.5) + np.cumsum(rng.normal(DRIFT / 4, 0.5, (200_000, 2)), axis=1)
    upper = boundaries([0.25, 0.5, 0.75, 1.0])[2:]
    crossed = (score / np.sqrt([0.75, 1.0]) > upper).any(axis=1)
    assert_allclose(found, crossed.mean(), atol=3 * np.sqrt(0.25 / 200_000))


def test_wrong_calls_are_refused() -> None:
    """No plan, a plan that is over, and a future look in the past raise."""
    with pytest.raises(InvalidPlan, match="planned sample"):
        conditional_power(1.0, 400, Rule("group"), drift=1.0)
    with pytest.raises(InvalidPlan, match="planned sample"):
        conditional_power(1.0, 1000, Rule("group", 1000), drift=1.0)
    with pytest.raises(InvalidPlan, match="future look"):
        conditional_power(1.0, 400, Rule("group", 1000), [], [300], drift=1.0)
