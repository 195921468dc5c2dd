"""Four weeks of shoppers through the real HTTP API: decide, expose, order, refund."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any, Final

import httpx

from offerlab.demo.defining import EXPERIMENT
from offerlab.demo.shop import CURRENCY
from offerlab.demo.shoppers import Shopper, Treat
from offerlab.demo.stage import BATCH, DAYS, Demo, batches, order_event, send
from offerlab.domain.clock import DAY, SECOND, iso

CLOSING: Final = 23 * 3_600 * SECOND
"""Everybody of a day comes in its last hour: the clock stands there while they do."""

ABREAST: Final = 16
"""How many walk in at once."""


async def replay(demo: Demo, shoppers: Sequence[Shopper], treats: Sequence[Treat]) -> None:
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
            for batch in batches(orders, BATCH):
                await asyncio.to_thread(send, demo, batch)
    demo.clock.catch_up()
    for batch in batches(late, BATCH):
        await asyncio.to_thread(send, demo, batch)


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
    order = order_event(f"order-{shopper.id}", f"order-{shopper.id}", shopper.id, now, lines)
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
