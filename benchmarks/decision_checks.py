"""What the checks of an offer cost a decision: caps, slots, cool-downs, consent, night, stock, what is owned.

Two services in one process answer the same 1,000 customers through the whole application (ASGI in, JSON out), in
alternating slices. One has no rule set and asks for the web; the other has every limit set and asks for e-mail, where
consent and night are judged as well. Every answer of both must carry the offer.

Goal: the ratio of the medians is at most 1.5.
Run: python benchmarks/decision_checks.py [seconds] [--save]
"""

import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from offerlab.app import App, create_app
from offerlab.domain.clock import SECOND
from offerlab.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

ADMIN: Final = "ol_admin_bench_0123456789012345678901234567"
NOON: Final = 1_790_046_800 * SECOND
CUSTOMERS: Final = 1_000
SLICE: Final = 50
RESULTS: Final = Path(__file__).with_name("results.md")
RULES: Final[dict[str, object]] = {
    "timezone": "Asia/Seoul",
    "caps": {"email": {"per_day": 50, "per_week": 200}, "web": {"per_day": 50, "per_week": 200}},
    "global_cap": {"per_day": 90, "per_week": 400},
    "slots": 3,
    "declined_days": 30,
    "trouble_days": 14,
    "affinity_floor": 1.1,
    "consent_days": 730,
}


async def call(app: App, method: str, path: str, body: object) -> bytes:
    """One request straight into the application."""
    raw = json.dumps(body).encode()
    headers = [
        (b"authorization", b"Bearer " + ADMIN.encode()),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(raw)).encode()),
        (b"host", b"shop.test"),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("shop.test", 80),
    }
    parts: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return b"".join(parts)


async def service(folder: Path, rules: dict[str, object] | None) -> App:
    """A shop with one experiment whose every customer is offered capsules."""
    app = await asyncio.to_thread(
        create_app, Settings(data_dir=folder, admin_key=ADMIN, currency="KRW"), now=lambda: NOON
    )
    await call(
        app,
        "POST",
        "/v1/products",
        [
            {"sku": "machine", "name": "Machine", "price": "129000", "attributes": {"durable": True}},
            {"sku": "capsules", "name": "Capsules", "price": "18000", "stock": 9, "attributes": {"durable": True}},
        ],
    )
    text = {"ko": {"title": "{{ offer.name }} 20%", "body": "{{ trigger.name }}을(를) 위한 {{ offer.name }}"}}
    offer = {"key": "o", "kind": "cross_sell", "products": ["capsules"], "trigger_products": ["machine"]}
    discount = {"type": "percent", "value": "20"}
    await call(app, "POST", "/v1/offers", {**offer, "message": text, "discount": discount})
    arms = [{"key": "control", "weight": 0.0}, {"key": "t", "offer": "o", "weight": 1.0}]
    await call(app, "POST", "/v1/experiments", {"key": "e", "variants": arms, "metrics": {"primary": "aov"}})
    await call(app, "POST", "/v1/experiments/e/start", {})
    if rules is not None:
        await call(app, "PUT", "/v1/settings", rules)
    await call(app, "POST", "/v1/events", {"events": [event for i in range(CUSTOMERS) for event in history(i)]})
    return app


def history(i: int) -> list[dict[str, object]]:
    """What is known of a customer: an order, a consent, a decline and views."""
    about = {"customer_id": f"c{i}", "occurred_at": "2026-09-20T03:00:00Z"}
    order = {"type": "order", "order_id": f"o{i}", "lines": [{"sku": "machine", "unit_price": "129000"}]}
    return [
        {"id": f"o{i}", **order, **about},
        {"id": f"c{i}", "type": "consent", "channel": "email", "granted": True, **about},
        {"id": f"d{i}", "type": "offer_declined", "offer": "another", **about},
        {"id": f"v{i}", "type": "product_viewed", "sku": "capsules", **about},
        {"id": f"p{i}", "type": "profile", "attributes": {"country": "KR", "age": 40}, **about},
    ]


async def measure(seconds: float) -> tuple[float, float, float]:
    """Ratio of the medians, and both in microseconds."""
    with tempfile.TemporaryDirectory() as folder:
        bare = await service(Path(folder) / "bare", None)
        full = await service(Path(folder) / "full", RULES)
        asks: list[tuple[App, Callable[[int], dict[str, object]]]] = [
            (bare, lambda i: asked(i, "web")),
            (full, lambda i: asked(i, "email")),
        ]
        for app, ask in asks:
            for i in range(CUSTOMERS):
                answer = json.loads(await call(app, "POST", "/v1/decisions", ask(i)))["decisions"][0]
                assert answer["offer"] is not None, answer
        spent: list[list[float]] = [[], []]
        i, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            for side, (app, ask) in enumerate(asks):
                start = time.thread_time()
                for step in range(SLICE):
                    await call(app, "POST", "/v1/decisions", ask((i + step) % CUSTOMERS))
                spent[side].append((time.thread_time() - start) / SLICE)
            i += SLICE
        await bare.close()
        await full.close()
    medians = [statistics.median(times) * 1e6 for times in spent]
    return medians[1] / medians[0], medians[1], medians[0]


def asked(i: int, channel: str) -> dict[str, object]:
    """The request of one customer."""
    context = {"placement": "checkout", "channel": channel, "locale": "ko-KR", "trigger": {"sku": "machine"}}
    return {"customer_id": f"c{i}", "context": {**context, "cart": [{"sku": "machine"}]}}


def main() -> None:
    """Measure, print, and with --save keep the row."""
    words = [word for word in sys.argv[1:] if word != "--save"]
    ratio, full, bare = asyncio.run(measure(float(words[0]) if words else 20.0))
    load = os.getloadavg()[0]
    line = f"a decision with every check on: {ratio:.2f} x one without ({full:.0f}, {bare:.0f} us CPU); goal 1.5"
    print(line)
    if "--save" in sys.argv:
        where = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.0f}"
        with RESULTS.open("a", encoding="utf-8") as results:
            results.write(f"| {datetime.now(UTC):%Y-%m-%d} | decision checks | {line} | {where} |\n")


if __name__ == "__main__":
    main()
