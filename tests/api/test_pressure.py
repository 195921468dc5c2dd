"""Back-pressure of the service as it runs: a disk that hangs, many senders, and the memory that they can take."""

import json
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from offerlab.domain.clock import iso
from support.process import Process
from support.service import ADMIN

STRACE = shutil.which("strace")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(STRACE is None, reason="strace is not installed: apt-get install strace"),
]
SENDERS, SIZE, TEXT = 120, 1_000, "x" * 1_600
BOUND_MB = 400
PATIENCE_S = 300


class Flood(Struct, frozen=True):
    """What a flood did.

    Attributes:
        grown_mb: how far the process's memory went beyond what it had before. refused: answers by status.
        decided: status of a decision meanwhile.
    """

    grown_mb: float
    refused: Counter[int]
    later: set[str | None]
    decided: int


def batch(name: str, size: int, text: str) -> bytes:
    """Some feedback, now."""
    at = iso(time.time_ns() // 1000)
    head = {"type": "feedback", "customer_id": "c", "occurred_at": at, "text": text}
    return json.dumps({"events": [{"id": f"{name}-{k}", **head} for k in range(size)]}).encode()


def memory_mb(pid: int, what: str) -> float:
    """Memory of a process: `VmRSS` now, `VmHWM` at most."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


def traced(pid: int) -> int:
    """The process that strace runs."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def waiting(process: Process) -> int:
    """Requests queued, as the monitor sees them."""
    connection = HTTPConnection("127.0.0.1", process.port, timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    found = re.search(r"^offerlab_events_waiting (\S+)", connection.getresponse().read().decode(), re.MULTILINE)
    connection.close()
    assert found is not None
    return int(float(found.group(1))) // (SIZE + 1)


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    patience = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.1)


def flooded(folder: Path, twin: str | None) -> Flood:
    """A hundred and twenty senders at once, each with a batch of 1.7 MB, while every sync takes minutes."""
    hangs = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=600000000:when=120+"]
    process = Process(folder, prefix=[str(STRACE), "-f", "-qq", *hangs, "-o", "/dev/null"], twin=twin)
    process.start()
    refused: list[tuple[int, str | None]] = []
    lock = threading.Lock()

    def send(body: bytes) -> Any:
        connection = HTTPConnection("127.0.0.1", process.port, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/v1/events", body=body, headers={"Authorization": f"Bearer {ADMIN}"})
            answer = connection.getresponse()
            with lock:
                refused.append((answer.status, answer.headers["retry-after"]))
        except (OSError, HTTPException):
            pass  # nobody was told that it is on disk
        finally:
            connection.close()

    with ThreadPoolExecutor(SENDERS + 1) as pool:
        try:
            number = 0
            while not wait([pool.submit(send, batch(f"before{number}", 1, ""))], timeout=10).not_done:
                number += 1  # until the disk hangs
            assert set(refused) == {(200, None)}
            refused.clear()
            pid = traced(process.pid)
            before = memory_mb(pid, "VmRSS")
            for i in range(SENDERS):
                pool.submit(send, batch(str(i), SIZE, TEXT))
            until(lambda: len(refused) + waiting(process) == SENDERS)
            decided = process.ask("POST", "/v1/decisions", {"customer_id": "somebody"}, timeout=PATIENCE_S)[0]
            grown = memory_mb(pid, "VmHWM") - before
            statuses, later = Counter(status for status, _ in refused), {told for _, told in refused}
        finally:
            process.kill()
    print(f"{grown:.0f} MB more, {dict(statuses)}, {SENDERS - statuses.total()} waited")  # noqa: T201 - for `pytest -s`
    return Flood(grown, statuses, later, decided)


def test_a_flood_takes_no_more_memory_than_there_is_room(tmp_path: Path) -> None:
    """Two hundred megabytes at once onto a disk that hangs: what has no room is sent back, and decisions go on."""
    found = flooded(tmp_path / "shop", None)
    assert set(found.refused) == {503}
    assert all(int(told or "0") > 0 for told in found.later)
    assert found.decided == 200
    assert found.grown_mb < BOUND_MB


def test_the_flood_finds_a_service_that_is_never_full(tmp_path: Path) -> None:
    """The broken twin takes everything, and its memory shows it."""
    found = flooded(tmp_path / "shop", "never_full")
    assert not found.refused
    assert found.grown_mb > BOUND_MB
