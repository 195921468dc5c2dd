"""Events per second, and processor time per event: the service beside a bare handler that inserts the same rows.

    python benchmarks/intake.py [sqlite postgres latency] [--seconds 4] [--rounds 3] [--connections 8] [--save]

Both sides in one run, turn about. The bare side is an ASGI function on the same uvicorn with msgspec and one writer
that groups commits on `sqlite3` (WAL, synchronous=FULL): it decodes each event into a struct and inserts the rows that
the service inserts (register, fact, lines), without validation, deduplication, vault, folding or profile. The time of
the processor is that of the server's process. Ratios hold to about 1.3 on a machine that does other things.

`postgres`: the service on a PostgreSQL with fsync, beside a loop with asyncpg that inserts the same rows from arrays,
at the commit size that the service had (`intake_asyncpg.py`; asyncpg in an environment of its own). `latency`: the
99th percentile of `/v1/decisions` at 30 % of its maximum rate, alone and while intake runs at half its maximum, in
turn; needs wrk. Goals: 100 a request at least .5 of the bare handler's events/s and at most 2 times its processor time,
singles at least .6 of its events/s; at least .4 of asyncpg's loop; 25 ms.
"""

import argparse
import asyncio
import importlib
import json
import os
import platform
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
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

ADMIN: Final = "ol_admin_bench_0123456789012345678901234567890"
CUSTOMERS: Final = 20_000
PEER: Final = "asyncpg==0.32.0"
RESULTS: Final = Path(__file__).with_name("results.md")
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

    def __init__(self, name: str, process: Any, port: int, key: str = ADMIN) -> None:  # noqa: ANN401 - whatever has a process id
        self.name, self.process, self.port, self.key = name, process, port, key

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
def serving(
    name: str, command: list[str], port: int, folder: Path, *, key: str = ADMIN, currency: str = "USD"
) -> Generator[Server]:
    """Start a server and wait until it answers."""
    environment = {**os.environ, "OFFERLAB_ADMIN_KEY": key, "OFFERLAB_CURRENCY": currency}
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
    server: Server,
    ready: list[bytes],
    size: int,
    *,
    seconds: float,
    connections: int,
    run: str,
    most: float = float("inf"),
) -> tuple[float, float]:
    """Events per second and processor microseconds per event while `connections` send as fast as they are answered.

    With `most` they send no more events per second than that, together.
    """
    taken = [0] * connections
    begin = time.monotonic()
    stop = begin + seconds

    def send(k: int) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as one:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            count = 0
            while time.monotonic() < stop:
                body = ready[(count * connections + k) % len(ready)].replace(b"@RUN@", f"{run}{k}.{count}".encode())
                head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n"
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
                time.sleep(max(0.0, begin + (count * connections + k) * size / most - time.monotonic()))

    before = server.cpu()
    threads = [threading.Thread(target=send, args=(k,)) for k in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed, used = time.monotonic() - begin, server.cpu() - before
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
    goals = (" (goal .5)", " (goal 2)") if size > 1 else (" (goal .6)", "")
    note(
        f"{size} a request, {options.connections} connections, SQLite FULL: events/s {rate:.2f} of a bare handler with"
        f" one group-commit writer{goals[0]}, processor time {cost:.2f} x{goals[1]}"
    )


LINES: Final[list[str]] = []


def note(line: str) -> None:
    """Print a result, and keep it for `--save`."""
    LINES.append(line)
    print(line, flush=True)


def service(folder: Path, port: int, *more: str) -> list[str]:
    """The command that serves the service."""
    serve = [sys.executable, "-m", "offerlab.cli", "serve", "--data-dir", str(folder / "shop"), "--port", str(port)]
    return [*serve, *more]


def on_sqlite(options: argparse.Namespace, folder: Path) -> None:
    """Beside the bare handler."""
    ports = [free_port(), free_port()]
    floor = [sys.executable, __file__, "--bare", str(folder), str(ports[1])]
    with (
        serving("offerlab", service(folder, ports[0]), ports[0], folder) as ours,
        serving("bare", floor, ports[1], folder) as other,
    ):
        for size in options.sizes:
            compare([ours, other], size, options)


def on_postgres(options: argparse.Namespace, folder: Path) -> None:
    """Beside a loop with asyncpg at the commit size that the service had."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from support.postgres import OWNER, running_cluster  # noqa: PLC0415 - only here

    home = Path(tempfile.gettempdir()) / "offerlab-asyncpg"
    if not (home / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)  # noqa: S603 - our own
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", PEER], check=True)  # noqa: S603 - our own
    with running_cluster(durable=True) as cluster:
        url, bare_url = cluster.create_database(), cluster.create_database()
        name = database_of(bare_url)
        migrate = [sys.executable, "-m", "offerlab.cli", "migrate", "--database-url", url]
        subprocess.run(migrate, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        script = str(Path(__file__).with_name("intake_asyncpg.py"))
        command = [str(home / "bin" / "python"), script, str(cluster.folder), OWNER, name]
        port = free_port()
        with (
            serving("offerlab", service(folder, port, "--database-url", url), port, folder) as ours,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as loop,  # noqa: S603 - our own
            cluster.connect(database_of(url)) as watching,
        ):
            assert loop.stdin is not None
            assert loop.stdout is not None
            ready, ratios, costs, commits = bodies(100), [], [], []
            for number in range(options.rounds + 1):
                seconds = options.seconds if number else 2.0
                before, begun = transactions(watching), taken_ids(watching)
                mine = load(ours, ready, 100, seconds=seconds, connections=options.connections, run=f"p{number}.")
                size = max(100, round((taken_ids(watching) - begun) / max(1, transactions(watching) - before)))
                loop.stdin.write(f"{size} {seconds}\n")
                loop.stdin.flush()
                rate, cost = (float(word) for word in loop.stdout.readline().split())
                if number:
                    ratios.append(mine[0] / rate)
                    costs.append(mine[1] / cost)
                    commits.append(size)
                    print(
                        f"  {size} a commit: offerlab {mine[0]:,.0f}/s {mine[1]:.1f} us, "
                        f"asyncpg {rate:,.0f}/s {cost:.1f} us"
                    )
            loop.stdin.close()
    rate, cost, commit = (statistics.median(seen) for seen in (ratios, costs, commits))
    note(
        f"100 a request, {options.connections} connections, PostgreSQL with fsync: events/s {rate:.2f} of a loop with"
        f" {PEER} over arrays at the same commit size of {commit:.0f} (goal .4), processor time"
        f" of the client {cost:.1f} x"
    )


def database_of(url: str) -> str:
    """The database's name in a URL of the tests' cluster."""
    return url.partition("@/")[2].partition("?")[0]


def transactions(connection: Any) -> int:  # noqa: ANN401 - psycopg's
    """How many transactions have written so far; this look is one more."""
    return int(connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0])


def taken_ids(connection: Any) -> int:  # noqa: ANN401 - likewise
    """How many events stand in the register."""
    return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


def latency(options: argparse.Namespace, folder: Path) -> None:
    """Decisions at 30 % of their maximum, alone and beside intake at half its maximum."""
    import httpx  # noqa: PLC0415 - only here

    decisions: Any = importlib.import_module("decisions_http")  # beside this script
    port = free_port()
    asked = decisions.Load(path="/v1/decisions", body=decisions.plain("%s").decode())
    os.environ["OFFERLAB_ADMIN_KEY"] = decisions.ADMIN
    with (
        serving("offerlab", service(folder, port), port, folder, key=decisions.ADMIN, currency="KRW") as ours,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {decisions.ADMIN}"}, timeout=60
        ) as client,
    ):
        decisions.furnish(client)
        decisions.define(client, [1])
        decisions.warm(client)
        deciding = decisions.Server(ours.process, f"http://127.0.0.1:{port}")
        fastest = decisions.load(deciding, asked, options.seconds)
        command = [sys.executable, __file__, "--send", str(port), str(ours.process.pid)]
        told = subprocess.check_output([*command, "inf", str(options.seconds)], text=True)  # noqa: S603 - our own
        most = float(told)
        pause = max(0.0, decisions.CONNECTIONS / (0.3 * fastest.rate) * 1e3 - fastest.p50 * 0.5)
        alone, beside = [], []
        for _ in range(options.rounds):
            alone.append(decisions.load(deciding, asked, options.seconds, pause_ms=pause))
            paced = [*command, str(most / 2), str(options.seconds + 2)]
            sending = subprocess.Popen(paced, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
            time.sleep(1)
            beside.append(decisions.load(deciding, asked, options.seconds, pause_ms=pause))
            taken = float(sending.communicate()[0])
            print(
                f"  p99 {alone[-1].p99:.1f} ms at {alone[-1].rate:,.0f}/s alone,"
                f" {beside[-1].p99:.1f} ms at {beside[-1].rate:,.0f}/s beside {taken:,.0f} events/s",
                flush=True,
            )
    quiet, busy = (statistics.median(one.p99 for one in seen) for seen in (alone, beside))
    note(
        f"/v1/decisions at 30 % of its maximum ({fastest.rate:,.0f}/s): p99 {busy:.1f} ms while intake runs at half its"
        f" maximum ({most:,.0f} events/s), {quiet:.1f} ms without (goal 25)"
    )


def main() -> None:
    """Print the ratios; with `--save` append them to results.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1])
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--bare", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--send", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(Path(options.bare[0]), int(options.bare[1]))
        return
    if options.send:
        send_paced(*options.send)
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    cases = {"sqlite": on_sqlite, "postgres": on_postgres, "latency": latency}
    for name in options.cases or cases:
        load_before = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            cases[name](options, Path(folder))
        if options.save:
            where = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load_before:.0f} before"
            with RESULTS.open("a", encoding="utf-8") as file:
                file.writelines(f"| {datetime.now(UTC):%Y-%m-%d} | intake | {line} | {where} |\n" for line in LINES)
        LINES.clear()


def send_paced(port: str, process: str, most: str, seconds: str) -> None:
    """Send events to a server that runs, at most so many a second; print how many it took."""
    key = os.environ["OFFERLAB_ADMIN_KEY"]
    server = Server("offerlab", SimpleNamespace(pid=int(process)), int(port), key)
    run = f"paced{time.time_ns()}."
    rate, _ = load(server, bodies(100), 100, seconds=float(seconds), connections=8, run=run, most=float(most))
    print(rate)


if __name__ == "__main__":
    main()
