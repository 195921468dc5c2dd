"""Group commit: who shares a transaction with whom."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from offerlab.domain.event import Event, Interaction
from offerlab.storage import projects, writer
from offerlab.storage.database import open_engine, writing
from offerlab.storage.events import Appended
from offerlab.storage.projects import Project
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

    def submit(self, name: str) -> "asyncio.Future[Appended]":
        """One event."""
        event = Event(id=name, type="product_viewed", customer="c", occurred_at=0, digest=b"", fact=Interaction())
        return self.writer.submit(self.project, [event])


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
