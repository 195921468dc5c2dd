"""Exposures of requests under way together are one batch, and nobody waits for a store that is away."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from offerlab.domain.event import Event
from offerlab.errors import Unavailable
from offerlab.storage.events import Appended
from offerlab.storage.projects import Project
from offerlab.workflows.exposing import Exposures
from support.service import Service

if TYPE_CHECKING:
    from offerlab.storage.writer import Writer


class Pen:
    """A writer whose commits end when the test says so."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.under_way: list[asyncio.Future[Appended]] = []
        self.refuses = False

    def submit(self, _project: Project, batch: Sequence[Event]) -> "asyncio.Future[Appended]":
        """Take a batch."""
        if self.refuses:
            raise Unavailable("no")
        self.batches.append([event.id for event in batch])
        self.under_way.append(asyncio.get_running_loop().create_future())
        return self.under_way[-1]

    def end(self) -> None:
        """Commit what is under way; one that holds an event called `poison` can't be."""
        batch, done = self.batches[len(self.batches) - len(self.under_way)], self.under_way.pop(0)
        if "poison" in batch:
            done.set_exception(ValueError("poison"))
        else:
            done.set_result(Appended(["accepted"] * len(batch)))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Some project."""
    service = Service(f"sqlite:///{tmp_path / 'offerlab.sqlite'}")
    found = service.app.runtime.snapshot(1).project
    service.close()
    return found


def event(name: str) -> Event:
    """An event that nobody reads."""
    return Event(id=name, type="exposure", customer=name, occurred_at=0, digest=b"", fact=cast("Any", None))


class Shelf:
    """Requests that want their exposures stored, on one loop."""

    def __init__(self, project: Project) -> None:
        self.pen = Pen()
        self.away = self.silent = False
        self.project = project
        self.exposures = Exposures(cast("Writer", self.pen), self)

    def is_away(self) -> bool:
        """As the test says."""
        return self.away

    def is_silent(self) -> bool:
        """As the test says."""
        return self.silent

    async def want(
        self, *names: str, patience_s: float = 60.0, patient: bool = False
    ) -> "list[asyncio.Future[Sequence[str] | None]]":
        """One request for each name, all of them waiting."""
        tasks = [
            self.exposures.store(self.project, [event(name)], patience_s=patience_s, patient=patient) for name in names
        ]
        await settle()
        return tasks


async def settle() -> None:
    """Let everything on the loop go as far as it can."""
    for _ in range(30):
        await asyncio.sleep(0)


async def answers(tasks: "list[asyncio.Future[Sequence[str] | None]]") -> list[Sequence[str] | None]:
    """What every request was told, within half a minute."""
    return await asyncio.wait_for(asyncio.gather(*tasks), 30)


def test_the_next_batch_gathers_while_one_is_written(project: Project) -> None:
    """The first request goes at once, those that come meanwhile go together, and each is told of its own."""

    async def work() -> None:
        shelf = Shelf(project)
        tasks = await shelf.want("a")
        tasks += await shelf.want("b", "c", "d")
        assert shelf.pen.batches == [["a"]]
        shelf.pen.end()
        await settle()
        assert shelf.pen.batches == [["a"], ["b", "c", "d"]]
        shelf.pen.end()
        assert await answers(tasks) == [["accepted"]] * 4

    asyncio.run(work())


def test_nobody_waits_for_a_store_that_is_away(project: Project) -> None:
    """Those whose commit hangs and those behind them are told that nothing is known, and are written nevertheless."""

    async def work() -> None:
        shelf = Shelf(project)
        tasks = await shelf.want("a")
        tasks += await shelf.want("b")
        tasks += await shelf.want("c", patient=True)
        shelf.away = True
        assert await answers(tasks) == [None] * 3
        await settle()
        assert shelf.pen.batches == [["a"], ["b", "c"]]

    asyncio.run(work())


def test_only_who_sits_before_a_screen_gives_a_silent_store_up(project: Project) -> None:
    """A mailing waits on for a commit that a shopper no longer waits for; both are of the same batch."""

    async def work() -> None:
        shelf = Shelf(project)
        first = await shelf.want("a")
        mailing, shopper = await shelf.want("b", patient=True), await shelf.want("c")
        shelf.silent = True
        assert await answers(first + shopper) == [None] * 2
        shelf.silent = False
        shelf.pen.end()
        await settle()
        shelf.pen.end()
        assert await answers(mailing) == [["accepted"]]
        assert shelf.pen.batches == [["a"], ["b", "c"]]

    asyncio.run(work())


def test_patience_ends(project: Project) -> None:
    """A commit that takes too long is not waited for; whoever has more patience waits on."""

    async def work() -> None:
        shelf = Shelf(project)
        hasty = await shelf.want("a", patience_s=0.01)
        assert await answers(hasty) == [None]
        patient = await shelf.want("b")
        shelf.pen.end()
        shelf.pen.end()
        assert await answers(patient) == [["accepted"]]

    asyncio.run(work())


def test_one_that_cannot_be_written_takes_nobody_down(project: Project) -> None:
    """A batch that fails is written request by request."""

    async def work() -> None:
        shelf = Shelf(project)
        tasks = await shelf.want("a")
        tasks += await shelf.want("b", "poison", "c")
        for _ in range(5):
            shelf.pen.end()
            await settle()
        assert await answers(tasks) == [["accepted"], ["accepted"], None, ["accepted"]]

    asyncio.run(work())


def test_a_refused_batch_is_told(project: Project) -> None:
    """Nobody waits when the writer takes nothing."""

    async def work() -> None:
        shelf = Shelf(project)
        shelf.pen.refuses = True
        assert await answers(await shelf.want("a", "b")) == [None, None]

    asyncio.run(work())
