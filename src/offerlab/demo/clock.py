"""The demo's clock: four weeks of an experiment pass in seconds, and end today."""

import time
from collections.abc import Callable


class DemoClock:
    """Time that can be set back and lives on from there; afterwards it is the system's again.

    Args:
        system: the real clock, microseconds UTC.
    """

    def __init__(self, system: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._system = system
        self._behind = 0

    def now(self) -> int:
        """Microseconds UTC as the demo's service sees them."""
        return self._system() - self._behind

    def set(self, moment: int) -> None:
        """Let it be `moment` now."""
        self._behind = self._system() - moment

    def catch_up(self) -> None:
        """Let it be today."""
        self._behind = 0
