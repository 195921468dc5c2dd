"""From customers to a calendar: how long an experiment takes, and how much longer a running one needs.

Customers come by weekday, and Tuesdays are not Saturdays: an experiment that ends in the middle of a week weighs the
days unevenly. So enrolment lasts whole weeks, at least two (a single week can't tell a week from a habit). After the
last enrolment the outcome window must close, and then the refund window, before the result is final. No clock is read
here: the start is a date that the caller gives.
"""

from datetime import date, timedelta

import numpy as np
from msgspec import Struct

from offerlab.errors import InvalidPlan
from offerlab.stats.effect import Undetermined

MINIMUM_WEEKS = 2
LONGEST_WEEKS = 520
_WEEK = 7


class Arrivals(Struct, frozen=True):
    """New customers who reach the experiment's moment.

    Attributes:
        by_weekday: expected first exposures on each weekday, Monday first, of everyone in the audience.
        traffic: share of the audience that enters.
        weekly_change: factor from one week to the next: 1 for steady newcomers, below 1 where the same customers come
            back and fewer are new each week.
    """

    by_weekday: tuple[float, float, float, float, float, float, float]
    traffic: float = 1.0
    weekly_change: float = 1.0

    def __post_init__(self) -> None:
        """Refuse negative customers."""
        if len(self.by_weekday) != _WEEK or not all(0.0 <= day < np.inf for day in self.by_weekday):
            raise InvalidPlan("arrivals are seven numbers, 0 or more, Monday first", field="by_weekday")
        if not 0.0 < self.traffic <= 1.0:
            raise InvalidPlan(f"traffic is a share above 0, not {self.traffic}", field="traffic")
        if not 0.0 < self.weekly_change < np.inf:
            raise InvalidPlan(f"the weekly change is a factor above 0, not {self.weekly_change}", field="weekly_change")

    @property
    def per_week(self) -> float:
        """Customers who enter in the first week."""
        return sum(self.by_weekday) * self.traffic


class Duration(Struct, frozen=True):
    """How long it takes.

    Attributes:
        days: of enrolment until the customers are in.
        weeks: the same in whole weeks, at least the minimum: how long to run.
        customers: expected by the end of the last whole week.
        customers_per_day: on average over the weeks.
        ends_on: last day of enrolment; null without a start.
        matured_on: first day on which every outcome window is closed.
        final_on: first day on which every refund window is closed too.
    """

    days: int
    weeks: int
    customers: float
    customers_per_day: float
    ends_on: date | None
    matured_on: date | None
    final_on: date | None


class Projection(Struct, frozen=True):
    """What a running experiment still needs.

    Attributes:
        customers_left: to the planned sample (0 when it is in).
        days_left: until they have come; null if they never will.
        ends_on: the day on which they have; null likewise.
        customers_needed: for the planned effect and power at the variance seen so far; null if that was not asked.
    """

    customers_left: float
    days_left: int | None
    ends_on: date | None
    customers_needed: float | None


def steady(per_day: float, *, traffic: float = 1.0) -> Arrivals:
    """The same number of customers on every weekday."""
    return Arrivals((per_day, per_day, per_day, per_day, per_day, per_day, per_day), traffic)


def days_until(customers: float, arrivals: Arrivals, first_weekday: int = 0) -> int | None:
    """Days until that many customers have come, the first day included; null if they never do (or not in ten years).

    Args:
        customers: to wait for, 0 or more.
        arrivals: by weekday.
        first_weekday: weekday of the first day, 0 for Monday.
    """
    if customers <= 0.0:
        return 0
    week = np.roll(np.array(arrivals.by_weekday), -first_weekday) * arrivals.traffic
    growth = arrivals.weekly_change ** np.arange(LONGEST_WEEKS)
    come = np.cumsum(np.outer(growth, week).ravel())
    if not come[-1] >= customers * (1.0 - 1e-12):
        return None
    return int(np.argmax(come >= customers * (1.0 - 1e-12))) + 1


def duration(
    customers: float,
    arrivals: Arrivals,
    *,
    starts_on: date | None = None,
    window_days: int = 14,
    refund_days: int = 30,
    minimum_weeks: int = MINIMUM_WEEKS,
) -> Duration | Undetermined:
    """How many whole weeks an experiment of that many customers runs.

    Args:
        customers: of all arms (`power.sample_size`).
        arrivals: by weekday.
        starts_on: first day; gives the dates.
        window_days: outcome window after the first exposure.
        refund_days: refund window after that.
        minimum_weeks: business cycles to cover.

    Returns:
        The duration; `too_few` if so many customers never come.
    """
    if not customers >= 0.0:
        raise InvalidPlan(f"customers are 0 or more, not {customers}", field="customers")
    days = days_until(customers, arrivals, starts_on.weekday() if starts_on else 0)
    if days is None:
        return Undetermined("too_few", f"{customers:,.0f} customers do not come within ten years at this traffic.")
    weeks = max(minimum_weeks, -(-days // _WEEK))
    expected = arrivals.per_week * float(np.sum(arrivals.weekly_change ** np.arange(weeks)))
    last = starts_on + timedelta(days=weeks * _WEEK - 1) if starts_on else None
    matured = last + timedelta(days=window_days + 1) if last else None
    final = matured + timedelta(days=refund_days) if matured else None
    return Duration(days, weeks, expected, expected / (weeks * _WEEK), last, matured, final)


def projection(
    analysed: float,
    planned: float,
    arrivals: Arrivals,
    *,
    today: date,
    variance_ratio: float | None = None,
) -> Projection:
    """What is still missing, from tomorrow on.

    Args:
        analysed: customers so far, all arms.
        planned: customers planned.
        arrivals: by weekday, as seen so far rather than as hoped for.
        today: the last day that is counted in `analysed`.
        variance_ratio: variance seen so far (both arms pooled, so that nothing is learnt about the effect) over the
            planned
            one; the sample for the planned effect grows by it.

    Source:
        Gould and Shih (1992), Communications in Statistics 21(10), 2833-2853: sample size review without unblinding.
    """
    if not analysed >= 0.0 or not planned > 0.0:
        raise InvalidPlan("customers analysed are 0 or more, customers planned above 0", field="planned")
    left = max(planned - analysed, 0.0)
    tomorrow = today + timedelta(days=1)
    days = days_until(left, arrivals, tomorrow.weekday())
    needed = None if variance_ratio is None else planned * variance_ratio
    return Projection(left, days, None if days is None else today + timedelta(days=days), needed)
