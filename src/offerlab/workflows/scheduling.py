"""The calendar's hand: starts, widens and ends experiments on their dates, one replica for all.

Every replica looks; the first to store the step wins and the others find it done (the revision guards it). Before
traffic grows the guardrails are read: when one is past its limit, or the split itself is not to be trusted, the ramp
stands still until a person plans it anew.
"""

from typing import Final

from offerlab.domain.clock import iso
from offerlab.domain.experiment import RampStep
from offerlab.domain.metric import Direction
from offerlab.domain.schedule import ON_TIME, Due, due
from offerlab.reporting.report import Effect, Report
from offerlab.workflows import lifecycle, splitting
from offerlab.workflows.desk import Desk
from offerlab.workflows.reading import read_report
from offerlab.workflows.rounds import Rounds, apart
from offerlab.workflows.runtime import Runtime

ACTOR: Final = "schedule"
TICK_S: Final = 1.0


def keep_dates(runtime: Runtime, project_id: int) -> list[str]:
    """Do what is due now.

    Returns:
        Keys of the experiments that this replica moved.
    """
    now = runtime.now()
    moved: list[str] = []
    needs_eyes = runtime.snapshot(project_id).ruleset.settings.approval
    for key, experiment in runtime.snapshot(project_id).experiments.items():
        wanted = due(experiment, now)
        if wanted is None or (wanted == "start" and needs_eyes and not experiment.approved_by):
            continue
        with apart(key, "it can't keep its date"):
            _do(Desk(runtime, project_id, ACTOR), key, wanted)
            moved.append(key)
    return moved


def _do(desk: Desk, key: str, wanted: Due | RampStep) -> None:
    if wanted == "start":
        lifecycle.start(desk, key)
    elif wanted == "stop":
        lifecycle.stop(desk, key, note=ON_TIME)
    elif isinstance(wanted, RampStep):
        now = desk.runtime.writer.instant()
        why = alarm(read_report(desk.runtime, desk.project_id, key, as_of=now))
        if why is None:
            splitting.widen(desk, key, wanted)
        else:
            splitting.halt_ramp(desk, key, f"not widened to {wanted.traffic:.0%} on {iso(now)}: {why}")


def alarm(report: Report) -> str | None:
    """Why traffic must not grow now, None when nothing speaks against it."""
    if not report.quality.srm.ok:
        return "the split does not fit the weights (SRM)"
    for metric in report.metrics:
        for effect in metric.effects:
            if metric.role == "guardrail" and _is_worse(effect, better=metric.better):
                return f"guardrail {metric.metric} is worse in {effect.variant!r}"
    return None


def _is_worse(effect: Effect, *, better: Direction) -> bool:
    """Whether a guardrail is past its limit, or its whole range on the bad side (a rate that was 0 has no limit)."""
    if effect.harmed or effect.limit == "past":
        return True
    if effect.absolute is None:
        return False
    end = effect.absolute.upper if better == "up" else effect.absolute.lower
    return end is not None and (end < 0 if better == "up" else end > 0)


class Calendar(Rounds):
    """Looks at the dates of all projects once a second.

    Args:
        runtime: the process's state.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__("calendar", every_s=TICK_S, patience_s=5 * TICK_S)
        self._runtime = runtime

    def look(self) -> list[str]:
        """Do what is due in every project; the experiments that were moved."""
        return [key for project in self._runtime.projects() for key in keep_dates(self._runtime, project.id)]
