"""More events than the store can take: a bounded queue, an honest answer, and nothing lost that was acknowledged."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from offerlab.storage import events as store
from offerlab.storage import writer
from offerlab.storage.database import reading
from offerlab.storage.tables import events
from support.service import ADMIN, Service

LIMIT = 400
SENT = 60
PATIENCE_S = 30


@pytest.fixture
def shop(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A shop whose queue holds 400 events."""
    monkeypatch.setattr(writer, "MAX_WAITING", LIMIT)
    service = Service(fresh_database_url)
    service.coffee_shop()
    yield service
    service.close()


def batch(i: int, size: int = 20) -> list[dict[str, Any]]:
    """Some product views."""
    return [{"id": f"{i}-{k}", "type": "product_viewed", "customer_id": f"c{i}-{k}", "sku": "a"} for k in range(size)]


def flooded(shop: Service, send: Callable[[int], httpx.Response], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Send everything at once while the disk hangs; what each was answered."""
    gate, append = threading.Event(), store.append

    def hangs(*arguments: Any, **more: Any) -> Any:
        assert gate.wait(PATIENCE_S)
        return append(*arguments, **more)

    monkeypatch.setattr(store, "append", hangs)
    most = 0
    with ThreadPoolExecutor(SENT) as pool:
        asked = [pool.submit(send, i) for i in range(SENT)]
        patience = time.monotonic() + PATIENCE_S
        while sum(one.done() for one in asked) < SENT - LIMIT // 20 - 1 and time.monotonic() < patience:
            most = max(most, shop.app.runtime.writer.waiting)
            time.sleep(0.01)
        assert shop.decide("somebody")["decisions"][0]["reason"] == "SPLIT"
        gate.set()
        answers = [one.result() for one in asked]
    assert 0 < most <= LIMIT
    for one in answers:
        if one.status_code == 503:
            assert int(one.headers["retry-after"]) > 0
    return [one.status_code for one in answers]


def stored(shop: Service) -> int:
    """How many events are in the register."""
    with reading(shop.app.runtime.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(events)).scalar_one())


def test_a_flood_is_answered_503_and_comes_again(shop: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits waits and is stored, the rest is sent back with a time to come again; then it is taken, each once."""
    at = shop.at()

    def send(i: int) -> httpx.Response:
        items = [{"occurred_at": at, **event} for event in batch(i)]
        return shop.post("/v1/events", {"events": items})

    found = flooded(shop, send, monkeypatch)
    assert set(found) == {200, 503}
    assert stored(shop) == 20 * found.count(200)
    assert shop.post("/v1/events", {"events": []}).status_code == 200
    for i in range(SENT):
        assert send(i).status_code == 200
    assert stored(shop) == 20 * SENT


def test_segments_clients_are_told_in_their_own_words(shop: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with `code`, `message` and Retry-After: what their clients take as "later", and lose nothing by."""
    at = shop.at()

    def send(i: int) -> httpx.Response:
        items = [
            {"type": "track", "event": "Product Viewed", "messageId": one["id"], "userId": "u", "timestamp": at}
            | {"properties": {"sku": "a"}}
            for one in batch(i)
        ]
        return shop.post("/v1/batch", {"batch": items}, key=ADMIN)

    found = flooded(shop, send, monkeypatch)
    assert set(found) == {200, 503}
    assert stored(shop) == 20 * found.count(200)


def test_a_queue_without_a_bound_is_found(shop: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin takes all of it: nobody is told to come again, and the queue grows past its bound."""
    monkeypatch.setattr(writer, "MAX_WAITING", 10**9)
    gate, append = threading.Event(), store.append

    def held_back(*sent: Any, **more: Any) -> Any:
        gate.wait(PATIENCE_S)
        return append(*sent, **more)

    monkeypatch.setattr(store, "append", held_back)
    at = shop.at()
    with ThreadPoolExecutor(SENT) as pool:
        asked = [
            pool.submit(shop.post, "/v1/events", {"events": [{"occurred_at": at, **one} for one in batch(i)]})
            for i in range(SENT)
        ]
        patience = time.monotonic() + PATIENCE_S
        while (most := shop.app.runtime.writer.waiting) <= LIMIT and time.monotonic() < patience:
            time.sleep(0.01)
        gate.set()
        assert {one.result().status_code for one in asked} == {200}
    assert most > LIMIT
