"""What speaks for a pair, in numbers; and the floor under which a pair is not offered, with the reason.

A ranking says what is best among many; it does not say that the best is any good. The floor does, and it refuses with
a word that can be shown.
"""

from typing import Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.sparse import csr_array

from offerlab.affinity.association import Table2x2, confidence, lift, lift_interval, support
from offerlab.affinity.baskets import UNKNOWN, Ints
from offerlab.affinity.counting import Counts
from offerlab.affinity.discovery import Assessed, assess
from offerlab.errors import NotFound

Floats = NDArray[np.float64]
Flags = csr_array[np.bool_, tuple[int, int]]
Refusal = Literal[
    "never_bought", "too_few_together", "too_few_customers", "too_few_periods", "lift_below_floor", "not_significant"
]

ALPHA: Final = 0.05
_PAIRS: Final = 4096


class Floor(Struct, frozen=True, kw_only=True):
    """What a pair needs before it may be offered as going together.

    Attributes:
        fewest_together: units that hold both.
        fewest_customers: distinct customers among those baskets: one reseller alone makes no pair.
        lift: the pair's lift is above this.
        largest_q: false discovery rate over all pairs of the catalogue.
        fewest_periods, period_days: periods of this length, counted from the first basket, in which both were bought
            together at least once: a pair of one season alone is left out by 2 or more.
    """

    fewest_together: int = 10
    fewest_customers: int = 3
    lift: float = 1.0
    largest_q: float = ALPHA
    fewest_periods: int = 0
    period_days: int = 30


class Evidence(Struct, frozen=True):
    """Everything known about `target` given `sku`.

    Attributes:
        together, with_sku, with_target, total: units that hold both, each, and all.
        customers: distinct customers who bought both in one basket; unknown ones count as one per basket.
        periods: periods in which both were bought together.
        support, confidence: together / total, together / with_sku.
        lift, lift_lower, lift_upper: with its 95 % interval.
        expected: units that would hold both by chance, given how much every basket holds; None where not computed.
        p_fisher: one-sided, items independent; p_value: the larger of it and the test that respects basket sizes.
        q_value: false discovery rate at which the pair is still a discovery.
    """

    sku: str
    target: str
    together: int
    with_sku: int
    with_target: int
    total: int
    customers: int
    periods: int
    support: float
    confidence: float
    lift: float
    lift_lower: float
    lift_upper: float
    expected: float | None
    p_fisher: float
    p_value: float
    q_value: float


class Findings(Struct, frozen=True, eq=False):
    """All that is known about the pairs of one build, and the floor they are held to."""

    assessed: Assessed
    floor: Floor

    @property
    def counts(self) -> Counts:
        """What was counted."""
        return self.assessed.counts


def examine(counts: Counts, floor: Floor | None = None) -> Findings:
    """Test all pairs that have enough units for this floor."""
    floor = floor or Floor()
    return Findings(assess(counts, fewest_together=max(1, floor.fewest_together)), floor)


def discovered(findings: Findings) -> Flags:
    """The pairs above the floor's counts, lift and q-value: items x items, symmetric; for `ranking.rank`.

    What the floor asks of customers and periods is dearer to count and is asked of ranked pairs only (`witnesses`).
    """
    assessed, floor, counts = findings.assessed, findings.floor, findings.counts
    left, right = assessed.left, assessed.right
    table = Table2x2(assessed.both, counts.singles[left], counts.singles[right], counts.total)
    good = (assessed.q_value <= floor.largest_q) & (lift(table) > floor.lift)
    left, right = left[good], right[good]
    flags = np.ones(2 * left.size, dtype=np.bool_)
    shape = (len(counts.items), len(counts.items))
    return csr_array((flags, (np.concatenate((left, right)), np.concatenate((right, left)))), shape=shape)


def witnesses(counts: Counts, sources: Ints, targets: Ints, *, period_days: int) -> tuple[Ints, Ints]:
    """Distinct customers and distinct periods of the baskets that hold both, one entry per pair.

    Baskets without a known customer count as one customer each. Where a customer is the unit of counting, the customers
    are those of the counts.
    """
    baskets = counts.baskets
    days = baskets.days - baskets.days.min(initial=np.iinfo(np.int64).max)
    strangers = baskets.customers.max(initial=0) + 1 + np.arange(baskets.count)
    people = np.where(baskets.customers == UNKNOWN, strangers, baskets.customers)
    columns = baskets.table.tocsc()
    customers, periods = np.zeros(sources.size, dtype=np.int64), np.zeros(sources.size, dtype=np.int64)
    for start in range(0, sources.size, _PAIRS):
        chosen = slice(start, start + _PAIRS)
        rows, pairs = columns[:, sources[chosen]].multiply(columns[:, targets[chosen]]).nonzero()
        groups = pairs.astype(np.int64)  # the codes made of them outgrow 32 bits
        customers[chosen] = _distinct(groups, people[rows], sources[chosen].size)
        periods[chosen] = _distinct(groups, days[rows] // period_days, sources[chosen].size)
    if counts.unit == "customer":
        customers = counts.together(sources, targets)
    return customers, periods


def explain(findings: Findings, sku: str, target: str) -> Evidence:
    """All numbers of one pair.

    Raises:
        NotFound: one of the items was not counted.
    """
    numbers = {name: i for i, name in enumerate(findings.counts.items)}
    for name in (sku, target):
        if name not in numbers:
            raise NotFound(f"no basket counted holds {name!r}", field="sku")
    (found,) = explain_all(findings, np.array([numbers[sku]]), np.array([numbers[target]]))
    return found


def explain_all(findings: Findings, sources: Ints, targets: Ints) -> list[Evidence]:
    """The numbers of many pairs of item numbers."""
    if not sources.size:
        return []
    counts, assessed = findings.counts, findings.assessed
    table = Table2x2(counts.together(sources, targets), counts.singles[sources], counts.singles[targets], counts.total)
    lifts = lift_interval(table, alpha=ALPHA)
    places = assessed.places_of(sources, targets)
    columns = (
        table.both,
        table.left,
        table.right,
        *witnesses(counts, sources, targets, period_days=findings.floor.period_days),
        support(table),
        confidence(table),
        lifts.estimate,
        lifts.lower,
        lifts.upper,
        _looked_up(assessed.expected, places, np.nan),
        _looked_up(assessed.p_fisher, places, 1.0),
        _looked_up(assessed.p_value, places, 1.0),
        _looked_up(assessed.q_value, places, 1.0),
    )
    rows = zip(sources.tolist(), targets.tolist(), *(column.tolist() for column in columns), strict=True)
    return [_evidence(counts, *row) for row in rows]


def _evidence(counts: Counts, source: int, target: int, *numbers: float) -> Evidence:
    together, with_sku, with_target, customers, periods = (int(number) for number in numbers[:5])
    share, sure, estimate, lower, upper, expected, p_fisher, p_value, q_value = numbers[5:]
    return Evidence(
        sku=counts.items[source],
        target=counts.items[target],
        together=together,
        with_sku=with_sku,
        with_target=with_target,
        total=counts.total,
        customers=customers,
        periods=periods,
        support=share,
        confidence=sure,
        lift=estimate,
        lift_lower=lower,
        lift_upper=upper,
        expected=None if np.isnan(expected) else expected,
        p_fisher=p_fisher,
        p_value=p_value,
        q_value=q_value,
    )


def refusal(evidence: Evidence, floor: Floor) -> Refusal | None:
    """Why this pair is not to be offered; None if it may be."""
    if not evidence.together:
        return "never_bought"
    if evidence.together < floor.fewest_together:
        return "too_few_together"
    if evidence.customers < floor.fewest_customers:
        return "too_few_customers"
    if evidence.periods < floor.fewest_periods:
        return "too_few_periods"
    if evidence.lift <= floor.lift:
        return "lift_below_floor"
    return None if evidence.q_value <= floor.largest_q else "not_significant"


def _distinct(groups: Ints, values: Ints, size: int) -> Ints:
    """Number of distinct values in each group."""
    width = int(values.max(initial=0)) + 1
    codes = np.sort(groups * width + values)  # many times faster here than numpy.unique
    first = np.ones(codes.size, dtype=np.bool_)
    first[1:] = codes[1:] != codes[:-1]
    return np.bincount(codes[first] // width, minlength=size)


def _looked_up(values: Floats, places: Ints, absent: float) -> Floats:
    if not values.size:
        return np.full(places.shape, absent)
    return np.where(places < 0, absent, values[np.maximum(places, 0)])
