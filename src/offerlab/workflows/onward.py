"""The instants of the log: a clock that never goes back, whatever is done to the one on the wall.

Every event carries the instant of its commit, and a report covers what was stored by its own instant. A wall clock that
is set back would put what is acknowledged now before what was read then, and what was acknowledged then after now. So
instants go on from the last one given out, a microsecond at a time, until the wall has caught up. A process that starts
with a clock set back goes on from the last event stored: what was read between that event and the end of the process
before, and is asked for again as of then, may hold what came first after the start.
"""

from collections.abc import Callable
from threading import Lock


class Onward:
    """Microseconds UTC, each later than the one before.

    Args:
        wall: the system's clock.
    """

    def __init__(self, wall: Callable[[], int]) -> None:
        self._wall = wall
        self._lock = Lock()
        self._last = 0

    def __call__(self) -> int:
        """The next instant."""
        with self._lock:
            self._last = max(self._wall(), self._last + 1)
            return self._last

    def reach(self, instant: int) -> None:
        """Go on from an instant that stands in the store: of this process before its start, or of another one."""
        with self._lock:
            self._last = max(self._last, instant)
