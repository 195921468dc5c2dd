"""A webhook receiver on loopback: real sockets, answers as told, everything received kept."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct


class Received(Struct, frozen=True):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float = 0.0


Reply = Callable[[BaseHTTPRequestHandler], None]


class Receiver:
    """What came, and how the next one is answered.

    Attributes:
        received: in the order of arrival. answers: statuses of the next requests; afterwards `otherwise`.
        manner: takes the whole answering over when set.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.received: list[Received] = []
        self.answers: list[int] = []
        self.otherwise = 200
        self.extra: dict[str, str] = {}
        self.manner: Reply | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def receiving() -> Generator[Receiver]:
    """A receiver while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Keep the request, answer as told."""
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(length)
            if len(body) < length:  # the sender died in the middle of it
                return
            given = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.path, given, body, time.time()))
            if receiver.manner is not None:
                receiver.manner(self)
                return
            self.send_response(receiver.answers.pop(0) if receiver.answers else receiver.otherwise)
            for name, value in receiver.extra.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()
