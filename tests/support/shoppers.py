"""Shoppers who ask at a steady rate over kept connections; light, so that what is measured is the service."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct


class Seen(Struct):
    """One answer: status 0 means that there was none."""

    asked: dict[str, Any]
    status: int
    answer: dict[str, Any]
    seconds: float


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

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def ask_steadily(
    port: int, key: str, bodies: Callable[[int], dict[str, Any]], *, rate: float, seconds: float
) -> list[Seen]:
    """Decisions at `rate` a second, each sent at its time whether or not the ones before were answered.

    Args:
        port: of the service on this machine.
        key: sent with every request.
        bodies: the i-th request.
        rate: requests a second.
        seconds: how long.
    """
    seen: list[Seen] = []
    idle: list[_Line] = []

    async def one(i: int, due: float) -> None:
        asked = bodies(i)
        line = idle.pop() if idle else _Line("127.0.0.1", port, key)
        try:
            status, body = await line.post("/v1/decisions", json.dumps(asked).encode())
            answer = json.loads(body)
        except OSError:
            status, answer = 0, {}
        seen.append(Seen(asked, status, answer, time.perf_counter() - due))
        idle.append(line)

    async with asyncio.TaskGroup() as group:
        begun = time.perf_counter()
        for i in range(int(rate * seconds)):
            due = begun + i / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(i, due))
    for line in idle:
        line.close()
    return seen


def told(seen: list[Seen]) -> str:
    """The figures to write down."""
    times = sorted(one.seconds for one in seen)
    p99 = statistics.quantiles(times, n=100)[98] * 1e3
    stale = sum(one.answer["stale"] for one in seen) / len(seen)
    return f"{len(seen)} answers, {stale:.1%} stale, median {times[len(times) // 2] * 1e3:.1f} ms, p99 {p99:.1f} ms"
