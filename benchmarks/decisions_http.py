"""What a decision over HTTP costs the server, as a ratio to a bare ASGI handler in the same run.

Both servers run with one process each on uvicorn (uvloop, httptools); wrk loads them in turn, over 32 connections.
Cost is CPU per request: what `/proc/PID/task/*/schedstat` says the server's threads ran, by the answers wrk counted.
R is the bare handler with one decision (`bare.py`). Before and after, answers are compared with the hash of the
published ruleset; every load must end without an error and with nothing but 200.

Our request names one of 5,000 customers, 1,000 of them with an order, whose states are in memory (as anybody's is after
his first request); every experiment looks at a segment with two conditions, and one arm of it has an offer with words
and a discount.

Goals: `/v1/decisions` and OFREP single with 1 experiment <= 3.0 R; with 20, OFREP bulk too, <= 4.5 R; 100 <= 11 R;
`expose: true` <= 2 times the bare handler with a group-committed insert; p99 at 70 % of the own maximum rate <= 3 times
the bare handler's. Run: python benchmarks/decisions_http.py [seconds per load] [rounds] [--save]. Needs Linux and wrk.
"""

import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
from msgspec import Struct

from offerlab.assignment.hashing import bucket, salt_of
from offerlab.domain.experiment import SLOTS

ADMIN: Final = "ol_admin_benchmark_0123456789012345678901234567"
RESULTS: Final = Path(__file__).with_name("results.md")
CONNECTIONS: Final = 32
CUSTOMERS: Final = 5_000
KNOWN: Final = 1_000
CART: Final = [{"sku": "coffee-machine", "quantity": 1, "price": "129000"}]
ATTRIBUTES: Final = {"country": "KR", "visits": 3, "plan": "family", "newsletter": True, "device": "phone"}
CONTEXT: Final = {"placement": "checkout", "channel": "web", "locale": "ko-KR"}

SCRIPT: Final = """
local fresh, pause = {fresh}, {pause}
local made, next_one = {{}}, 0
local function body(id) return string.format([[{body}]], id) end
init = function(args)
  math.randomseed({seed})
  if not fresh then
    for i = 1, {customers} do
      made[i] = wrk.format("POST", "{path}", nil, body("customer-" .. i))
    end
  end
end
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {key}"
request = function()
  next_one = next_one + 1
  if fresh then return wrk.format("POST", "{path}", nil, body("{seed}-" .. next_one)) end
  return made[(next_one * 7919) % {customers} + 1]
end
if pause > 0 then delay = function() return math.floor(-pause * math.log(1 - math.random()) + 0.5) end end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"errors":%d}}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


class Server(Struct, frozen=True):
    """A server under load."""

    process: "subprocess.Popen[bytes]"
    url: str

    def cpu_ns(self) -> int:
        """What all its threads ran so far."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())


class Load(Struct, frozen=True, kw_only=True):
    """What is asked: a path and a body with `%s` for the customer."""

    path: str
    body: str
    fresh: bool = False


class Seen(Struct, frozen=True, kw_only=True):
    """What one load showed: CPU in microseconds per request, rate per second, latencies in milliseconds."""

    cpu_us: float
    rate: float
    p50: float
    p99: float


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def served(command: list[str], path: str, port: int) -> Generator[Server]:
    """A server in a process of its own, from its first answer on."""
    environment = {**os.environ, "OFFERLAB_ADMIN_KEY": ADMIN, "OFFERLAB_CURRENCY": "KRW"}
    process = subprocess.Popen([sys.executable, *command], env=environment)  # noqa: S603 - our own servers
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.request("GET" if path == "/readyz" else "POST", url + path, content=plain("c")).is_success:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        yield Server(process, url)
    finally:
        process.terminate()
        process.wait()


def plain(customer: str) -> bytes:
    """A decision request of about 300 bytes."""
    return json.dumps(
        {"customer_id": customer, "attributes": ATTRIBUTES, "context": {**CONTEXT, "cart": CART}, "expose": False}
    ).encode()


def load(server: Server, asked: Load, seconds: float, *, pause_ms: float = 0.0) -> Seen:
    """Load a server with wrk and read its CPU; every answer must be 200."""
    script = SCRIPT.format(
        fresh=str(asked.fresh).lower(),
        pause=pause_ms,
        path=asked.path,
        body=asked.body,
        customers=CUSTOMERS,
        key=ADMIN,
        seed=time.time_ns() % 2**31,
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", file.name, server.url]
        before = server.cpu_ns()
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - wrk
        spent = server.cpu_ns() - before
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["errors"] == 0, done.stdout
    return Seen(
        cpu_us=spent / told["requests"] / 1e3,
        rate=told["requests"] / told["seconds"],
        p50=told["p50"],
        p99=told["p99"],
    )


def define(client: httpx.Client, numbers: Iterable[int]) -> None:
    """Experiments with a segment of two conditions and an offer in one arm."""
    for number in numbers:
        key = f"experiment-{number}"
        client.post(
            "/v1/experiments",
            json={
                "key": key,
                "segments": ["near"],
                "variants": [{"key": "control"}, {"key": "capsules-20", "offer": f"capsules-{number % 5}"}],
                "metrics": {"primary": "revenue_per_customer"},
            },
        ).raise_for_status()
        client.post(f"/v1/experiments/{key}/start").raise_for_status()


def furnish(client: httpx.Client) -> None:
    """Products, offers, a segment, and customers with a history."""
    client.post(
        "/v1/products",
        json=[
            {"sku": "coffee-machine", "name": "커피 머신", "price": "129000"},
            {"sku": "capsule-set", "name": "캡슐 세트", "price": "18000"},
        ],
    ).raise_for_status()
    for number in range(5):
        client.post(
            "/v1/offers",
            json={
                "key": f"capsules-{number}",
                "kind": "cross_sell",
                "products": ["capsule-set"],
                "trigger_products": ["coffee-machine"],
                "message": {
                    "ko": {"title": "{{ offer.name }} 할인", "body": "{{ offer.name }} {{ offer.offer_price }}"}
                },
                "discount": {"type": "percent", "value": "20"},
                "placements": ["checkout"],
                "channel": "web",
            },
        ).raise_for_status()
    rule = {
        "all": [
            {"attribute": "country", "op": "in", "value": ["KR", "JP"]},
            {"attribute": "visits", "op": "gte", "value": 2},
        ]
    }
    client.post("/v1/segments", json={"key": "near", "name": "Near", "rule": rule}).raise_for_status()
    now = datetime.now(UTC).isoformat()
    line = {"line_id": "1", "sku": "coffee-machine", "quantity": 1, "unit_price": "129000"}
    events = [
        {
            "id": f"order-{i}",
            "type": "order",
            "customer_id": f"customer-{i}",
            "occurred_at": now,
            "order_id": f"o-{i}",
            "currency": "KRW",
            "lines": [line],
        }
        for i in range(1, KNOWN + 1)
    ]
    taken = client.post("/v1/events", json={"events": events}).raise_for_status().json()
    assert taken["accepted"] == KNOWN, taken


def verify(client: httpx.Client, *, customers: int = 200) -> None:
    """Every arm answered must be the one that the published ruleset's hash gives."""
    published = client.get("/v1/ruleset").raise_for_status().json()
    salts = {one["key"]: salt_of(one["salt"], "arm") for one in published["rules"]["experiments"]}
    for i in range(1, customers * 7, 7):
        unit = f"customer-{i}"
        answer = client.post("/v1/decisions", content=plain(unit)).raise_for_status().json()
        flags = client.post(
            "/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": unit, **ATTRIBUTES}}
        ).raise_for_status()
        told = {flag["key"]: flag["variant"] for flag in flags.json()["flags"]}
        assert len(answer["decisions"]) == len(salts) == len(told), answer
        for decision in answer["decisions"]:
            low = bucket(salts[decision["experiment"]], unit) < SLOTS // 2
            assert decision["reason"] == "SPLIT"
            assert decision["variant"] == told[decision["experiment"]] == ("control" if low else "capsules-20"), (
                decision
            )
            assert (decision["offer"] is None) == low, decision


def warm(client: httpx.Client) -> None:
    """Bring every customer's state into memory."""
    customers = [{"customer_id": f"customer-{i}"} for i in range(1, CUSTOMERS + 1)]
    client.post("/v1/decisions/bulk", json={"customers": customers}).raise_for_status()


def compare(
    ours: Server, bare: Server, asked: Load, floor: Load, *, seconds: float, rounds: int
) -> tuple[float, float]:
    """Medians over alternating rounds: CPU of ours by the floor's, and p99 at 70 % of the own maximum rate by its."""
    ratios: list[float] = []
    tails: list[float] = []
    for _ in range(rounds):
        mine, theirs = load(ours, asked, seconds), load(bare, floor, seconds)
        ratios.append(mine.cpu_us / theirs.cpu_us)
        tail = [
            load(server, what, seconds, pause_ms=max(0.0, CONNECTIONS / (0.7 * seen.rate) * 1e3 - seen.p50 * 0.5))
            for server, what, seen in ((ours, asked, mine), (bare, floor, theirs))
        ]
        tails.append(tail[0].p99 / tail[1].p99)
        for name, seen, last in ((asked.path, mine, tail[0]), (f"bare {floor.path}", theirs, tail[1])):
            print(f"    {name}: {seen.cpu_us:.0f} us, {seen.rate:.0f}/s; p99 {last.p99:.2f} ms at {last.rate:.0f}/s")
    return statistics.median(ratios), statistics.median(tails)


def main() -> None:
    """Print one line per case; with `--save` append them to results.md."""
    if shutil.which("wrk") is None or not Path("/proc/self/schedstat").exists():
        sys.exit("missing: wrk (Debian: apt-get install wrk) or Linux's /proc/PID/schedstat")
    numbers = [word for word in sys.argv[1:] if not word.startswith("--")]
    seconds = float(numbers[0]) if numbers else 4.0
    rounds = int(numbers[1]) if len(numbers) > 1 else 5
    one = Load(path="/v1/decisions", body=plain("%s").decode())
    exposing = Load(
        path="/v1/decisions", body=plain("%s").decode().replace('"expose": false', '"expose": true'), fresh=True
    )
    flags = json.dumps({"context": {"targetingKey": "%s", **ATTRIBUTES, **CONTEXT}})
    single = Load(path="/ofrep/v1/evaluate/flags/experiment-1", body=flags)
    bulk = Load(path="/ofrep/v1/evaluate/flags", body=flags)
    floor = Load(path="/1", body=one.body)
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        ports = [free_port(), free_port()]
        serve = "from offerlab.cli import main; main()"
        command = ["-c", serve, "serve", "--port", str(ports[0]), "--data-dir", f"{folder}/data"]
        with (
            served(command, "/readyz", ports[0]) as ours,
            served([str(Path(__file__).with_name("bare.py")), str(ports[1]), folder], "/1", ports[1]) as bare,
            httpx.Client(base_url=ours.url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=60) as client,
        ):
            furnish(client)
            running = 0
            for count, cases in (
                (1, (("/v1/decisions, 1 experiment", one, floor, "3.0"), ("OFREP single", single, floor, "3.0"))),
                (1, (("expose: true", exposing, Load(path="/exposed", body=one.body, fresh=True), "2"),)),
                (20, (("/v1/decisions, 20 experiments", one, floor, "4.5"), ("OFREP bulk, 20", bulk, floor, "4.5"))),
                (100, (("/v1/decisions, 100 experiments", one, floor, "11"), ("OFREP bulk, 100", bulk, floor, "11"))),
            ):
                define(client, range(running + 1, count + 1))
                running = count
                verify(client)
                warm(client)
                for name, asked, base, goal in cases:
                    if "--only" in sys.argv and sys.argv[sys.argv.index("--only") + 1] not in name:
                        continue
                    cost, tail = compare(ours, bare, asked, base, seconds=seconds, rounds=rounds)
                    lines.append(
                        f"{name}: CPU {cost:.2f} x bare handler{' with its insert' if asked.fresh else ''}"
                        f" (goal {goal}), p99 at 70 % of the own maximum {tail:.2f} x (goal 3)"
                    )
                    print(lines[-1], flush=True)
                verify(client, customers=20)
    if "--save" in sys.argv:
        where = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        with RESULTS.open("a", encoding="utf-8") as file:
            file.writelines(
                f"| {datetime.now(UTC):%Y-%m-%d} | decisions over HTTP | {line} | {where} |\n" for line in lines
            )


if __name__ == "__main__":
    main()
