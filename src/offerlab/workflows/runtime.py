"""What a running process holds: the store, the writer, the clock, and each project's rules in memory."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, select

from offerlab.domain.clock import DAY
from offerlab.domain.event import Event
from offerlab.errors import NotFound, Unavailable
from offerlab.storage import events, latest
from offerlab.storage import keys as stored_keys
from offerlab.storage.database import reading, writing
from offerlab.storage.events import Appended
from offerlab.storage.keys import StoredKey
from offerlab.storage.projects import Project
from offerlab.storage.tables import projects
from offerlab.storage.writer import Writer
from offerlab.workflows import keeping
from offerlab.workflows.following import Follower
from offerlab.workflows.memory import Memory
from offerlab.workflows.onward import Onward
from offerlab.workflows.room import Room
from offerlab.workflows.snapshot import Snapshot, load_snapshot, make_snapshot
from offerlab.workflows.tally import Latest, Tally

POLL_S: Final = 0.5
PATIENT: Final = 3
"""While the store is away the looks become rarer, and those of many replicas drift apart: up to half a second each."""

CLOSE_S: Final = 2.0
TOLD_FOR: Final = 7 * DAY
_VERSIONS: Final = select(projects.c.id, projects.c.version)
_log: Final = logging.getLogger(__name__)


class Runtime:
    """State of one process. Threads share it: what they share is replaced whole, never changed in place.

    Args:
        engine: the store.
        now: the clock, microseconds UTC.
        new_number: draws 62 random bits.
        new_salt: draws salts.
        keep_at: file that holds the rules for a start without the store; None: none is kept.

    Attributes:
        new_customer: gives out internal customer numbers: from a random one on, side by side, so that what is new lies
            side by side in every table that is kept by customer (ADR 0010).
        run: a number of this process, another one at every start.
        listeners: called, in whatever thread, after rules have changed in memory; changed_at: when they last did.
        refreshed_at: when the rules were last compared with the store, microseconds UTC.
        compared_at: the same by the process's own clock, which nobody sets; lost_at: when that was last refused.
        from_disk: whether the rules served are those of the file, because the store was not there at the start.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        now: Callable[[], int],
        new_number: Callable[[], int],
        new_salt: Callable[[], str],
        keep_at: Path | None = None,
    ) -> None:
        self.engine = engine
        self.now = now
        self.new_salt = new_salt
        self.new_number = new_number
        self.new_customer = count(new_number()).__next__
        self._own_events = f"decided:{new_number():016x}", count(1 << 32)
        self.memory = Memory()
        self.tally = Tally()
        self.room = Room()
        self.run = new_number()
        self._follower = Follower(self.memory) if engine.dialect.name == "postgresql" else None
        self._instants = Onward(now)
        self.writer = Writer(engine, new_number=self.new_customer, now=self._instants, on_commit=self._committed)
        self._snapshots: dict[int, Snapshot] = {}
        self._keys: dict[bytes, StoredKey] = {}
        self._reloading = threading.Lock()
        self._stop = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="offerlab-versions", daemon=True)
        self._keep_at = keep_at
        self._before_return: Callable[[], object] | None = None
        self._stored = threading.Lock()
        self.listeners: list[Callable[[], None]] = []
        self.changed_at = 0
        self.refreshed_at = 0
        self.compared_at = time.monotonic()
        self.lost_at = 0.0
        self.from_disk = False

    def new_event_id(self) -> str:
        """An id for an event of our own: 62 random bits of this process, and a running number in eight digits."""
        run, running = self._own_events
        return run + hex(next(running))[3:]  # after the one that it begins with

    def new_message_id(self) -> str:
        """An id for a message to a webhook: 124 random bits."""
        return f"msg_{self.new_number():016x}{self.new_number():016x}"

    def start(self) -> None:
        """Load every project, then keep watching for what other replicas and commands change."""
        self.refresh()
        self._poller.start()

    def start_from_disk(self, before_return: Callable[[], object]) -> bool:
        """Serve the rules kept on disk until the store is back; False where none are kept.

        Args:
            before_return: run before the store is first read, when it can be reached again; what it refuses is not
                read, and the rules on disk go on being served.
        """
        stock = None if self._keep_at is None else keeping.kept(self._keep_at)
        if stock is None:
            return False
        self._keys = stock.keys
        self._snapshots = {one.project.id: make_snapshot(one.project, one.rules) for one in stock.projects}
        self.refreshed_at = stock.kept_at
        self.from_disk = True
        self._before_return = before_return
        self._poller.start()
        return True

    def close(self) -> None:
        """Stop watching and write what is queued."""
        self._stop.set()
        if self._poller.is_alive():
            self._poller.join(CLOSE_S)  # it may hang in a store that says nothing; it is a daemon
        self.writer.close()
        self.engine.dispose()

    def snapshot(self, project_id: int) -> Snapshot:
        """The rules of a project as served now.

        Raises:
            NotFound: no such project.
        """
        found = self._snapshots.get(project_id)
        if found is None:
            raise NotFound("no such project")
        return found

    def projects(self) -> list[Project]:
        """Every project in memory."""
        return [snapshot.project for snapshot in self._snapshots.values()]

    def key(self, digest: bytes) -> StoredKey | None:
        """A key that may be used now."""
        key = self._keys.get(digest)
        if key is None or (key.expires_at is not None and key.expires_at <= self.now()):
            return None
        return key

    def instant(self, connection: Connection) -> int:
        """A moment that covers everything acknowledged before, here and by any other process.

        Args:
            connection: reads the store as it is now.
        """
        self._instants.reach(events.last_received(connection))
        return self.writer.instant()

    def key_numbered(self, project_id: int, number: int) -> StoredKey | None:
        """A key by its number, while it may be used."""
        now = self.now()
        for key in self._keys.values():
            if (key.id, key.project_id) == (number, project_id):
                return None if key.expires_at is not None and key.expires_at <= now else key
        return None

    def refresh(self) -> None:
        """Bring memory up to the store; only what has another version is loaded again.

        Raises:
            Unavailable: the store can't be reached; what is in memory stays.
        """
        if self._before_return is not None:
            self._before_return()
            self._before_return = None
        with self._reloading, reading(self.engine) as connection:
            versions = {row.id: row.version for row in connection.execute(_VERSIONS)}
            changed = [
                number
                for number, version in versions.items()
                if number not in self._snapshots or self._snapshots[number].project.version != version
            ]
            if changed:
                fresh = {number: load_snapshot(connection, number) for number in changed}
                self._keys = stored_keys.live(connection)
                self._snapshots = {**self._snapshots, **fresh}
            if self._follower is not None:
                self._follower.look(connection)
            self._instants.reach(events.last_received(connection))
            self.refreshed_at = self.now()
            self.compared_at = time.monotonic()
            self.from_disk = False
        if changed:
            self.changed_at = self.refreshed_at
            for listener in self.listeners:
                listener()
            self._keep()

    def _keep(self) -> None:
        if self._keep_at is None:
            return
        with self._stored:
            projects_now = [keeping.Kept(one.project, one.ruleset.rules) for one in self._snapshots.values()]
            try:
                keeping.keep(self._keep_at, projects_now, self._keys, now=self.refreshed_at)
            except OSError as error:
                _log.warning("the rules could not be kept on disk: %s", error)

    def _delay(self, failures: int) -> float:
        return min(failures, PATIENT) * (self.new_number() % 1_000) / 2_000

    def tell(self) -> None:
        """Tell the other processes the latest events of each key; an embedded store has none.

        Raises:
            Unavailable: the store can't be written; they are told later.
        """
        told = {} if self._follower is None else self.tally.untold()
        if not told:
            return
        bodies = {key: [_without_detail(one) for one in items] for key, items in told.items()}
        try:
            with writing(self.engine) as connection:
                now = self.now()
                latest.tell(connection, self.run, bodies, now=now)
                latest.forget(connection, before=now - TOLD_FOR)
        except BaseException:
            self.tally.tell_again(told)
            raise

    def _poll(self) -> None:
        failures = 0
        while not self._stop.wait(POLL_S + self._delay(failures)):
            try:
                self.refresh()
                self.tell()
                failures = 0
            except Unavailable:
                failures += 1
                self.lost_at = time.monotonic()
                _log.warning("the store can't be reached; serving goes on from memory")
            except Exception:  # noqa: BLE001 - whatever it is, the next look must come
                _log.exception("the rules could not be refreshed")

    def _committed(self, project: Project, batch: Sequence[Event], appended: Appended) -> None:
        if self._follower is not None:
            told = zip(batch, appended.outcomes, strict=True)
            self._follower.committed(project.id, (event.id for event, outcome in told if outcome == "accepted"))
        version = self.snapshot(project.id).project.version
        self.memory.put_all(project.id, version, appended.states)


def _without_detail(one: Latest) -> dict[str, object]:
    """What is told of an event: a sentence about it may quote what was sent, and stays with the rejected one."""
    return {"at": one.at, "id": one.id, "type": one.type, "source": one.source, "outcome": one.outcome}
