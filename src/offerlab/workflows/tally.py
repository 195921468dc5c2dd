"""What becomes of events: counted since the process started, and the latest of each key for whoever wires up a shop.

The counters are for a monitor, the latest events for a person who looks for a mistake now; these a process tells the
others about once a second (`runtime`), so that it does not matter which of them is asked.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Final

from msgspec import Struct

from offerlab.domain.clock import SECOND
from offerlab.domain.event import Event

REMEMBERED: Final = 200
"""Of each key so many events are remembered."""
TAKEN: Final = "taken"
UNREFUSED: Final = frozenset((TAKEN, "clock_off"))
_UNCOUNTED: Final = 200
"""So many requests that went well wait to be counted: together they cost a fraction."""


class Latest(Struct, frozen=True, kw_only=True):
    """One event as it was answered.

    Attributes:
        at: when it came, microseconds UTC.
        outcome: `taken` (accepted or a duplicate), `clock_off` (taken, and its time corrected, because the sender's
            clock was wrong by more than five minutes), or the code for which it was rejected.
    """

    at: int
    id: str | None
    type: str | None
    source: str
    outcome: str
    detail: str | None = None


Make = Callable[[], Sequence[Latest]]
"""What makes the latest events of one request, when somebody looks: most are forgotten unseen."""
_Taken = tuple[int, str, int, Sequence[Event]]
"""A request of which every event was taken: by which key, from which source, when, and what."""


class Tally:
    """Counters and latest events of one process; threads share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._latest: dict[int, deque[tuple[int, Make]]] = {}
        self._remembered: Counter[int] = Counter()
        self._untold: set[int] = set()
        self._taken: deque[_Taken] = deque()
        self._lag_s = 0.0
        self._clock_off = 0

    def take(self, key_id: int | None, source: str, at: int, events: Sequence[Event]) -> None:
        """Add a request of which every event was accepted and nothing else is to be said.

        Args:
            key_id: who sent it; None for a signed webhook.
            source: how it was read.
            at: when it was on disk, microseconds UTC.
            events: at least one; they stay in memory for a while, so that there had better be few.
        """
        self._taken.append((key_id or 0, source, at, events))
        if len(self._taken) >= _UNCOUNTED:
            with self._lock:
                self._count()

    def _count(self) -> None:
        """Count what was taken; within the lock."""
        found: dict[int, list[_Taken]] = {}
        while self._taken:
            one = self._taken.popleft()
            found.setdefault(one[0], []).append(one)
        for key, requests in found.items():
            named = [(at, source, event.id, event.type) for _, source, at, events in requests for event in events]
            self._counts["accepted"] += len(named)
            latest = named[-REMEMBERED:]
            self._remember(key, partial(_made, latest), len(latest))
            _, _, at, last = requests[-1]
            self._lag_s = (at - max(event.occurred_at for event in last)) / SECOND

    def note(
        self,
        key_id: int | None,
        counts: Mapping[str, int],
        latest: Make,
        size: int,
        *,
        lag_s: float | None,
        clock_off: int = 0,
    ) -> None:
        """Add one request.

        Args:
            key_id: who sent it; None for a signed webhook.
            counts: events by outcome.
            latest: makes the last of them, `size` in number.
            size: at most `REMEMBERED`.
            lag_s: from happening to being on disk, of the newest event that was accepted.
            clock_off: how many were taken with a corrected time.
        """
        key = key_id or 0
        with self._lock:
            self._count()
            self._clock_off += clock_off
            for name, count in counts.items():
                self._counts[name] += count
            if size:
                self._remember(key, latest, size)
            if lag_s is not None:
                self._lag_s = lag_s

    def _remember(self, key: int, latest: Make, size: int) -> None:
        """Keep a request, and of those before it as many as fill what is remembered."""
        requests = self._latest.setdefault(key, deque())
        requests.append((size, latest))
        self._remembered[key] += size
        while self._remembered[key] - requests[0][0] >= REMEMBERED:
            self._remembered[key] -= requests.popleft()[0]
        self._untold.add(key)

    def untold(self) -> dict[int, list[Latest]]:
        """The latest events of those keys (0 is webhooks) that sent something since the last call."""
        with self._lock:
            self._count()
            keys, self._untold = self._untold, set()
        return {key: self.latest((key,), limit=REMEMBERED) for key in keys}

    def tell_again(self, key_ids: Iterable[int]) -> None:
        """What was to be told could not be; it is, at the next call."""
        with self._lock:
            self._untold.update(key_ids)

    def counts(self) -> dict[str, int]:
        """Events by outcome."""
        with self._lock:
            self._count()
            return dict(self._counts)

    def lag_s(self) -> float:
        """From happening to being on disk, of the newest event that was accepted."""
        with self._lock:
            self._count()
            return self._lag_s

    def clock_off(self) -> int:
        """How many events were taken with a corrected time."""
        with self._lock:
            return self._clock_off

    def latest(self, key_ids: Iterable[int], *, limit: int) -> list[Latest]:
        """The latest events of these keys (0 is webhooks), newest first."""
        with self._lock:
            self._count()
            requests = [[make for _, make in self._latest.get(key_id, ())] for key_id in key_ids]
        found = [one for each in requests for one in [one for make in each for one in make()][-REMEMBERED:]]
        return sorted(found, key=lambda one: -one.at)[:limit]


def _made(named: Iterable[tuple[int, str, str, str]]) -> list[Latest]:
    return [Latest(at=at, id=name, type=kind, source=source, outcome=TAKEN) for at, source, name, kind in named]
