"""`offerlab.power` before the start: sample size, smallest effect, power, duration; `outlook` while it runs."""

from collections.abc import Sequence
from datetime import date

import numpy as np
from msgspec import Struct
from scipy.special import ndtri

from offerlab.errors import InvalidPlan
from offerlab.stats.conditional import conditional_power
from offerlab.stats.duration import Arrivals, Duration, Projection, duration, projection, steady
from offerlab.stats.effect import Undetermined
from offerlab.stats.group_sequential import Sides
from offerlab.stats.looks import Kind, Rule
from offerlab.stats.power import (
    Baseline,
    Correction,
    Design,
    Gain,
    detectable,
    equivalence_power,
    equivalence_size,
    inflation_of,
    power_of,
    sample_size,
)
from offerlab.stats.spending import Spending


class Sizing(Struct, frozen=True):
    """An experiment's size; printed, it says so in words.

    Attributes:
        customers: all arms together, whole customers.
        by_arm: the same per arm, control first.
        mde: smallest effect found with `power`, as a share of control's mean; null for a mean of zero.
        mde_absolute: the same in the metric's unit.
        power: chance of finding it in every single comparison with control.
        alpha: error rate over all arms and looks.
        alpha_each: of one comparison, after the correction for several arms.
        inflation: customers over those of one fixed test without looks.
        margin: of a non-inferiority or equivalence test, in the metric's unit; null otherwise.
        kind: fixed, group or always.
        duration: how long, if arrivals were given; or why never.
        sides: of the test: 2, or 1 with a margin.
        spending: of the group reading.
        equivalence: whether both sides of the margin are tested.
    """

    customers: int
    by_arm: tuple[int, ...]
    mde: float | None
    mde_absolute: float
    power: float
    alpha: float
    alpha_each: float
    inflation: float
    margin: float | None
    kind: Kind
    duration: Duration | Undetermined | None
    sides: Sides = 2
    spending: Spending = "obrien_fleming"
    equivalence: bool = False

    def __str__(self) -> str:
        """A few lines for people."""
        arms = " / ".join(f"{count:,}" for count in self.by_arm)
        share = "" if self.mde is None else f"{self.mde:+.4g} of control's mean, "
        found = f"an effect of {share}{self.mde_absolute:+.4g} a customer,"
        if self.margin is not None:
            found = f"that it is no more than {self.margin:.4g} {'apart' if self.equivalence else 'worse'}"
        each = f", {self.alpha_each:.4g} per arm" if self.alpha_each < self.alpha else ""
        times = f", {self.inflation:.4g} times the fixed sample" if self.kind != "fixed" else ""
        lines = [
            f"customers   {self.customers:,} ({arms})",
            f"finds       {found} with power {self.power:.4g}",
            f"alpha       {self.alpha:.4g}{each}",
            f"reading     {self.kind}{times}",
        ]
        if isinstance(self.duration, Undetermined):
            lines.append(f"duration    {self.duration.detail}")
        elif self.duration is not None:
            lines.append(f"duration    {_in_words(self.duration)}")
        return "\n".join(lines)


def _in_words(lasting: Duration) -> str:
    end = f", until {lasting.ends_on:%Y-%m-%d}" if lasting.ends_on else ""
    final = f", final on {lasting.final_on:%Y-%m-%d}" if lasting.final_on else ""
    return f"{lasting.weeks} weeks at {lasting.customers_per_day:,.0f} a day{end}{final}"


def power(  # noqa: PLR0913  # the whole plan in one call; all but the first by name
    baseline: float,
    *,
    sd: float | None = None,
    sd_treatment: float | None = None,
    mde: float | None = None,
    relative: bool = True,
    power: float | None = None,
    n: float | None = None,
    margin: float | None = None,
    equivalence: bool = False,
    alpha: float = 0.05,
    weights: Sequence[float] = (1.0, 1.0),
    correlation: float = 0.0,
    sequential: Kind = "fixed",
    looks: int | Sequence[float] = 28,
    spending: Spending = "obrien_fleming",
    correction: Correction = "dunnett",
    customers_per_day: float | Sequence[float] | Arrivals | None = None,
    starts_on: date | None = None,
    window_days: int = 14,
    refund_days: int = 30,
) -> Sizing:
    """Size an experiment: give two of effect, power and customers, get the third.

    Args:
        baseline: control's mean per customer; its rate, if `sd` is not given.
        sd: standard deviation of the customers' values; of a ratio `offerlab.stats.power.ratio_sd`.
        sd_treatment: the same under the treatment, by default as in control.
        mde: smallest effect worth finding.
        relative: whether `mde` and `margin` are shares of control's mean, or in the metric's unit.
        power: chance of finding it; .8 unless `mde` and `n` are both given.
        n: customers of all arms together.
        margin: plan a non-inferiority test instead: one-sided at alpha; `mde` is then the true effect expected (0).
        equivalence: both sides of the margin are tested (TOST), each at alpha; read once.
        alpha: error rate over all arms and looks, two-sided (one-sided with a margin).
        weights: of the arms, control first; `offerlab.stats.power.optimal_weights` needs the fewest customers.
        correlation: of the outcome with what the covariates predict; the sample shrinks by its square.
        sequential: how it will be read: "fixed" once, "group" at looks until a planned end, "always" open-ended.
        looks: number of looks, or their shares of the sample, for the sequential readings.
        spending: of the group reading.
        correction: for several treatments against control.
        customers_per_day: newcomers a day, or seven numbers from Monday on, or `Arrivals`: gives the duration.
        starts_on: first day; gives the dates.
        window_days: outcome window.
        refund_days: refund window after that.

    Returns:
        The sizing.

    Raises:
        InvalidPlan: effect, power and customers all given, or too few of them; a value out of range.

    Examples:
        >>> print(power(0.10, mde=0.10))
        customers   29,502 (14,751 / 14,751)
        finds       an effect of +0.1 of control's mean, +0.01 a customer, with power 0.8
        alpha       0.05
        reading     fixed
    """
    known = Baseline(baseline, sd, sd_treatment)
    design = Design(
        weights=tuple(float(weight) for weight in weights),
        alpha=alpha,
        sides=2 if margin is None else 1,
        kind=sequential,
        looks=looks if isinstance(looks, int) else tuple(float(look) for look in looks),
        spending=spending,
        saved=correlation**2,
        correction=correction,
    )
    expected = 0.0 if mde is None and margin is not None else mde
    gain = None if expected is None else Gain(expected, relative, margin or 0.0)
    if equivalence:
        customers, size, chance = _solve_equivalence(known, design, gain, power, n)
    else:
        customers, size, chance = _solve(known, design, gain, power, n, relative=relative)
    whole = [int(np.ceil(customers * share - 1e-9)) for share in design.shares]
    unit = abs(baseline) if relative else 1.0
    return Sizing(
        customers=sum(whole),
        by_arm=tuple(whole),
        mde=size * unit / abs(baseline) if baseline else None,
        mde_absolute=size * unit,
        power=chance,
        alpha=alpha,
        alpha_each=design.alpha_each,
        inflation=inflation_of(design, chance) if chance > alpha else 1.0,
        margin=None if margin is None else margin * unit,
        kind=sequential,
        duration=None
        if customers_per_day is None
        else duration(
            sum(whole),
            _arrivals(customers_per_day),
            starts_on=starts_on,
            window_days=window_days,
            refund_days=refund_days,
        ),
        sides=design.sides,
        spending=spending,
        equivalence=equivalence,
    )


class Outlook(Struct, frozen=True):
    """A running experiment against its plan; a number to plan by, never to decide by.

    Attributes:
        analysed: customers so far.
        planned: customers of the plan.
        projection: what is still missing, and when it has come.
        chance_if_planned: conditional power if the planned effect is true; null without today's statistic, at or after
            the planned end, and for an open-ended reading.
        chance_if_trend: the same if the effect seen so far is true.
    """

    analysed: float
    planned: float
    projection: Projection
    chance_if_planned: float | None
    chance_if_trend: float | None

    def __str__(self) -> str:
        """A few lines for people."""
        left = self.projection
        when = f"in {left.days_left} days, on {left.ends_on:%Y-%m-%d}" if left.ends_on else "never at this traffic"
        if left.days_left == 0:
            when = "all are in"
        lines = [
            f"customers   {self.analysed:,.0f} of {self.planned:,.0f} ({self.analysed / self.planned:.0%})",
            f"the rest    {left.customers_left:,.0f}: {when}",
        ]
        if left.customers_needed is not None:
            lines.append(f"needed      {left.customers_needed:,.0f} at the variance seen so far")
        if self.chance_if_planned is not None and self.chance_if_trend is not None:
            planned, trend = f"{self.chance_if_planned:.0%}", f"{self.chance_if_trend:.0%}"
            lines.append(f"chance      {planned} if the planned effect is true, {trend} if the trend is")
        return "\n".join(lines)


def outlook(  # noqa: PLR0913  # plan, progress and traffic; all but two by name
    plan: Sizing,
    analysed: float,
    *,
    today: date,
    customers_per_day: float | Sequence[float] | Arrivals,
    z: float | None = None,
    looks: Sequence[float] = (),
    future_looks: Sequence[float] = (),
    variance_ratio: float | None = None,
) -> Outlook:
    """Where a running experiment stands: when its customers will be in, and how likely it still is to succeed.

    Args:
        plan: from `power`.
        analysed: customers so far, all arms.
        today: the last day counted in them.
        customers_per_day: as seen so far: a number, seven from Monday on, or `Arrivals`.
        z: today's statistic, positive where the treatment is better.
        looks: customers at the earlier looks.
        future_looks: customers at the looks to come before the end.
        variance_ratio: variance seen so far (all arms pooled) over the planned one: the sample grows by it.

    Returns:
        The outlook.

    Raises:
        InvalidPlan: customers below 0, or a future look that is not ahead.

    Source:
        Lan & Wittes (1988), Biometrics 44(2), 579-585; Gould & Shih (1992) for the variance.

    Examples:
        >>> plan = power(0.10, mde=0.10, sequential="group")
        >>> print(outlook(plan, 20_000, today=date(2026, 3, 11), customers_per_day=1_000, z=1.8))
        customers   20,000 of 30,950 (65%)
        the rest    10,950: in 11 days, on 2026-03-22
        chance      79% if the planned effect is true, 66% if the trend is
    """
    arrivals = _arrivals(customers_per_day)
    left = projection(analysed, plan.customers, arrivals, today=today, variance_ratio=variance_ratio)
    chances: tuple[float | None, float | None] = (None, None)
    if z is not None and plan.kind != "always" and 0.0 < analysed < plan.customers:
        rule = Rule(plan.kind, plan.customers, plan.alpha_each, plan.spending, sides=plan.sides)
        fixed = -ndtri(plan.alpha_each / plan.sides) + ndtri(plan.power)
        drifts = float(fixed * np.sqrt(plan.inflation)), float(z / np.sqrt(analysed / plan.customers))
        planned, trend = (conditional_power(z, analysed, rule, looks, future_looks, drift=drift) for drift in drifts)
        chances = planned, trend
    return Outlook(analysed, plan.customers, left, *chances)


def _solve_equivalence(
    known: Baseline, design: Design, gain: Gain | None, power: float | None, n: float | None
) -> tuple[float, float, float]:
    """Customers and chance of showing that nothing differs by the margin."""
    if gain is None or gain.margin <= 0.0 or design.kind != "fixed":
        raise InvalidPlan("equivalence is planned with a margin, and read once", field="margin")
    if n is not None and power is not None:
        raise InvalidPlan("power and customers can't both be given: one follows from the other", field="n")
    if n is not None:
        return n, gain.size, equivalence_power(known, gain, design, n)
    wanted = 0.8 if power is None else power
    return equivalence_size(known, gain, design, wanted), gain.size, wanted


def _solve(
    known: Baseline, design: Design, gain: Gain | None, power: float | None, n: float | None, *, relative: bool
) -> tuple[float, float, float]:
    """Customers, effect and power: the two that are known and the one that follows."""
    if n is None:
        if gain is None:
            raise InvalidPlan("give two of effect, power and customers", field="mde")
        wanted = 0.8 if power is None else power
        customers = sample_size(known, gain, design, wanted)
        if not np.isfinite(customers):
            raise InvalidPlan("no number of customers finds an effect of zero", field="mde")
        return customers, gain.size, wanted
    if gain is None:
        wanted = 0.8 if power is None else power
        return n, detectable(known, design, n, wanted, relative=relative), wanted
    if power is not None:
        raise InvalidPlan("effect, power and customers can't all be given: one follows from the others", field="n")
    return n, gain.size, power_of(known, gain, design, n)


def _arrivals(given: float | Sequence[float] | Arrivals) -> Arrivals:
    """Arrivals from whatever the caller knows."""
    if isinstance(given, Arrivals):
        return given
    if isinstance(given, int | float):
        return steady(float(given))
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = _seven(given)
    return Arrivals((monday, tuesday, wednesday, thursday, friday, saturday, sunday))


def _seven(given: Sequence[float]) -> Sequence[float]:
    if len(given) != 7:  # noqa: PLR2004  # weekdays
        raise InvalidPlan("arrivals are one number a day or seven from Monday on", field="customers_per_day")
    return given
