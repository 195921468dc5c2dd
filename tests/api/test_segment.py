"""Segment's protocol as strict clients speak it."""

import base64
import gzip
import json
from typing import Any

import pytest

from offerlab.api.segment import CALLS
from support.service import ADMIN, Service

DONE = {"success": True}
BASIC = {"Authorization": "Basic " + base64.b64encode(f"{ADMIN}:".encode()).decode()}
ORDER: dict[str, Any] = {
    "type": "track",
    "messageId": "a3",
    "userId": "u1",
    "event": "Order Completed",
    "properties": {
        "order_id": "o-1",
        "total": 27.5,
        "revenue": 25.0,
        "shipping": 3,
        "tax": 2,
        "discount": 2.5,
        "currency": "KRW",
        "products": [{"product_id": "capsule-set", "price": 19000, "quantity": 1}],
    },
}


def batch(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A body of `/v1/batch`."""
    return {"batch": list(messages), **more}


def rejected(service: Service) -> list[str]:
    """Codes of the rejected events, oldest first."""
    items = service.get("/v1/events/rejected").json()["items"]
    return [item["code"] for item in reversed(items)]


@pytest.mark.parametrize("call", CALLS)
def test_every_call_answers_exactly_200_on_its_long_and_short_route(service: Service, call: str) -> None:
    """JSON with Basic auth and the browser's text/plain with writeKey in the body are both delivered."""
    body = {"messageId": "m", "userId": "u", "anonymousId": "a", "previousId": "a", "event": "Product Viewed"}
    body |= {"properties": {"sku": "x"}, "traits": {}}  # type: ignore[dict-item]  # a JSON body
    long = service.post(f"/v1/{call}", body, key=None, headers=BASIC)
    plain = json.dumps({**body, "writeKey": ADMIN}).encode()
    short = service.post(f"/v1/{call[0]}", content=plain, key=None, headers={"Content-Type": "text/plain"})
    assert [(long.status_code, long.json()), (short.status_code, short.json())] == [(200, DONE)] * 2


def test_a_batch_with_the_key_in_its_body_counts_once(service: Service) -> None:
    """The same batch sent twice, with another `sentAt`, gzipped the second time, is one order and no conflict."""
    service.coffee_shop()
    first = batch(ORDER | {"timestamp": service.at()}, writeKey=ADMIN, sentAt=service.at())
    assert service.post("/v1/batch", first, key=None).json() == DONE
    service.wait(seconds=90)
    again = gzip.compress(json.dumps({**first, "sentAt": service.at(seconds=-7)}).encode())
    answer = service.post("/v1/b", content=again, key=None, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()) == (200, DONE)
    done = service.send({"id": "a3", "type": "order_cancelled", "customer_id": "u1", "order_id": "o-1"})
    assert done["rejected"][0]["code"] == "conflict", "the id is taken once"
    assert rejected(service) == ["conflict"], "the repetition itself was no conflict"


def test_errors_have_code_and_message_and_say_when_to_come_back(service: Service) -> None:
    """401 for a wrong key, 400 for a body that is none, 403 for a reading key: each in the clients' own shape."""
    read = service.new_key("read")
    found = {
        "nobody": service.post("/v1/batch", batch(), key=None),
        "stranger": service.post("/v1/batch", batch(writeKey="wk"), key="other"),
        "reader": service.post("/v1/batch", batch(), key=read),
        "broken": service.post("/v1/track", content=b"{"),
        "list": service.post("/v1/batch", content=b"[1]"),
        "gzip": service.post("/v1/batch", content=b"nonsense", headers={"Content-Encoding": "gzip"}),
        "cut": service.post("/v1/batch", content=gzip.compress(b"{}" * 99)[:-9], headers={"Content-Encoding": "gzip"}),
    }
    codes = {name: (answer.status_code, answer.json()["code"]) for name, answer in found.items()}
    assert codes == {
        "nobody": (401, "invalid_write_key"),
        "stranger": (401, "invalid_write_key"),
        "reader": (403, "forbidden"),
        "broken": (400, "invalid_json"),
        "list": (400, "invalid_json"),
        "gzip": (400, "invalid_json"),
        "cut": (400, "invalid_json"),
    }
    assert all(set(answer.json()) == {"code", "message"} for answer in found.values())


def test_a_bomb_is_refused_before_it_unfolds(service: Service) -> None:
    """A few kilobytes that inflate beyond the limit are 413."""
    bomb = gzip.compress(b" " * 20_000_000, compresslevel=9)
    answer = service.post("/v1/batch", content=bomb, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert len(bomb) < 30_000


def test_overload_is_503_with_retry_after(service: Service) -> None:
    """A service that can't write says when to come back; nothing was taken."""
    service.app.runtime.writer.close()
    answer = service.post("/v1/batch", batch(ORDER))
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")


def test_a_poisoned_message_harms_no_neighbour(service: Service) -> None:
    """A bad message in a good batch is 200 and stands among the rejected; the others are on disk."""
    service.coffee_shop()
    bad: list[dict[str, Any]] = [
        {"type": "track", "messageId": "b1", "event": "Product Viewed", "properties": {"sku": "x"}},
        {"type": "track", "messageId": "b2", "userId": "guest", "event": "Product Viewed", "properties": {"sku": "x"}},
        {"type": "track", "messageId": "b3", "userId": "u", "event": "Button Clicked"},
        {"type": "track", "messageId": "b4", "userId": "u", "event": "Product Viewed", "timestamp": "yesterday"},
        {"type": "dance", "messageId": "b5", "userId": "u"},
    ]
    answer = service.post("/v1/batch", batch(*bad, ORDER))
    assert (answer.status_code, answer.json()) == (200, DONE)
    assert rejected(service) == ["invalid_customer_id", "invalid_customer_id", "unmapped", "invalid_time", "unmapped"]
    assert service.send({"id": "a3", "type": "complaint", "customer_id": "u1"})["rejected"][0]["code"] == "conflict"


def test_no_route_redirects(service: Service) -> None:
    """A client that takes any 3xx for delivered would lose its events to a redirect."""
    for path in ("/v1/batch/", "/v1/track/", "/v1/t/", "//v1/batch", "/v1/Batch"):
        status = service.post(path, batch(ORDER)).status_code
        assert status == 200 or status >= 400, (path, status)


def test_a_segment_exposure_enters_the_report(service: Service) -> None:
    """`Experiment Viewed` exposes, with the arm checked against the decision of that moment."""
    service.coffee_shop()
    arm = service.decide("u1")["decisions"][0]["variant"]
    other = "control" if arm != "control" else "capsules-20"
    seen = {"type": "track", "userId": "u1", "event": "Experiment Viewed", "timestamp": service.at()}
    for message, variant in (("e1", other), ("e2", arm)):
        properties = {"experiment_id": "coffee-addon", "variation_id": variant}
        service.post("/v1/batch", batch({**seen, "messageId": message, "properties": properties}))
    service.post("/v1/batch", batch({**ORDER, "timestamp": service.at()}))
    report = service.get("/v1/experiments/coffee-addon/report").json()
    arms = {row["variant"]: row for row in report["metrics"][0]["arms"]}
    assert {name: row["n"] for name, row in arms.items()} == {arm: 1, other: 0}
    assert arms[arm]["mean"] == 18998, "19000 less the discount of 2.5, rounded half-even to 2"
    assert rejected(service) == ["variant_mismatch"]


def test_a_publishable_key_links_but_sets_nothing(service: Service) -> None:
    """With a client key `identify` links ids and its traits stay out; an order is `key_may_not`, and all is 200."""
    client = service.new_key("client")
    identify = {"type": "identify", "messageId": "i1", "userId": "u1", "anonymousId": "a1", "traits": {"vip": True}}
    assert service.post("/v1/batch", batch(identify, ORDER), key=client).json() == DONE
    assert rejected(service) == ["key_may_not"]


def test_a_browser_of_any_shop_may_call(service: Service) -> None:
    """CORS answers `*` on long and short routes, and lets `Retry-After` be read."""
    for path in ("/v1/batch", "/v1/t", "/v1/identify"):
        answer = service.call("OPTIONS", path, key=None, headers={"Origin": "https://shop.example"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
