"""Two replicas and a database that stands still (kill -STOP): decisions go on, an end ends, a race has one winner."""

import asyncio
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from offerlab.client.local import Local
from support.figures import note
from support.postgres import Cluster, running_cluster
from support.process import Process
from support.service import ADMIN, COFFEE_ADDON
from support.shoppers import Seen, ask_steadily, told

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

STOP_S = float(os.environ.get("OFFERLAB_OUTAGE_S", "60"))
RATE = 200
ROUNDS = 50
ARMS = [{"key": "control", "weight": 0.5}, {"key": "treatment", "weight": 0.5}]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of these tests' own, because they stop it."""
    with running_cluster() as own:
        yield own


class Standstill:
    """All processes of a database server stopped; they go on at the end, whatever happens."""

    def __init__(self, cluster: Cluster) -> None:
        self._server = cluster.process
        self._stopped: list[int] = []

    def __enter__(self) -> None:
        os.kill(self._server, signal.SIGSTOP)  # first: now it starts no others
        self._stopped = [self._server, *_children(self._server)]
        for process in self._stopped:
            os.kill(process, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._stopped):
            os.kill(process, signal.SIGCONT)


def _children(parent: int) -> list[int]:
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


@pytest.fixture
def database(cluster: Cluster, tmp_path: Path) -> str:
    """A database at our schema."""
    made = cluster.create_database()
    Process(tmp_path / "migrating", database_url=made).run("migrate")
    return made


def asked(i: int) -> dict[str, Any]:
    """One in two is one of 500 customers, the others are strangers; every fourth is to be exposed."""
    return {"customer_id": f"customer-{i % 500}" if i % 2 else f"new-{i}", "expose": i % 4 == 0}


def traffic(service: Process, seconds: float) -> list[Seen]:
    """Decisions at a steady rate."""
    return asyncio.run(ask_steadily(service.port, ADMIN, asked, rate=RATE, seconds=seconds))


def is_good(one: Seen, local: Local) -> bool:
    """200, the arm of the hash, and nobody exposed of whom nothing could be read."""
    if one.status != 200:
        return False
    (decision,) = one.answer["decisions"]
    right = local.decide(one.asked["customer_id"]).decisions[0].variant
    return bool(decision["variant"] == right and not (one.answer["stale"] and decision["exposed"]))


def test_decisions_outlive_a_stopped_database(cluster: Cluster, database: str, tmp_path: Path) -> None:
    """While the database stands still all answers are 200 with the right arm; then a change is served soon."""
    service = Process(tmp_path, database_url=database)
    service.start()
    try:
        service.made("/v1/experiments", {**COFFEE_ADDON, "key": "steady", "variants": ARMS})
        service.made("/v1/experiments/steady/start", {})
        answer = httpx.get(f"{service.url}/v1/ruleset", headers={"Authorization": f"Bearer {ADMIN}"})
        local = Local.load(answer.content)
        traffic(service, 3)
        with Standstill(cluster):
            during = traffic(service, STOP_S)
        assert [one for one in during if not is_good(one, local)] == []
        begun = time.monotonic()
        while service.ask("POST", "/v1/experiments/steady/pause", {})[0] != 200:
            assert time.monotonic() - begun < PATIENCE_S
            time.sleep(0.1)
        assert service.ask("POST", "/v1/decisions", {"customer_id": "c"})[1]["decisions"] == []
        took = time.monotonic() - begun
    finally:
        service.kill()
    what = f"database stopped by kill -STOP for {STOP_S:.0f} s under {RATE} requests/s: {told(during)} (goal 50)"
    note("decisions through outages", f"{what}; after kill -CONT a change was answered and served in {took:.2f} s")


def ended(cluster: Cluster, database: str, folder: Path, *, twin: str | None = None) -> float | None:
    """Seconds from SIGTERM to the end while the database stands still under traffic; None: it does not end."""
    service = Process(folder, database_url=database, twin=twin)
    service.start()
    try:
        service.made("/v1/experiments", {**COFFEE_ADDON, "key": folder.name, "variants": ARMS})
        service.made(f"/v1/experiments/{folder.name}/start", {})
        with Standstill(cluster):
            traffic(service, 3)
            begun = time.monotonic()
            try:
                assert service.stop() == 0
            except subprocess.TimeoutExpired:
                return None
            return time.monotonic() - begun
    finally:
        service.kill()


def test_sigterm_ends_while_the_database_stands_still(cluster: Cluster, database: str, tmp_path: Path) -> None:
    """Asked to end while a commit hangs, it ends by itself with status 0; the twin without a last moment does not."""
    took = ended(cluster, database, tmp_path / "ends")
    assert took is not None
    note(
        "decisions through outages",
        f"SIGTERM while the database stands still: ended in {took:.1f} s (goal 20)",
    )
    assert ended(cluster, database, tmp_path / "twin", twin="waits_for_ever") is None


def raced(pair: list[Process], key: str) -> list[int]:
    """Two replicas are asked to start the same draft at the same moment; their answers, sorted."""
    pair[0].made("/v1/experiments", {**COFFEE_ADDON, "key": key, "variants": ARMS})
    gate = threading.Barrier(len(pair))

    def start(service: Process) -> int:
        gate.wait(PATIENCE_S)
        return service.ask("POST", f"/v1/experiments/{key}/start", {})[0]

    with ThreadPoolExecutor(len(pair)) as pool:
        return sorted(pool.map(start, pair))


def races(database: str, folder: Path, rounds: int, *, twin: str | None = None) -> list[list[int]]:
    """All rounds of a race between two replicas."""
    pair = [Process(folder / name, database_url=database, twin=twin) for name in ("one", "other")]
    try:
        for service in pair:
            service.start()
        return [raced(pair, f"{folder.name}-{i}") for i in range(rounds)]
    finally:
        for service in pair:
            service.kill()


def test_of_two_starts_one_wins(database: str, tmp_path: Path) -> None:
    """In every round one replica starts the experiment and the other is told 409; the careless twin starts twice."""
    seen = races(database, tmp_path / "race", ROUNDS)
    assert seen == [[200, 409]] * ROUNDS
    note(
        "decisions", f"two replicas start the same draft at once: one winner and one 409 in {ROUNDS} of {ROUNDS} rounds"
    )
    assert [200, 200] in races(database, tmp_path / "twin", 10, twin="starts_twice")
