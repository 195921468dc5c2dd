"""Spending functions against their closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

from offerlab.errors import InvalidPlan
from offerlab.stats.spending import Spending, spent


def test_obrien_fleming_like_spending_is_lan_and_demets() -> None:
    """The share spent by t is that of a Brownian motion that has passed its end value by t."""
    expected = [2.0 * (1.0 - norm.cdf(norm.ppf(1.0 - 0.0125) / np.sqrt(t))) for t in (0.3, 0.5, 0.8)]
    assert_allclose(spent(np.array([0.3, 0.5, 0.8]), 0.025), expected, rtol=1e-10)


def test_pocock_like_spending_is_logarithmic() -> None:
    """It is alpha ln(1 + (e - 1) t)."""
    assert_allclose(spent(np.array([0.25, 1.0]), 0.025, "pocock"), [0.025 * np.log(1 + 0.25 * (np.e - 1)), 0.025])


@given(
    t=st.floats(0, 3),
    more=st.floats(0, 3),
    error=st.floats(1e-6, 0.999),
    kind=st.sampled_from(["obrien_fleming", "pocock"]),
)
def test_spending_never_falls_and_ends_at_the_error(t: float, more: float, error: float, kind: Spending) -> None:
    """It starts at zero, rises with information and stops at the error."""
    early, late = spent(np.array([t, t + more]), error, kind)
    assert 0.0 <= early <= late <= error * (1.0 + 1e-12)
    assert spent(0.0, error, kind) == 0.0
    assert_allclose(spent(1.0, error, kind), error)


def test_wrong_spending_is_refused() -> None:
    """An error of 1, a negative fraction and an unknown function raise."""
    with pytest.raises(InvalidPlan, match="between 0 and 1"):
        spent(0.5, 1.0)
    with pytest.raises(InvalidPlan, match="0 or more"):
        spent(-0.1, 0.05)
    with pytest.raises(InvalidPlan, match="unknown"):
        spent(0.5, 0.05, "unknown")  # type: ignore[arg-type]  # the point of the test
