"""What becomes of events: counted since the process started, and the latest of each key for whoever wires up a shop.

The counters are for a monitor, the latest events for a person who looks for a mistake now; these a process tells the
others about once a second (`runtime`), so that it does not matter which of them is asked.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Final

from msgspec import Struct

REMEMBERED: Final = 200
"""Of each key so many events are remembered."""
UNREFUSED: Final = frozenset(("taken", "clock_off"))


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


class Tally:
    """Counters and latest events of one process; threads share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._latest: dict[int, deque[tuple[int, Make]]] = {}
        self._remembered: Counter[int] = Counter()
        self._untold: set[int] = set()
        self.lag_s = 0.0
        self.clock_off = 0

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
            self.clock_off += clock_off
            for name, count in counts.items():
                self._counts[name] += count
            if size:
                self._remember(key, latest, size)
            if lag_s is not None:
                self.lag_s = lag_s

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
            keys, self._untold = self._untold, set()
        return {key: self.latest((key,), limit=REMEMBERED) for key in keys}

    def tell_again(self, key_ids: Iterable[int]) -> None:
        """What was to be told could not be; it is, at the next call."""
        with self._lock:
            self._untold.update(key_ids)

    def counts(self) -> dict[str, int]:
        """Events by outcome."""
        with self._lock:
            return dict(self._counts)

    def latest(self, key_ids: Iterable[int], *, limit: int) -> list[Latest]:
        """The latest events of these keys (0 is webhooks), newest first."""
        with self._lock:
            requests = [[make for _, make in self._latest.get(key_id, ())] for key_id in key_ids]
        found = [one for each in requests for one in [one for make in each for one in make()][-REMEMBERED:]]
        return sorted(found, key=lambda one: -one.at)[:limit]
