"""Two replicas and a database that stands still (kill -STOP): decisions go on, an end ends, a race has one winner."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from offerlab.client.local import Local
from support.figures import note
from support.postgres import Cluster, running_cluster
from support.process import Process, free_port
from support.service import ADMIN, COFFEE_ADDON
from support.shoppers import PATIENCE_S, Seen, Target, bare_handler, latencies, shop_steadily, told

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

STOP_S = float(os.environ.get("OFFERLAB_OUTAGE_S", "60"))
RATE = 200
ROUNDS = 50
ARMS = [{"key": "control", "weight": 0.5}, {"key": "treatment", "weight": 0.5}]
WAIT_S = 60.0


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


def traffic(
    service: Process, seconds: float, *, floor: Target | None = None, patience_s: float = PATIENCE_S
) -> tuple[list[Seen], list[Seen]]:
    """Decisions at a steady rate, and a bare handler's answers to as many in the same seconds."""
    target = Target(service.port, service.pid, key=ADMIN)
    return shop_steadily(target, asked, rate=RATE, seconds=seconds, floor=floor, patience_s=patience_s)


def is_good(one: Seen, local: Local) -> bool:
    """200, the arm of the hash, and nobody exposed of whom nothing could be read."""
    if one.status != 200:
        return False
    (decision,) = one.answer["decisions"]
    right = local.decide(one.asked["customer_id"]).decisions[0].variant
    return bool(decision["variant"] == right and not (one.answer["stale"] and decision["exposed"]))


def running(database: str, folder: Path, *, twin: str | None = None) -> tuple[Process, Local]:
    """A service with one experiment, and who decides like it by itself."""
    service = Process(folder, database_url=database, twin=twin)
    service.start()
    service.made("/v1/experiments", {**COFFEE_ADDON, "key": folder.name, "variants": ARMS})
    service.made(f"/v1/experiments/{folder.name}/start", {})
    answer = httpx.get(f"{service.url}/v1/ruleset", headers={"Authorization": f"Bearer {ADMIN}"})
    return service, Local.load(answer.content)


def test_decisions_outlive_a_stopped_database(cluster: Cluster, database: str, tmp_path: Path) -> None:
    """While the database stands still all answers are 200 with the right arm; then a change is served soon."""
    service, local = running(database, tmp_path / "steady")
    try:
        traffic(service, 3)
        with bare_handler(free_port()) as floor, Standstill(cluster):
            during, bare = traffic(service, STOP_S, floor=floor)
        assert [one for one in during if not is_good(one, local)] == []
        begun = time.monotonic()
        while service.ask("POST", "/v1/experiments/steady/pause", {})[0] != 200:
            assert time.monotonic() - begun < WAIT_S
            time.sleep(0.1)
        assert service.ask("POST", "/v1/decisions", {"customer_id": "c"})[1]["decisions"] == []
        took = time.monotonic() - begun
    finally:
        service.kill()
    what = f"database stopped by kill -STOP for {STOP_S:.0f} s under {RATE} requests/s: {told(during)} (goal 50)"
    floor_told = f"a bare handler in the same minute: {latencies(bare)}"
    after = f"after kill -CONT a change was answered and served in {took:.2f} s"
    note("decisions through outages", f"{what}; {floor_told}; {after}")


def test_a_twin_that_waits_for_its_database_is_found(cluster: Cluster, database: str, tmp_path: Path) -> None:
    """Strangers whom a service only answers once the stopped database has told of them get no good answer."""
    service, local = running(database, tmp_path / "twin", twin="reads_at_any_price")
    try:
        with Standstill(cluster):
            during, _ = traffic(service, 2, patience_s=5)
    finally:
        service.kill()
    bad = [one for one in during if not is_good(one, local)]
    assert {one.status for one in bad} == {0}
    assert {one.asked["customer_id"][:4] for one in during} - {one.asked["customer_id"][:4] for one in bad} <= {"cust"}


def ended(cluster: Cluster, database: str, folder: Path, *, twin: str | None = None) -> float | None:
    """Seconds from SIGTERM to the end while the database stands still under traffic; None: it does not end."""
    service, _ = running(database, folder, twin=twin)
    try:
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
    return started_at_once(pair, [key, key])


def raced_in_a_layer(pair: list[Process], key: str) -> list[int]:
    """The same with two drafts that both want more than half of one layer."""
    pair[0].made("/v1/layers", {"key": key})
    drafts = [f"{key}.{name}" for name in ("one", "other")]
    for draft in drafts:
        body = {**COFFEE_ADDON, "key": draft, "variants": ARMS, "layer": key, "traffic": 0.6}
        pair[0].made("/v1/experiments", body)
    return started_at_once(pair, drafts)


def started_at_once(pair: list[Process], keys: list[str]) -> list[int]:
    """Each replica is asked to start one of these; the answers, sorted."""
    gate = threading.Barrier(len(pair))

    def start(service: Process, key: str) -> int:
        gate.wait(WAIT_S)
        return service.ask("POST", f"/v1/experiments/{key}/start", {})[0]

    with ThreadPoolExecutor(len(pair)) as pool:
        return sorted(pool.map(start, pair, keys))


def races(
    database: str,
    folder: Path,
    rounds: int,
    *,
    race: Callable[[list[Process], str], list[int]] = raced,
    twin: str | None = None,
) -> list[list[int]]:
    """All rounds of a race between two replicas."""
    pair = [Process(folder / name, database_url=database, twin=twin) for name in ("one", "other")]
    try:
        for service in pair:
            service.start()
        return [race(pair, f"{folder.name}-{i}") for i in range(rounds)]
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


def test_of_two_starts_in_one_layer_only_what_has_room_wins(database: str, tmp_path: Path) -> None:
    """Two drafts that do not fit into one layer are never both started; the twin that claims blindly starts both."""
    seen = races(database, tmp_path / "race", ROUNDS, race=raced_in_a_layer)
    assert seen == [[200, 409]] * ROUNDS
    note(
        "decisions",
        f"two replicas start two drafts of one layer at once that want 60 % of it each: one starts and one is told 409"
        f" in {ROUNDS} of {ROUNDS} rounds",
    )
    assert [200, 200] in races(database, tmp_path / "twin", 5, race=raced_in_a_layer, twin="claims_blindly")
