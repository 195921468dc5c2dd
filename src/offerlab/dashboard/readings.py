"""Reports that pages have read: kept by moment, because a report as of a moment never changes."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from offerlab.domain.clock import SECOND, to_micros
from offerlab.errors import InvalidInput
from offerlab.reporting.report import Report
from offerlab.workflows.reading import newest_event
from offerlab.workflows.runtime import Runtime

Read = Callable[[Runtime, int, str, int | None], Report]

KEPT: Final = 128
FRESH: Final = 30 * SECOND
"""A list of experiments may be this much behind."""
STILL: Final = 60 * SECOND
"""A report is read anew after this even where nothing has come in: windows close by the clock."""


class Reading(NamedTuple):
    """The last report read as of its moment: when, at which version of the definitions, after which event."""

    at: int
    version: int
    event: int
    report: Report


class Readings:
    """Reports by project, experiment and moment; shared by threads.

    Args:
        read: builds a report as of a moment (None: now).
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._kept: OrderedDict[tuple[int, str, int], Report] = OrderedDict()
        self._latest: dict[tuple[int, str], Reading] = {}
        self._lock = threading.Lock()

    def at(self, runtime: Runtime, project_id: int, key: str, as_of: int | None) -> Report:
        """A report; from memory when this very one was read before, or nothing has happened since the last.

        Raises:
            NotFound, Conflict, InvalidInput: as `workflows.reading.read_report`.
        """
        if as_of is not None:
            with self._lock:
                known = self._kept.get((project_id, key, as_of))
            if known is not None:
                return known
        at, version, event = runtime.now(), runtime.snapshot(project_id).project.version, newest_event(runtime)
        if as_of is None:
            last = self._latest.get((project_id, key))
            if last is not None and (version, event) == (last.version, last.event) and at - last.at < STILL:
                return last.report
        report = self._read(runtime, project_id, key, as_of)
        with self._lock:
            self._kept[project_id, key, moment_of(report.as_of)] = report
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            if as_of is None:
                self._latest[project_id, key] = Reading(at, version, event, report)
        return report

    def recent(self, runtime: Runtime, project_id: int, key: str) -> Report:
        """A report of the last moments: for lists, where one page shows many."""
        last = self._latest.get((project_id, key))
        version = runtime.snapshot(project_id).project.version
        if last is not None and runtime.now() - last.at < FRESH and version == last.version:
            return last.report
        return self.at(runtime, project_id, key, None)


def moment_of(text: str) -> int:
    """Microseconds of an ISO time from an address.

    Raises:
        InvalidInput: no time, or one without a zone.
    """
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise InvalidInput(f"{text[:100]!r} is no ISO 8601 time", field="as_of") from error
    return to_micros(moment, field="as_of")


def readings_of(state: Any) -> Readings:  # noqa: ANN401 - Litestar's open state
    """The readings of an application."""
    readings: Readings = state.readings
    return readings
