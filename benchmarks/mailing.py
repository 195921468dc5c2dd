"""How long single decisions wait while a mailing of 100,000 is decided, against a quiet moment of the same server.

One process of `offerlab serve` on an embedded store. wrk asks for single decisions at about 200 a second over 32
connections, alone and then while one request for 100,000 customers follows the other; every answer must be 200, and
every mailing must answer for everybody.

Goal: p99 during a mailing at most 50 ms (what is promised during an outage), the mailing itself in seconds.
Run: python -m benchmarks.mailing [seconds per load] [rounds] [--save]. Needs Linux and wrk.
"""

import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime

import httpx
from benchmarks.decisions_http import (
    ADMIN,
    CONNECTIONS,
    RESULTS,
    Load,
    Seen,
    Server,
    define,
    free_port,
    furnish,
    load,
    plain,
    served,
)

CUSTOMERS = 100_000
RATE = 200


def mail(server: Server, body: bytes, ended: threading.Event, times: list[float]) -> None:
    """One mailing after the other, until told to stop."""
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=600) as client:
        while not ended.is_set():
            begun = time.monotonic()
            answer = client.post("/v1/decisions/bulk", content=body).raise_for_status()
            times.append(time.monotonic() - begun)
            assert len(json.loads(answer.content)["results"]) == CUSTOMERS


def during(server: Server, one: Load, body: bytes, seconds: float, pause_ms: float) -> tuple[Seen, list[float]]:
    """A load while mailings run, and how long each of them took."""
    ended, times = threading.Event(), list[float]()
    mailer = threading.Thread(target=mail, args=(server, body, ended, times))
    mailer.start()
    seen = load(server, one, seconds, pause_ms=pause_ms)
    ended.set()
    mailer.join()
    return seen, times


def main() -> None:
    """Print one line; with `--save` append it to results.md."""
    numbers = [word for word in sys.argv[1:] if not word.startswith("--")]
    seconds = float(numbers[0]) if numbers else 10.0
    rounds = int(numbers[1]) if len(numbers) > 1 else 3
    one = Load(path="/v1/decisions", body=plain("%s").decode())
    body = json.dumps({"customers": [{"customer_id": f"customer-{i}"} for i in range(CUSTOMERS)]}).encode()
    pause_ms = CONNECTIONS / RATE * 1e3
    alone, busy, times = list[Seen](), list[Seen](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        serve = "from offerlab.cli import main; main()"
        command = ["-c", serve, "serve", "--port", str(port), "--data-dir", f"{folder}/data"]
        with served(command, "/readyz", port) as server:
            with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=60) as client:
                furnish(client)
                define(client, [1])
            for _ in range(rounds):
                alone.append(load(server, one, seconds, pause_ms=pause_ms))
                seen, took = during(server, one, body, seconds, pause_ms)
                busy.append(seen)
                times += took
                print(
                    f"    alone p50 {alone[-1].p50:.2f}, p99 {alone[-1].p99:.2f} ms;"
                    f" during {seen.p50:.2f}, {seen.p99:.2f}"
                )
    quiet, loud = (statistics.median(seen.p99 for seen in side) for side in (alone, busy))
    line = (
        f"single decisions at {busy[0].rate:.0f}/s while a mailing of {CUSTOMERS:,} is decided: p99 {loud:.1f} ms"
        f" (alone {quiet:.1f} ms; goal 50); the mailing takes {statistics.median(times):.1f} s beside them"
    )
    print(line)
    if "--save" in sys.argv:
        where = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"| {datetime.now(UTC):%Y-%m-%d} | decisions over HTTP | {line} | {where} |\n")


if __name__ == "__main__":
    main()
