"""Ways for a client's requests to travel in tests: into the real service in process, or to a scripted server."""

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any

import httpx
from msgspec import Struct

from support.service import Service


class ThroughService(httpx.BaseTransport):
    """Every request goes through the service's own HTTP stack, without a socket."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass it on."""
        self.requests += 1
        found = self.service.call(
            request.method,
            request.url.raw_path.decode(),
            content=request.read(),
            key=None,
            headers=dict(request.headers),
        )
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)


class Reply(Struct, frozen=True):
    """What the scripted server answers once.

    Status 0 hangs up; whoever hangs answers when the script is over, whoever drips sends a byte at a time until then.
    """

    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = {}
    hangs: bool = False
    drips: bool = False


class Script(Struct):
    """Answers still to give (the last one for ever), and what was asked."""

    replies: list[Reply]
    seen: list[tuple[str, bytes]]
    url: str = ""


def _drip(wire: BufferedIOBase, over: threading.Event) -> None:
    """Bytes of an answer that never ends, as long as somebody takes them."""
    with suppress(OSError):
        while not over.wait(0.01):
            wire.write(b" ")


@contextmanager
def scripted(*replies: Reply) -> Generator[Script]:
    """A server on loopback that follows a script."""
    script, over = Script(list(replies), []), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        """Answers by the script."""

        def do_POST(self) -> None:
            """Answer a POST."""
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            script.seen.append((self.path, body))
            reply = script.replies.pop(0) if len(script.replies) > 1 else script.replies[0]
            if reply.hangs:
                over.wait(60)
            if reply.hangs or not reply.status:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(10**6 if reply.drips else len(reply.body)))
            self.end_headers()
            if reply.drips:
                _drip(self.wfile, over)
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's word
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
