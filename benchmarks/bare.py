"""The floor of `decisions_http.py`: bare ASGI handlers that do the least that could be called a decision.

`/1`, `/20`, `/100`: decode a body of about 300 bytes with msgspec, per decision one SHA-256 and a range look-up, encode
the answer (400 bytes for one). `/exposed`: one decision, and before its answer a row in SQLite, committed by a thread
that takes whatever queued up meanwhile (synchronous=FULL).
"""

import asyncio
import queue
import secrets
import sqlite3
import sys
import threading
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn
from msgspec import Struct

SLOTS: Final = 1_000_000
ENDS: Final = (SLOTS // 2, SLOTS)
FILLER: Final = "x" * 190
"""Makes the answer with one decision 400 bytes long."""


class Context(Struct):
    """The moment."""

    placement: str
    channel: str
    locale: str
    cart: list[dict[str, object]]


class Body(Struct):
    """What is asked."""

    customer_id: str
    attributes: dict[str, object]
    context: Context
    expose: bool = False


class Decision(Struct):
    """What is answered."""

    experiment: str
    variant: str
    bucket: int
    propensity: float
    enrolled: bool
    filler: str


class Answer(Struct):
    """All of it."""

    decision_id: str
    customer: str
    decisions: list[Decision]


_DECODER: Final = msgspec.json.Decoder(Body)
_ENCODER: Final = msgspec.json.Encoder()
_ARMS: Final = ("control", "treatment")


def decided(body: bytes, count: int) -> tuple[str, bytes, Decision]:
    """The customer, the encoded answer and the last decision."""
    sent = _DECODER.decode(body)
    decisions: list[Decision] = []
    for number in range(count):
        digest = sha256(f"salt-{number}:{sent.customer_id}".encode()).digest()
        bucket = int.from_bytes(digest[:8], "big") * SLOTS >> 64
        arm = _ARMS[bisect_right(ENDS, bucket)]
        decisions.append(Decision(f"experiment-{number}", arm, bucket, 0.5, True, FILLER if count == 1 else ""))
    return sent.customer_id, _ENCODER.encode(Answer("0123456789abcdef", sent.customer_id, decisions)), decisions[-1]


class Log:
    """One table, one thread, one commit for whatever waits."""

    def __init__(self, path: Path) -> None:
        self._queue: queue.SimpleQueue[tuple[tuple[object, ...], asyncio.Future[None]]] = queue.SimpleQueue()
        self._path = path
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, daemon=True).start()

    async def append(self, row: tuple[object, ...]) -> None:
        """Come back when the row is on disk."""
        if self._loop is None:
            self.start()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put((row, done))
        await done

    def _run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE exposures (id TEXT PRIMARY KEY, customer TEXT, experiment TEXT, variant TEXT, "
            "bucket INTEGER, propensity REAL, at INTEGER) WITHOUT ROWID"
        )
        while True:
            group = [self._queue.get()]
            while not self._queue.empty():
                group.append(self._queue.get_nowait())
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO exposures VALUES (?, ?, ?, ?, ?, ?, ?)", [row for row, _ in group])
            connection.execute("COMMIT")
            if self._loop is not None:
                self._loop.call_soon_threadsafe(_answer_all, [done for _, done in group])


def _answer_all(waiting: "list[asyncio.Future[None]]") -> None:
    for done in waiting:
        if not done.done():
            done.set_result(None)


def application(log: Log) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """The bare ASGI application."""

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own shapes
        if scope["type"] != "http":
            return
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        path = scope["path"]
        count = 1 if path == "/exposed" else int(path[1:])
        customer, answer, last = decided(body, count)
        if path == "/exposed":
            row = (secrets.token_hex(16), customer, last.experiment, last.variant, last.bucket, last.propensity, 0)
            await log.append(row)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def main() -> None:
    """Serve on the port that is the first argument, with the log in the folder that is the second."""
    uvicorn.run(
        application(Log(Path(sys.argv[2]) / "bare.db")),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main()
