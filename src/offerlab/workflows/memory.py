"""A bounded memory of customer states, so that most decisions read nothing."""

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Final

from offerlab.domain.customer import CustomerState

CAPACITY: Final = 200_000


class Memory:
    """Least recently used states leave first.

    A state is kept with the version of the rules it was read under and is never used under a later one: what
    was then "not exposed yet" may since have been settled by another replica.

    Attributes:
        rounds: how often the neighbours' events have been looked at (`following`).
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._states: OrderedDict[tuple[int, bytes], tuple[int, CustomerState]] = OrderedDict()
        self._lock = Lock()
        self.rounds = 0

    def get(self, project_id: int, digest: bytes, version: int) -> CustomerState | None:
        """The state of a customer, if it is known under this version."""
        found = self._states.get((project_id, digest))
        if found is None or found[0] < version:
            return None
        with self._lock:
            if (project_id, digest) in self._states:
                self._states.move_to_end((project_id, digest))
        return found[1]

    def put(self, project_id: int, digest: bytes, version: int, state: CustomerState) -> None:
        """Keep a state."""
        self.put_all(project_id, version, {digest: state})

    def put_all(self, project_id: int, version: int, states: Mapping[bytes, CustomerState]) -> None:
        """Keep states, by vault digest."""
        kept = self._states
        with self._lock:
            for digest, state in states.items():
                key = project_id, digest
                kept[key] = (version, state)
                kept.move_to_end(key)
            while len(kept) > self._capacity:
                kept.popitem(last=False)

    def offer(self, project_id: int, digest: bytes, version: int, state: CustomerState, *, begun: int) -> None:
        """Keep a state that was read, unless a newer one may have been told meanwhile.

        Args:
            project_id: of which project.
            digest: whose it is.
            version: of the rules.
            state: as it was read.
            begun: `rounds` before the reading began: what a neighbour stored since then has been looked at already.
        """
        key = project_id, digest
        with self._lock:
            found = self._states.get(key)
            if begun == self.rounds and (found is None or found[0] < version):
                self._states[key] = (version, state)
                self._states.move_to_end(key)
                if len(self._states) > self._capacity:
                    self._states.popitem(last=False)

    def end_round(self) -> None:
        """The neighbours' events have been looked at once more."""
        self.rounds += 1

    def clear(self) -> None:
        """Drop everybody."""
        with self._lock:
            self._states.clear()

    def forget(self, project_id: int, digest: bytes) -> None:
        """Drop a customer, for example one who was erased."""
        with self._lock:
            self._states.pop((project_id, digest), None)

    def __len__(self) -> int:
        return len(self._states)
