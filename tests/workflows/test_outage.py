"""The database stops answering under load; decisions go on. On a real server, through a proxy that cuts or swallows."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from offerlab.app import open_desk
from offerlab.client.local import Local
from offerlab.settings import Settings
from offerlab.storage import schema
from offerlab.storage.database import open_engine
from offerlab.workflows import keeping, splitting
from support.figures import note
from support.postgres import OWNER, Cluster
from support.process import free_port
from support.proxy import Mode, Proxy
from support.service import ADMIN, COFFEE_ADDON
from support.shoppers import Seen, Target, bare_handler, latencies, shop_steadily, told

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

RATE = 200
OUTAGE_S = float(os.environ.get("OFFERLAB_OUTAGE_S", "60"))
RECOVERIES = int(os.environ.get("OFFERLAB_RECOVERIES", "50"))
CACHED = 300
PATIENCE_S = 5.0


class Replica:
    """`offerlab serve` in a process of its own, on a database behind a proxy."""

    def __init__(self, database: str, folder: Path, port: int) -> None:
        self._command = [sys.executable, "-c", "from offerlab.cli import main; main()", "serve", "--port", str(port)]
        self._command += ["--data-dir", str(folder), "--database-url", database]
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until every route works or the process ends."""
        environment = {**os.environ, "OFFERLAB_ADMIN_KEY": ADMIN, "OFFERLAB_STATE_TIMEOUT_MS": "10"}
        self._process = subprocess.Popen(self._command, env=environment, stderr=subprocess.DEVNULL)  # noqa: S603 - our own service
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            time.sleep(0.1)

    @property
    def target(self) -> Target:
        """Who shoppers ask."""
        return Target(self.port, 0 if self._process is None else self._process.pid, key=ADMIN)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def proxy(postgres_cluster: Cluster) -> Iterator[Proxy]:
    """A proxy before the tests' server."""
    made = Proxy(postgres_cluster.folder / ".s.PGSQL.5432")
    yield made
    made.close()


class Shop:
    """A replica behind a proxy, a desk that reaches the database directly, and what every customer must see."""

    def __init__(self, direct: str, proxy: Proxy, folder: Path) -> None:
        engine = open_engine(direct)
        schema.upgrade(engine)
        engine.dispose()
        self.direct = direct
        self.folder = folder
        self.proxy = proxy
        name = re.search(r"@/(\w+)\?", direct)
        assert name is not None
        database = f"postgresql+psycopg://{OWNER}@127.0.0.1:{proxy.port}/{name.group(1)}"
        self.replica = Replica(database, folder, free_port())
        self.replica.start()
        self.client = httpx.Client(
            base_url=self.replica.url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=PATIENCE_S * 4
        )
        arms = [{"key": "control", "weight": 0.5}, {"key": "treatment", "weight": 0.5}]
        for key in ("steady", "moved"):
            self.client.post("/v1/experiments", json={**COFFEE_ADDON, "key": key, "variants": arms}).raise_for_status()
            self.client.post(f"/v1/experiments/{key}/start").raise_for_status()
        self.expected: dict[str, dict[str, str]] = {}
        self.ask([f"cached-{i}" for i in range(CACHED)], expose=True)
        self.client.patch("/v1/experiments/moved", json={"weights": {"control": 0.2, "treatment": 0.8}})
        for customer, variants in self.ask([f"cached-{i}" for i in range(CACHED)], expose=False).items():
            self.expected[customer] = variants
        self.local = Local.load(self.client.get("/v1/ruleset").content)

    def ask(self, customers: list[str], *, expose: bool) -> dict[str, dict[str, str]]:
        """What these customers are told now; asked again while the machine is too busy to read their states in time."""
        return {customer: self._told(customer, expose=expose) for customer in customers}

    def _told(self, customer: str, *, expose: bool) -> dict[str, str]:
        deadline = time.monotonic() + 60
        answer: dict[str, Any] = {}
        while time.monotonic() < deadline:
            answer = self.client.post("/v1/decisions", json={"customer_id": customer, "expose": expose}).json()
            if not answer["stale"] and (not expose or all(one["exposed"] for one in answer["decisions"])):
                return {one["experiment"]: one["variant"] for one in answer["decisions"]}
            time.sleep(0.1)
        raise TimeoutError(f"{customer} was not told without `stale` within a minute: {answer}")

    def bad(self, seen: list[Seen]) -> list[str]:
        """Answers that break the promise, with what the customer was told before."""
        return [
            f"{one}, before: {self.expected.get(one.asked['customer_id'])}" for one in seen if not self._is_good(one)
        ]

    def _is_good(self, one: Seen) -> bool:
        if one.status != 200:
            return False
        customer, stale = one.asked["customer_id"], one.answer["stale"]
        variants = {each["experiment"]: each["variant"] for each in one.answer["decisions"]}
        exposed = {each["experiment"] for each in one.answer["decisions"] if each["exposed"]}
        by_hash = {each.experiment: each.variant for each in self.local.decide(customer).decisions}
        if variants.get("steady") != by_hash["steady"]:
            return False
        known = self.expected.get(customer)
        if known is not None and not stale and variants != known:
            return False
        return not (stale and "moved" in exposed)

    def change(self, weight: float) -> int:
        """Change the traffic of an experiment past the replica; the new version."""
        with open_desk(Settings(database_url=self.direct, currency="USD")) as desk:
            splitting.reweigh(desk, "steady", name=f"at {weight}")
            return desk.runtime.snapshot(desk.project_id).project.version

    def close(self) -> None:
        """End everything."""
        self.client.close()
        self.replica.kill()


@pytest.fixture
def shop(new_postgres_database: Callable[[], str], proxy: Proxy, tmp_path: Path) -> Iterator[Shop]:
    """A shop on a fresh database."""
    made = Shop(new_postgres_database(), proxy, tmp_path)
    yield made
    made.close()


def shopping(
    shop: Shop, seconds: float, *, begin: int = 0, floor: Target | None = None
) -> tuple[list[Seen], list[Seen]]:
    """`RATE` decisions a second: one in two of a cached customer, the others of strangers; every fourth exposes.

    Returns:
        What they were told, and what a bare handler answered to as many in the same seconds.
    """

    def body(i: int) -> dict[str, Any]:
        customer = f"cached-{i % CACHED}" if i % 2 else f"new-{begin + i}"
        return {"customer_id": customer, "expose": i % 4 == 0}

    return shop_steadily(shop.replica.target, body, rate=RATE, seconds=seconds, floor=floor)


def traffic(shop: Shop, seconds: float, *, begin: int = 0) -> list[Seen]:
    """The same without a floor."""
    return shopping(shop, seconds, begin=begin)[0]


@pytest.mark.parametrize("mode", ["refuse", "hang"])
def test_decisions_outlive_their_database(shop: Shop, mode: Mode) -> None:
    """For a minute of outage all answers are 200 with the right variant, and a restart serves from disk.

    The broken twin restarts without the file that holds the rules: its answers must be found bad.
    """
    before = traffic(shop, 5)
    assert shop.bad(before) == []
    shop.proxy.switch(mode)
    connections = shop.proxy.accepted
    with bare_handler(free_port()) as floor:
        during, bare = shopping(shop, OUTAGE_S, begin=1_000_000, floor=floor)
    connections = shop.proxy.accepted - connections
    assert shop.bad(during) == []
    strangers = [one.answer for one in during if one.asked["customer_id"].startswith("new")]
    assert all(answer["stale"] for answer in strangers)
    assert not any(each["exposed"] for answer in strangers for each in answer["decisions"])
    assert connections <= 10 * OUTAGE_S
    shop.replica.kill()
    shop.replica.start()
    assert httpx.get(f"{shop.replica.url}/readyz").json()["rules_from"] == "disk"
    restarted = traffic(shop, 5, begin=2_000_000)
    assert shop.bad(restarted) == []
    for name, seen in (("before", before), (f"during ({connections} connections)", during), ("restarted", restarted)):
        beside = f" (goal 50); a bare handler in the same minute: {latencies(bare)}" if seen is during else ""
        note("decisions through outages", f"database, {mode}, {name}: {told(seen)}{beside}")
    shop.replica.kill()
    (shop.folder / keeping.FILE).unlink()
    shop.replica.start()
    assert shop.bad(traffic(shop, 0.1))


@pytest.mark.parametrize("mode", ["refuse", "hang", "cut"])
def test_a_new_configuration_is_served_soon_after_every_recovery(shop: Shop, mode: Mode) -> None:
    """After each outage the version changed meanwhile is served within five seconds."""
    waits: list[float] = []
    attempts, away = 0, 0.0
    for i in range(RECOVERIES):
        shop.proxy.switch(mode)
        accepted, since = shop.proxy.accepted, time.monotonic()
        traffic(shop, 0.5 + i % 4 * 0.5, begin=i * 1_000)
        version = shop.change(float(i))
        attempts += shop.proxy.accepted - accepted
        away += time.monotonic() - since
        shop.proxy.switch("pass")
        begun = time.monotonic()
        while shop.client.post("/v1/decisions", json={"customer_id": "c"}).json()["ruleset_version"] < version:
            assert time.monotonic() - begun < 30
            time.sleep(0.02)
        waits.append(time.monotonic() - begun)
    soon = sum(wait <= PATIENCE_S for wait in waits)
    note(
        "decisions through outages",
        f"new configuration after an outage ({mode}): {soon} of {len(waits)} within 5 s, longest {max(waits):.2f} s;"
        f" {attempts} connections tried during {away:.0f} s away",
    )
    assert all(wait <= PATIENCE_S for wait in waits)
    assert attempts <= 10 * away
