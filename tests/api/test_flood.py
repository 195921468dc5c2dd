"""More events than the store can take: a bounded queue, an honest answer, and nothing lost that was acknowledged."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from offerlab.storage import writer
from offerlab.storage.database import reading
from offerlab.storage.own import OwnConnection
from offerlab.storage.tables import events
from offerlab.workflows import room
from support.service import ADMIN, Service

LIMIT = 400
SENT = 60
BATCH = 20
FIT = LIMIT // (BATCH + 1)
"""So many batches find a place: each takes one for itself beside its events'."""

PATIENCE_S = 60


@pytest.fixture
def shop(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A shop whose queue holds 400 events."""
    monkeypatch.setattr(writer, "MAX_WAITING", LIMIT)
    service = Service(fresh_database_url)
    service.coffee_shop()
    yield service
    service.close()


def batch(i: int) -> list[dict[str, Any]]:
    """Some product views."""
    return [{"id": f"{i}-{k}", "type": "product_viewed", "customer_id": f"c{i}-{k}", "sku": "a"} for k in range(BATCH)]


@contextmanager
def hanging_disk(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Within, no commit of events comes to its end; at the way out all go on, whatever happened."""
    gate, commit = threading.Event(), OwnConnection.commit

    def hangs(own: OwnConnection) -> None:
        assert gate.wait(4 * PATIENCE_S)
        commit(own)

    monkeypatch.setattr(OwnConnection, "commit", hangs)
    try:
        yield
    finally:
        gate.set()


def await_that(holds: Callable[[], bool]) -> None:
    """Come back as soon as it holds; it has a minute for that."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def flooded(shop: Service, send: Callable[[int], httpx.Response], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Send everything at once while the disk hangs: only what finds no place is answered; what each was told."""
    with ThreadPoolExecutor(SENT) as pool, hanging_disk(monkeypatch):
        asked = [pool.submit(send, i) for i in range(SENT)]
        await_that(lambda: sum(one.done() for one in asked) >= SENT - FIT)
        sent_back = [one.result() for one in asked if one.done()]
        waiting = shop.app.runtime.writer.waiting
        reason = shop.decide("somebody")["decisions"][0]["reason"]
    assert ([one.status_code for one in sent_back], waiting) == ([503] * (SENT - FIT), FIT * (BATCH + 1))
    assert all(int(one.headers["retry-after"]) > 0 for one in sent_back)
    assert reason == "SPLIT"
    answers = sorted(one.result().status_code for one in asked)
    assert shop.app.runtime.writer.waiting == 0
    return answers


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

    assert flooded(shop, send, monkeypatch) == [200] * FIT + [503] * (SENT - FIT)
    assert stored(shop) == BATCH * FIT
    assert shop.post("/v1/events", {"events": []}).status_code == 200
    for i in range(SENT):
        assert send(i).status_code == 200
    assert stored(shop) == BATCH * SENT


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

    assert flooded(shop, send, monkeypatch) == [200] * FIT + [503] * (SENT - FIT)
    assert stored(shop) == BATCH * FIT


def test_a_queue_without_a_bound_is_found(shop: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin takes all of it: nobody is told to come again, and the queue grows past its bound."""
    monkeypatch.setattr(writer, "MAX_WAITING", 10**9)
    at, queue = shop.at(), shop.app.runtime.writer
    with ThreadPoolExecutor(SENT) as pool, hanging_disk(monkeypatch):
        asked = [
            pool.submit(shop.post, "/v1/events", {"events": [{"occurred_at": at, **one} for one in batch(i)]})
            for i in range(SENT)
        ]
        await_that(lambda: queue.waiting > LIMIT)
    assert {one.result().status_code for one in asked} == {200}


def test_bodies_have_room_for_so_many_bytes(shop: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it both intakes send back, with a time to come again; an answer leaves its room, and decisions go on."""
    monkeypatch.setattr(room, "MOST", 2_000)
    at = shop.at()
    small, large = ([{"occurred_at": at, **event} for event in some] for some in (batch(1)[:3], batch(2) + batch(3)))
    messages = [{"type": "track", "event": "Order Completed", "messageId": str(i), "userId": "c"} for i in range(30)]
    for _ in range(5):
        assert shop.post("/v1/events", {"events": small}).status_code == 200
        for path, body in (("/v1/events", {"events": large}), ("/v1/batch", {"batch": messages})):
            refused = shop.post(path, body)
            assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (503, True)
            assert "code" in refused.json()
    assert shop.app.runtime.room.taken == 0
    assert shop.decide("somebody")["decisions"][0]["reason"] == "SPLIT"
    assert stored(shop) == len(small)
