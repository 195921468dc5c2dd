"""Webhooks over HTTP: signatures, repetition, whose refund it is, what the law demands."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from sqlalchemy import select

from offerlab.storage import tables
from offerlab.storage.database import reading
from offerlab.workflows import room
from offerlab.workflows.configuring import change_settings
from offerlab.workflows.desk import Desk
from offerlab.workflows.privacy import purge
from support.service import ADMIN, COFFEE_ADDON, Service

SECRET = "hush"  # noqa: S105 - of this test
ORDER: dict[str, Any] = {
    "id": 1001,
    "created_at": "2026-09-21T14:20:00Z",
    "updated_at": "2026-09-21T14:20:00Z",
    "currency": "KRW",
    "customer": {"id": 42},
    "email": "kim@shop.example",
    "line_items": [{"id": 1, "sku": "capsule-set", "quantity": 2, "price": "18000"}],
}
REFUND: dict[str, Any] = {
    "id": 7,
    "order_id": 1001,
    "created_at": "2026-09-22T10:00:00Z",
    "refund_line_items": [{"line_item_id": 1, "quantity": 1, "subtotal": "18000"}],
    "transactions": [{"currency": "KRW"}],
}


@pytest.fixture
def shop(fresh_database_url: str) -> Iterator[Service]:
    """A service with secrets of both shop systems and customer 42 exposed."""
    service = Service(fresh_database_url, shopify_secret=SECRET, woocommerce_secret=SECRET)
    service.coffee_shop()
    service.decide("42", expose=True)
    yield service
    service.close()


def signature(body: bytes, secret: str = SECRET) -> str:
    """What the shop system puts into its header."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def hook(service: Service, body: Any, topic: str, *, secret: str = SECRET, **headers: str) -> httpx.Response:
    """A signed webhook of Shopify."""
    raw = json.dumps(body).encode()
    sent = {"X-Shopify-Topic": topic, "X-Shopify-Hmac-Sha256": signature(raw, secret), **headers}
    return service.post("/v1/hooks/shopify", content=raw, key=None, headers=sent)


def revenue(service: Service) -> float:
    """What all exposed customers spent, after refunds."""
    service.wait(days=3)
    report = service.get("/v1/experiments/coffee-addon/report").json()
    row = next(row for row in report["metrics"] if row["metric"] == "revenue_per_customer")
    return float(sum((arm["mean"] or 0) * arm["n"] for arm in row["arms"]))


def test_a_signature_over_other_bytes_is_refused(shop: Service) -> None:
    """A wrong secret, one byte changed, no signature and no secret set: 401 each, and nothing is stored."""
    raw = json.dumps(ORDER).encode()
    assert hook(shop, ORDER, "orders/create", secret=SECRET[::-1]).status_code == 401
    good = {"X-Shopify-Topic": "orders/create", "X-Shopify-Hmac-Sha256": signature(raw)}
    assert shop.post("/v1/hooks/shopify", content=raw + b" ", key=None, headers=good).status_code == 401
    assert shop.post("/v1/hooks/shopify", content=raw, key=None).status_code == 401
    assert shop.post("/v1/hooks/shopify", content=raw, key=ADMIN).status_code == 401
    assert revenue(shop) == 0


@pytest.mark.parametrize("early", [False, True], ids=["order first", "refund first"])
def test_a_refund_without_a_customer_finds_whose_order_it_was(shop: Service, *, early: bool) -> None:
    """Order and refund in either order, each told twice: one mug of two is left, and the customer had trouble."""
    told = [(ORDER, "orders/create"), (REFUND, "refunds/create")]
    for body, topic in told[::-1] if early else told:
        for _ in range(2):
            assert hook(shop, body, topic).json()["rejected"] == []
    assert revenue(shop) == 18000
    secret = shop.app.runtime.projects()[0].secret
    from offerlab.storage.customers import digest_of  # noqa: PLC0415 - a look behind the curtain

    snapshot = shop.app.runtime.snapshot(shop.app.runtime.projects()[0].id)
    shop.app.runtime.memory.forget(snapshot.project.id, digest_of(secret, "42"))
    state = shop.app.serving.state_now(snapshot, digest_of(secret, "42"))
    assert state.profile.trouble_at > 0
    assert len(state.profile.orders) == 1


def test_what_can_not_be_taken_is_listed_and_tried_again(shop: Service) -> None:
    """A webhook with a broken amount is 200, stands among the rejected, and is rejected again for the same reason."""
    broken = {**ORDER, "line_items": [{"id": 1, "sku": "a", "quantity": 1, "price": "cheap"}]}
    answer = hook(shop, broken, "orders/create")
    assert (answer.status_code, len(answer.json()["rejected"])) == (200, 1)
    (item,) = shop.get("/v1/events/rejected").json()["items"]
    assert (item["source"], item["redriven"]) == ("shopify/orders/create", False)
    assert "kim@" not in item["sample"]
    again = shop.post(f"/v1/events/rejected/{item['id']}/redrive").json()
    assert (again["accepted"], [one["code"] for one in again["rejected"]]) == (0, [item["code"]])


def test_a_mended_cause_lets_a_rejected_event_in(shop: Service) -> None:
    """An exposure of an experiment that did not exist yet is taken on the second try, once."""
    event = {"id": "x1", "type": "offer_viewed", "customer_id": "42", "experiment": "later", "offer": "capsules"}
    assert shop.send(event)["rejected"][0]["code"] == "unknown_experiment"
    shop.made(
        "/v1/experiments", {"key": "later", "variants": [{"key": "a", "weight": 1}], "metrics": {"primary": "aov"}}
    )
    (item,) = shop.get("/v1/events/rejected").json()["items"]
    done = shop.post(f"/v1/events/rejected/{item['id']}/redrive")
    assert (done.status_code, done.json()["accepted"]) == (200, 1)
    assert shop.post(f"/v1/events/rejected/{item['id']}/redrive").status_code == 409
    listed = shop.get("/v1/events/rejected").json()
    assert (listed["items"][0]["redriven"], listed["counts"]) == (True, {})


def test_woocommerce_orders_are_signed_and_counted(shop: Service) -> None:
    """A signed order counts; the ping of a new webhook, which is no JSON, is welcome."""
    body = {
        "id": 5,
        "status": "completed",
        "currency": "KRW",
        "date_created_gmt": "2026-09-21T14:20:00",
        "customer_id": 42,
        "line_items": [{"id": 1, "product_id": 9, "quantity": 1, "subtotal": "18000", "total": "17000"}],
    }
    raw = json.dumps(body).encode()
    headers = {"X-WC-Webhook-Topic": "order.created", "X-WC-Webhook-Signature": signature(raw)}
    assert shop.post("/v1/hooks/woocommerce", content=raw, key=None, headers=headers).json()["accepted"] == 1
    ping = b"webhook_id=3"
    pinged = shop.post(
        "/v1/hooks/woocommerce", content=ping, key=None, headers={"X-WC-Webhook-Signature": signature(ping)}
    )
    assert pinged.status_code == 200
    assert revenue(shop) == 17000


def test_a_demand_by_law_has_a_deadline_and_erasure_is_done_at_once(shop: Service) -> None:
    """`customers/redact` forgets the customer and lets nothing of theirs in again; the others wait with a deadline."""
    hook(shop, ORDER, "orders/create")
    customer = {"customer": {"id": 42, "email": "kim@shop.example"}, "orders_to_redact": [1001]}
    for topic in ("customers/data_request", "customers/redact", "customers/redact", "shop/redact"):
        assert hook(shop, customer, topic, **{"X-Shopify-Webhook-Id": topic}).status_code == 200
    items = shop.get("/v1/privacy-requests").json()["items"]
    found = {item["kind"]: item["done_at"] is not None for item in items if "/" in item["kind"]}
    assert found == {"customers/data_request": False, "customers/redact": True, "shop/redact": False}
    assert all(item["due_at"] > item["received_at"] for item in items)
    late = shop.send({"id": "late", "type": "product_viewed", "customer_id": "42", "sku": "a"})
    assert late["rejected"][0]["code"] == "erased"


def test_what_was_sent_goes_when_the_windows_close(shop: Service) -> None:
    """Kept for the longest window with its refund window, whatever came later; the order itself stays counted."""
    assert shop.post("/v1/experiments/coffee-addon/archive").status_code in (200, 409)
    longest = {**COFFEE_ADDON, "key": "longest", "window_days": 60, "refund_days": 31}
    shop.made("/v1/experiments", longest)
    desk = Desk(shop.app.runtime, 1, "test")
    hook(shop, ORDER, "orders/create")
    shop.wait(days=50)
    hook(shop, REFUND, "refunds/create")
    shop.wait(days=40.5)
    assert purge(desk)["payloads"] == 0
    shop.wait(days=1)
    assert purge(desk)["payloads"] == 1
    with reading(shop.app.runtime.engine) as connection:
        left = connection.execute(select(tables.payloads.c.event_id)).scalars().all()
        orders = connection.execute(select(tables.orders.c.order_id)).scalars().all()
    assert (left, orders) == ([], ["1001"])


def test_a_shop_may_keep_what_was_sent_for_less(shop: Service) -> None:
    """A number of days in the settings binds where it is shorter than the windows."""
    desk = Desk(shop.app.runtime, 1, "test")
    change_settings(desk, lambda known: replace(known, retention=replace(known.retention, payloads=5)))
    hook(shop, ORDER, "orders/create")
    shop.wait(days=6)
    assert purge(desk)["payloads"] == 1


def test_a_webhook_takes_room_before_anybody_knows_who_sent_it(shop: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the room it is told to come again, signed or not; afterwards nothing is taken any more."""
    monkeypatch.setattr(room, "MOST", 1_000)
    long = {**ORDER, "note": "x" * 1_000}
    full = [hook(shop, long, "orders/create", secret=secret) for secret in (SECRET, "guessed")]
    assert [(answer.status_code, answer.headers["retry-after"]) for answer in full] == [(503, "1"), (503, "1")]
    assert hook(shop, ORDER, "orders/create").json()["accepted"] == 1
    assert shop.app.runtime.room.taken == 0
