"""Shoppers who ask at a steady rate over kept connections; light, so that what is measured is the service.

A latency on a busy machine is mostly the machine's. So each answer says how much of its time the server's and the
load's loops stood in the run queue, and a bare handler can be asked as often, in the same seconds, by the same load.
"""

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from msgspec import Struct

from support.find import ROOT
from support.queueing import Queueing


class Seen(Struct):
    """One answer: status 0 means that there was none.

    Attributes:
        seconds: from the moment when it was due to the end of the answer.
        queued: of these, at most so many without a processor.
        at: when it was due, by `time.perf_counter`.
    """

    asked: dict[str, Any]
    status: int
    answer: dict[str, Any]
    seconds: float
    queued: float = 0.0
    at: float = 0.0


class Target(Struct, frozen=True):
    """Who is asked: a port of this machine, a path, the first thread's number and a key."""

    port: int
    process: int
    path: str = "/v1/decisions"
    key: str = ""


PATIENCE_S = 30.0
"""So long a shopper waits; then there was no answer."""


class _Line:
    """One kept connection."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._address = (host, port)
        self._head = f"Host: {host}:{port}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body.

        Raises:
            OSError: the service hung up, or is not there.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        try:
            writer.write(f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode("latin-1").lower().split("\r\n")[1:-2])
            return int(head.split(b" ", 2)[1]), await reader.readexactly(int(fields.get("content-length", "0")))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise ConnectionError from error
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def ask_steadily(
    target: Target,
    bodies: Callable[[int], dict[str, Any]],
    *,
    rate: float,
    seconds: float,
    patience_s: float = PATIENCE_S,
) -> list[Seen]:
    """Decisions at `rate` a second, each sent at its time whether or not the ones before were answered.

    Args:
        target: who is asked.
        bodies: the i-th request.
        rate: requests a second.
        seconds: how long.
        patience_s: of each shopper.
    """
    answered: list[tuple[Seen, bytes]] = []
    idle: list[_Line] = []
    queueing = Queueing((target.process, os.getpid()))

    async def one(i: int, due: float) -> None:
        asked = bodies(i)
        sent, waited = queueing.look()
        late = min(max(sent - due, 0.0), waited - queueing.before(due))
        line = idle.pop() if idle else _Line("127.0.0.1", target.port, target.key)
        try:
            async with asyncio.timeout(patience_s):
                status, body = await line.post(target.path, json.dumps(asked).encode())
        except OSError:  # also `TimeoutError`
            status, body = 0, b"{}"
        done, total = queueing.look()
        queued = min(late + total - waited, done - due)
        answered.append((Seen(asked, status, {}, done - due, queued, due), body))
        idle.append(line)

    async with asyncio.TaskGroup() as group:
        begun, _ = queueing.look()
        for i in range(int(rate * seconds)):
            due = begun + i / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(i, due))
    for line in idle:
        line.close()
    queueing.close()
    for seen, body in answered:
        seen.answer = json.loads(body)
    return [seen for seen, _ in answered]


def shop_steadily(
    target: Target,
    bodies: Callable[[int], dict[str, Any]],
    *,
    rate: float,
    seconds: float,
    floor: Target | None = None,
    patience_s: float = PATIENCE_S,
) -> tuple[list[Seen], list[Seen]]:
    """What shoppers were told, and a bare handler's answers to as many others in the same seconds.

    Args:
        target: the service.
        bodies: the i-th request.
        rate: requests a second, to each of the two.
        seconds: how long.
        floor: the bare handler; None: it is not asked.
        patience_s: of each shopper.
    """

    async def both() -> tuple[list[Seen], list[Seen]]:
        ours = ask_steadily(target, bodies, rate=rate, seconds=seconds, patience_s=patience_s)
        bare = ask_steadily(floor, _plain, rate=rate, seconds=seconds) if floor is not None else _nothing()
        return await asyncio.gather(ours, bare)

    gc.collect()
    gc.disable()  # a test's process holds much, and a look through it would keep everybody waiting
    try:
        return asyncio.run(both())
    finally:
        gc.enable()


async def _nothing() -> list[Seen]:
    return []


def _plain(i: int) -> dict[str, Any]:
    context = {"placement": "checkout", "channel": "web", "locale": "ko-KR", "cart": []}
    return {"customer_id": f"customer-{i}", "attributes": {}, "context": context}


@contextmanager
def bare_handler(port: int) -> Generator[Target]:
    """The floor: a bare ASGI handler on the same server software, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "benchmarks" / "bare.py"), str(port), folder]
        process = subprocess.Popen(command)
        target = Target(port, process.pid, path="/1")
        try:
            deadline = time.monotonic() + 60
            while not asyncio.run(_answers(target)) and time.monotonic() < deadline:
                time.sleep(0.1)
            yield target
        finally:
            process.terminate()
            process.wait()


async def _answers(target: Target) -> bool:
    line = _Line("127.0.0.1", target.port, target.key)
    with suppress(OSError):
        status, _ = await line.post(target.path, json.dumps(_plain(0)).encode())
        line.close()
        return status == 200
    return False


def told(seen: list[Seen]) -> str:
    """The figures to write down."""
    stale = sum(one.answer["stale"] for one in seen) / len(seen)
    return f"{len(seen)} answers, {stale:.1%} stale, {latencies(seen)}"


def latencies(seen: Sequence[Seen]) -> str:
    """Median and tail, with what is left of the tail without the time that the loops had no processor."""
    own = [one.seconds - one.queued for one in seen]
    times = sorted(one.seconds for one in seen)
    return (
        f"median {times[len(times) // 2] * 1e3:.1f} ms, p99 {_p99_ms(times):.1f} ms, without the wait for a processor"
        f" {_p99_ms(own):.1f} ms"
    )


def _p99_ms(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] * 1e3
