"""Reading a test at any moment, without losing its level.

`read` takes today's statistic and the looks that went before, and answers with the level at which today's test may be
read: re-run the test of the metric at `alpha_now` and its interval, its p-value and the verdict stay one. Three rules:

* group: a planned end exists. The error is spent by Lan and DeMets' function, whenever the looks are.
* always: no planned end. The asymptotic confidence sequence, tightest at the planned sample if there is one.
* fixed: one test at the end; reading it earlier is said.

A group test spends all it has at the first look at or beyond the plan. Customers who come in after that look find
nothing left to spend: from there on the sequence speaks, and `note` says so. (A crossing on plan and one by the
sequence after it are two chances: together they err 5.2 % by twice the planned sample; docs/formulas/sequential.md.)

Looks count from the burn-in on: 40 expected converters in the smaller arm (`is_burnt_in`). The caller leaves out
earlier ones, per metric; what nobody was shown as a result was no look.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from offerlab.errors import InvalidPlan
from offerlab.stats import confidence_sequence, stagewise
from offerlab.stats.group_sequential import boundaries, futility
from offerlab.stats.looks import Course, Kind, Note, Rule, degrees_left, timeline
from offerlab.stats.repeated import repeated_p_value
from offerlab.stats.spending import FloatArray

BURN_IN = 40.0
"""Expected converters in the smaller arm before the first look."""
_HUGE = 1e3  # where a p-value of zero was turned into an infinite statistic


class Look(Struct, frozen=True):
    """A reading in the past.

    Attributes:
        n: customers analysed then, all arms.
        z: the statistic shown then (of the same metric and contrast).
    """

    n: float
    z: float


class Reading(Struct, frozen=True):
    """What may be said today.

    Attributes:
        kind: the rule that spoke (after a fall-over another than the one planned).
        note: why that rule, as a stable word.
        fraction: customers analysed over those planned (over `DEFAULT_SAMPLE` where nobody planned).
        alpha_now: two-sided level at which today's test is to be run; its interval is then safe.
        boundary: the |z| that today's statistic must exceed.
        spent: two-sided error used up by today.
        p_value: below alpha exactly when `crossed`. Stagewise once crossed or at the planned end, before that repeated.
        shrink: factor in (0, 1] that makes today's estimate median-unbiased; 1 for the other rules and one side.
        estimate: the median-unbiased estimate, if an estimate was given.
        crossed: today's statistic is beyond its boundary.
        crossed_at: customers analysed at the first crossing, today's included; null if there was none.
        futile: below the (non-binding) futility boundary; null where none was asked for.
    """

    kind: Kind
    note: Note
    fraction: float
    alpha_now: float
    boundary: float
    spent: float
    p_value: float
    shrink: float
    estimate: float | None
    crossed: bool
    crossed_at: float | None
    futile: bool | None


class Readings(Struct, frozen=True, eq=False):
    """`Reading` for m comparisons that share their looks: scalars for the rule, arrays of m for the rest.

    Attributes:
        kind: as in `Reading`; so `note`, `fraction`, `alpha_now`, `boundary`, `spent`.
        crossed_at: NaN where nothing crossed.
        futile: null where no futility was asked for.
    """

    kind: Kind
    note: Note
    fraction: float
    alpha_now: float
    boundary: float
    spent: float
    p_value: FloatArray
    shrink: FloatArray
    crossed: NDArray[np.bool_]
    crossed_at: FloatArray
    futile: NDArray[np.bool_] | None


def is_burnt_in(converters: float, smaller_share: float) -> bool:
    """Whether looks may begin: converters of both arms × share of the smaller arm reach 40 (blind to assignment)."""
    return converters * smaller_share >= BURN_IN


def signed_z(p_value: float, estimate: float) -> float:
    """The normal statistic of a two-sided p-value, with the estimate's sign: any test can be read at many looks."""
    if estimate == 0.0 or p_value >= 1.0:
        return 0.0
    size = float(-ndtri(max(p_value, np.finfo(np.float64).tiny) / 2.0))
    return size if estimate > 0.0 else -size


def alpha_now(n: float, rule: Rule, past_n: Sequence[float] = ()) -> float:
    """Two-sided level at which a test read today at n customers, after looks at `past_n`, is to be run."""
    if not n > 0.0:
        raise InvalidPlan("a look needs customers", field="looks")
    return timeline(n, rule, past_n).alpha_now


def read(z: float, n: float, rule: Rule, looks: Sequence[Look] = (), *, estimate: float | None = None) -> Reading:
    """Today's answer for one comparison.

    Args:
        z: today's statistic, standard normal without an effect; positive where the treatment is better.
        n: customers analysed today, all arms.
        rule: fixed before the start.
        looks: the earlier looks in any order; those with as many customers as today or more are left out, so that a
            report as of an earlier day comes out as it did then.
        estimate: today's plain estimate, to be corrected.

    Returns:
        The reading.

    Raises:
        InvalidPlan: n not above 0, or z not a number.
    """
    past = np.array([[look.z] for look in looks], dtype=np.float64).reshape(len(looks), 1)
    many = read_many(np.array([z]), n, rule, [look.n for look in looks], past)
    crossed_at = float(many.crossed_at[0])
    return Reading(
        kind=many.kind,
        note=many.note,
        fraction=many.fraction,
        alpha_now=many.alpha_now,
        boundary=many.boundary,
        spent=many.spent,
        p_value=float(many.p_value[0]),
        shrink=float(many.shrink[0]),
        estimate=None if estimate is None else estimate * float(many.shrink[0]),
        crossed=bool(many.crossed[0]),
        crossed_at=None if np.isnan(crossed_at) else crossed_at,
        futile=None if many.futile is None else bool(many.futile[0]),
    )


def read_many(
    z: FloatArray, n: float, rule: Rule, past_n: Sequence[float] = (), past_z: FloatArray | None = None
) -> Readings:
    """`read` for m comparisons of one experiment at once: metrics, segments and arms share its looks.

    Args:
        z: today's statistics, shape (m,).
        n: customers analysed today.
        rule: fixed before the start.
        past_n: customers at the k earlier looks.
        past_z: statistics shown then, shape (k, m); NaN where none was shown.

    Returns:
        The readings.

    Raises:
        InvalidPlan: n not above 0, a z that is not a number, shapes that don't fit.
    """
    if not n > 0.0 or np.any(np.isnan(z)):
        raise InvalidPlan("a look needs customers and statistics that are numbers", field="looks")
    values = np.clip(np.asarray(z, dtype=np.float64), -_HUGE, _HUGE)
    shown = np.full((len(past_n), values.size), np.nan) if past_z is None else np.asarray(past_z, dtype=np.float64)
    if shown.shape != (len(past_n), values.size):
        raise InvalidPlan(f"past statistics have the shape {shown.shape}, not looks by comparisons", field="looks")
    course = timeline(n, rule, past_n)
    size, shown = (np.abs(values), np.abs(shown)) if rule.sides > 1 else (values, shown)
    earlier = shown[course.order] > course.past_bounds[:, None]
    crossed = size > course.boundary
    if course.kind == "group":
        p_value, shrink = _group(values, rule, course, earlier, crossed)
    elif course.kind == "always":
        p_value = confidence_sequence.p_value(values, course.fraction, rule.alpha, rule.sides, degrees_left(n))
        shrink = np.ones_like(values)
    else:
        p_value, shrink = np.asarray(rule.sides * ndtr(-size)), np.ones_like(values)
    below = np.nextafter(rule.alpha, 0.0)
    dates = np.array([*(past_n[look] for look in course.order), n], dtype=np.float64)
    ever = np.vstack([earlier, crossed])
    return Readings(
        kind=course.kind,
        note=course.note,
        fraction=course.fraction,
        alpha_now=course.alpha_now,
        boundary=course.boundary,
        spent=course.spent,
        p_value=np.where(crossed, np.minimum(p_value, below), np.maximum(p_value, rule.alpha)),
        shrink=shrink,
        crossed=crossed,
        crossed_at=np.where(np.any(ever, axis=0), dates[np.argmax(ever, axis=0)], np.nan),
        futile=_futile(values, rule, course),
    )


def _group(
    z: FloatArray, rule: Rule, course: Course, earlier: NDArray[np.bool_], crossed: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """p-values and shrink factors under the group rule.

    A comparison that crossed earlier and went on is read by Whitehead's deletion method (1992, Controlled Clinical
    Trials 13, 106-121): the looks from the crossing on are left out and today's is the last.
    """
    p_value, median = np.ones_like(z), np.zeros_like(z)
    bounds = boundaries(course.times, rule.plan)
    looks = len(course.times) - 1
    anchors = np.array([*course.anchor, looks], dtype=np.intp)
    first = anchors[np.argmax(np.vstack([earlier, np.ones((1, z.size), dtype=np.bool_)]), axis=0)]
    for stop in np.unique(first):
        here = first == stop
        stopped = here & (crossed | (course.note == "plan_complete"))
        kept = min(int(stop), looks)
        path = stagewise.course_of([*course.times[:kept], course.times[-1]], list(bounds[:kept]), rule.sides)
        median[here] = stagewise.median_unbiased(path, z[here]) if rule.sides > 1 else z[here]
        p_value[stopped] = stagewise.p_value(path, z[stopped], rule.sides)
    going_on = ~crossed & ((course.note == "on_plan") | (first < looks))
    if np.any(going_on):
        p_value[going_on] = repeated_p_value(course.times, z[going_on], rule.plan)
    size = np.abs(z)
    kept_inside = np.maximum(np.abs(median), size - course.boundary)  # the estimate stays in its own interval
    something = size > 1e-12  # noqa: PLR2004  # nothing to shrink
    return p_value, np.where(something, kept_inside / np.where(something, size, 1.0), 1.0)


def _futile(z: FloatArray, rule: Rule, course: Course) -> NDArray[np.bool_] | None:
    """Which statistics lie below the futility boundary, if the rule has one."""
    if rule.power is None or course.kind != "group":
        return None
    return np.asarray(z < futility(course.times, rule.plan, power=rule.power)[-1])
