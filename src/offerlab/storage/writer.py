"""Group commit: concurrent requests share one transaction, and nobody is answered before it is on disk.

A commit costs one fsync whatever it holds, so a group is all that came while the commit before was under way. Whoever
was answered together usually sends again together: for as many as the last group had, a moment is waited, because one
commit of eight costs hardly more than one of one. A lone sender is never waited for.

A thread of its own waits for locks and disks. Two threads of Python stand in each other's way, though, so where the
store is a file beside us the rows of a small group are put in on the loop's thread, and only the commit is left to the
other. What does not go through at once there, be it somebody else's lock or an event that can't be stored, is rolled
back and left to the other thread as a whole.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import accumulate, chain
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, Engine

from offerlab.domain.event import Event, Rejection
from offerlab.errors import Unavailable
from offerlab.storage import events, rejected
from offerlab.storage.database import translated
from offerlab.storage.events import Appended
from offerlab.storage.own import OwnConnection
from offerlab.storage.projects import Project

MAX_GROUP: Final = 10_000
MAX_WAITING: Final = 50_000
GATHER_S: Final = 0.002
"""So long after its last group was answered the writer waits for as many as it had: about one commit."""
SMALL: Final = 64
"""So many events are put in on the loop's thread: one or two milliseconds."""

_log: Final = logging.getLogger(__name__)


class _Work(Struct, frozen=True):
    project: Project
    events: Sequence[Event]
    rejections: Sequence[Rejection]
    done: "asyncio.Future[Appended]"


class _Prepared(Struct, frozen=True):
    """A group whose rows are in: what is left to do is the commit."""

    works: list[_Work]
    batch: list[Event]
    appended: Appended


class Writer:
    """Appends events, one transaction after the other.

    Args:
        engine: the store.
        new_number: draws internal customer numbers.
        now: the clock, microseconds UTC.
        on_commit: called after each commit, in the writer's thread, with its events and what they changed, before
            anybody is answered.

    Attributes:
        refused_at: when the store last refused a commit, by the process's own clock; 0 since the last one that ended.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        new_number: Callable[[], int],
        now: Callable[[], int],
        on_commit: Callable[[Project, Sequence[Event], Appended], None],
    ) -> None:
        self._own = OwnConnection(engine)
        self._new_number = new_number
        self._now = now
        self._on_commit = on_commit
        self._embedded = engine.dialect.name == "sqlite"
        self._queue: queue.SimpleQueue[list[_Work] | _Prepared | None] = queue.SimpleQueue()
        self._submitted: list[_Work] = []
        self._is_called = False
        self._queued = 0
        self._ends_prepared = False
        self._waiting = 0
        self._lock = threading.Lock()
        self._committing = threading.Lock()
        self._closed = False
        self._last, self._told_at = 0, 0.0
        self._begun_at: float | None = None
        self.refused_at = 0.0
        self._thread = threading.Thread(target=self._run, name="offerlab-writer", daemon=True)
        self._thread.start()

    def submit(
        self, project: Project, batch: Sequence[Event], rejections: Sequence[Rejection] = ()
    ) -> "asyncio.Future[Appended]":
        """Queue a batch, on a running loop; the future ends after the commit.

        Raises:
            Unavailable: too much is waiting already, or the service is going down.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Appended] = loop.create_future()
        size = len(batch) + 1
        with self._lock:
            if self._closed:
                raise Unavailable("the service is going down")
            if self._waiting + size > MAX_WAITING:
                raise Unavailable("too many events are waiting to be written")
            self._waiting += size
            self._submitted.append(_Work(project, batch, rejections, done))
            calls = not self._is_called or len(self._submitted) == self._last
            self._is_called = True
        if calls:
            loop.call_soon(self._hand_over)  # with whatever else comes in this turn of the loop
        return done

    def _hand_over(self) -> None:
        """Begin with what was submitted, or in a moment, when as many are there as were answered last."""
        with self._lock:
            self._is_called = False
            works = self._submitted
            if not works or self._ends_prepared:
                return  # the end of the commit under way looks again
            idle = self._embedded and not self._queued and not self._closed
            left = self._patience_s(len(works)) if idle else 0.0
            if left > 0.0:
                self._is_called = True
                works[0].done.get_loop().call_later(left, self._hand_over)
                return
            self._submitted = []
            self._queued += 1
            self._ends_prepared = idle
        prepared = self._prepared(works) if idle else None
        if idle and prepared is None:
            self._ends_prepared = False
        self._queue.put(prepared or works)

    def _patience_s(self, there: int) -> float:
        """How long those are waited for who were answered with the last group."""
        return self._told_at + GATHER_S - time.monotonic() if there < self._last else 0.0

    def _prepared(self, works: list[_Work]) -> _Prepared | None:
        """Put the rows of a group in, on the loop's thread; None, and nothing done, where it is not easily done."""
        project = works[0].project
        if sum([len(work.events) for work in works]) > SMALL or any(work.project.id != project.id for work in works):
            return None
        if not self._committing.acquire(blocking=False):
            return None
        prepared = None
        try:
            prepared = self._put_in(works)
        except Exception:  # noqa: BLE001 - whatever it is, the other thread meets it again, and has the time
            self._own.let_go()
        if prepared is None:
            self._committing.release()
        return prepared

    def _put_in(self, works: list[_Work]) -> _Prepared | None:
        try:
            connection = self._own.begin(impatient=True)
        except Unavailable:
            return None  # somebody else is writing: the other thread waits for him
        batch, appended = self._append(connection, works)
        return _Prepared(works, batch, appended)

    @property
    def waiting(self) -> int:
        """Events queued and not yet committed."""
        return self._waiting

    def under_way_s(self) -> float:
        """How long the commit of this moment has been under way: a large one, or a store that says nothing."""
        begun = self._begun_at
        return 0.0 if begun is None else time.monotonic() - begun

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
        self._hand_over()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ending = False
        while not ending or self._queued:
            piece = self._queue.get()
            if piece is None:
                ending = True
                continue
            if isinstance(piece, _Prepared):
                self._write_project(piece.works, partial(self._commit_prepared, piece))
                self._end(len(piece.works), 1)
            else:
                group, pieces, ended = self._gathered(piece)
                ending = ending or ended
                self._write(group)
                self._end(len(group), pieces)
        self._own.let_go()

    def _end(self, works: int, pieces: int) -> None:
        """A group was answered; have the loop look at what was submitted meanwhile."""
        with self._lock:
            self._queued -= pieces
            self._ends_prepared = False
            self._last, self._told_at = works, time.monotonic()
            waiting = [] if self._is_called else self._submitted[:1]
            if self._closed and self._submitted:
                self._queue.put(self._submitted)
                self._submitted, waiting = [], []
                self._queued += 1
        for work in waiting:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                work.done.get_loop().call_soon_threadsafe(self._hand_over)

    def _gathered(self, group: list[_Work]) -> tuple[list[_Work], int, bool]:
        """With some work all that is there or about to come, up to the limit; of how many pieces; whether it ends."""
        pieces, size = 0, 0
        works: list[_Work] | _Prepared | None = group
        group = []
        while isinstance(works, list):
            group += works
            pieces += 1
            size += sum([len(work.events) for work in works], len(works))
            if size >= MAX_GROUP:
                return group, pieces, False
            try:
                left = self._patience_s(len(group))
                works = self._queue.get(timeout=left) if left > 0.0 else self._queue.get_nowait()
            except queue.Empty:
                return group, pieces, False
        return group, pieces, True

    def _write(self, group: list[_Work]) -> None:
        for number in {work.project.id: None for work in group}:
            works = [work for work in group if work.project.id == number]
            self._write_project(works, partial(self._commit, works))

    def _write_project(self, works: list[_Work], commit: Callable[[], Appended]) -> None:
        self._begun_at = time.monotonic()
        try:
            appended = commit()
        except Unavailable as error:
            self.refused_at = time.monotonic()
            self._tell(works, [error] * len(works))
        except Exception as error:  # noqa: BLE001 - whatever it is, one batch must not take its neighbours down
            if len(works) > 1:
                for work in works:
                    self._write_project([work], partial(self._commit, [work]))
            else:
                _log.exception("a batch could not be written")
                self._tell(works, [error])
        else:
            ends = accumulate([len(work.events) for work in works])
            parts = [appended.outcomes[end - len(work.events) : end] for work, end in zip(works, ends, strict=True)]
            self._tell(works, [Appended(outcomes) for outcomes in parts])
        finally:
            self._begun_at = None

    def _tell(self, works: Sequence[_Work], answers: Sequence[Appended | Exception]) -> None:
        """Answer everybody, each loop woken once; whoever is answered no longer counts as waiting."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Appended], Appended | Exception]]] = {}
        for work, answer in zip(works, answers, strict=True):
            by_loop.setdefault(work.done.get_loop(), []).append((work.done, answer))
        with self._lock:
            self._waiting -= sum([len(work.events) for work in works], len(works))
        for loop, told in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, told)

    def _commit(self, works: list[_Work]) -> Appended:
        with self._committing, translated():
            try:
                batch, appended = self._append(self._own.begin(), works)
            except BaseException:
                self._own.let_go()
                raise
            self._own.commit()
        return self._kept(works[0].project, batch, appended)

    def _commit_prepared(self, prepared: _Prepared) -> Appended:
        try:
            self._own.commit()
        finally:
            self._committing.release()
        return self._kept(prepared.works[0].project, prepared.batch, prepared.appended)

    def _append(self, connection: Connection, works: list[_Work]) -> tuple[list[Event], Appended]:
        """Everything but the commit."""
        project = works[0].project
        batch = list(chain.from_iterable([work.events for work in works]))
        now, known = self._now(), self._own.known
        appended = events.append(connection, project, batch, new_number=self._new_number, now=now, known=known)
        unread = chain.from_iterable([work.rejections for work in works])
        rejected.reject(connection, project, [*unread, *appended.rejections], now=now)
        return batch, appended

    def _kept(self, project: Project, batch: list[Event], appended: Appended) -> Appended:
        self.refused_at = 0.0
        self._on_commit(project, batch, appended)
        return appended


def _settle(told: Sequence[tuple["asyncio.Future[Appended]", Appended | Exception]]) -> None:
    for done, answer in told:
        if done.done():
            continue
        if isinstance(answer, Exception):
            done.set_exception(answer)
        else:
            done.set_result(answer)
