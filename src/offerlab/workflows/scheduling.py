"""The calendar's hand: starts, widens and ends experiments on their dates, one replica for all.

Every replica looks; the first to store the step wins and the others find it done (the revision guards it). Before
traffic grows the guardrails are read: when one is past its limit, or the split itself is not to be trusted, the ramp
stands still until a person plans it anew.
"""

import logging
import threading
from typing import Final

from offerlab.domain.clock import iso
from offerlab.domain.experiment import RampStep
from offerlab.domain.metric import METRICS
from offerlab.domain.schedule import ON_TIME, Due, due
from offerlab.errors import Conflict, OfferLabError, Unavailable
from offerlab.reporting.report import Effect, Report
from offerlab.workflows import authoring
from offerlab.workflows.desk import Desk
from offerlab.workflows.reading import read_report
from offerlab.workflows.runtime import Runtime

ACTOR: Final = "schedule"
TICK_S: Final = 1.0
_log: Final = logging.getLogger(__name__)


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
        try:
            _do(Desk(runtime, project_id, ACTOR), key, wanted)
        except Conflict as error:
            _log.info("experiment %s: %s", key, error.detail)
        except Unavailable:
            raise
        except OfferLabError as error:
            _log.warning("experiment %s can't keep its date: %s", key, error.detail)
        else:
            moved.append(key)
    return moved


def _do(desk: Desk, key: str, wanted: Due | RampStep) -> None:
    if wanted == "start":
        authoring.start(desk, key)
    elif wanted == "stop":
        authoring.stop(desk, key, note=ON_TIME)
    elif isinstance(wanted, RampStep):
        now = desk.runtime.writer.instant()
        why = alarm(read_report(desk.runtime, desk.project_id, key, as_of=now))
        if why is None:
            authoring.widen(desk, key, wanted)
        else:
            authoring.halt_ramp(desk, key, f"not widened to {wanted.traffic:.0%} on {iso(now)}: {why}")


def alarm(report: Report) -> str | None:
    """Why traffic must not grow now, None when nothing speaks against it."""
    if not report.quality.srm.ok:
        return "the split does not fit the weights (SRM)"
    for metric in report.metrics:
        for effect in metric.effects:
            if metric.role == "guardrail" and _is_worse(metric.metric, effect):
                return f"guardrail {metric.metric} is worse in {effect.variant!r}"
    return None


def _is_worse(metric: str, effect: Effect) -> bool:
    """Whether a guardrail is past its limit, or its whole range on the bad side (a rate that was 0 has no limit)."""
    if effect.harmed or effect.limit == "past":
        return True
    if effect.absolute is None:
        return False
    up = METRICS[metric].better == "up"
    end = effect.absolute.upper if up else effect.absolute.lower
    return end is not None and (end < 0 if up else end > 0)


class Calendar:
    """Looks at the dates of all projects once a second, in a thread of its own.

    Args:
        runtime: the process's state.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="offerlab-calendar", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Let what is under way end, then stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(TICK_S * 5)

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            try:
                for project in self._runtime.projects():
                    keep_dates(self._runtime, project.id)
            except Unavailable:
                _log.warning("dates wait: the store can't be reached")
            except Exception:  # noqa: BLE001 - one bad date must not end all others
                _log.exception("the calendar stumbled; it looks again")
