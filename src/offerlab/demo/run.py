"""`offerlab demo`: the main job from one command, on real data, through the real HTTP API.

The service runs in this process on a clock that starts four weeks ago; everything the shop, the marketer and the
storefront do goes over HTTP. Then the clock is today's, the report is read, and service and dashboard stay up.
"""

import asyncio
import secrets
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from offerlab.api.front import Front
from offerlab.app import App, create_app
from offerlab.demo.cancellations import Order
from offerlab.demo.clock import DemoClock
from offerlab.demo.shop import CURRENCY, Shop, load
from offerlab.demo.shoppers import Planted, Shopper, Treat, draw_shoppers, planted_effects
from offerlab.domain.clock import DAY, SECOND, iso, to_micros
from offerlab.errors import Misconfigured
from offerlab.reporting.report import Report
from offerlab.server import configuration
from offerlab.settings import Settings
from offerlab.workflows.desk import Desk
from offerlab.workflows.matching import build_matches
from offerlab.workflows.reading import read_report

CUT: Final = datetime(2011, 7, 1, tzinfo=UTC)
"""Orders before are history; baskets of later ones walk into the experiment."""

HOUR: Final = 3_600 * SECOND
EXPERIMENT: Final = "gift-addon"
DAYS: Final = 28
CLOSING: Final = 23 * HOUR
"""Everybody of a day comes in its last hour: the clock stands there while they do."""

SEED: Final = 20_261_122
SALT: Final = "0ffe71ab" * 4
"""Fixed, so that every run splits its shoppers alike and shows the same numbers."""

DISCOUNT: Final = Decimal(15)
PIECES: Final = 2
ABREAST: Final = 16
BATCH: Final = 200
_MARK: Final = "offerlab-demo"


class Demo:
    """One run: the service, its clock, a client and what has been learnt on the way."""

    def __init__(self, app: App, clock: DemoClock, url: str, key: str, progress: Progress) -> None:
        self.app = app
        self.clock = clock
        self.url = url
        self.key = key
        self.progress = progress
        self.start = clock.now() - DAYS * DAY
        self.shift = self.start - to_micros(CUT)
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def post(self, path: str, body: Any) -> Any:  # noqa: ANN401 - JSON
        """POST that must succeed.

        Raises:
            Misconfigured: the service refused.
        """
        response = self.client.post(path, json=body)
        if response.status_code not in (200, 201):
            raise Misconfigured(f"the demo's {path} was refused: {response.text[:500]}")
        return response.json()

    def track(self, items: Sequence[Any], text: str) -> Iterator[Any]:
        """Go through items behind a progress bar."""
        return iter(self.progress.track(items, description=text))


def run_demo(folder: Path, *, port: int, shoppers: int, stay: bool, console: Console) -> Report:
    """Run the demo.

    Args:
        folder: emptied first; refuses one that is not the demo's.
        port: to listen on; the next free one when it is taken.
        shoppers: how many walk in.
        stay: keep serving until Ctrl-C.
        console: where it speaks.

    Raises:
        Misconfigured: the folder holds something else, or the service refused a step.
    """
    _empty(folder)
    clock = DemoClock()
    settings = Settings(
        data_dir=folder,
        currency=CURRENCY,
        admin_key=f"ol_admin_{secrets.token_urlsafe(32)}",
        port=_free_port(port),
        state_timeout_ms=5_000,  # a busy machine answers late, but answers the same
    )
    with _progress(console) as progress, _serving(settings, clock) as app:
        demo = Demo(app, clock, f"http://127.0.0.1:{settings.port}", settings.admin_key or "", progress)
        report, planted = _play(demo, shoppers)
        progress.stop()
        _tell(console, demo, report, planted)
        if stay:
            console.print("\nCtrl-C ends the demo.")
            _until_told()
            console.print("\nThe demo has ended; its data stay in", str(folder))
    return report


def _until_told() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    told = threading.Event()

    def tell_us(_number: int, _frame: object) -> None:
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, tell_us)
    while not told.wait(1):
        pass


def _play(demo: Demo, count: int) -> tuple[Report, list[Planted]]:
    step = demo.progress.add_task("real catalogue and orders", total=1)
    shop = load()
    demo.progress.advance(step)
    _define_catalogue(demo, shop)
    _send_history(demo, [order for order in shop.orders if order.occurred_at < CUT])
    demo.clock.set(demo.start)
    treats = _define_offers(demo, shop)
    countries = {customer.customer_id: customer.country for customer in shop.customers}
    shoppers = draw_shoppers(shop.orders, countries, since=CUT, count=count, days=DAYS, seed=SEED)
    shoppers = [shopper for shopper in shoppers if shopper.basket]
    _define_experiment(demo, shoppers)
    asyncio.run(_replay(demo, shoppers, treats))
    demo.clock.catch_up()
    step = demo.progress.add_task("significance report", total=1)
    report = read_report(demo.app.runtime, demo.app.runtime.projects()[0].id, EXPERIMENT)
    demo.progress.advance(step)
    return report, planted_effects(shoppers, treats)


def _define_catalogue(demo: Demo, shop: Shop) -> None:
    products = [
        {
            "sku": product.sku,
            "name": product.name,
            "category": product.category,
            "price": str(product.price),
            "unit_cost": str(product.unit_cost),
        }
        for product in shop.products
    ]
    for batch in demo.track(_batches(products, 1_000), "products -> /v1/products"):
        demo.post("/v1/products", batch)


def _send_history(demo: Demo, orders: Sequence[Order]) -> None:
    events = [
        _order(
            f"history-{order.order_id}",
            order.order_id,
            order.customer_id,
            to_micros(order.occurred_at) + demo.shift,
            [
                {
                    "line_id": line.line_id,
                    "sku": line.sku,
                    "quantity": line.quantity,
                    "unit_price": str(line.unit_price),
                }
                for line in order.lines
            ],
        )
        for order in orders
    ]
    for batch in demo.track(_batches(events, BATCH), "order history -> /v1/events"):
        _sent(demo, batch)


def _order(event: str, order: str, customer: str, at: int, lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": event,
        "type": "order",
        "customer_id": customer,
        "occurred_at": iso(at),
        "order_id": order,
        "currency": CURRENCY,
        "lines": lines,
    }


def _sent(demo: Demo, events: list[dict[str, Any]]) -> None:
    done = demo.post("/v1/events", {"events": events})
    if done["rejected"]:
        raise Misconfigured(f"the demo's events were refused: {done['rejected'][0]}")


def _define_offers(demo: Demo, shop: Shop) -> list[Treat]:
    """Mine the matching table, take its two strongest finds, and write the offers."""
    step = demo.progress.add_task("product matching table from history", total=1)
    build = build_matches(Desk(demo.app.runtime, demo.app.runtime.projects()[0].id, "demo"), days=400)
    demo.progress.advance(step)
    prices = {product.sku: product.price for product in shop.products}
    pairs = sorted(
        (match.evidence for match in build.matches if prices[match.evidence.sku] + prices[match.evidence.target] < 15),  # noqa: PLR2004 - pounds: an add-on, not a purchase of its own
        key=lambda found: (-found.together, found.sku, found.target),
    )
    if not pairs:
        raise Misconfigured("the history holds no pair to offer")
    bundle = (pairs[0].sku, pairs[0].target)
    single = next(found.target for found in pairs if found.target not in bundle)
    demo.post("/v1/offers", _offer("one-more-thing", "cross_sell", (single,), _CROSS_SELL))
    demo.post("/v1/offers", _offer("better-together", "bundle", bundle, _BUNDLE))
    rest = (100 - DISCOUNT) / 100
    return [
        Treat("one-more-thing", (single,), PIECES, _pennies(prices[single] * rest) * PIECES, 0.20),
        Treat(
            "better-together",
            bundle,
            PIECES,
            sum((_pennies(prices[sku] * rest) for sku in bundle), Decimal(0)) * PIECES,
            0.12,
        ),
    ]


def _pennies(price: Decimal) -> Decimal:
    return price.quantize(Decimal("0.01"))


_CROSS_SELL: Final = {
    "en": {
        "title": "Add {{ offer.name }} at {{ offer.discount_percent }}% off",
        "body": "Customers like you often add {{ offer.name }}. Today {{ offer.offer_price | money: currency }} "
        "instead of {{ offer.price | money: currency }}.",
        "benefit": "You save {{ saving | money: currency }}",
    },
    "ko": {
        "title": "{{ offer.name }} {{ offer.discount_percent }}% 할인",
        "body": "{{ offer.name }}을(를) 함께 담아 보세요. 오늘은 {{ offer.offer_price | money: currency }}에 드려요.",
        "benefit": "{{ saving | money: currency }} 절약",
    },
}
_BUNDLE: Final = {
    "en": {
        "title": "Better together: {{ offer.discount_percent }}% off the pair",
        "body": "{{ offer.names | join: ' + ' }} for {{ offer.offer_price | money: currency }}.",
        "benefit": "You save {{ saving | money: currency }}",
    },
    "ko": {
        "title": "함께 사면 {{ offer.discount_percent }}% 할인",
        "body": "{{ offer.names | join: ' + ' }} 세트를 {{ offer.offer_price | money: currency }}에 만나 보세요.",
        "benefit": "{{ saving | money: currency }} 절약",
    },
}


def _offer(key: str, kind: str, skus: tuple[str, ...], message: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {
        "key": key,
        "kind": kind,
        "products": list(skus),
        "message": message,
        "discount": {"type": "percent", "value": str(DISCOUNT)},
        "placements": ["checkout"],
        "channel": "web",
    }


def _define_experiment(demo: Demo, shoppers: Sequence[Shopper]) -> None:
    spent = sorted(shopper.spend_total for shopper in shoppers)
    high = round(spent[int(len(spent) * 0.8)], 2)
    rules: list[tuple[str, str, int, dict[str, Any]]] = [
        ("high-value", "High-value customers", 10, {"attribute": "spend_total", "op": "gte", "value": high}),
        ("repeat", "Repeat customers", 20, {"attribute": "orders_count", "op": "gte", "value": 2}),
        ("new", "New customers", 30, {"attribute": "orders_count", "op": "lt", "value": 2}),
    ]
    for key, name, priority, rule in rules:
        demo.post("/v1/segments", {"key": key, "name": name, "priority": priority, "rule": {"all": [rule]}})
    demo.post(
        "/v1/experiments",
        {
            "key": EXPERIMENT,
            "name": "An add-on at checkout",
            "hypothesis": "An add-on that goes with what others bought sells more than no offer at all.",
            "segments": [key for key, *_ in rules],
            "variants": [
                {"key": "control", "role": "control", "weight": 0.34},
                {"key": "one-more-thing", "offer": "one-more-thing", "weight": 0.33},
                {"key": "better-together", "offer": "better-together", "weight": 0.33},
            ],
            "metrics": {
                "primary": "offered_item_rate",
                "secondary": ["acceptance_rate", "revenue_per_customer", "gross_profit_per_customer", "aov"],
                "guardrails": ["conversion_rate", "refund_rate"],
            },
            "window_days": 7,
            "refund_days": 14,
            "ends_at": iso(demo.start + DAYS * DAY),
            "analysis": {"mde": 0.1, "sequential": "group", "planned_customers": len(shoppers)},
        },
    )
    demo.post(f"/v1/experiments/{EXPERIMENT}/start", {})


async def _replay(demo: Demo, shoppers: Sequence[Shopper], treats: Sequence[Treat]) -> None:
    """Day by day: decide and expose for everybody, then send what they bought and gave back."""
    by_arm = {treat.arm: treat for treat in treats}
    headers = {"Authorization": f"Bearer {demo.key}"}
    bar = demo.progress.add_task("shoppers -> decide, expose, order, refund", total=len(shoppers))
    late: list[dict[str, Any]] = []
    async with AsyncExitStack() as stack:
        # One client per lane: a pool of many connections looks at each of them for every request.
        lanes: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        for _ in range(ABREAST):
            lane = httpx.AsyncClient(base_url=demo.url, headers=headers, timeout=60)
            lanes.put_nowait(await stack.enter_async_context(lane))

        async def visit(shopper: Shopper) -> list[dict[str, Any]]:
            lane = await lanes.get()
            decision = await _decide(lane, shopper)
            lanes.put_nowait(lane)
            demo.progress.advance(bar)
            return _bought(demo, shopper, decision, by_arm)

        for day in range(DAYS):
            demo.clock.set(demo.start + day * DAY + CLOSING)
            today = await asyncio.gather(*(visit(shopper) for shopper in shoppers if shopper.day == day))
            events = [event for one in today for event in one]
            late += [event for event in events if event["type"] == "refund"]
            orders = [event for event in events if event["type"] == "order"]
            for batch in _batches(orders, BATCH):
                await asyncio.to_thread(_sent, demo, batch)
    demo.clock.catch_up()
    for batch in _batches(late, BATCH):
        await asyncio.to_thread(_sent, demo, batch)


async def _decide(client: httpx.AsyncClient, shopper: Shopper) -> dict[str, Any]:
    response = await client.post(
        "/v1/decisions",
        json={
            "customer_id": shopper.id,
            "attributes": {
                "orders_count": shopper.orders_count,
                "spend_total": shopper.spend_total,
                "country": shopper.country,
            },
            "context": {
                "placement": "checkout",
                "channel": "web",
                "locale": "en-GB",
                "cart": [{"sku": sku, "quantity": quantity} for sku, quantity, _ in shopper.basket],
            },
            "experiments": [EXPERIMENT],
            "expose": True,
        },
    )
    response.raise_for_status()
    found: dict[str, Any] = response.json()["decisions"][0]
    return found


def _bought(demo: Demo, shopper: Shopper, decision: dict[str, Any], treats: dict[str, Treat]) -> list[dict[str, Any]]:
    """The order of a shopper who buys, with what the offer added, and its refund."""
    if not shopper.buys:
        return []
    now = demo.clock.now()
    lines: list[dict[str, Any]] = [
        {"sku": sku, "quantity": quantity, "unit_price": str(price)} for sku, quantity, price in shopper.basket
    ]
    treat = treats.get(decision["variant"])
    offer = decision["offer"]
    if treat is not None and offer is not None and shopper.taste < treat.taken:
        lines += [
            {
                "sku": product["sku"],
                "quantity": treat.quantity,
                "unit_price": product["price"],
                "discount": str((Decimal(product["price"]) - Decimal(product["offer_price"])) * treat.quantity),
                "offer": offer["key"],
            }
            for product in offer["products"]
        ]
    order = _order(f"order-{shopper.id}", f"order-{shopper.id}", shopper.id, now, lines)
    if not shopper.refunds:
        return [order]
    refund = {
        "id": f"refund-{shopper.id}",
        "type": "refund",
        "customer_id": shopper.id,
        "occurred_at": iso(now + DAY),
        "refund_id": f"refund-{shopper.id}",
        "order_id": f"order-{shopper.id}",
        "currency": CURRENCY,
        "lines": [{"line_id": str(i + 1), "quantity": line["quantity"]} for i, line in enumerate(lines)],
    }
    return [order, refund]


def _tell(console: Console, demo: Demo, report: Report, planted: Sequence[Planted]) -> None:
    from offerlab.demo.telling import tell  # noqa: PLC0415 - rich tables only at the end

    tell(console, report, planted, url=demo.url, key=demo.key)


def _batches(items: Sequence[Any], size: int) -> list[list[Any]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _empty(folder: Path) -> None:
    """Make an empty folder that is marked as the demo's.

    Raises:
        Misconfigured: it holds something that is not the demo's.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise Misconfigured(f"{folder} is not the demo's folder: choose another with --data-dir")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _MARK).write_text("made by `offerlab demo`; emptied at its next start\n")


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise Misconfigured("no free port on 127.0.0.1")


@contextmanager
def _serving(settings: Settings, clock: DemoClock) -> Generator[App]:
    """The service in a thread of this process, on the demo's clock."""
    app = create_app(settings, now=clock.now, new_salt=lambda: SALT)
    server = uvicorn.Server(configuration(Front.around(app), settings))
    thread = threading.Thread(target=server.run, name="offerlab-demo", daemon=True)
    thread.start()
    _until(lambda: server.started)
    try:
        yield app
    finally:
        server.should_exit = True
        thread.join()


def _until(holds: Callable[[], bool], patience_s: float = 30) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise Misconfigured("the demo's service did not start")
        time.sleep(0.02)
