"""What is known of a store that says nothing: who waits for it, and who finds out that it is back."""

from typing import Any, cast

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

from offerlab.errors import Unavailable
from offerlab.storage.database import reading
from offerlab.workflows.contact import AWAY_S, BREAK_AFTER, BREAK_S, SILENT_AFTER, SPELL_S, STALL_S, Contact

PATIENCE_S = 0.01
SILENT_S = SILENT_AFTER * PATIENCE_S


class Store:
    """A runtime and its writer as `Contact` sees them, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.from_disk = False
        self.lost_at = self.refused_at = 0.0
        self.compared_at = self.now
        self.begun_at: float | None = None
        self.asked = 0
        self.writer = self
        self.contact = Contact(cast("Any", self), patience_s=PATIENCE_S, sound=self._sound, clock=lambda: self.now)

    def under_way_s(self) -> float:
        """How long a commit takes."""
        return 0.0 if self.begun_at is None else self.now - self.begun_at

    def pass_by(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def _sound(self) -> None:
        self.asked += 1


def test_a_refused_store_is_away_until_the_rules_were_compared() -> None:
    """Neither time nor a decision brings it back, only a look at its rules."""
    store = Store()
    assert not store.contact.is_away()
    store.pass_by(1)
    store.refused_at = store.now
    store.pass_by(1_000)
    assert store.contact.is_away()
    store.compared_at = store.now
    assert not store.contact.is_away()


def test_a_look_that_was_refused_says_it_too() -> None:
    """Nobody need try to write where the rules could not be read."""
    store = Store()
    store.pass_by(1)
    store.lost_at = store.now
    assert store.contact.is_away()
    store.pass_by(1)
    store.compared_at = store.now
    assert not store.contact.is_away()


def test_a_long_commit_beside_reads_that_answer_is_waited_for() -> None:
    """A store that is busy with one thing and answers another is not away, however long the commit takes."""
    store = Store()
    store.begun_at = store.now
    for _ in range(100):
        store.pass_by(STALL_S)
        store.compared_at = store.now
        with store.contact.reading():
            pass
        assert not store.contact.is_silent()
        assert not store.contact.is_away()


def test_a_store_that_answers_nothing_is_silent_first_and_then_away() -> None:
    """A commit and a read hang: shoppers go on at once, half a second later nothing more is written."""
    store = Store()
    store.begun_at = store.now
    with store.contact.reading():
        assert not store.contact.is_silent()
        store.pass_by(SILENT_S * 1.01)
        assert (store.contact.is_silent(), store.contact.is_away()) == (True, False)
        store.pass_by(STALL_S)
        assert (store.contact.is_silent(), store.contact.is_away()) == (True, True)
    store.begun_at = None
    assert (store.contact.is_silent(), store.contact.is_away()) == (False, False)


def test_where_nobody_reads_a_long_commit_asks() -> None:
    """A commit alone may be a large one: a small read is started to tell, and nobody is given up before that hangs."""
    store = Store()
    store.begun_at = store.now
    store.pass_by(SILENT_S * 1.01)
    assert not store.contact.is_silent()
    assert store.asked == 1
    with store.contact.reading():
        assert not store.contact.is_silent()
        store.pass_by(SILENT_S * 1.01)
        assert store.contact.is_silent()
    assert store.asked == 1


def test_rules_that_were_not_compared_for_long_tell_of_a_store_without_reads() -> None:
    """An embedded store is never read beside a commit: there the rules' age decides."""
    store = Store()
    store.begun_at = store.now
    store.pass_by(AWAY_S)
    assert not store.contact.is_away()
    store.pass_by(0.1)
    assert store.contact.is_away()


def test_reads_that_fail_are_tried_by_one_at_a_time() -> None:
    """After some failures in a row nobody waits; now and then somebody tries, and one success ends it."""
    store = Store()
    assert not any(store.contact.failed() for _ in range(BREAK_AFTER))
    store.pass_by(2 * SPELL_S)
    assert [store.contact.failed() for _ in range(2)] == [True, False]
    assert store.contact.reads_fail
    assert not store.contact.may_try()
    store.pass_by(BREAK_S)
    assert [store.contact.may_try() for _ in range(3)] == [True, False, False]
    store.contact.reached()
    assert not store.contact.reads_fail


def test_one_pause_of_the_machine_is_no_outage() -> None:
    """However many reads it makes late at once: the next one in time forgets them, and only a spell of them counts."""
    store = Store()
    for _ in range(10):
        assert not any(store.contact.failed() for _ in range(10 * BREAK_AFTER))
        store.contact.reached()
        store.pass_by(SPELL_S)
    store.contact.failed()
    store.pass_by(SPELL_S)
    assert not store.contact.failed()
    assert not store.contact.reads_fail


def test_a_pool_without_a_free_connection_is_a_store_that_is_busy() -> None:
    """Who gets no connection is told 503 and comes again; what looks at the rules goes on looking."""
    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0)
    with engine.connect(), pytest.raises(Unavailable), reading(engine):
        pass
    engine.dispose()
