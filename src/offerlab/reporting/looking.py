"""How a comparison may be read today: the plan's rule for looking early, and the looks there were."""

from collections.abc import Sequence

from msgspec import Struct

from offerlab.domain.experiment import Experiment
from offerlab.reporting.report import Looking
from offerlab.stats.look_record import record_looks
from offerlab.stats.looks import Rule, timeline
from offerlab.stats.sequential import Look


class PastLook(Struct, frozen=True):
    """A report that somebody saw.

    Attributes:
        n: customers of all arms then.
        z: by metric, then by variant key, the signed statistic of the default estimate.
        planned: the planned sample that this reading went by.
    """

    n: int
    z: dict[str, dict[str, float]]
    planned: int | None = None


def rule_of(
    experiment: Experiment,
    *,
    n: int,
    first_at: int | None,
    as_of: int,
    looks: Sequence[PastLook] = (),
) -> Rule:
    """The plan's rule.

    The planned sample is fixed once: as the plan says it or the start worked it out, else by the calendar at the first
    look (today's customers over the share of the way from the first exposure to the planned end), and kept from there
    on: arrivals are blind to the effect, but a plan that moves at each look would move the boundaries already used.
    """
    plan = experiment.analysis
    planned = plan.planned_customers or next((look.planned for look in looks if look.planned), None)
    if planned is None and experiment.ends_at is not None and first_at is not None:
        whole, passed = experiment.ends_at - first_at, as_of - first_at
        planned = round(n * max(whole / passed, 1.0)) if n and passed > 0 and whole > 0 else None
    return Rule(kind=plan.sequential, planned=None if planned is None else float(planned), alpha=plan.alpha)


def looks_at(looks: Sequence[PastLook], metric: str, variant: str) -> list[Look]:
    """The earlier looks at one contrast."""
    return [Look(float(look.n), look.z[metric][variant]) for look in looks if variant in look.z.get(metric, {})]


def looking_of(rule: Rule, looks: Sequence[PastLook], n: int) -> Looking:
    """The looks so far and the rule that speaks today; a fixed plan that was read early says what that has cost."""
    sizes = [float(look.n) for look in looks if look.n > 0]
    if not n:
        return Looking(
            rule=rule.kind,
            speaks=rule.kind,
            note="nobody",
            planned=None if rule.planned is None else round(rule.planned),
            fraction=None,
            spent=0.0,
            looks=len(sizes),
            early=len(sizes),
            false_alarm=rule.alpha,
            level="pass",
        )
    course = timeline(float(n), rule, sizes)
    whole = rule.planned or float(n)
    record = record_looks([size / whole for size in (*sizes, n)], kind=rule.kind, alpha=rule.alpha)
    return Looking(
        rule=rule.kind,
        speaks=course.kind,
        note=course.note,
        planned=None if rule.planned is None else round(rule.planned),
        fraction=None if rule.planned is None else n / rule.planned,
        spent=course.spent,
        looks=record.looks,
        early=record.early,
        false_alarm=record.false_alarm,
        level=record.state,
    )
