"""Group commit: concurrent requests share one transaction, and nobody is answered before it is on disk.

A commit costs one fsync whatever it holds, so the thread takes everything that queued up while it was busy with the
commit before. Whoever was answered together usually sends again together: for as many as the last group had, a moment
is waited, because one commit of eight costs hardly more than one of one. A lone sender is never waited for.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate, chain
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, Engine

from offerlab.domain.event import Event, Rejection
from offerlab.errors import Unavailable
from offerlab.storage import events, rejected
from offerlab.storage.database import translated
from offerlab.storage.events import Appended
from offerlab.storage.known import Known
from offerlab.storage.projects import Project

MAX_GROUP: Final = 10_000
MAX_WAITING: Final = 50_000
GATHER_S: Final = 0.002
"""So long after its last group was answered the writer waits for as many as it had: about one commit."""
IDLE_S: Final = 1.0
"""A server's connection unused for so long goes back to the pool, which asks whether it still lives."""

_log: Final = logging.getLogger(__name__)


class _Work(Struct, frozen=True):
    project: Project
    events: Sequence[Event]
    rejections: Sequence[Rejection]
    done: "asyncio.Future[Appended]"


class Writer:
    """The one thread that appends events.

    Args:
        engine: the store.
        new_number: draws internal customer numbers.
        now: the clock, microseconds UTC.
        on_commit: called after each commit with its events and what they changed, before anybody is answered.

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
        self._engine = engine
        self._new_number = new_number
        self._now = now
        self._on_commit = on_commit
        self._connection: Connection | None = None
        self._used_at = 0.0
        self._known = Known() if engine.dialect.name == "sqlite" else None
        self._queue: queue.SimpleQueue[list[_Work] | None] = queue.SimpleQueue()
        self._submitted: list[_Work] = []
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
            first = len(self._submitted) == 1
        if first:
            loop.call_soon(self._hand_over)  # with whatever else came meanwhile: to wake a thread costs what a row does
        return done

    def _hand_over(self) -> None:
        with self._lock:
            works, self._submitted = self._submitted, []
        if works:
            self._queue.put(works)

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
        while not ending:
            group, ending = self._next_group()
            if group:
                self._write(group)
                self._told_at = time.monotonic()
        self._let_go()

    def _next_group(self) -> tuple[list[_Work], bool]:
        """Wait for some work, then take all that is there or about to come, up to the limit."""
        group: list[_Work] = []
        size = 0
        while size < MAX_GROUP:
            try:
                works = self._queue.get() if not group else self._more(len(group))
            except queue.Empty:
                break
            if works is None:
                return group, True
            group += works
            size += sum([len(work.events) for work in works], len(works))
        self._last = len(group)
        return group, False

    def _more(self, taken: int) -> list[_Work] | None:
        """The next pieces for a group that has some.

        Raises:
            queue.Empty: none, and none is waited for any more.
        """
        left = self._told_at + GATHER_S - time.monotonic() if taken < self._last else 0.0
        return self._queue.get(timeout=left) if left > 0.0 else self._queue.get_nowait()

    def _write(self, group: list[_Work]) -> None:
        for number in {work.project.id: None for work in group}:
            self._write_project([work for work in group if work.project.id == number])

    def _write_project(self, works: list[_Work]) -> None:
        self._begun_at = time.monotonic()
        try:
            appended = self._commit(works)
        except Unavailable as error:
            self.refused_at = time.monotonic()
            self._tell(works, [error] * len(works))
        except Exception as error:  # noqa: BLE001 - whatever it is, one batch must not take its neighbours down
            if len(works) > 1:
                for work in works:
                    self._write_project([work])
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
        project = works[0].project
        batch = list(chain.from_iterable([work.events for work in works]))
        with self._committing, self._writing() as connection:
            now = self._now()
            appended = events.append(
                connection, project, batch, new_number=self._new_number, now=now, known=self._known
            )
            unread = chain.from_iterable([work.rejections for work in works])
            rejected.reject(connection, project, [*unread, *appended.rejections], now=now)
        self.refused_at = 0.0
        self._on_commit(project, batch, appended)
        return appended

    @contextmanager
    def _writing(self) -> Generator[Connection]:
        """A transaction on the writer's own connection, which is given up as soon as anything goes wrong.

        Raises:
            Unavailable: the store can't be reached, or stayed locked.
        """
        with translated():
            try:
                connection = self._connected()
                with connection.begin():
                    if self._known is not None:
                        self._known.renew(connection)
                    yield connection
            except BaseException:
                self._let_go()
                raise
            self._used_at = time.monotonic()

    def _connected(self) -> Connection:
        if self._connection is not None and self._known is None and time.monotonic() - self._used_at > IDLE_S:
            self._let_go()
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(offerlab_write=True)
        return self._connection

    def _let_go(self) -> None:
        if self._known is not None:
            self._known.forget()
        if self._connection is not None:
            with suppress(Exception):  # it is broken, and that was told already
                self._connection.close()
            self._connection = None


def _settle(told: Sequence[tuple["asyncio.Future[Appended]", Appended | Exception]]) -> None:
    for done, answer in told:
        if done.done():
            continue
        if isinstance(answer, Exception):
            done.set_exception(answer)
        else:
            done.set_result(answer)
