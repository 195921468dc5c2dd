"""Group commit: concurrent requests share one transaction, and nobody is answered before it is on disk.

A commit costs one fsync whatever it holds, so the thread takes everything that queued up while it was busy with the
commit before. No timer: an idle service commits a lone event at once, a busy one batches by itself.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from msgspec import Struct
from sqlalchemy import Engine

from offerlab.domain.event import Event, Rejection
from offerlab.errors import Unavailable
from offerlab.storage import events, rejected
from offerlab.storage.database import writing
from offerlab.storage.events import Appended
from offerlab.storage.projects import Project

MAX_GROUP: Final = 10_000
MAX_WAITING: Final = 50_000
STALL_S: Final = 0.5
REFUSE_S: Final = 1.0
_log: Final = logging.getLogger(__name__)


class _Work(Struct, frozen=True):
    project: Project
    events: Sequence[Event]
    rejections: Sequence[Rejection]
    done: "Future[Appended]"


class Writer:
    """The one thread that appends events.

    Args:
        engine: the store.
        new_number: draws internal customer numbers.
        now: the clock, microseconds UTC.
        on_commit: called after each commit with its events and what they changed, before anybody is answered.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        new_number: Callable[[], int],
        now: Callable[[], int],
        on_commit: Callable[[Project, Sequence[Event], Appended], None],
    ) -> None:
        self._engine = engine
        self._new_number = new_number
        self._now = now
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._committing = threading.Lock()
        self._closed = False
        self._begun_at: float | None = None
        self._refusing_until = 0.0
        self._thread = threading.Thread(target=self._run, name="offerlab-writer", daemon=True)
        self._thread.start()

    def submit(
        self, project: Project, batch: Sequence[Event], rejections: Sequence[Rejection] = ()
    ) -> "Future[Appended]":
        """Queue a batch; the future ends after the commit.

        Raises:
            Unavailable: too much is waiting already, or the service is going down.
        """
        done: Future[Appended] = Future()
        size = len(batch) + 1
        with self._lock:
            if self._closed:
                raise Unavailable("the service is going down")
            if self._waiting + size > MAX_WAITING:
                raise Unavailable("too many events are waiting to be written")
            self._waiting += size
        self._queue.put(_Work(project, batch, rejections, done))
        return done

    @property
    def waiting(self) -> int:
        """Events queued and not yet committed."""
        return self._waiting

    def is_refused(self) -> bool:
        """Whether the store refused a commit just now."""
        return time.monotonic() < self._refusing_until

    def is_stalled(self) -> bool:
        """Whether a commit has been under way for long: a large one, or a store that says nothing."""
        begun = self._begun_at
        return begun is not None and time.monotonic() - begun > STALL_S

    def instant(self) -> int:
        """A moment by which everything received is on disk: a report as of it never changes.

        Events carry the time of their commit's start; while one is under way, its end is waited for.
        """
        with self._committing:
            return self._now()

    def close(self) -> None:
        """Write what is queued, then end the thread."""
        with self._lock:
            self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ending = False
        while not ending:
            group, ending = self._next_group()
            if group:
                self._write(group)
                with self._lock:
                    self._waiting -= sum(len(work.events) + 1 for work in group)

    def _next_group(self) -> tuple[list[_Work], bool]:
        """Wait for one piece of work, then take all that is there up to the limit."""
        group: list[_Work] = []
        size = 0
        while size < MAX_GROUP:
            try:
                work = self._queue.get() if not group else self._queue.get_nowait()
            except queue.Empty:
                break
            if work is None:
                return group, True
            group.append(work)
            size += len(work.events) + 1
        return group, False

    def _write(self, group: list[_Work]) -> None:
        self._begun_at = time.monotonic()
        try:
            self._commit(group)
        except Unavailable as error:
            self._refusing_until = time.monotonic() + REFUSE_S
            for work in _open(group):
                work.done.set_exception(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, one batch must not take its neighbours down
            if len(group) > 1:
                for work in _open(group):
                    self._write([work])
            else:
                _log.exception("a batch could not be written")
                group[0].done.set_exception(error)
        finally:
            self._begun_at = None

    def _commit(self, group: list[_Work]) -> None:
        by_project: dict[int, list[_Work]] = {}
        for work in group:
            by_project.setdefault(work.project.id, []).append(work)
        for works in by_project.values():
            self._commit_project(works)

    def _commit_project(self, works: list[_Work]) -> None:
        project = works[0].project
        batch = [event for work in works for event in work.events]
        with self._committing, writing(self._engine) as connection:
            now = self._now()
            appended = events.append(connection, project, batch, new_number=self._new_number, now=now)
            unread = [item for work in works for item in work.rejections]
            rejected.reject(connection, project, [*unread, *appended.rejections], now=now)
        self._on_commit(project, batch, appended)
        start = 0
        for work in works:
            end = start + len(work.events)
            work.done.set_result(Appended(appended.outcomes[start:end]))
            start = end


def _open(group: list[_Work]) -> list[_Work]:
    """Those that nobody has answered yet."""
    return [work for work in group if not work.done.done()]
