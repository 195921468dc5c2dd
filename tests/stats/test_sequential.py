"""Reading a test at any look: one verdict, the notes, and the same answer alone or among many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import ndtr

from offerlab.errors import InvalidPlan
from offerlab.stats.confidence_sequence import multiplier
from offerlab.stats.group_sequential import boundaries, futility
from offerlab.stats.looks import DEFAULT_SAMPLE, Kind, Rule
from offerlab.stats.sequential import Look, is_burnt_in, read, read_many, signed_z

GROUP = Rule("group", planned=1000)
KINDS: list[Kind] = ["group", "always", "fixed"]


@settings(max_examples=40)
@given(
    kind=st.sampled_from(KINDS),
    z=st.floats(-6, 6),
    n=st.integers(50, 1500),
    looks=st.lists(st.tuples(st.integers(1, 15).map(lambda k: k * 100), st.floats(-5, 5)), max_size=5),
    alpha=st.sampled_from([0.01, 0.05, 0.2]),
)
def test_one_verdict(kind: Kind, z: float, n: int, looks: list[tuple[int, float]], alpha: float) -> None:
    """A p below alpha, |z| beyond the boundary, zero outside the interval and the fixed p below alpha_now are one."""
    reading = read(z, n, Rule(kind, 1000, alpha), [Look(*look) for look in looks])
    assert reading.crossed == (abs(z) > reading.boundary) == (reading.p_value < alpha)
    assert 0.0 < reading.p_value <= 1.0
    if abs(abs(z) - reading.boundary) > 1e-9:
        assert (2.0 * ndtr(-abs(z)) < reading.alpha_now) == reading.crossed
        assert (not z - reading.boundary <= 0.0 <= z + reading.boundary) == reading.crossed


@settings(max_examples=40)
@given(z=st.floats(-6, 6), n=st.integers(50, 999), past=st.lists(st.floats(-3, 3), max_size=4))
def test_estimate_keeps_its_sign_and_stays_in_its_interval(z: float, n: int, past: list[float]) -> None:
    """The median-unbiased estimate shrinks towards zero, never past it, never out of its interval."""
    looks = [Look(n * (k + 1) / 6, value) for k, value in enumerate(past)]
    reading = read(z, n, GROUP, looks, estimate=2.0 * z)
    assert 0.0 < reading.shrink <= 1.0
    assert reading.estimate == 2.0 * z * reading.shrink
    assert abs(z * reading.shrink - z) <= reading.boundary


@settings(max_examples=25)
@given(z=st.floats(-6, 6), n=st.integers(300, 1200), past=st.tuples(st.floats(-4, 4), st.floats(-4, 4)))
def test_swapping_the_arms_swaps_nothing_but_the_sign(z: float, n: int, past: tuple[float, float]) -> None:
    """p-value, boundary and shrinkage do not depend on which arm is called treatment."""
    looks = [Look(100, past[0]), Look(200, past[1])]
    one = read(z, n, GROUP, looks)
    other = read(-z, n, GROUP, [Look(look.n, -look.z) for look in looks])
    assert one == other


def test_on_plan_the_boundary_is_that_of_the_looks_taken() -> None:
    """Three looks on plan have the group sequential boundary; past looks may come in any order."""
    reading = read(1.0, 700, GROUP, [Look(500, 0.3), Look(200, 0.1)])
    assert (reading.kind, reading.note) == ("group", "on_plan")
    assert_allclose(reading.boundary, boundaries([0.2, 0.5, 0.7])[-1])
    assert_allclose(reading.alpha_now, 2 * ndtr(-reading.boundary))
    assert reading.crossed_at is None


def test_first_look_beyond_the_plan_spends_all_that_is_left() -> None:
    """The final look may come late: it has the real information and the whole of alpha."""
    reading = read(2.5, 1300, GROUP, [Look(500, 0.3)])
    assert (reading.kind, reading.note, reading.spent) == ("group", "plan_complete", 0.05)
    assert_allclose(reading.boundary, boundaries([0.5, 1.3])[-1])
    assert reading.crossed_at == 1300


def test_overrunning_the_plan_falls_over_to_the_sequence_and_says_so() -> None:
    """After the final look the confidence sequence tuned to the planned sample speaks."""
    reading = read(2.5, 1400, GROUP, [Look(500, 0.3), Look(1050, 1.0)])
    assert (reading.kind, reading.note) == ("always", "overrun")
    assert_allclose(reading.boundary, multiplier(1.4, 0.05, 2, 1398.0))
    assert not reading.crossed


def test_a_crossing_on_plan_is_remembered_after_it() -> None:
    """The decision taken on plan stands in the reading although today's interval is the sequence's."""
    reading = read(2.5, 1400, GROUP, [Look(500, 3.5), Look(1050, 1.0)])
    assert reading.crossed_at == 500
    assert not reading.crossed


def test_group_without_a_plan_falls_over_to_the_sequence() -> None:
    """Nobody planned a sample: the sequence speaks, tuned to the default one."""
    reading = read(2.5, 5000, Rule("group"))
    assert (reading.kind, reading.note) == ("always", "no_plan")
    assert_allclose(reading.boundary, multiplier(5000 / DEFAULT_SAMPLE, 0.05, 2, 4998.0))


def test_open_ended_reading_is_the_sequence_at_its_own_sample() -> None:
    """N* is the planned sample, and earlier crossings are found with the widths of their own time."""
    reading = read(1.0, 800, Rule("always", 1000), [Look(100, 3.5), Look(400, 3.5)])
    assert (reading.kind, reading.note) == ("always", "open_ended")
    assert multiplier(0.1, 0.05) > 3.5 > multiplier(0.4, 0.05)
    assert reading.crossed_at == 400


@pytest.mark.parametrize(("n", "note"), [(999, "before_end"), (1000, "fixed_end")])
def test_a_fixed_test_says_when_it_is_read_early(n: int, note: str) -> None:
    """It is the plain test, and before the planned sample it says so."""
    reading = read(2.0, n, Rule("fixed", 1000))
    assert (note, 0.05) == (reading.note, reading.alpha_now)
    assert_allclose(reading.p_value, 2 * ndtr(-2.0))


def test_reading_the_same_customers_again_spends_nothing() -> None:
    """A report read twice has the boundary of one look, also when outcomes matured in between."""
    first = read(1.0, 500, GROUP, [Look(300, 0.5)])
    again = read(1.1, 500, GROUP, [Look(300, 0.5), Look(500, 1.0)])
    assert first.boundary == again.boundary
    final = read(1.1, 1000, GROUP, [Look(300, 0.5), Look(1000, 1.0)])
    assert final.note == "plan_complete"


def test_a_report_as_of_an_earlier_day_is_what_it_was() -> None:
    """Looks with more customers than the reading's own do not exist for it."""
    assert read(1.0, 500, GROUP, [Look(300, 0.5), Look(900, 4.0)]) == read(1.0, 500, GROUP, [Look(300, 0.5)])


def test_final_p_is_stagewise_and_interim_p_is_repeated() -> None:
    """At the planned end an uncrossed p counts the chances of earlier stops; before it the p is conservative."""
    interim, final = read(1.9, 500, GROUP), read(1.9, 1000, GROUP, [Look(500, 1.0)])
    assert interim.p_value > 2 * ndtr(-1.9)
    assert_allclose(final.p_value, 2 * ndtr(-1.9), atol=0.004)
    assert final.p_value > 2 * ndtr(-1.9)


def test_crossing_early_and_going_on_is_read_by_deletion() -> None:
    """After an earlier crossing today's look is the last, as if the crossing look had not been."""
    deleted = read(3.5, 800, GROUP, [Look(300, 0.5), Look(500, 3.6)])
    plain = read(3.5, 800, GROUP, [Look(300, 0.5)])
    assert deleted.crossed
    assert deleted.crossed_at == 500
    assert_allclose(deleted.shrink, plain.shrink)
    assert_allclose(deleted.p_value, plain.p_value)


def test_futility_is_said_when_power_is_planned() -> None:
    """A statistic below the beta-spending boundary is futile; without a planned power nothing is said."""
    rule = Rule("group", 1000, power=0.8)
    bound = futility([0.6], rule.plan, power=0.8)[-1]
    assert [read(bound + shift, 600, rule).futile for shift in (-0.01, 0.01)] == [True, False]
    assert read(0.0, 600, GROUP).futile is None


def test_many_comparisons_read_alike_alone_and_together() -> None:
    """A thousand comparisons at once give each its own reading."""
    rng = np.random.default_rng(5)
    z, past_n, past_z = rng.normal(0, 2, 40), [200, 500], rng.normal(0, 1.5, (2, 40))
    many = read_many(z, 800, GROUP, past_n, past_z)
    for i in range(z.size):
        looks = [Look(n, past_z[k, i]) for k, n in enumerate(past_n)]
        one = read(float(z[i]), 800, GROUP, looks)
        assert_allclose([one.p_value, one.shrink], [many.p_value[i], many.shrink[i]], rtol=1e-9)
        assert one.crossed == many.crossed[i]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 3, 30])
def test_a_handful_of_customers_has_a_boundary_too(kind: Kind, n: int) -> None:
    """However early, the level is above zero, and an infinite statistic is read as a huge one."""
    reading = read(float("inf"), n, Rule(kind, 100_000))
    assert 0.0 < reading.alpha_now <= 0.05
    assert reading.boundary <= 8.0
    assert reading.crossed


def test_any_test_can_be_read_through_its_p_value() -> None:
    """The normal statistic of a p-value has its size and the estimate's sign."""
    assert_allclose(signed_z(0.05, -3.0), -1.959964, atol=1e-6)
    assert signed_z(1.0, 2.0) == 0.0
    assert np.isfinite(signed_z(0.0, 2.0))


def test_burn_in_counts_expected_converters_of_the_smaller_arm() -> None:
    """400 converters at 10 % are 40; 399 are too few."""
    assert is_burnt_in(400, 0.1)
    assert not is_burnt_in(399, 0.1)


def test_wrong_calls_are_refused() -> None:
    """Alpha 2, a plan of 0, no customers, z not finite, and shapes that don't fit raise."""
    with pytest.raises(InvalidPlan, match="alpha"):
        Rule(alpha=2.0)
    with pytest.raises(InvalidPlan, match="planned"):
        Rule(planned=0.0)
    with pytest.raises(InvalidPlan, match="power"):
        Rule(power=0.01)
    with pytest.raises(InvalidPlan, match="customers"):
        read(1.0, 0, GROUP)
    with pytest.raises(InvalidPlan, match="numbers"):
        read(float("nan"), 10, GROUP)
    with pytest.raises(InvalidPlan, match="shape"):
        read_many(np.ones(3), 10, GROUP, [5], np.ones((1, 2)))
