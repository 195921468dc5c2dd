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
from offerlab.stats.group_sequential import Plan, boundaries
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
        alpha: two-sided error over all looks.
        spending: of the group rule.
        power: planned power; if given, the group rule also says when going on is futile.
    """

    kind: Kind = "group"
    planned: float | None = None
    alpha: float = 0.05
    spending: Spending = "obrien_fleming"
    power: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        if not 0.0 < self.alpha < 1.0:
            raise InvalidPlan(f"alpha lies between 0 and 1, not {self.alpha}", field="alpha")
        if self.planned is not None and not self.planned > 0.0:
            raise InvalidPlan(f"a planned sample is above 0, not {self.planned}", field="planned")
        if self.power is not None and not self.alpha < self.power < 1.0:
            raise InvalidPlan(f"power lies between alpha and 1, not {self.power}", field="power")

    @property
    def plan(self) -> Plan:
        """The group sequential part."""
        return Plan(self.alpha, self.spending)


class Course(Struct, frozen=True):
    """Today among the looks: which rule speaks, at which level, and what it asked for before."""

    kind: Kind
    note: Note
    fraction: float
    boundary: float
    spent: float
    order: list[int]
    past_bounds: FloatArray
    times: tuple[float, ...]  # of the looks that count, today's last
    anchor: list[int]  # per past look: which of `times` it belongs to

    @property
    def alpha_now(self) -> float:
        """Two-sided level at which today's test is to be run."""
        return self.spent if self.kind == "fixed" else float(2.0 * ndtr(-self.boundary))


def timeline(n: float, rule: Rule, past_n: Sequence[float]) -> Course:
    """Sort the looks, join re-readings, and find today's rule and boundary."""
    sample = rule.planned or DEFAULT_SAMPLE
    order = [look for look in sorted(range(len(past_n)), key=lambda look: past_n[look]) if 0.0 < past_n[look] < n]
    times: list[float] = []
    anchor: list[int] = []
    for fraction in [*(past_n[look] / sample for look in order), n / sample]:
        if not times or fraction - times[-1] >= SAME_LOOK:
            times.append(fraction)
        anchor.append(len(times) - 1)
    times[anchor[-1]] = n / sample  # today's reading stands for the look that it repeats
    today, past = n / sample, np.array([past_n[look] / sample for look in order], dtype=np.float64)
    if rule.kind == "fixed":
        note: Note = "before_end" if rule.planned and today < 1.0 else "fixed_end"
        level = float(-ndtri(rule.alpha / 2.0))
        return Course("fixed", note, today, level, rule.alpha, order, np.full(len(order), level), (today,), anchor[:-1])
    last = next((index for index, time in enumerate(times) if time >= 1.0), len(times) - 1)
    if rule.kind == "group" and rule.planned and last == anchor[-1]:
        bounds = boundaries(times, rule.plan)
        used = float(2.0 * spent(today, rule.alpha / 2.0, rule.spending))
        note = "plan_complete" if today >= 1.0 else "on_plan"
        before = bounds[np.array(anchor[:-1], dtype=np.intp)]
        return Course("group", note, today, float(bounds[-1]), used, order, before, tuple(times), anchor[:-1])
    level = float(confidence_sequence.multiplier(today, rule.alpha))
    before = confidence_sequence.multiplier(past, rule.alpha) if order else past
    if rule.kind == "group" and rule.planned:
        bounds = boundaries(times[: last + 1], rule.plan)
        on_plan = np.array(anchor[:-1], dtype=np.intp) <= last
        before = np.where(on_plan, bounds[np.minimum(anchor[:-1], last)], before)
        note = "overrun"
    else:
        note = "no_plan" if rule.kind == "group" else "open_ended"
    return Course("always", note, today, level, rule.alpha, order, before, tuple(times), anchor[:-1])
