"""What an acknowledgement is worth: processes killed, disks full, connections cut, events sent again and again.

Each proof has a twin with one fault (`support.twins`) that it must catch: a proof that cannot fail proves nothing.
"""

import json
import os
import random
import shutil
import socket
import sqlite3
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec import Struct

from offerlab.domain.clock import iso
from support.process import Process
from support.service import ADMIN, CAPSULES, COFFEE, COFFEE_ADDON

pytestmark = pytest.mark.slow
STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(STRACE is None, reason="strace is not installed: apt-get install strace")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


def viewed(event_id: str, customer: str = "c") -> dict[str, Any]:
    """A product view, now."""
    at = iso(time.time_ns() // 1000)
    return {"id": event_id, "type": "product_viewed", "customer_id": customer, "occurred_at": at, "sku": "a"}


def bought(event_id: str) -> dict[str, Any]:
    """An order of one line."""
    lines = [{"sku": "a", "unit_price": "1000"}]
    event = {**viewed(event_id), "type": "order", "order_id": event_id, "lines": lines}
    del event["sku"]
    return event


class Senders:
    """Threads that send batches as fast as they are answered and keep what was acknowledged.

    Args:
        process: where to.
        count: how many.
    """

    def __init__(self, process: Process, count: int = 4) -> None:
        self.acknowledged: set[str] = set()
        self._process = process
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(k,)) for k in range(count)]
        for thread in self._threads:
            thread.start()

    def _send(self, k: int) -> None:
        count, batch = 0, list[dict[str, Any]]()
        while not self._stop.is_set():
            ids = [f"w{k}-{count}-{i}" for i in range(5)]
            if not batch or batch[0]["id"] != ids[0]:
                batch = [viewed(one) for one in ids]  # made once: what is sent again says the same
            try:
                status, answer = self._process.ask("POST", "/v1/events", {"events": batch})
            except OSError:
                time.sleep(0.01)  # either may have happened: it is sent again
                continue
            if status == 200:
                assert answer["rejected"] == []
                self.acknowledged |= set(ids)
                count += 1
            else:
                time.sleep(0.02)

    def stop(self) -> set[str]:
        """Stop; everything acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.acknowledged


def stored(process: Process, url: str | None) -> set[str]:
    """Ids in the register, read past the service."""
    if url is None:
        with sqlite3.connect(process.folder / "offerlab.db") as store:
            assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return {row[0] for row in store.execute("SELECT event_id FROM events")}
    with psycopg.connect(url.replace("+psycopg", "")) as server:
        return {row[0] for row in server.execute("SELECT event_id FROM events").fetchall()}


class Killed(Struct, frozen=True):
    """What a service that was killed again and again leaves behind.

    Attributes:
        acknowledged: ids that were answered 200.
        stored: ids in the register.
        starts: seconds from each start until every route worked.
        spent: processor seconds of each start.
    """

    acknowledged: set[str]
    stored: set[str]
    starts: list[float]
    spent: list[float]

    def show(self, store: str) -> None:
        """Print the figures, for `pytest -s`."""
        wall, cpu, lost = sorted(self.starts), sorted(self.spent), len(self.acknowledged - self.stored)
        print(  # noqa: T201 - as it says
            f"{store}: {len(wall) - 1} kills, {len(self.acknowledged):,} acknowledged, {lost} lost, starts: "
            f"median {wall[len(wall) // 2]:.2f} s, longest {wall[-1]:.2f} s, of the processor "
            f"{cpu[len(cpu) // 2]:.2f} and {cpu[-1]:.2f} s; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


def killed(process: Process, url: str | None, *, cycles: int, seed: int) -> Killed:
    """Kill and start again `cycles` times under four senders."""
    chance = random.Random(seed)  # noqa: S311 - repeatable
    starts, spent = [process.start()], [process.cpu_s()]
    senders = Senders(process)
    try:
        for _ in range(cycles):
            time.sleep(chance.uniform(0.2, 0.6))
            process.kill()
            starts.append(process.start())
            spent.append(process.cpu_s())
    finally:
        acknowledged = senders.stop()
        process.stop()
    return Killed(acknowledged, stored(process, url), starts, spent)


def test_nothing_acknowledged_is_lost_by_kill_9_on_sqlite(tmp_path: Path) -> None:
    """100 kills at random under four writers: no acknowledged event is lost, the file is sound, each start works."""
    found = killed(Process(tmp_path), None, cycles=100, seed=1)
    found.show("SQLite")
    assert (len(found.acknowledged) > 500, len(found.starts)) == (True, 101)
    assert found.acknowledged - found.stored == set()


def test_nothing_acknowledged_is_lost_by_kill_9_on_postgresql(
    tmp_path: Path, new_postgres_database: Callable[[], str]
) -> None:
    """50 kills at random under four writers: every acknowledged event is there, each start works."""
    url = new_postgres_database()
    process = Process(tmp_path, database_url=url)
    process.run("migrate")
    found = killed(process, url, cycles=50, seed=2)
    found.show("PostgreSQL")
    assert (len(found.acknowledged) > 250, len(found.starts)) == (True, 51)
    assert found.acknowledged - found.stored == set()


def test_the_kill_finds_a_service_that_answers_early(tmp_path: Path) -> None:
    """The broken twin acknowledges what is only queued: some of it is lost within a few kills."""
    process, lost = Process(tmp_path, twin="answers_early"), set[str]()
    for seed in range(10):
        found = killed(process, None, cycles=3, seed=seed)
        lost = found.acknowledged - found.stored
        if lost:
            break
    assert lost


def test_sigterm_finishes_what_is_under_way(tmp_path: Path) -> None:
    """Stopped three times under four writers: it ends by itself with status 0, and everything acknowledged is there."""
    process = Process(tmp_path)
    process.start()
    senders, ends = Senders(process), list[int]()
    try:
        for _ in range(3):
            time.sleep(0.5)
            ends.append(process.stop())
            process.start()
    finally:
        acknowledged = senders.stop()
        process.stop()
    assert ends == [0, 0, 0]
    assert len(acknowledged) > 0
    assert acknowledged - stored(process, None) == set()


def synced(tmp_path: Path, twin: str | None) -> int:
    """How often the disk was waited for while 50 events were acknowledged one after the other."""
    trace = tmp_path / "trace.txt"
    prefix = [str(STRACE), "-f", "-qq", "-e", "trace=fdatasync,fsync", "-o", str(trace)]
    process = Process(tmp_path / "shop", prefix=prefix, twin=twin)
    process.start()
    before = len(trace.read_text().splitlines())
    for i in range(50):
        assert process.ask("POST", "/v1/events", {"events": [viewed(str(i))]})[1]["accepted"] == 1
    count = len(trace.read_text().splitlines()) - before
    process.stop()
    return count


@needs_strace
def test_every_acknowledgement_waits_for_the_disk(tmp_path: Path) -> None:
    """Under strace at least one fdatasync for each acknowledged batch."""
    count = synced(tmp_path, None)
    print(f"{count} syncs for 50 acknowledgements")  # noqa: T201 - figures for `pytest -s`
    assert count >= 50


@needs_strace
def test_counting_syncs_finds_a_service_that_never_waits(tmp_path: Path) -> None:
    """The broken twin runs with synchronous=OFF."""
    assert synced(tmp_path, "never_syncs") < 50


def refused_on_io_error(tmp_path: Path, twin: str | None) -> list[int]:
    """Statuses of events sent once every fdatasync fails."""
    prefix = [str(STRACE), "-f", "-qq", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=120+"]
    process = Process(tmp_path / "shop", prefix=[*prefix, "-o", "/dev/null"], twin=twin)
    process.start()
    statuses = [process.ask("POST", "/v1/events", {"events": [viewed(str(i))]})[0] for i in range(200)]
    process.kill()
    return statuses


@needs_strace
def test_an_event_whose_sync_fails_is_refused(tmp_path: Path) -> None:
    """An injected disk error: 503, not 200, from the first failure on, and every one that was 200 is there."""
    statuses = refused_on_io_error(tmp_path, None)
    assert set(statuses) == {200, 503}
    assert statuses == sorted(statuses)
    found = stored(Process(tmp_path / "shop"), None)
    assert {str(i) for i, status in enumerate(statuses) if status == 200} <= found


@needs_strace
def test_the_disk_error_finds_a_service_that_never_waits(tmp_path: Path) -> None:
    """The broken twin does not notice that the disk is gone."""
    assert set(refused_on_io_error(tmp_path, "never_syncs")) == {200}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:  # noqa: S603 - the test's own folder
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)  # noqa: S603, S607 - likewise


def filled(disk: Path, twin: str | None) -> tuple[set[str], set[str], set[int], int]:
    """Fill the disk, then make room: acknowledged, stored, statuses of decisions meanwhile, of an event at the end."""
    process = Process(disk, twin=twin)
    process.start()
    for path, body in (("products", COFFEE), ("offers", CAPSULES), ("experiments", COFFEE_ADDON)):
        process.made(f"/v1/{path}", body)
    process.made("/v1/experiments/coffee-addon/start", None)
    ballast = disk / "ballast"
    room = shutil.disk_usage(disk).free - 300_000
    ballast.write_bytes(bytes(max(room, 0)))
    acknowledged: set[str] = set()
    refusals, n = 0, 0
    decided: set[int] = set()
    while refusals < 20 and n < 3_000:
        ids = [f"e{n}-{i}" for i in range(20)]
        n += 1
        status, _ = process.ask("POST", "/v1/events", {"events": [viewed(one, one) for one in ids]})
        if status == 200:
            acknowledged |= set(ids)
        else:
            refusals += 1
            decided.add(process.ask("POST", "/v1/decisions", {"customer_id": f"c{n}"})[0])
    ballast.unlink()
    last = 0
    for _ in range(50):
        last = process.ask("POST", "/v1/events", {"events": [viewed("after")]})[0]
        if last == 200:
            break
        time.sleep(0.1)
    process.stop()
    return acknowledged, stored(process, None), decided, last


@needs_root
def test_a_full_disk_loses_nothing_and_heals(small_disk: Path) -> None:
    """Nothing acknowledged is lost, decisions go on, and with room again events are taken without a restart."""
    acknowledged, found, decided, last = filled(small_disk, None)
    assert acknowledged - found == set()
    assert (len(acknowledged) > 0, decided, last) == (True, {200}, 200)


@needs_root
def test_the_full_disk_finds_a_service_that_answers_early(small_disk: Path) -> None:
    """The broken twin acknowledges what did not fit."""
    acknowledged, found, _, _ = filled(small_disk, "answers_early")
    assert acknowledged - found


def cut(process: Process, event: dict[str, Any], pause: float) -> None:
    """Send an event and drop the connection before the answer can be read."""
    body = json.dumps({"events": [event]}).encode()
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", process.port)) as one:
        one.sendall(head.encode() + body)
        time.sleep(pause)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def cut_and_retried(tmp_path: Path, twin: str | None, times: int) -> tuple[int, int]:
    """Retries that were answered as one effect, and orders in the store."""
    process, chance = Process(tmp_path, twin=twin), random.Random(3)  # noqa: S311 - repeatable
    process.start()
    whole = 0
    for i in range(times):
        event = bought(f"cut-{i}")
        cut(process, event, chance.choice((0, 0.001, 0.004)))
        _, answer = process.ask("POST", "/v1/events", {"events": [event]})
        whole += answer["accepted"] + answer["duplicates"]
    process.stop()
    with sqlite3.connect(tmp_path / "offerlab.db") as store:
        return whole, int(store.execute("SELECT COUNT(*) FROM orders").fetchone()[0])


def test_a_cut_connection_and_a_retry_are_one_effect(tmp_path: Path) -> None:
    """2,000 answers lost on the way, 2,000 retries: 2,000 orders."""
    assert cut_and_retried(tmp_path, None, 2_000) == (2_000, 2_000)


def test_cutting_finds_a_service_that_counts_twice(tmp_path: Path) -> None:
    """The broken twin stores some orders twice."""
    _, orders = cut_and_retried(tmp_path, "counts_twice", 200)
    assert orders > 200


def shop_with(folder: Path, count: int) -> list[dict[str, Any]]:
    """A shop with a running experiment, and `count` events of its customers, all in the past."""
    process = Process(folder)
    process.start()
    for path, body in (("products", COFFEE), ("offers", CAPSULES), ("experiments", COFFEE_ADDON)):
        process.made(f"/v1/{path}", body)
    process.made("/v1/experiments/coffee-addon/start", None)
    time.sleep(2.5)
    process.stop()
    begun, chance = time.time_ns() // 1000 - 2_000_000, random.Random(4)  # noqa: S311 - repeatable
    events: list[dict[str, Any]] = []
    for n in range(count):
        event: dict[str, Any] = {"id": f"e{n}", "customer_id": f"c{n // 4}", "occurred_at": iso(begun + n * 100)}
        match n % 4:
            case 0:
                event |= {"type": "exposure", "experiment": "coffee-addon"}
            case 1:
                lines = [{"line_id": "1", "sku": "capsule-set", "unit_price": str(chance.randint(1, 50) * 1000)}]
                event |= {"type": "order", "order_id": f"o{n}", "lines": lines}
            case 2:
                amount = str(chance.randint(1, 60) * 1000)
                event |= {"type": "refund", "order_id": f"o{n - 1}", "refund_id": f"r{n}", "amount": amount}
            case _:
                event |= {"type": chance.choice(("unsubscribe", "complaint"))}
        events.append(event)
    return events


def told(process: Process, events: list[dict[str, Any]], restarts: int) -> str:
    """Send all events over four threads, restarting under way; report and counts as one text."""
    process.start()
    parts = [events[k::4] for k in range(4)]

    def send(part: list[dict[str, Any]]) -> None:
        for start in range(0, len(part), 97):
            batch = part[start : start + 97] if start % 2 else part[start : start + 97][::-1]
            while True:
                try:
                    status, answer = process.ask("POST", "/v1/events", {"events": batch})
                except OSError:
                    status, answer = 0, {}
                if status == 200:
                    assert answer["rejected"] == [], answer["rejected"][:3]
                    break
                time.sleep(0.05)

    threads = [threading.Thread(target=send, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for _ in range(restarts):
        time.sleep(1.0)
        process.kill()
        process.start()
    for thread in threads:
        thread.join()
    _, report = process.ask("GET", "/v1/experiments/coffee-addon/report")
    process.stop()
    kept = {name: report[name] for name in ("quality", "metrics", "segments", "verdict")}
    with sqlite3.connect(process.folder / "offerlab.db") as store:
        counts = store.execute("SELECT type, COUNT(*) FROM events GROUP BY type ORDER BY type").fetchall()
    return json.dumps([kept, counts], sort_keys=True)


def copies(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each event one to five times, shuffled."""
    chance = random.Random(5)  # noqa: S311 - repeatable
    many = [event for event in events for _ in range(chance.randint(1, 5))]
    chance.shuffle(many)
    return many


def test_copies_shuffled_over_writers_and_restarts_change_no_report(tmp_path: Path) -> None:
    """10,000 events one to five times, shuffled over four writers with three kills: the once-sent run's report."""
    events = shop_with(tmp_path / "shop", 10_000)
    shutil.copytree(tmp_path / "shop", tmp_path / "again")
    once = told(Process(tmp_path / "shop"), events, restarts=0)
    many = told(Process(tmp_path / "again"), copies(events), restarts=3)
    assert json.loads(once)[0]["metrics"][0]["arms"][0]["n"] > 1_000
    assert once == many


def test_copies_find_a_service_that_counts_twice(tmp_path: Path) -> None:
    """The broken twin's counts differ (orders and refunds are kept apart by their own ids, too)."""
    events = shop_with(tmp_path / "shop", 400)
    shutil.copytree(tmp_path / "shop", tmp_path / "again")
    once = told(Process(tmp_path / "shop"), events, restarts=0)
    assert once != told(Process(tmp_path / "again", twin="counts_twice"), copies(events), restarts=0)
