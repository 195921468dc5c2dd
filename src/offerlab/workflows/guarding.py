"""The stop button that needs nobody: an experiment whose guardrail shows harm pauses by itself, at night too.

Every replica looks; the first to store the pause wins and the others find it done (the revision guards it). What a
person has acknowledged does not pause the experiment again; another guardrail, or the same in another arm, does.
"""

import logging
import threading
import time
from typing import Final

from offerlab.aggregation.needs import needs_of_plan
from offerlab.aggregation.sql import SqlEngine
from offerlab.domain.experiment import Experiment, started_at
from offerlab.domain.halt import Halt
from offerlab.errors import Conflict, OfferLabError, Unavailable
from offerlab.reporting.harm import is_watched, watched
from offerlab.reporting.watching import harms
from offerlab.storage import offers
from offerlab.storage.database import reading
from offerlab.workflows import authoring
from offerlab.workflows.adapting import adapt, batches_due
from offerlab.workflows.desk import Desk
from offerlab.workflows.reading import newest_event
from offerlab.workflows.runtime import Runtime

ACTOR: Final = "guardrail"
WATCH_S: Final = 60.0
"""Seconds between two looks."""

SHARE: Final = 0.05
"""At most this share of the time is spent looking: a shop whose sums take a minute is looked at every 20 minutes."""

CLOSE_S: Final = 5.0
_log: Final = logging.getLogger(__name__)


def watch(runtime: Runtime, project_id: int) -> list[str]:
    """Pause what does harm.

    Returns:
        Keys of the experiments that this replica paused.
    """
    paused: list[str] = []
    for key, experiment in runtime.snapshot(project_id).experiments.items():
        if not is_watched(experiment):
            continue
        try:
            found = fresh_harms(runtime, project_id, experiment)
            if found:
                authoring.halt(Desk(runtime, project_id, ACTOR), key, found)
                paused.append(key)
        except Conflict as error:
            _log.info("experiment %s: %s", key, error.detail)
        except Unavailable:
            raise
        except OfferLabError as error:
            _log.warning("the guardrails of experiment %s can't be read: %s", key, error.detail)
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


class Watch:
    """Looks at the guardrails and the adaptive weights of all projects while events come in, in a thread of its own.

    Args:
        runtime: the process's state.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="offerlab-watch", daemon=True)
        self._seen: tuple[object, ...] = ()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Let what is under way end, then stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

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

    def _run(self) -> None:
        took = 0.0
        while not self._stop.wait(max(WATCH_S, took / SHARE)):
            began = time.monotonic()
            try:
                self.look()
            except Unavailable:
                _log.warning("guardrails wait: the store can't be reached")
            except Exception:  # noqa: BLE001 - one bad experiment must not leave all others unwatched
                _log.exception("the watch stumbled; it looks again")
            took = time.monotonic() - began
