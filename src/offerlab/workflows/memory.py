"""A bounded memory of customer states, so that most decisions read nothing."""

from collections import OrderedDict
from threading import Lock
from typing import Final

from offerlab.domain.customer import CustomerState

CAPACITY: Final = 200_000


class Memory:
    """Least recently used states leave first.

    A state is kept with the version of the rules it was read under and is never used under a later one: what
    was then "not exposed yet" may since have been settled by another replica.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._states: OrderedDict[tuple[int, bytes], tuple[int, CustomerState]] = OrderedDict()
        self._lock = Lock()

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
        with self._lock:
            self._states[project_id, digest] = (version, state)
            self._states.move_to_end((project_id, digest))
            while len(self._states) > self._capacity:
                self._states.popitem(last=False)

    def offer(self, project_id: int, digest: bytes, version: int, state: CustomerState) -> None:
        """Keep a state that was read, unless a commit has told a newer one meanwhile."""
        with self._lock:
            found = self._states.get((project_id, digest))
        if found is None or found[0] < version:
            self.put(project_id, digest, version, state)

    def forget(self, project_id: int, digest: bytes) -> None:
        """Drop a customer, for example one who was erased."""
        with self._lock:
            self._states.pop((project_id, digest), None)

    def __len__(self) -> int:
        return len(self._states)
