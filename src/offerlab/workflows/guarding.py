"""The stop button that needs nobody: an experiment whose guardrail shows harm pauses by itself, at night too.

Every replica looks; the first to store the pause wins and the others find it done (the revision guards it). What a
person has acknowledged does not pause the experiment again; another guardrail, or the same in another arm, does.
"""

from typing import Final

from offerlab.aggregation.needs import needs_of_plan
from offerlab.aggregation.sql import SqlEngine
from offerlab.domain.experiment import Experiment
from offerlab.domain.halt import Halt
from offerlab.domain.lifecycle import started_at
from offerlab.reporting.harm import is_watched, watched
from offerlab.reporting.watching import harms
from offerlab.storage import offers
from offerlab.storage.database import reading
from offerlab.workflows import lifecycle
from offerlab.workflows.adapting import adapt, batches_due
from offerlab.workflows.desk import Desk
from offerlab.workflows.reading import newest_event
from offerlab.workflows.rounds import Rounds, apart
from offerlab.workflows.runtime import Runtime

ACTOR: Final = "guardrail"
WATCH_S: Final = 60.0
"""Seconds between two looks."""

SHARE: Final = 0.05
"""At most this share of the time is spent looking: a shop whose sums take a minute is looked at every 20 minutes."""

CLOSE_S: Final = 5.0


def watch(runtime: Runtime, project_id: int) -> list[str]:
    """Pause what does harm.

    Returns:
        Keys of the experiments that this replica paused.
    """
    paused: list[str] = []
    for key, experiment in runtime.snapshot(project_id).experiments.items():
        if not is_watched(experiment):
            continue
        with apart(key, "its guardrails can't be read"):
            found = fresh_harms(runtime, project_id, experiment)
            if found:
                lifecycle.halt(Desk(runtime, project_id, ACTOR), key, found)
                paused.append(key)
    return paused


def fresh_harms(runtime: Runtime, project_id: int, experiment: Experiment) -> tuple[Halt, ...]:
    """Harm that is shown by now and that nobody has acknowledged."""
    known = {(halt.metric, halt.variant) for halt in experiment.halts}
    lean = watched(experiment)
    with reading(runtime.engine) as connection:
        now = runtime.instant(connection)
        cells = SqlEngine(connection, project_id).cells(
            lean,
            needs_of_plan(lean.metrics),
            offers=offers.in_force(connection, project_id, lean.offer_keys(), at=started_at(lean)),
            currency=runtime.snapshot(project_id).project.currency,
            as_of=now,
            segment_by="segment",
        )
    return tuple(each for each in harms(lean, cells, as_of=now) if (each.metric, each.variant) not in known)


class Watch(Rounds):
    """Looks at the guardrails and the adaptive weights of all projects while events come in.

    Args:
        runtime: the process's state.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__("watch", every_s=WATCH_S, share=SHARE, patience_s=CLOSE_S)
        self._runtime = runtime
        self._seen: tuple[object, ...] = ()

    def look(self) -> list[str]:
        """Look once, if anything was stored or changed since the last look; the experiments that were moved."""
        projects = self._runtime.projects()
        due = [key for project in projects for key in batches_due(self._runtime, project.id)]
        mark = (newest_event(self._runtime), *(project.version for project in projects), *due)
        if mark == self._seen:
            return []
        moved = [key for project in projects for key in watch(self._runtime, project.id)]
        moved += [key for project in projects for key in adapt(self._runtime, project.id)]
        self._seen = mark
        return moved
