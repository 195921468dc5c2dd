"""Boundaries, level and power against published tables and scipy's multivariate normal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal

from offerlab.errors import InvalidPlan
from offerlab.stats.group_sequential import (
    Plan,
    boundaries,
    check_fractions,
    crossing,
    drift_for,
    futility,
    rejection,
)
from offerlab.stats.spending import Spending, spent

FIXED_DRIFT = float(ndtri(0.975) + ndtri(0.8))
LOOKS = st.lists(st.floats(0.02, 1.2), min_size=1, max_size=8, unique_by=lambda value: round(value, 2)).map(sorted)


def _equal(looks: int) -> np.ndarray:
    return np.arange(1, looks + 1) / looks


@pytest.mark.parametrize(
    ("looks", "pocock", "obrien_fleming"),
    [
        (2, 2.178, 1.977),
        (3, 2.289, 2.004),
        (4, 2.361, 2.024),
        (5, 2.413, 2.040),
        (10, 2.555, 2.087),
        (20, 2.672, 2.126),
    ],
)
def test_classical_boundaries_have_their_published_level(looks: int, pocock: float, obrien_fleming: float) -> None:
    """The tabulated constants of Jennison and Turnbull (2000), tables 2.1 and 2.3, err 5 %."""
    fractions = _equal(looks)
    assert_allclose(rejection(fractions, np.full(looks, pocock), 2, 0.0), 0.05, atol=2e-4)
    assert_allclose(rejection(fractions, obrien_fleming / np.sqrt(fractions), 2, 0.0), 0.05, atol=2e-4)


@pytest.mark.parametrize(
    ("looks", "shape", "power", "published"),
    [
        pytest.param(5, "pocock", 0.8, 1.229, id="pocock-5-80"),
        pytest.param(4, "pocock", 0.9, 1.183143, id="pocock-4-90-sas"),
        pytest.param(5, "pocock", 0.9, 1.207, id="pocock-5-90"),
        pytest.param(5, "obrien_fleming", 0.8, 1.028, id="obf-5-80"),
        pytest.param(4, "obrien_fleming", 0.9, 1.022, id="obf-4-90"),
    ],
)
def test_classical_designs_need_their_published_sample(looks: int, shape: str, power: float, published: float) -> None:
    """Inflation factors of Jennison and Turnbull (2000), tables 2.2 and 2.4; SAS/STAT SEQDESIGN example 110.3."""
    fractions = _equal(looks)
    constant = {("pocock", 4): 2.36129, ("pocock", 5): 2.41318, ("obrien_fleming", 4): 2.02429}.get(
        (shape, looks), 2.04007
    )
    upper = np.full(looks, constant) if shape == "pocock" else constant / np.sqrt(fractions)
    ratio = (drift_for(power, fractions, upper) / (ndtri(0.975) + ndtri(power))) ** 2
    assert_allclose(ratio, published, atol=1e-3)


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        pytest.param("obrien_fleming", [4.877, 3.357, 2.680, 2.290, 2.031], id="obrien-fleming-like"),
        pytest.param("pocock", [2.438, 2.427, 2.410, 2.397, 2.386], id="pocock-like"),
    ],
)
def test_lan_demets_boundaries_are_those_of_the_packages(spending: Spending, published: list[float]) -> None:
    """Five equal looks give what ld98, gsDesign and rpact print for Lan-DeMets spending of .05, two-sided."""
    assert_allclose(boundaries(_equal(5), Plan(spending=spending)), published, atol=6e-4)


def test_inflation_of_five_looks_is_that_of_rpact() -> None:
    """O'Brien-Fleming-like spending over five looks costs 2.5 % more sample at 80 % power (rpact, asOF)."""
    drift = drift_for(0.8, _equal(5), boundaries(_equal(5)))
    assert_allclose((drift / FIXED_DRIFT) ** 2, 1.025, atol=5e-4)


@pytest.mark.parametrize("drift", [0.0, 1.5, FIXED_DRIFT])
def test_crossing_agrees_with_scipys_multivariate_normal(drift: float) -> None:
    """The chance to stay inside three unequal looks is that of the joint normal of Z."""
    times, bounds = np.array([0.15, 0.6, 1.0]), np.array([2.5, 2.2, 1.8])
    down, up = crossing(times, -bounds, bounds, drift)
    correlation = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    mean = drift * np.sqrt(times)
    expected = multivariate_normal.cdf(bounds, mean, correlation, maxpts=100_000, lower_limit=-bounds, rng=1)
    assert_allclose(1.0 - np.sum(down) - np.sum(up), expected, atol=1e-5)


def test_one_open_side_agrees_with_scipys_multivariate_normal() -> None:
    """A one-sided test stays below its boundary as the joint normal does."""
    times, bounds = np.array([0.3, 0.7, 1.0]), np.array([2.2, 2.1, 2.0])
    correlation = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    expected = multivariate_normal.cdf(bounds, np.zeros(3), correlation, maxpts=100_000, rng=1)
    assert_allclose(1.0 - rejection(times, bounds, 1, 0.0), expected, atol=1e-5)


def test_every_look_spends_what_the_function_allows() -> None:
    """First crossings under the null hypothesis add up to the spending function at each unplanned look."""
    times = np.array([0.11, 0.12, 0.4, 0.77, 0.93, 1.0])
    for spending in ("obrien_fleming", "pocock"):
        bounds = boundaries(times, Plan(spending=spending))
        down, up = crossing(times, -bounds, bounds)
        assert_allclose(np.cumsum(up[0]), spent(times, 0.025, spending), atol=1e-12)
        assert_allclose(down, up, atol=1e-13)


def test_twenty_eight_looks_keep_level_and_power() -> None:
    """28 looks err 5.00 ± .01 %, and find 78.0 % or more of what the fixed test finds at 80 %."""
    level, power = rejection(_equal(28), boundaries(_equal(28)), 2, np.array([0.0, FIXED_DRIFT]))
    assert abs(level - 0.05) < 1e-6
    assert power >= 0.780


def test_two_months_of_daily_looks_keeps_the_level() -> None:
    """Looks a day apart for two months, and pairs of looks a ten-thousandth apart, still err exactly 5 %."""
    for times in (_equal(60), np.array([0.1, 0.1001, 0.5, 0.5001, 0.9, 0.9001, 1.0])):
        bounds = boundaries(times)
        assert_allclose(rejection(times, bounds, 2, 0.0), 0.05, atol=1e-9)


def test_one_look_at_the_end_is_the_fixed_test() -> None:
    """Without interim looks the boundary is the normal quantile, and the sample is not inflated."""
    assert_allclose(boundaries([1.0]), [ndtri(0.975)], rtol=1e-12)
    assert_allclose(drift_for(0.8, [1.0], boundaries([1.0])), FIXED_DRIFT, rtol=1e-9)


def test_nothing_is_left_after_the_end() -> None:
    """A look beyond the plan takes all that is left; one after it nothing (its boundary is the cap)."""
    bounds = boundaries([0.5, 1.3, 1.4])
    down, up = crossing([0.5, 1.3], -bounds[:2], bounds[:2])
    assert_allclose(np.sum(down) + np.sum(up), 0.05, atol=1e-12)
    assert bounds[2] == 8.0


@settings(max_examples=30)
@given(times=LOOKS, alpha=st.floats(0.001, 0.4), spending=st.sampled_from(["obrien_fleming", "pocock"]))
def test_any_looks_spend_no_more_than_allowed(times: list[float], alpha: float, spending: Spending) -> None:
    """Whatever the looks, the level is the spending function at the last one."""
    bounds = boundaries(times, Plan(alpha, spending))
    expected = 2.0 * spent(times[-1], alpha / 2.0, spending)
    assert_allclose(rejection(times, bounds, 2, 0.0), expected, atol=1e-9)


@settings(max_examples=30)
@given(times=LOOKS, drift=st.floats(0.0, 5.0))
def test_mirrored_drift_mirrors_the_crossings(times: list[float], drift: float) -> None:
    """Swapping the arms swaps crossings up and down."""
    bounds = boundaries(times)
    down, up = crossing(times, -bounds, bounds, drift)
    down_mirrored, up_mirrored = crossing(times, -bounds, bounds, -drift)
    assert_allclose(down, up_mirrored, atol=1e-11)
    assert_allclose(up, down_mirrored, atol=1e-11)


def test_futility_spends_beta_and_costs_no_level() -> None:
    """Under the planned effect the futility looks spend 1 - power; the efficacy boundary does not know them."""
    times, drift = _equal(4), FIXED_DRIFT * np.sqrt(1.1)
    upper, lower = boundaries(times), futility(times, power=0.8, drift=drift)
    assert np.all(lower <= upper)
    assert lower[-1] == upper[-1]
    down, up = crossing(times, lower, upper, np.array([0.0, drift]))
    assert_allclose(np.cumsum(down[1])[:-1], spent(times, 0.2)[:-1], atol=1e-10)
    assert float(np.sum(up[0])) < 0.025


def test_futility_boundary_at_the_first_look_is_a_quantile() -> None:
    """At one look the boundary is the planned mean less a normal quantile (closed form)."""
    expected = 3.0 * np.sqrt(0.5) + ndtri(float(spent(0.5, 0.1)))
    assert_allclose(futility([0.5], power=0.9, drift=3.0), [expected], rtol=1e-9)


def test_wrong_plans_are_refused() -> None:
    """Looks out of order, alpha 2 and an impossible power raise with the rule broken."""
    for fractions in ([], [0.0, 1.0], [0.5, 0.5], [0.5, np.inf]):
        with pytest.raises(InvalidPlan, match="ascending"):
            check_fractions(fractions)
    with pytest.raises(InvalidPlan, match="alpha"):
        Plan(alpha=2.0)
    with pytest.raises(InvalidPlan, match="power"):
        drift_for(0.01, [1.0], [1.96])


def test_very_early_looks_have_a_boundary_of_eight() -> None:
    """Where almost nothing may be spent the boundary is 8, never infinite, so that an interval exists."""
    bound = float(boundaries([0.001])[0])
    assert bound == 8.0
    assert 2.0 * ndtr(-bound) > 0.0
