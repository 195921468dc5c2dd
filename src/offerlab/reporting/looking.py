"""How a comparison may be read today: the plan's rule for looking early, and the looks there were."""

from collections.abc import Sequence

from msgspec import Struct

from offerlab.domain.experiment import Experiment
from offerlab.stats.looks import Rule
from offerlab.stats.sequential import Look


class PastLook(Struct, frozen=True):
    """A report that somebody saw.

    Attributes:
        n: customers of all arms then.
        z: by metric, then by variant key, the signed statistic of the default estimate.
    """

    n: int
    z: dict[str, dict[str, float]]


def rule_of(experiment: Experiment, *, n: int, first_at: int | None, as_of: int, tests: int = 1) -> Rule:
    """The plan's rule; with several `tests` each gets its share of alpha (Bonferroni).

    A group sequential plan without a planned number of customers is measured by the calendar: the share of the way
    from the first exposure to the planned end that has passed.
    """
    plan = experiment.analysis
    planned = float(plan.planned_customers) if plan.planned_customers else None
    if plan.sequential == "group" and planned is None and experiment.ends_at is not None and first_at is not None:
        whole, passed = experiment.ends_at - first_at, as_of - first_at
        planned = n * max(whole / passed, 1.0) if n and passed > 0 and whole > 0 else None
    return Rule(kind=plan.sequential, planned=planned, alpha=plan.alpha / tests)


def looks_at(looks: Sequence[PastLook], metric: str, variant: str) -> list[Look]:
    """The earlier looks at one contrast."""
    return [Look(float(look.n), look.z[metric][variant]) for look in looks if variant in look.z.get(metric, {})]
