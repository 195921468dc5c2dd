"""Which sums a set of metrics requires. Two needs merge, so that one query serves them all."""

from collections.abc import Iterable
from itertools import combinations_with_replacement

from msgspec import Struct

from offerlab.domain.experiment import MetricPlan
from offerlab.domain.metric import METRICS
from offerlab.reporting.measures import (
    ALWAYS,
    CAPPED,
    COSTED,
    COUNTED,
    COURSES,
    COVARIATES,
    FLAGS,
    MEASURES,
    STEPS,
    Monomial,
    measured,
    monomial,
    nonzero,
    own_values,
)


class Needs(Struct, frozen=True):
    """Products of per-customer values whose sums are wanted."""

    monomials: frozenset[Monomial]

    @property
    def values(self) -> frozenset[str]:
        """Every value that occurs in a product."""
        return frozenset(name for product in self.monomials for name in product)

    def merge(self, other: "Needs") -> "Needs":
        """What both require; associative, commutative and idempotent."""
        return Needs(self.monomials | other.monomials)


def needs_of_plan(plan: MetricPlan) -> Needs:
    """All that the report of an experiment needs, its own metrics included."""
    known = [key for key in plan.roles() if key in METRICS]
    unit = plan.definition(plan.primary).unit
    needs = needs_of(known, course="money" if unit in ("money", "factor") else "count")
    products: set[Monomial] = set()
    for i, own in enumerate(plan.custom):
        columns = own_values(i, own)
        products |= _moments((*columns, *COVARIATES) if own.kind == "mean" else columns)
    return needs.merge(Needs(frozenset(products)))


def needs_of(metrics: Iterable[str], *, adjust: bool = True, money: bool = True, course: str | None = None) -> Needs:
    """The sums for `metrics` (keys of the contract), for what is always counted, and on request for more.

    Args:
        metrics: keys of the contract; companions join them.
        adjust: with what is known from before the exposure, for variance reduction.
        money: with the steps of the waterfall.
        course: `money` or `count`: with outcomes by part of the window, for the course of the effect.
    """
    products: set[Monomial] = {(name,) for name in (*ALWAYS, *COUNTED)}
    if course is not None:
        parts = COURSES[course]
        products |= {monomial(*index) for degree in (1, 2) for index in combinations_with_replacement(parts, degree)}
    for key in measured(metrics):
        products |= _of_metric(key, adjust=adjust)
    if money:
        products |= _moments(("profit", "offer_cost")) | _moments(("offer_cost", "paid_orders"))
        products |= {("lines",), ("uncosted",)}
        for step in STEPS:
            products |= _moments((step,))
        products |= {("offered_units",), ("attributed",)}
    return Needs(frozenset(products))


def _of_metric(key: str, *, adjust: bool) -> set[Monomial]:
    measure = MEASURES[key]
    columns = (measure.numerator,) if measure.denominator is None else (measure.numerator, measure.denominator)
    products = _moments(columns)
    if adjust and METRICS[key].kind == "mean":
        products |= _moments((*columns, *COVARIATES))
    if adjust and measure.numerator in CAPPED and METRICS[key].kind in ("mean", "ratio"):
        below = tuple(CAPPED.get(name, name) for name in columns)
        products |= _moments(below)
        if METRICS[key].kind == "mean":
            products |= {product for product in _moments((*below, *COVARIATES)) if set(below) & set(product)}
    if key == "acceptance_rate":
        products.add(("partial_bundle",))  # beside the acceptances, never among them
    if COSTED & set(columns):
        products |= {("lines",), ("uncosted",)}
    return products


def _moments(columns: tuple[str, ...]) -> set[Monomial]:
    """All products up to the third degree, and how many values are not zero."""
    products = {monomial(*index) for degree in (1, 2, 3) for index in combinations_with_replacement(columns, degree)}
    return products | {(nonzero(name),) for name in columns if name not in FLAGS}
