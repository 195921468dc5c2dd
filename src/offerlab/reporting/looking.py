"""How a comparison may be read today: the plan's rule for looking early, applied to one statistic."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from offerlab.domain.experiment import Experiment
from offerlab.stats.effect import Effect
from offerlab.stats.looks import Rule
from offerlab.stats.sequential import Look, Reading, is_burnt_in, read


class PastLook(Struct, frozen=True):
    """A report that somebody saw: customers analysed then, and the statistics shown.

    Attributes:
        n: customers of all arms. z: by (metric, variant key), the signed statistic without correction for looks.
    """

    n: int
    z: dict[tuple[str, str], float]


def rule_of(experiment: Experiment, *, tests: int = 1) -> Rule:
    """The plan's rule; with several `tests` each gets its share of alpha (Bonferroni)."""
    plan = experiment.analysis
    return Rule(kind=plan.sequential, planned=plan.planned_customers, alpha=plan.alpha / tests)


def read_today(effect: Effect, n: int, rule: Rule, looks: Sequence[PastLook], contrast: tuple[str, str]) -> Reading:
    """Today's level and p-value for one contrast, all `looks` before it counted.

    Args:
        effect: at the plan's alpha, as if nobody had looked.
        n: customers of all arms.
        rule: of the plan.
        looks: earlier ones, in any order.
        contrast: (metric, variant key).
    """
    past = [Look(float(look.n), look.z[contrast]) for look in looks if contrast in look.z]
    return read(effect.z, float(n), rule, past, estimate=effect.absolute.estimate)


def may_look(converters: float, sizes: Mapping[int, int], rule: Rule) -> bool:
    """Whether looking has begun: 40 expected converters in the smaller arm; a fixed plan has one look and no start."""
    whole = sum(sizes.values())
    return rule.kind == "fixed" or (whole > 0 and is_burnt_in(converters, min(sizes.values()) / whole))
