"""The calendar of an experiment, by hand-counted examples and laws."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.errors import InvalidPlan
from offerlab.stats.duration import (
    Arrivals,
    Duration,
    days_until,
    duration,
    projection,
    steady,
)
from offerlab.stats.effect import Undetermined

WEEK = Arrivals((100, 100, 100, 100, 200, 300, 100))  # 1,000 a week
MONDAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("customers", "weekday", "days"),
    [(0, 0, 0), (100, 0, 1), (101, 0, 2), (300, 5, 1), (301, 5, 2), (1000, 3, 7), (1001, 0, 8), (2000, 4, 14)],
)
def test_days_follow_the_weekdays(customers: float, weekday: int, days: int) -> None:
    """Counted by hand from the weekday of the first day."""
    assert days_until(customers, WEEK, weekday) == days


def test_enrolment_lasts_whole_weeks() -> None:
    """2,001 customers at 1,000 a week need 15 days, so three weeks; the dates follow."""
    found = duration(2001, WEEK, starts_on=MONDAY)
    assert found == Duration(
        days=15,
        weeks=3,
        customers=3000.0,
        customers_per_day=3000 / 21,
        ends_on=date(2026, 3, 22),
        matured_on=date(2026, 4, 6),
        final_on=date(2026, 5, 6),
    )


def test_two_weeks_at_the_least() -> None:
    """A sample that comes in a day still covers two weeks."""
    found = duration(10, steady(1000.0))
    assert isinstance(found, Duration)
    assert (found.days, found.weeks, found.ends_on) == (1, 2, None)


def test_traffic_and_fading_stretch_the_time() -> None:
    """A tenth of the traffic takes ten times as long; where newcomers halve weekly, 2,000 never come from 1,000."""
    assert days_until(1000, Arrivals(WEEK.by_weekday, traffic=0.1)) == 70
    fading = Arrivals(WEEK.by_weekday, weekly_change=0.5)
    assert days_until(1500, fading) == 14
    assert days_until(2001, fading) is None
    assert isinstance(duration(2001, fading), Undetermined)


def test_nobody_comes() -> None:
    """Without traffic the experiment never ends, and says so."""
    found = duration(1, steady(0.0))
    assert isinstance(found, Undetermined)
    assert found.reason == "too_few"


@given(st.floats(1, 1e5), st.floats(1, 1e4), st.integers(0, 6))
def test_enough_customers_have_come_by_the_end_and_not_a_day_before(n: float, per_day: float, weekday: int) -> None:
    """The days found hold the customers; one day fewer does not."""
    days = days_until(n, steady(per_day), weekday)
    if days is not None:
        assert days * per_day >= n * (1 - 1e-9)
        assert (days - 1) * per_day < n


def test_projection_counts_from_tomorrow() -> None:
    """400 of 1,000 are in on a Friday: Saturday 300, Sunday 100, Monday and Tuesday 100 each."""
    found = projection(400, 1000, WEEK, today=date(2026, 3, 6), variance_ratio=1.25)
    assert (found.customers_left, found.days_left, found.ends_on) == (600, 4, date(2026, 3, 10))
    assert found.customers_needed == 1250


def test_projection_of_a_full_sample_needs_nothing() -> None:
    """All are in: no days left, the end is today."""
    found = projection(1200, 1000, WEEK, today=MONDAY)
    assert (found.customers_left, found.days_left, found.ends_on, found.customers_needed) == (0, 0, MONDAY, None)


def test_projection_without_traffic_has_no_end() -> None:
    """Nobody comes any more: the days left are unknown, not zero."""
    found = projection(400, 1000, steady(0.0), today=MONDAY)
    assert (found.days_left, found.ends_on) == (None, None)


def test_wrong_calls_are_refused() -> None:
    """Negative customers, traffic of zero and a plan of nobody raise."""
    with pytest.raises(InvalidPlan, match="seven"):
        Arrivals((1, 1, 1, 1, 1, 1, -1))
    with pytest.raises(InvalidPlan, match="traffic"):
        Arrivals(WEEK.by_weekday, traffic=0.0)
    with pytest.raises(InvalidPlan, match="weekly change"):
        Arrivals(WEEK.by_weekday, weekly_change=0.0)
    with pytest.raises(InvalidPlan, match="0 or more"):
        duration(-1, WEEK)
    with pytest.raises(InvalidPlan, match="above 0"):
        projection(1, 0, WEEK, today=MONDAY)
