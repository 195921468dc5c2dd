"""The public `power`: two of three, in words, with a calendar."""

import doctest
from datetime import date
from importlib import import_module

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

import offerlab
from offerlab.errors import InvalidPlan
from offerlab.stats import planning
from offerlab.stats.duration import Arrivals, Duration
from offerlab.stats.effect import Undetermined
from offerlab.stats.planning import outlook, power


def test_customers_are_whole_and_split_by_weight() -> None:
    """R's 14750.79 per arm becomes 14,751 each."""
    found = power(0.10, mde=0.10)
    assert (found.customers, found.by_arm) == (29_502, (14_751, 14_751))
    assert (found.mde, found.mde_absolute, found.power) == pytest.approx((0.1, 0.01, 0.8))


def test_two_of_three_give_the_third() -> None:
    """Effect and customers give the power; customers and power give the effect."""
    assert_allclose(power(0.10, mde=0.10, n=29_502).power, 0.8, atol=1e-4)
    assert_allclose(power(0.10, n=29_502).mde_absolute, 0.01, atol=1e-5)
    absolute = power(6.5, sd=60, n=50_000, relative=False)
    assert absolute.mde == pytest.approx(absolute.mde_absolute / 6.5)


def test_looks_arms_and_covariates_are_in_one_plan() -> None:
    """Group looks cost 5 % for 28 looks, a correlation of .5 saves a quarter, a second treatment is paid for."""
    plain = power(6.5, sd=60, mde=0.1)
    assert_allclose(power(6.5, sd=60, mde=0.1, sequential="group").inflation, 1.049, atol=1e-3)
    assert_allclose(power(6.5, sd=60, mde=0.1, correlation=0.5).customers / plain.customers, 0.75, rtol=1e-4)
    assert power(6.5, sd=60, mde=0.1, weights=(1, 1, 1)).alpha_each < 0.05


def test_a_plan_has_dates() -> None:
    """15,475 an arm at 10,400 a week is three weeks from a Monday."""
    found = power(
        0.10,
        mde=0.1,
        sequential="group",
        customers_per_day=[1500, 1500, 1400, 1300, 1800, 2000, 900],
        starts_on=date(2026, 3, 2),
    )
    assert isinstance(found.duration, Duration)
    assert (found.duration.weeks, found.duration.ends_on) == (3, date(2026, 3, 22))
    assert "until 2026-03-22, final on 2026-05-06" in str(found)


def test_arrivals_come_as_a_number_a_week_or_in_full() -> None:
    """The same traffic, three ways."""
    week = Arrivals((100, 100, 100, 100, 100, 100, 100))
    plans = [power(0.1, mde=0.1, customers_per_day=given) for given in (100.0, [100.0] * 7, week)]
    assert len({plan.duration for plan in plans}) == 1


def test_never_is_said_in_words() -> None:
    """Five customers a day never make 30,000 in ten years."""
    found = power(0.10, mde=0.05, customers_per_day=5)
    assert isinstance(found.duration, Undetermined)
    assert "do not come" in str(found)


def test_non_inferiority_is_planned_by_its_margin() -> None:
    """One-sided at alpha, expected effect zero; the words speak of the margin."""
    found = power(0.02, margin=0.1)
    assert found.margin == pytest.approx(0.002)
    assert found.mde == 0.0
    assert "no more than 0.002 worse" in str(found)
    assert_allclose(power(0.02, margin=0.1, n=found.customers).power, 0.8, atol=1e-4)


def test_equivalence_needs_its_published_sample() -> None:
    """Closed form without an expected difference: n = 4 s2 (z_alpha + z_beta/2)^2 / margin^2 over two equal arms."""
    found = power(10.0, sd=5.0, margin=0.5, relative=False, equivalence=True)
    closed = 4 * 25.0 * (norm.ppf(0.95) + norm.ppf(0.9)) ** 2 / 0.25
    assert found.customers == pytest.approx(closed, abs=2)
    assert_allclose(power(10.0, sd=5.0, margin=0.5, relative=False, equivalence=True, n=closed).power, 0.8, atol=1e-9)
    assert "no more than 0.5 apart" in str(found)


def test_equivalence_of_two_rates_has_the_power_of_simulation() -> None:
    """Rates of .3 and .32, a margin of .06, 2,000 an arm: two one-sided Wald tests on 200,000 draws."""
    found = power(0.3, mde=0.02, margin=0.06, relative=False, equivalence=True, n=4_000)
    rng = np.random.default_rng(2)
    control, treatment = (rng.binomial(2_000, rate, 200_000) / 2_000 for rate in (0.3, 0.32))
    reach = norm.ppf(0.95) * ((control * (1 - control) + treatment * (1 - treatment)) / 2_000) ** 0.5
    assert_allclose(found.power, (np.abs(treatment - control) + reach < 0.06).mean(), atol=0.005)


def test_a_relative_margin_moves_control_on_either_side() -> None:
    """Simulated: lifts within 10 % shown by the engine's own linear form as often as planned."""
    found = power(10.0, sd=5.0, margin=0.1, equivalence=True, power=0.7)
    n = found.by_arm[0]
    rng = np.random.default_rng(1)
    control, treatment = rng.normal(10.0, 5.0 / n**0.5, (2, 200_000))
    shown = np.ones(200_000, dtype=np.bool_)
    for factor, sign in ((0.9, 1.0), (1.1, -1.0)):
        shown &= sign * (treatment - factor * control) > norm.ppf(0.95) * 5.0 * ((1 + factor**2) / n) ** 0.5
    assert_allclose(shown.mean(), 0.7, atol=0.005)


def test_an_outlook_projects_the_calendar_and_the_chance() -> None:
    """One look left is the closed form; the planned effect is the drift that the plan was sized for."""
    plan = power(0.10, mde=0.10)
    found = outlook(plan, 15_000, today=date(2026, 3, 11), customers_per_day=1_000, z=1.2, variance_ratio=1.1)
    share = 15_000 / plan.customers
    drift = norm.ppf(0.975) + norm.ppf(0.8)
    end = norm.cdf((1.2 * share**0.5 + drift * (1 - share) - norm.ppf(0.975)) / (1 - share) ** 0.5)
    assert found.chance_if_planned == pytest.approx(end, abs=1e-6)
    assert found.chance_if_trend is not None
    assert found.chance_if_trend < end
    assert found.projection.days_left == 15
    assert found.projection.customers_needed == pytest.approx(1.1 * plan.customers)
    assert "29,502 (51%)" in str(found)
    assert "needed      32,452" in str(found)


def test_an_outlook_without_a_statistic_or_an_end_is_a_calendar() -> None:
    """No chance without z, for an open-ended plan, or when all customers are in; never is said in words."""
    plan, open_ended = power(0.10, mde=0.10), power(0.10, mde=0.10, sequential="always")
    day = date(2026, 3, 11)
    assert outlook(plan, 15_000, today=day, customers_per_day=1_000).chance_if_planned is None
    assert outlook(open_ended, 15_000, today=day, customers_per_day=1_000, z=1.0).chance_if_planned is None
    assert "all are in" in str(outlook(plan, 40_000, today=day, customers_per_day=1_000, z=1.0))
    assert "never" in str(outlook(plan, 10, today=day, customers_per_day=0))


def test_wrong_equivalences_are_refused() -> None:
    """No margin, looks, both power and customers, an expected difference beyond the margin."""
    with pytest.raises(InvalidPlan, match="with a margin"):
        power(0.1, mde=0.1, equivalence=True)
    with pytest.raises(InvalidPlan, match="read once"):
        power(0.1, margin=0.1, equivalence=True, sequential="group")
    with pytest.raises(InvalidPlan, match="both be given"):
        power(0.1, margin=0.1, equivalence=True, n=100, power=0.8)
    with pytest.raises(InvalidPlan, match="inside the margin"):
        power(0.1, mde=0.2, margin=0.1, equivalence=True)


def test_a_mean_of_zero_has_no_relative_effect() -> None:
    """Net profit of zero per customer is planned in money; the share is null."""
    found = power(0.0, sd=10.0, mde=0.5, relative=False)
    assert found.mde is None
    assert "a customer" in str(found)


def test_wrong_calls_are_refused() -> None:
    """All three given, only one given, no effect, and a week of six days raise."""
    with pytest.raises(InvalidPlan, match="can't all"):
        power(0.1, mde=0.1, n=1000, power=0.8)
    with pytest.raises(InvalidPlan, match="give two"):
        power(0.1)
    with pytest.raises(InvalidPlan, match="effect of zero"):
        power(0.1, mde=0.0)
    with pytest.raises(InvalidPlan, match="seven"):
        power(0.1, mde=0.1, customers_per_day=[1.0] * 6)


def test_power_is_a_public_name() -> None:
    """`offerlab.power` is this function, imported on first use; other names do not exist."""
    assert offerlab.power is power
    with pytest.raises(AttributeError, match="no attribute"):
        _ = offerlab.nothing  # type: ignore[attr-defined]  # the point of the test


def test_a_public_name_is_the_same_however_it_was_imported() -> None:
    """`offerlab.simulate` draws customers before and after somebody imports the module of that name."""
    first = offerlab.simulate(customers=5, seed=1)
    import_module("offerlab.simulate")
    assert len(offerlab.simulate(customers=5, seed=1).frame) == len(first.frame) == 10
    assert {name for name in offerlab.__all__ if not callable(getattr(offerlab, name))} == set()


def test_the_example_in_the_docstring_runs() -> None:
    """Its output is what it says."""
    assert doctest.testmod(planning).failed == 0
