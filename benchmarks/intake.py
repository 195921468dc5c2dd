"""Events per second, and processor time per event: the service beside a bare handler that inserts the same rows.

    python benchmarks/intake.py [--seconds 4] [--rounds 3] [--connections 8]

Both sides in one run, turn about. The bare side is an ASGI function on the same uvicorn with msgspec and one writer
that groups commits on `sqlite3` (WAL, synchronous=FULL): it decodes each event into a struct and inserts the rows that
the service inserts (register, fact, lines), without validation, deduplication, vault, folding or profile. The time of
the processor is that of the server's process. Ratios hold to about 1.3 on a machine that does other things.
"""

import argparse
import asyncio
import json
import os
import queue
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ADMIN: Final = "ol_admin_bench_0123456789012345678901234567890"
CUSTOMERS: Final = 20_000
TICK: Final = os.sysconf("SC_CLK_TCK")
KINDS: Final = ("view", "view", "view", "view", "view", "offer", "offer", "cart", "order", "order")
"""Of ten events five are views, two offers seen, one a cart, two orders of two lines."""


# The bare side.


def bare(folder: Path, port: int) -> None:
    """Serve `POST /v1/events` with nothing around it."""
    import msgspec  # noqa: PLC0415 - the load side needs neither
    import uvicorn  # noqa: PLC0415 - likewise

    class Line(msgspec.Struct):
        sku: str
        unit_price: str
        line_id: str = "1"

    class Sent(msgspec.Struct):
        id: str
        type: str
        customer_id: str
        occurred_at: str
        sku: str | None = None
        offer: str | None = None
        order_id: str | None = None
        lines: tuple[Line, ...] = ()
        cart: tuple[dict[str, Any], ...] = ()

    class Batch(msgspec.Struct):
        events: list[Sent]

    decoder, encoder = msgspec.json.Decoder(Batch), msgspec.json.Encoder()
    waiting: queue.SimpleQueue[tuple[list[Sent], asyncio.AbstractEventLoop, asyncio.Future[None]]] = queue.SimpleQueue()
    threading.Thread(target=_write_bare, args=(folder, waiting), daemon=True).start()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        if scope["type"] != "http":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = b"{}"
        if scope["method"] == "POST":
            events = decoder.decode(body).events
            loop = asyncio.get_running_loop()
            done: asyncio.Future[None] = loop.create_future()
            waiting.put((events, loop, done))
            await done
            answer = encoder.encode({"accepted": len(events), "duplicates": 0, "rejected": []})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, log_level="error")


def _write_bare(folder: Path, waiting: "queue.SimpleQueue[Any]") -> None:
    store = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
        store.execute(f"PRAGMA {pragma}")
    store.executescript(
        "CREATE TABLE e(seq INTEGER PRIMARY KEY, p INT, id TEXT, type TEXT, c INT, at INT, r INT, d BLOB,"
        " UNIQUE(p, id));"
        "CREATE TABLE i(p INT, id TEXT, type TEXT, c INT, x INT, v INT, o TEXT, s TEXT, n REAL, b TEXT, at INT, r INT,"
        " PRIMARY KEY(p, id)) WITHOUT ROWID;"
        "CREATE TABLE o(p INT, id TEXT, oid TEXT, c INT, cur TEXT, net INT, ship INT, tax INT, n INT, code TEXT,"
        " rev INT, at INT, r INT, PRIMARY KEY(p, id)) WITHOUT ROWID;"
        "CREATE TABLE l(p INT, id TEXT, pos INT, lid TEXT, sku TEXT, q INT, price INT, net INT, off INT, cost INT,"
        " o TEXT, PRIMARY KEY(p, id, pos)) WITHOUT ROWID;"
        "CREATE INDEX e1 ON e(c, seq); CREATE INDEX i1 ON i(c, type, at); CREATE INDEX o1 ON o(c, at);"
        "CREATE INDEX o2 ON o(oid);"
    )
    while True:
        group = [waiting.get()]
        while len(group) < 1_000:
            try:
                group.append(waiting.get_nowait())
            except queue.Empty:
                break
        heads, acts, orders, lines = [], [], [], []
        now = time.time_ns() // 1000
        for events, _, _ in group:
            for event in events:
                number = int(event.customer_id[1:])
                heads.append((None, 1, event.id, event.type, number, now, now, b"0123456789abcdef"))
                if event.type == "order":
                    orders.append((1, event.id, event.order_id, number, "USD", 0, 0, 0, 2, None, 0, now, now))
                    for i, line in enumerate(event.lines):
                        lines.append((1, event.id, i, line.line_id, line.sku, 1, 1, 1, 0, None, None))
                else:
                    acts.append(
                        (1, event.id, event.type, number, None, None, event.offer, event.sku, None, None, now, now)
                    )
        store.execute("BEGIN IMMEDIATE")
        store.executemany("INSERT OR IGNORE INTO e VALUES(?,?,?,?,?,?,?,?)", heads)
        store.executemany("INSERT OR IGNORE INTO i VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", acts)
        store.executemany("INSERT OR IGNORE INTO o VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)", orders)
        store.executemany("INSERT OR IGNORE INTO l VALUES(?,?,?,?,?,?,?,?,?,?,?)", lines)
        store.execute("COMMIT")
        for _, loop, done in group:
            loop.call_soon_threadsafe(done.set_result, None)


# Servers as processes of their own.


class Server:
    """One side, running."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.name, self.process, self.port = name, process, port

    def cpu(self) -> float:
        """Seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(name: str, command: list[str], port: int, folder: Path) -> Generator[Server]:
    """Start a server and wait until it answers."""
    environment = {**os.environ, "OFFERLAB_ADMIN_KEY": ADMIN}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603 - ourselves
    try:
        for _ in range(600):
            if answers(port):
                break
            time.sleep(0.1)
        else:
            raise RuntimeError((folder / f"{name}.log").read_text()[-2000:])
        yield Server(name, process, port)
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int) -> bool:
    """Whether `/readyz` is 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as one:
            one.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return one.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


# The load.


def bodies(size: int) -> list[bytes]:
    """Ready bodies of `size` events, the ids' run left open as `@RUN@`."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    made = []
    for b in range(200):
        events = []
        for i in range(size):
            n = b * size + i
            event: dict[str, Any] = {
                "id": f"@RUN@-{n}",
                "customer_id": f"c{n * 7919 % CUSTOMERS}",
                "occurred_at": stamp,
            }
            kind = KINDS[n % len(KINDS)]
            if kind == "view":
                event |= {"type": "product_viewed", "sku": f"sku-{n % 300}"}
            elif kind == "offer":
                event |= {"type": "offer_viewed", "offer": f"offer-{n % 9}"}
            elif kind == "cart":
                event |= {"type": "cart_updated", "cart": [{"sku": f"sku-{n % 300}"}]}
            else:
                lines = [{"line_id": str(j), "sku": f"sku-{(n + j) % 300}", "unit_price": "19.99"} for j in range(2)]
                event |= {"type": "order", "order_id": f"@RUN@-{n}", "lines": lines}
            events.append(event)
        made.append(json.dumps({"events": events}).encode())
    return made


def load(
    server: Server, ready: list[bytes], size: int, *, seconds: float, connections: int, run: str
) -> tuple[float, float]:
    """Events per second and processor microseconds per event while `connections` send as fast as they are answered."""
    taken = [0] * connections
    stop = time.monotonic() + seconds

    def send(k: int) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as one:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            count = 0
            while time.monotonic() < stop:
                body = ready[(count * connections + k) % len(ready)].replace(b"@RUN@", f"{run}{k}.{count}".encode())
                head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n"
                one.sendall(
                    f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
                )
                answer = one.recv(65536)
                assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
                while f'"accepted":{size}'.encode() not in answer:
                    more = one.recv(65536)
                    assert more, answer[:400]
                    answer += more
                    assert len(answer) < 10_000, answer[:400]
                taken[k] += size
                count += 1

    before, begun = server.cpu(), time.monotonic()
    threads = [threading.Thread(target=send, args=(k,)) for k in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed, used = time.monotonic() - begun, server.cpu() - before
    return sum(taken) / elapsed, used / max(sum(taken), 1) * 1e6


def compare(sides: list[Server], size: int, options: argparse.Namespace) -> None:
    """Both sides turn about; medians of each round's ratio."""
    ready = bodies(size)
    rates: list[float] = []
    costs: list[float] = []
    for number in range(options.rounds + 1):
        found = {}
        for server in sides[:: 1 if number % 2 else -1]:
            run = f"{server.name}{size}.{number}."
            seconds = options.seconds if number else 1.0
            found[server.name] = load(server, ready, size, seconds=seconds, connections=options.connections, run=run)
        if number:
            ours, floor = found["offerlab"], found["bare"]
            rates.append(ours[0] / floor[0])
            costs.append(ours[1] / floor[1])
            print(
                f"  {size:>4} a request: offerlab {ours[0]:>8,.0f}/s {ours[1]:>6.1f} us, "
                f"bare {floor[0]:>8,.0f}/s {floor[1]:>6.1f} us",
                flush=True,
            )
    rate, cost = statistics.median(rates), statistics.median(costs)
    print(f"{size} a request: events/s {rate:.2f} of bare, processor time {cost:.2f} x bare", flush=True)


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1])
    parser.add_argument("--bare", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(Path(options.bare[0]), int(options.bare[1]))
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ports = [free_port(), free_port()]
        serve = [
            sys.executable,
            "-m",
            "offerlab.cli",
            "serve",
            "--data-dir",
            str(folder / "shop"),
            "--port",
            str(ports[0]),
        ]
        floor = [sys.executable, __file__, "--bare", str(folder), str(ports[1])]
        with serving("offerlab", serve, ports[0], folder) as ours, serving("bare", floor, ports[1], folder) as other:
            for size in options.sizes:
                compare([ours, other], size, options)


if __name__ == "__main__":
    main()
