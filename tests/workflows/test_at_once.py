"""Two replicas change a project at the same moment: what excludes each other never meets, the audit log stays whole."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import text

from offerlab.app import App, create_app
from offerlab.domain.experiment import SLOTS, Experiment
from offerlab.errors import Conflict
from offerlab.storage import audit, projects
from offerlab.storage.database import reading
from offerlab.workflows import lifecycle
from offerlab.workflows.desk import Desk
from support.service import COFFEE_ADDON, Service
from support.twins import unheld

pytestmark = pytest.mark.postgres

WAIT_S = 30.0


class Race:
    """Two replicas of one service on a database server, with two drafts in one layer."""

    def __init__(self, url: str, traffic: float) -> None:
        self.service = Service(url)
        self.other: App = create_app(self.service.settings, now=self.service.now)
        self.service.made("/v1/layers", {"key": "page"})
        for key in ("one", "other"):
            body = {**COFFEE_ADDON, "key": key, "variants": [{"key": "control"}], "layer": "page", "traffic": traffic}
            self.service.made("/v1/experiments", body)

    def run(self) -> list[tuple[int, int]]:
        """Start one, and the other while the first has not committed; the slots of both.

        Raises:
            Conflict: the second was told that there is no room.
        """
        slow, quick = Desk(self.service.app.runtime, 1, "slow"), Desk(self.other.runtime, 1, "quick")
        with ThreadPoolExecutor(1) as pool:
            with slow.change():
                first = lifecycle.start(slow, "one")
                coming = pool.submit(lifecycle.start, quick, "other")
                self._until_it_waits(coming)
            second = coming.result(WAIT_S)
        return sorted(pair for one in (first, second) for claim in one.claims for pair in claim.slots)

    def is_log_whole(self) -> bool:
        """Whether every line of the audit log follows from the one before."""
        with reading(self.service.app.runtime.engine) as connection:
            return audit.first_broken(connection, 1) is None

    def _until_it_waits(self, coming: "Future[Experiment]") -> None:
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND (query LIKE '%FROM projects%FOR NO KEY UPDATE%' OR query LIKE '%pg_advisory_xact_lock%')"
        )
        deadline = time.monotonic() + WAIT_S
        with self.service.app.runtime.engine.connect() as connection:
            while not coming.done() and time.monotonic() < deadline:
                if connection.execute(waiting).scalar_one():
                    return
                connection.rollback()  # what others do is seen anew in every transaction
                threading.Event().wait(0.01)

    def close(self) -> None:
        """End both."""
        self.other.serving.close()
        self.other.runtime.close()
        self.service.close()


@pytest.fixture
def race(new_postgres_database: Callable[[], str]) -> Iterator[Callable[[float], Race]]:
    """Makes races by the traffic of each draft."""
    made: list[Race] = []

    def make(traffic: float) -> Race:
        made.append(Race(new_postgres_database(), traffic))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_second_waits_and_is_refused_when_there_is_no_room(race: Callable[[float], Race]) -> None:
    """Each wants 60 % of the layer: one starts, the other is told that the layer is full and stays a draft."""
    both = race(0.6)
    with pytest.raises(Conflict, match="layer"):
        both.run()
    assert both.service.get("/v1/experiments/other").json()["status"] == "draft"
    assert both.service.get("/v1/experiments/one").json()["status"] == "running"


def test_the_second_waits_and_takes_what_is_left(race: Callable[[float], Race]) -> None:
    """Each wants 40 %: both start, side by side."""
    both = race(0.4)
    assert both.run() == [(0, SLOTS * 4 // 10), (SLOTS * 4 // 10, SLOTS * 8 // 10)]
    assert both.is_log_whole()


def test_a_twin_that_does_not_hold_the_project_is_found(
    race: Callable[[float], Race], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless one waits for the other before it looks, both claim the same slots; only their lines of the log wait."""
    monkeypatch.setattr(projects, "hold", unheld)
    assert race(0.4).run() == [(0, SLOTS * 4 // 10)] * 2
