"""Group commit: who shares a transaction with whom."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from offerlab.domain.event import Event, Interaction
from offerlab.errors import Unavailable
from offerlab.storage import events, projects, writer
from offerlab.storage.database import BUSY_TIMEOUT_MS, SPARING_KIB, open_engine, reading, writing
from offerlab.storage.events import Appended
from offerlab.storage.projects import Project
from offerlab.storage.tables import events as register
from offerlab.storage.tables import metadata
from offerlab.storage.writer import Writer

LIMIT_S = 30


class Store:
    """A writer whose commits are counted, and which stands still on demand.

    Attributes:
        groups: events of each commit, in order.
        busy: set while a commit stands still. go: lets it end.
    """

    def __init__(self, folder: Path) -> None:
        self.engine = open_engine(f"sqlite:///{folder / 'a.db'}")
        metadata.create_all(self.engine)
        with writing(self.engine) as connection:
            self.project = projects.add(
                connection, key="default", name="Default", currency="USD", secret=b"s" * 32, now=0
            )
        self.groups: list[int] = []
        self.busy, self.go = threading.Event(), threading.Event()
        self.go.set()
        numbers = count(1)
        self.writer = Writer(self.engine, new_number=lambda: next(numbers), now=lambda: 1, on_commit=self._committed)

    def _committed(self, _project: Project, batch: Sequence[Event], _appended: Appended) -> None:
        self.groups.append(len(batch))
        self.busy.set()
        self.go.wait(LIMIT_S)

    def submit(self, *names: str) -> "asyncio.Future[Appended]":
        """One batch."""
        batch = [
            Event(id=name, type="product_viewed", customer="c", occurred_at=0, digest=b"", fact=Interaction())
            for name in names
        ]
        return self.writer.submit(self.project, batch)

    def stored(self) -> int:
        """How many events are on disk."""
        with reading(self.engine) as connection:
            return int(connection.execute(select(func.count()).select_from(register)).scalar_one())


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store whose writer would wait for half a minute for whoever it expects."""
    monkeypatch.setattr(writer, "GATHER_S", LIMIT_S)
    made = Store(tmp_path)
    yield made
    made.go.set()
    made.writer.close()
    made.engine.dispose()


async def _in_turn(store: Store) -> None:
    store.go.clear()
    first = store.submit("first")
    await asyncio.to_thread(store.busy.wait, LIMIT_S)
    both = [store.submit("second"), store.submit("third")]
    store.go.set()
    await asyncio.wait_for(asyncio.gather(first, *both), LIMIT_S)
    fourth = store.submit("fourth")
    await asyncio.sleep(0.05)
    await asyncio.wait_for(asyncio.gather(fourth, store.submit("fifth")), LIMIT_S)


def test_who_was_answered_together_is_waited_for(store: Store) -> None:
    """What queued up during a commit shares the next one, and so do the next two of the same senders."""
    asyncio.run(_in_turn(store))
    assert store.groups == [1, 2, 2]


async def _alone(store: Store) -> None:
    for name in ("first", "second", "third"):
        await asyncio.wait_for(store.submit(name), LIMIT_S / 2)


def test_a_lone_sender_is_not_kept_waiting(store: Store) -> None:
    """One who sends alone is answered at once, however long the writer would wait for more."""
    asyncio.run(_alone(store))
    assert store.groups == [1, 1, 1]


HERE = (threading.main_thread().name, 0)
THERE = ("offerlab-writer", BUSY_TIMEOUT_MS)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """In which threads rows were put in, and how long those would have waited for a lock, in order."""
    seen, append = list[tuple[str, int]](), events.append

    def told(connection: Connection, *arguments: Any, **more: Any) -> Appended:
        patience_ms = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        seen.append((threading.current_thread().name, patience_ms))
        return append(connection, *arguments, **more)

    monkeypatch.setattr(events, "append", told)
    return seen


async def _sizes(store: Store) -> None:
    await asyncio.wait_for(store.submit("one"), LIMIT_S)
    await asyncio.wait_for(store.submit(*[f"many-{i}" for i in range(writer.SMALL + 1)]), LIMIT_S)


def test_a_small_group_is_put_in_on_the_loop_and_a_large_one_is_not(
    store: Store, places: list[tuple[str, int]]
) -> None:
    """What takes a millisecond or two does not go through another thread of Python; what takes longer does."""
    asyncio.run(_sizes(store))
    assert places == [HERE, THERE]
    assert store.stored() == writer.SMALL + 2


async def _behind_a_lock(store: Store, places: list[tuple[str, int]]) -> None:
    with writing(store.engine):
        waiting = store.submit("one")
        assert not (await asyncio.wait({waiting}, timeout=0.2))[0]
    assert (await asyncio.wait_for(waiting, LIMIT_S)).outcomes == ["accepted"]
    for i in range(1_000):  # the thread may be a moment behind its answer
        assert (await asyncio.wait_for(store.submit(f"later-{i}"), LIMIT_S)).outcomes == ["accepted"]
        if places[-1] == HERE:
            break


def test_the_loop_waits_for_nobodys_lock(store: Store, places: list[tuple[str, int]]) -> None:
    """While somebody else writes it is the thread that waits for the lock; then the loop puts rows in again."""
    asyncio.run(_behind_a_lock(store, places))
    assert (places[0], places[-1]) == (THERE, HERE)
    with store.engine.connect() as connection:
        patience_ms = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    assert patience_ms == BUSY_TIMEOUT_MS, "nobody gets an impatient connection from the pool"


def _pages_kib(connection: Connection) -> int:
    return -int(connection.exec_driver_sql("PRAGMA cache_size").scalar_one())


def test_the_writer_keeps_few_pages_and_nobody_else_gets_its_connection(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a refusal, when it has given its connection up."""
    seen, append = list[int](), events.append

    def choke_once(connection: Connection, *arguments: Any, **more: Any) -> Appended:
        seen.append(_pages_kib(connection))
        if len(seen) == 1:
            raise Unavailable("not now")
        return append(connection, *arguments, **more)

    async def one() -> None:
        await asyncio.wait_for(store.submit("one"), LIMIT_S)

    monkeypatch.setattr(events, "append", choke_once)
    asyncio.run(one())
    assert seen == [SPARING_KIB, SPARING_KIB]
    with store.engine.connect() as first, store.engine.connect() as second, store.engine.connect() as third:
        assert min(map(_pages_kib, (first, second, third))) > SPARING_KIB


async def _poisoned(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    append = events.append

    def choke(connection: Connection, project: Project, batch: Sequence[Event], **more: Any) -> Appended:
        appended = append(connection, project, batch, **more)
        if any(event.id == "poison" for event in batch):
            raise ValueError("after its rows are in")
        return appended

    monkeypatch.setattr(events, "append", choke)
    works = [store.submit("good"), store.submit("poison"), store.submit("better")]
    return await asyncio.wait_for(asyncio.gather(*works, return_exceptions=True), LIMIT_S)


def test_one_bad_batch_takes_no_neighbour_down(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What chokes on the loop is rolled back, and the thread finds out which of them it was."""
    good, poison, better = asyncio.run(_poisoned(store, monkeypatch))
    assert isinstance(poison, ValueError)
    assert isinstance(good, Appended)
    assert isinstance(better, Appended)
    assert store.stored() == 2


async def _closed_meanwhile(store: Store) -> list[Appended]:
    store.go.clear()
    first = store.submit("first")
    await asyncio.to_thread(store.busy.wait, LIMIT_S)
    rest = [store.submit(f"later-{i}") for i in range(3)]
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(asyncio.to_thread(store.writer.close))
    await asyncio.sleep(0.01)
    store.go.set()
    await asyncio.wait_for(closing, LIMIT_S)
    return await asyncio.wait_for(asyncio.gather(first, *rest), LIMIT_S)


def test_closing_writes_what_waits_behind_a_commit(store: Store) -> None:
    """Told to close while a commit is under way, the writer ends it and writes what came meanwhile."""
    assert [one.outcomes for one in asyncio.run(_closed_meanwhile(store))] == [["accepted"]] * 4
    assert store.stored() == 4
