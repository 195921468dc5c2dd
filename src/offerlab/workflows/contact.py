"""Whether the store answers: what decisions go by, so that nobody waits for one that is known to be away.

It says nothing of itself while it hangs, so it is told by what was asked of it: reads under way and how long, commits
under way and how long, and when this replica last compared its rules with it. A store that is slow does answer; only
one that answers nothing at all is given up early.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from offerlab.workflows.runtime import Runtime

BREAK_S: Final = 0.25
"""Reads that fail are tried again so often, by somebody who does not wait for it."""

BREAK_AFTER: Final = 3
SPELL_S: Final = 0.1
"""Reads must have failed for so long: one pause of the machine makes several of them late at once."""

SILENT_AFTER: Final = 3
"""Nobody before a screen waits for a commit while nothing was heard for so many times a read's patience."""

STALL_S: Final = 0.5
AWAY_S: Final = 1.5


class Contact:
    """Signs of life of one process's store.

    Args:
        runtime: the process's state.
        patience_s: how long a decision waits for a read.
        sound: starts a small read that nobody waits for.
        clock: the process's own, seconds.

    Attributes:
        reads_fail: whether reads have failed, or come too late, several times in a row and for a while.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        patience_s: float,
        sound: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._silent_s = SILENT_AFTER * patience_s
        self._stall_s = max(STALL_S, patience_s)
        self._away_s = max(AWAY_S, patience_s)
        self._sound = sound
        self._under_way: dict[int, float] = {}
        self._heard_at = 0.0
        self._failures = 0
        self._failing_since = 0.0
        self._next_try = 0.0
        self.reads_fail = False

    @contextmanager
    def reading(self) -> Generator[None]:
        """Around a read, in the thread that waits for it: its end is a sign of life, unless it fails."""
        self._under_way[threading.get_ident()] = self._clock()
        try:
            yield
            self._heard_at = self._clock()
        finally:
            del self._under_way[threading.get_ident()]

    def may_try(self) -> bool:
        """Whether it is time to try once more what fails; says so once."""
        now = self._clock()
        if now < self._next_try:
            return False
        self._next_try = now + BREAK_S
        return True

    def failed(self) -> bool:
        """A read failed or came too late; whether from now on nobody waits for one."""
        now = self._clock()
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        if self.reads_fail or self._failures < BREAK_AFTER or now - self._failing_since < SPELL_S:
            return False
        self.reads_fail = True
        self._next_try = now + BREAK_S
        return True

    def reached(self) -> None:
        """A read came in time."""
        self._failures = 0
        self.reads_fail = False

    def is_away(self) -> bool:
        """Whether nothing should be written now: a commit or a look at the rules was refused, or nothing ends at all.

        Once refused it stays away until this replica has compared its rules with it: a decision is no way to find out.
        """
        runtime, now = self._runtime, self._clock()
        if runtime.from_disk or max(runtime.lost_at, runtime.writer.refused_at) > runtime.compared_at:
            return True
        hangs = self._silent_for(now) > self._stall_s or now - runtime.compared_at > self._away_s
        return hangs and runtime.writer.under_way_s() > self._stall_s

    def is_silent(self) -> bool:
        """Whether somebody before a screen should not wait for a commit that is under way.

        Where no read is under way that could say so, one is started.
        """
        if self.is_away():
            return True
        if self._runtime.writer.under_way_s() < self._silent_s:
            return False
        if not self._under_way:
            self._sound()
        return self._silent_for(self._clock()) >= self._silent_s

    def _silent_for(self, now: float) -> float:
        """Seconds without an answer to anything that was asked."""
        begun = list(self._under_way.values())
        return now - max(min(begun), self._heard_at) if begun else 0.0
