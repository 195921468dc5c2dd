"""A clock that a wrong system clock can't hurry.

What is sent can't be called back, so a jump forward is believed only after it has stood for a while: until then the
time is what the clock said before, plus what has really passed. A jump back is believed at once: late is better than
early. Asleep time counts as passed (CLOCK_BOOTTIME, where the system has it).
"""

import time
from collections.abc import Callable
from typing import Final

from offerlab.domain.clock import SECOND

TRUSTED: Final = 15 * 60 * SECOND
"""How long a jump forward must stand."""

LOOSE: Final = 5 * SECOND
"""Steps up to here are the ordinary work of a time service."""


def passed() -> int:
    """Microseconds since some fixed moment, whatever is done to the clock on the wall."""
    boot: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic_ns() if boot is None else time.clock_gettime_ns(boot)) // 1000


class SteadyClock:
    """Microseconds UTC.

    Args:
        wall: the system's clock. elapsed: what really passed.
    """

    def __init__(self, wall: Callable[[], int], elapsed: Callable[[], int] = passed) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._offset = wall() - elapsed()
        self._seen_at: int | None = None

    def __call__(self) -> int:
        """The time."""
        elapsed = self._elapsed()
        offset = self._wall() - elapsed
        if offset - self._offset <= LOOSE:
            self._offset, self._seen_at = offset, None
        elif self._seen_at is None:
            self._seen_at = elapsed
        elif elapsed - self._seen_at >= TRUSTED:
            self._offset, self._seen_at = offset, None
        return elapsed + self._offset
