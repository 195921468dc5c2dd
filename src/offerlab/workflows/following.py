"""Following the other replicas: what they store about a customer is forgotten here, and read anew when it is asked for.

A row of the register is looked at in two rounds, and a state that was being read while a round ended is not kept
(`Memory.offer`): so nothing that was read before a neighbour's commit can stay behind it.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection

from offerlab.storage import neighbours
from offerlab.workflows.memory import Memory

MOST: Final = 50_000
"""Rows looked at in one round; more than that, and everything is forgotten."""

_ROUNDS: Final = 20


class Follower:
    """Keeps a replica's memory of customers up to what the others store.

    Args:
        memory: what is to be kept true.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._seq: int | None = None
        self._marks: list[tuple[int, int]] = []
        self._after = 0
        self._next = 0
        self._own: dict[tuple[int, str], int] = {}

    def committed(self, project_id: int, event_ids: Iterable[str]) -> None:
        """What this replica stored itself is in memory already."""
        self._own.update(((project_id, event_id), self._memory.rounds) for event_id in event_ids)

    def look(self, connection: Connection) -> int:
        """One round; how many ids were forgotten.

        Args:
            connection: with one snapshot for all it reads.
        """
        horizon = neighbours.horizon(connection)
        if self._seq is None:
            self._seq = horizon.seq
            self._after = self._next = max(horizon.seq - MOST, 0)
        found = neighbours.stored_since(connection, self._after, limit=MOST + 1)
        if len(found) > MOST:
            self._memory.clear()
            forgotten = MOST
        else:
            forgotten = self._forget(connection, found)
        self._advance(horizon, self._seq)
        self._memory.end_round()
        for name in [name for name, number in self._own.copy().items() if number < self._memory.rounds - _ROUNDS]:
            del self._own[name]
        return forgotten

    def _forget(self, connection: Connection, found: list[neighbours.Stored]) -> int:
        others = [one for one in found if (one.project_id, one.event_id) not in self._own]
        forgotten = 0
        for project_id in {one.project_id for one in others}:
            mine = [one for one in others if one.project_id == project_id]
            for digest in neighbours.touched_by(connection, project_id, mine):
                self._memory.forget(project_id, digest)
                forgotten += 1
        return forgotten

    def _advance(self, horizon: neighbours.Horizon, seq: int) -> None:
        """Leave behind what two rounds have seen and nobody can add to.

        A mark takes the number of the round before: that was read before this snapshot was made.
        """
        self._marks.append((seq, horizon.newest))
        settled = [mark for mark in self._marks if mark[1] <= horizon.oldest]
        self._marks = [mark for mark in self._marks if mark[1] > horizon.oldest]
        self._after = self._next
        if settled:
            self._next = max(self._next, settled[-1][0])
        self._seq = horizon.seq
