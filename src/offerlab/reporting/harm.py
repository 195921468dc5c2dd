"""When a guardrail shows harm: one side, an error of its own, at every look, whoever looks and however often.

The plan's rule for looking early is about the verdict. A guardrail that waited for a planned end would protect nobody,
and one that is read every minute must not spend what the verdict needs: so harm has the confidence sequence, whatever
the plan's rule, and half of the plan's alpha, on the bad side only. The pause that follows from it and the report say
the same, because both ask here.

A rate has two ways to show harm, and each has half of that error: the exact sequence speaks from the first converter
on, the normal one once 40 converters are expected in the smaller arm. Other metrics wait for these 40.
"""

from msgspec.structs import replace

from offerlab.domain.experiment import Experiment, MetricPlan
from offerlab.domain.metric import Metric
from offerlab.reporting.comparing import Asked, contrast_of
from offerlab.reporting.measures import FLAGS, nonzero
from offerlab.reporting.split import Strata
from offerlab.stats import effect as stats
from offerlab.stats.looks import Rule
from offerlab.stats.rare import rate_ratio
from offerlab.stats.sequential import alpha_now, is_burnt_in, read


def is_harmed(
    metric: Metric,
    asked: Asked,
    strata: Strata,
    reference: int,
    treatment: int,
    *,
    alpha: float,
    planned: float | None = None,
) -> bool:
    """Whether the treatment is shown to be worse than the reference, beyond the harm boundary.

    Args:
        metric: the guardrail.
        asked: what is compared for it.
        strata: everybody exposed so far.
        reference: index of the arm compared with.
        treatment: index of the arm compared.
        alpha: one-sided error over all looks, in (0, 0.5).
        planned: customers at the planned end, all arms: there the sequence is narrowest.
    """
    side = 1.0 if metric.better == "up" else -1.0
    is_rate = metric.kind == "proportion"
    level = alpha / 2 if is_rate else alpha
    if is_rate and _is_harmed_exactly(asked, strata, reference, treatment, side=side, alpha=level):
        return True
    came, share = converters_in(asked, strata, reference, treatment)
    if not is_burnt_in(came, share):
        return False
    rule = Rule(kind="always", planned=planned, alpha=level, sides=1)
    said = contrast_of(asked, strata, reference, treatment, [alpha_now(strata.n, rule)]).said[0]
    return isinstance(said, stats.Effect) and read(-side * said.z, strata.n, rule).crossed


def converters_in(asked: Asked, strata: Strata, reference: int, treatment: int) -> tuple[float, float]:
    """Customers of both arms whose value is not zero, and the smaller arm's share of the customers (1 without any)."""
    arms = [strata.arm(i) for i in (reference, treatment)]
    value = asked.measure.numerator
    at = strata.cells.monomials.index((value if value in FLAGS else nonzero(value),))
    n = sum(tally.n for tally in arms)
    return float(sum(tally.sums[at] for tally in arms)), min(tally.n for tally in arms) / n if n else 1.0


def exact_rate(asked: Asked, strata: Strata, reference: int, treatment: int, *, alpha: float) -> stats.Outcome | None:
    """A rate by the exact sequence over the converters, stratum by stratum; None where a stratum had no lot.

    Args:
        asked: a proportion.
        strata: everybody exposed so far.
        reference: index of the arm compared with.
        treatment: index of the arm compared.
        alpha: two-sided error over all looks.
    """
    found = strata.pairs((asked.measure.numerator,), reference, treatment)
    shares = strata.shares(reference, treatment)
    if len(shares) != len(found) or not all(0.0 < share < 1.0 for share in shares):
        return None
    counts = [(float(each.control.converters(0)), float(each.treated.converters(0))) for each in found]
    entered = [float(each.control.n) + float(each.treated.n) for each in found]
    control, treated = [came for came, _ in counts], [came for _, came in counts]
    return rate_ratio(control, treated, entered, shares, alpha=alpha)


def watched(experiment: Experiment) -> Experiment:
    """The experiment with its primary metric and guardrails only: what is computed to tell whether it does harm."""
    plan = experiment.metrics
    guardrails = tuple(key for key in plan.guardrails if key != plan.primary)
    own = tuple(each for each in plan.custom if each.key in (plan.primary, *guardrails))
    lean = MetricPlan(primary=plan.primary, guardrails=guardrails, margins=plan.margins, custom=own)
    return replace(experiment, metrics=lean)


def is_watched(experiment: Experiment) -> bool:
    """Whether a guardrail may pause it: it runs, has one, and nobody switched that off."""
    return experiment.status == "running" and experiment.auto_pause and bool(watched(experiment).metrics.guardrails)


def _is_harmed_exactly(
    asked: Asked, strata: Strata, reference: int, treatment: int, *, side: float, alpha: float
) -> bool:
    said = exact_rate(asked, strata, reference, treatment, alpha=alpha)
    if said is None or isinstance(said, stats.Undetermined):
        return False
    return said.absolute.upper < 0.0 if side > 0.0 else said.absolute.lower > 0.0
