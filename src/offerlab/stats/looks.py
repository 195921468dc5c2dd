"""Which looks count, which rule speaks today, and how far out its boundary lies.

Looks come whenever somebody looks: unsorted, twice on the same customers, after the planned end. Here they become a
course of strictly ascending information fractions. Information is counted in customers analysed, all arms: it is
known blind to assignment, it is the same for every metric, and it never falls.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from scipy.special import ndtr, ndtri

from offerlab.errors import InvalidPlan
from offerlab.stats import confidence_sequence
from offerlab.stats.group_sequential import Plan, Sides, boundaries
from offerlab.stats.recursion import CAP
from offerlab.stats.spending import FloatArray, Spending, spent

Kind = Literal["group", "always", "fixed"]
Note = Literal[
    "on_plan",  # group, before the planned end
    "plan_complete",  # group, the first look at or beyond the planned end: its last
    "overrun",  # group planned, the end was read before and customers kept coming: the sequence speaks
    "no_plan",  # group asked for without a planned sample: the sequence speaks
    "open_ended",  # always
    "before_end",  # fixed, read before the planned sample is in
    "fixed_end",  # fixed
]

SAME_LOOK = 1e-4
"""Looks that add less than this share of the plan to the one before are re-readings of it."""
DEFAULT_SAMPLE = 10_000.0
"""N* of a sequence for which nobody planned a sample."""


class Rule(Struct, frozen=True):
    """How an experiment may be read, fixed before its start.

    Attributes:
        kind: group, always or fixed.
        planned: customers at the planned end, all arms; null if open-ended.
        alpha: error over all looks, of both sides together or of the one.
        spending: of the group rule.
        power: planned power; if given, the group rule also says when going on is futile.
        sides: 2; or 1: only a statistic above the boundary counts (harm, non-inferiority).
    """

    kind: Kind = "group"
    planned: float | None = None
    alpha: float = 0.05
    spending: Spending = "obrien_fleming"
    power: float | None = None
    sides: Sides = 2

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        if not 0.0 < self.alpha < 1.0:
            raise InvalidPlan(f"alpha lies between 0 and 1, not {self.alpha}", field="alpha")
        if self.sides == 1 and self.kind != "fixed" and self.alpha >= 0.5:  # noqa: PLR2004  # half of the normal curve
            raise InvalidPlan(f"a one-sided boundary needs an alpha below .5, not {self.alpha}", field="alpha")
        if self.planned is not None and not self.planned > 0.0:
            raise InvalidPlan(f"a planned sample is above 0, not {self.planned}", field="planned")
        if self.power is not None and not self.alpha < self.power < 1.0:
            raise InvalidPlan(f"power lies between alpha and 1, not {self.power}", field="power")

    @property
    def plan(self) -> Plan:
        """The group sequential part."""
        return Plan(self.alpha, self.spending, self.sides)


class Course(Struct, frozen=True):
    """Today among the looks: which rule speaks, at which level, and what it asked for before.

    Attributes:
        kind: the rule that speaks; `note` says why.
        fraction: today's information.
        boundary: of today's statistic.
        alpha_now: two-sided level at which today's test is to be run.
        spent: error used up by today.
        order: the earlier looks, as positions in the caller's list, by size; later ones than today's are left out.
        past_bounds: the boundary of each of them, at its time.
        times: information fractions of the looks that count, today's last.
        anchor: for each look in `order`, which of `times` it belongs to.
    """

    kind: Kind
    note: Note
    fraction: float
    boundary: float
    alpha_now: float
    spent: float
    order: list[int]
    past_bounds: FloatArray
    times: tuple[float, ...]
    anchor: list[int]


def timeline(n: float, rule: Rule, past_n: Sequence[float]) -> Course:
    """Sort the looks, join re-readings, and find today's rule and boundary."""
    sample = rule.planned or DEFAULT_SAMPLE
    order = [look for look in sorted(range(len(past_n)), key=lambda look: past_n[look]) if 0.0 < past_n[look] < n]
    past = [past_n[look] / sample for look in order]
    times, anchor = _joined([*past, n / sample])
    kind, note, last = _speaker(rule, times)
    if kind == "fixed":
        boundary = float(-ndtri(rule.alpha / rule.sides))
        before = np.full(len(past), boundary)
    else:
        # The group boundary up to the first look at the end, the sequence's own widths where it speaks.
        bounds = boundaries(times[: last + 1], rule.plan) if rule.kind == "group" and rule.planned else np.empty(0)
        fractions = np.array([*past, n / sample])
        widths = confidence_sequence.multiplier(fractions, rule.alpha, rule.sides, degrees_left(fractions * sample))
        widths = np.minimum(widths, CAP)  # there is always an interval
        all_bounds = [bounds[at] if at < len(bounds) else width for at, width in zip(anchor, widths, strict=True)]
        boundary, before = float(all_bounds[-1]), np.array(all_bounds[:-1], dtype=np.float64)
    used = rule.sides * spent(times[-1], rule.alpha / rule.sides, rule.spending) if kind == "group" else rule.alpha
    level = 2.0 / rule.sides * rule.alpha if kind == "fixed" else 2.0 * ndtr(-boundary)
    return Course(kind, note, times[-1], boundary, float(level), float(used), order, before, tuple(times), anchor[:-1])


def degrees_left(n: FloatArray | float) -> FloatArray:
    """Residual degrees of freedom of two arms with n customers together (at least 1)."""
    return np.maximum(np.asarray(n, dtype=np.float64) - 2.0, 1.0)


def _joined(fractions: list[float]) -> tuple[list[float], list[int]]:
    """Looks that count, and for each reading the one it belongs to; today's stands for the look that it repeats."""
    times: list[float] = []
    anchor: list[int] = []
    for fraction in fractions:
        if not times or fraction - times[-1] >= SAME_LOOK:
            times.append(fraction)
        anchor.append(len(times) - 1)
    times[-1] = fractions[-1]
    return times, anchor


def _speaker(rule: Rule, times: list[float]) -> tuple[Kind, Note, int]:
    """The rule that speaks today, why, and which look is the last that the group rule reads."""
    today = len(times) - 1
    last = next((look for look, time in enumerate(times) if time >= 1.0), today)
    if rule.kind == "fixed":
        return "fixed", "before_end" if rule.planned and times[-1] < 1.0 else "fixed_end", today
    if rule.kind == "always":
        return "always", "open_ended", today
    if not rule.planned:
        return "always", "no_plan", today
    if last < today:
        return "always", "overrun", last
    return "group", "plan_complete" if times[-1] >= 1.0 else "on_plan", today
