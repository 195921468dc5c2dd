"""Exposures of requests that are under way together: one batch for the writer, one wait for all of them.

While one batch is being committed the next one gathers, and a moment longer: those who were just answered together
usually ask again together, and a commit costs much the same whatever it holds. Nobody waits for others after having
been answered alone.

Who is given up is told that nothing is known, and is written all the same if the store comes back to it: the storefront
that sends the event again loses nothing, for the first exposure counts.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, Protocol

from msgspec import Struct

from offerlab.domain.event import Event
from offerlab.errors import Unavailable
from offerlab.storage.events import Appended
from offerlab.storage.projects import Project
from offerlab.storage.writer import GATHER_S, Writer

LOOK_S: Final = 0.01
"""So often those who wait for a commit look whether it is still worth it."""
_log: Final = logging.getLogger(__name__)


class Contact(Protocol):
    """What is known of the store."""

    def is_away(self) -> bool:
        """Whether nobody should wait for it."""
        ...

    def is_silent(self) -> bool:
        """Whether nobody before a screen should."""
        ...


class _Waiting(Struct, frozen=True, eq=False):
    """One request's exposures.

    Attributes:
        until: when it no longer waits, by the process's own clock.
        patient: whether nobody sits before a screen.
        done: outcomes of its events; None if nobody knows.
    """

    events: Sequence[Event]
    until: float
    patient: bool
    done: "asyncio.Future[Sequence[str] | None]"

    def end(self, outcomes: Sequence[str] | None) -> None:
        """Answer it, unless it was answered or has gone."""
        if not self.done.done():
            self.done.set_result(outcomes)


class _Line:
    """One project's exposures.

    Attributes:
        gathered: those that wait for the next batch. wanted: how many end the waiting for more.
        enough: ends then; None while nobody is waited for.
        work: writes until nothing is left; None while there is nothing.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.gathered: list[_Waiting] = []
        self.wanted = 0
        self.enough: asyncio.Future[None] | None = None
        self.work: asyncio.Task[None] | None = None

    def take(self) -> list[_Waiting]:
        """Those that wait, but for whoever has gone."""
        taken, self.gathered = self.gathered, []
        return [one for one in taken if not one.done.cancelled()]

    async def gather(self, count: int) -> None:
        """Wait a moment for as many as were answered, besides those who wait already."""
        loop = asyncio.get_running_loop()
        self.wanted, self.enough = count + len(self.gathered), loop.create_future()
        timer = loop.call_later(GATHER_S, _end, self.enough)
        await self.enough
        timer.cancel()
        self.enough = None


class Exposures:
    """What one event loop wants written.

    Args:
        writer: commits.
        contact: whether the store answers.
    """

    def __init__(self, writer: Writer, contact: Contact) -> None:
        self._writer = writer
        self._contact = contact
        self._lines: dict[int, _Line] = {}

    def store(
        self, project: Project, events: Sequence[Event], *, patience_s: float, patient: bool = False
    ) -> "asyncio.Future[Sequence[str] | None]":
        """The outcome of each event when all are on disk; None if they can't be written now, or not in time.

        Args:
            project: whose they are.
            events: of one request.
            patience_s: how long it waits for a store that is busy.
            patient: whether it waits as long for one that is silent; one that is away is not waited for.
        """
        done: asyncio.Future[Sequence[str] | None] = asyncio.get_running_loop().create_future()
        line = self._lines.get(project.id)
        if line is None:
            line = self._lines[project.id] = _Line(project)
        if line.work is None and self._contact.is_away():
            done.set_result(None)
            return done
        line.gathered.append(_Waiting(events, time.monotonic() + patience_s, patient, done))
        if line.work is None:
            line.project = project
            line.work = asyncio.create_task(self._work(line))
        elif line.enough is not None and len(line.gathered) >= line.wanted:
            _end(line.enough)
        return done

    async def _work(self, line: _Line) -> None:
        """Write until nothing is left."""
        try:
            while line.gathered:
                group = line.take()
                if group:
                    await self._write(line, group)
                if len(group) > 1:
                    await line.gather(len(group))
        finally:
            line.work = None

    async def _write(self, line: _Line, group: list[_Waiting]) -> None:
        try:
            appended = await self._committed(line, group)
        except Unavailable as error:
            _give_up(group, error.detail)
        except Exception as error:  # noqa: BLE001 - whatever it is, one request must not take its neighbours down
            if len(group) == 1:
                _give_up(group, repr(error))
            for one in group if len(group) > 1 else ():
                await self._write(line, [one])
        else:
            outcomes = iter(() if appended is None else appended.outcomes)
            for one in group:
                one.end(None if appended is None else list(islice(outcomes, len(one.events))))

    async def _committed(self, line: _Line, group: list[_Waiting]) -> Appended | None:
        """What became of the batch; None when nobody waits for it any more.

        Raises:
            Unavailable: the store refused it.
        """
        batch = [event for one in group for event in one.events]
        coming = self._writer.submit(line.project, batch)
        while not (await asyncio.wait({coming}, timeout=LOOK_S))[0]:
            away, silent, now = self._contact.is_away(), self._contact.is_silent(), time.monotonic()
            waiting = [*group, *line.gathered]
            late = [one for one in waiting if away or now > one.until or (silent and not one.patient)]
            _give_up(late, "the store does not answer")
            if all(one.done.done() for one in group):
                coming.add_done_callback(_look_at)
                return None
        return coming.result()


def _end(enough: "asyncio.Future[None]") -> None:
    if not enough.done():
        enough.set_result(None)


def _give_up(waiting: Iterable[_Waiting], why: str) -> None:
    left = [one for one in waiting if not one.done.done()]
    if left:
        _log.warning("%d exposures could not be written (%s): the storefront may send them later", len(left), why)
    for one in left:
        one.end(None)


def _look_at(late: "asyncio.Future[Appended]") -> None:
    """Nobody waits for it: its error, if any, is the writer's to log."""
    if not late.cancelled():
        late.exception()
