"""How long threads stood in the run queue, ready and without a processor: time that belongs to the machine.

Linux counts it for every thread (`/proc/PID/schedstat`, second number, nanoseconds) and adds a wait when it ends, so a
difference between two looks at threads that run again holds all of it.
"""

import os
import time
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import suppress


class Queueing:
    """Looks at the first threads of some processes: in a server and in its load, that is the event loop's.

    Args:
        processes: their numbers; one that has ended waits no more.
    """

    def __init__(self, processes: Iterable[int]) -> None:
        self._files: list[int] = []
        for process in processes:
            with suppress(OSError):
                self._files.append(os.open(f"/proc/{process}/schedstat", os.O_RDONLY))  # kept open: a look costs 1 us
        self._at: list[float] = []
        self._waited: list[float] = []

    def look(self) -> tuple[float, float]:
        """Now (`time.perf_counter`), and the seconds that all of them waited so far."""
        waited = sum(_waited_ns(file) for file in self._files) / 1e9
        now = time.perf_counter()
        self._at.append(now)
        self._waited.append(waited)
        return now, waited

    def before(self, moment: float) -> float:
        """What the last look before a moment saw."""
        return self._waited[max(bisect_right(self._at, moment) - 1, 0)]

    def close(self) -> None:
        """Look no more."""
        while self._files:
            os.close(self._files.pop())


def _waited_ns(file: int) -> int:
    try:
        return int(os.pread(file, 100, 0).split()[1])
    except (OSError, IndexError):
        return 0
