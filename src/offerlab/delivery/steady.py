"""A clock that a wrong system clock can't hurry.

What is sent can't be called back, so a jump forward is believed only after it has stood for a while: until then the
time is what the clock said before, plus what has really passed. A jump back is believed at once: late is better than
early. Asleep time counts as passed (CLOCK_BOOTTIME, where the system has it).

What is trusted is written down beside the boot that it belongs to: who starts anew under a wrong clock goes on with the
time of the process before. Of another boot nothing can be known, and the wall is believed.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from offerlab.domain.clock import SECOND

TRUSTED: Final = 15 * 60 * SECOND
"""How long a jump forward must stand."""

LOOSE: Final = 5 * SECOND
"""Steps up to here are the ordinary work of a time service."""

FILE: Final = "clock.json"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_log: Final = logging.getLogger(__name__)


class Kept(Struct, frozen=True):
    """What a process trusted: microseconds from this boot's beginning to the epoch's."""

    boot: str
    offset: int


class Anchor:
    """Where the trusted time is written down.

    Args:
        path: of the file.
        boot: names the machine's boot; None: nothing is kept.
    """

    def __init__(self, path: Path, boot: str | None) -> None:
        self._path = path
        self._boot = boot
        self._offset: int | None = None

    def recall(self) -> int | None:
        """The offset that was trusted last since this boot."""
        with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            kept = msgspec.json.decode(self._path.read_bytes(), type=Kept)
            if kept.boot == self._boot:
                self._offset = kept.offset
        return self._offset

    def keep(self, offset: int) -> None:
        """Write down what is trusted now, when that differs by more than a second."""
        if self._boot is None or (self._offset is not None and abs(offset - self._offset) <= SECOND):
            return
        self._offset = offset
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.json.encode(Kept(self._boot, offset)))
            fresh.replace(self._path)
        except OSError as error:
            _log.warning("the trusted time could not be kept on disk: %s", error)


def boot() -> str | None:
    """The system's name for its present boot; None where it has none."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return None


def passed() -> int:
    """Microseconds since some fixed moment, whatever is done to the clock on the wall."""
    since_boot: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic_ns() if since_boot is None else time.clock_gettime_ns(since_boot)) // 1000


class SteadyClock:
    """Microseconds UTC.

    Args:
        wall: the system's clock.
        elapsed: what really passed since the boot.
        anchor: outlives the process; without one the wall is believed at the start.
    """

    def __init__(
        self, wall: Callable[[], int], elapsed: Callable[[], int] = passed, anchor: Anchor | None = None
    ) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._anchor = anchor
        known = None if anchor is None else anchor.recall()
        self._offset = wall() - elapsed() if known is None else known
        self._seen_at: int | None = None
        if anchor is not None:
            anchor.keep(self._offset)

    def __call__(self) -> int:
        """The time."""
        elapsed = self._elapsed()
        offset = self._wall() - elapsed
        if offset - self._offset <= LOOSE or (self._seen_at is not None and elapsed - self._seen_at >= TRUSTED):
            self._offset, self._seen_at = offset, None
            if self._anchor is not None:
                self._anchor.keep(offset)
        elif self._seen_at is None:
            self._seen_at = elapsed
        return elapsed + self._offset
