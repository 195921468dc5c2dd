"""From cells to the guardrails that show harm now: what the watch asks between two reports."""

from offerlab.domain.experiment import Experiment
from offerlab.domain.halt import Halt
from offerlab.reporting.cells import Cells
from offerlab.reporting.metrics import Frame, metric_results
from offerlab.reporting.split import Strata
from offerlab.stats.looks import Rule


def harms(experiment: Experiment, cells: Cells, *, as_of: int) -> tuple[Halt, ...]:
    """Guardrails beyond their harm boundary in some arm, exactly those that a report of the same moment calls harmed.

    Args:
        experiment: lean (`harm.watched`).
        cells: of everything received up to `as_of`, crossovers included.
        as_of: microseconds UTC.
    """
    strata = Strata(experiment, cells.analysed)
    rule = Rule(kind="always", alpha=experiment.analysis.alpha, planned=experiment.analysis.planned_customers)
    frame = Frame(experiment=experiment, strata=strata, rule=rule, detailed=False)
    return tuple(
        Halt(
            at=as_of,
            metric=result.metric,
            variant=effect.variant,
            reference=effect.reference,
            estimate=effect.absolute.estimate,
            customers=strata.n,
        )
        for result in metric_results(frame)
        if result.role == "guardrail"
        for effect in result.effects
        if effect.harmed and effect.absolute is not None
    )
