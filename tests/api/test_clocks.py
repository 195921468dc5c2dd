"""Clocks that are wrong: a client's by two days, the server's set back and forth."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select

from offerlab.domain.clock import DAY, MINUTE, SECOND, iso
from offerlab.storage.database import reading
from offerlab.storage.tables import events
from offerlab.workflows.onward import Onward
from support.service import COFFEE_ADDON, Service

TWO_DAYS = 2 * DAY


@pytest.fixture
def shop(fresh_database_url: str) -> Iterator[Service]:
    """A coffee shop with its experiment."""
    service = Service(fresh_database_url)
    service.coffee_shop()
    yield service
    service.close()


def occurred(service: Service) -> dict[str, int]:
    """When each event happened, by what the register says."""
    with reading(service.app.runtime.engine) as connection:
        rows = connection.execute(select(events.c.event_id, events.c.occurred_at)).all()
    return {row.event_id: row.occurred_at for row in rows}


def order(number: int, at: int, price: str = "18000", **more: Any) -> dict[str, Any]:
    """A message of Segment's protocol about an order."""
    properties = {"order_id": f"o{number}", "currency": "KRW", "products": [{"sku": "capsule-set", "price": price}]}
    head = {"type": "track", "event": "Order Completed", "messageId": f"m{number}", "userId": f"c{number}"}
    return {**head, "timestamp": iso(at), "properties": properties, **more}


@pytest.mark.parametrize("step", [-TWO_DAYS, 0, TWO_DAYS], ids=["behind", "right", "ahead"])
def test_a_clients_clock_that_is_two_days_wrong_moves_nothing(shop: Service, step: int) -> None:
    """Made an hour before they were sent, events happened an hour ago, whatever the client's clock said of both."""
    made = shop.time - 3_600 * SECOND
    batch = [order(i, made + step + i * SECOND) for i in range(5)]
    sent = shop.post("/v1/batch", {"batch": batch, "sentAt": iso(shop.time + step)})
    assert sent.json() == {"success": True}
    found = occurred(shop)
    assert all(abs(found[f"m{i}"] - made - i * SECOND) < SECOND for i in range(5))


def test_a_clients_clock_that_steps_between_two_sendings_counts_once(shop: Service) -> None:
    """The batch again, with a clock set by two days meanwhile: duplicates, at the time first told."""
    batch = [order(i, shop.time - 60 * SECOND) for i in range(3)]
    shop.post("/v1/batch", {"batch": batch, "sentAt": iso(shop.time)})
    first = occurred(shop)
    for step in (TWO_DAYS, -TWO_DAYS):
        shop.post("/v1/batch", {"batch": batch, "sentAt": iso(shop.time + step)})
    assert occurred(shop) == first
    assert shop.get("/v1/events/rejected").json()["items"] == []


def test_events_of_the_future_happen_when_they_come(shop: Service) -> None:
    """Two days ahead and without a word about when it was sent: set to our time; five minutes ahead are believed."""
    told = {"type": "product_viewed", "customer_id": "c", "sku": "a"}
    near = shop.time + 299 * SECOND
    shop.send({"id": "far", "occurred_at": shop.at(days=2), **told}, {"id": "near", "occurred_at": iso(near), **told})
    shop.post("/v1/track", {**order(1, shop.time + TWO_DAYS), "type": "track"})
    found = occurred(shop)
    assert found["near"] == near
    assert all(abs(found[name] - shop.time) < SECOND for name in ("far", "m1"))


def updated(number: int, at: int, price: str) -> dict[str, Any]:
    """The order told anew."""
    return order(number, at, price, event="Order Updated", messageId=f"u{number}-{at}")


def revenue(service: Service) -> float:
    """Of all exposed customers, after refunds; a mean leaves a report with twelve digits."""
    report = service.get("/v1/experiments/coffee-addon/report").json()
    row = next(row for row in report["metrics"] if row["metric"] == "revenue_per_customer")
    return round(float(sum(arm["n"] * (arm["mean"] or 0) for arm in row["arms"])), 3)


def test_an_update_weeks_later_says_what_was_bought_not_when(shop: Service) -> None:
    """Bought in the window and updated after it: counted as updated; bought before the exposure: not counted ever."""
    shop.post("/v1/track", order(1, shop.time - DAY))
    for customer in ("c1", "c2"):
        assert shop.decide(customer, expose=True)["decisions"][0]["exposed"]
    shop.wait(days=1)
    shop.post("/v1/track", order(2, shop.time))
    shop.post("/v1/track", updated(1, shop.time, "36000"))
    shop.wait(days=20)
    shop.post("/v1/track", updated(2, shop.time, "54000"))
    assert COFFEE_ADDON.get("window_days", 14) == 14
    assert revenue(shop) == 54_000


def test_the_later_update_counts_whichever_clock_was_wrong(shop: Service) -> None:
    """A device two days ahead tells first, a right one later: the right one's word counts."""
    assert shop.decide("c1", expose=True)["decisions"][0]["exposed"]
    shop.wait(seconds=60)
    bought = shop.time
    shop.post("/v1/batch", {"batch": [order(1, bought)], "sentAt": iso(bought)})
    shop.wait(seconds=60)
    ahead = {"batch": [updated(1, shop.time + TWO_DAYS, "1000")], "sentAt": iso(shop.time + TWO_DAYS)}
    assert shop.post("/v1/batch", ahead).status_code == 200
    shop.wait(seconds=60)
    right = {"batch": [updated(1, shop.time, "2000")], "sentAt": iso(shop.time)}
    assert shop.post("/v1/batch", right).status_code == 200
    assert revenue(shop) == 2_000


def report(service: Service, query: str = "") -> dict[str, Any]:
    """What a report counts and estimates; checks that speak of hours since something differ with the clock."""
    found = service.get(f"/v1/experiments/coffee-addon/report{query}").json()
    return {name: found[name] for name in ("metrics", "segments", "state")}


def bought(number: int, at: str) -> dict[str, Any]:
    """A native order."""
    lines = [{"line_id": "1", "sku": "capsule-set", "unit_price": str(1000 * (number + 1))}]
    return {
        "id": f"e{number}",
        "type": "order",
        "order_id": f"o{number}",
        "customer_id": f"c{number}",
        "lines": lines,
    } | {"occurred_at": at}


def test_a_server_clock_set_back_loses_and_repeats_nothing(shop: Service) -> None:
    """Set back by two days, through a restart: a report covers all that was acknowledged, one as of before stays."""
    for i in range(8):
        assert shop.decide(f"c{i}", expose=True)["decisions"][0]["exposed"]
    shop.wait(days=3)
    at = shop.at(days=-2)
    first, later = [bought(i, at) for i in range(4)], [bought(i, at) for i in range(4, 8)]
    assert shop.send(*first)["accepted"] == 4
    before = shop.get("/v1/experiments/coffee-addon/report").json()
    shop.time -= TWO_DAYS
    assert revenue(shop) == 1_000 + 2_000 + 3_000 + 4_000
    assert shop.send(*later[:2])["accepted"] == 2
    again = shop.get(f"/v1/experiments/coffee-addon/report?as_of={before['as_of']}").json()
    assert {name: (again[name], before[name]) for name in before if again[name] != before[name]} == {}
    shop.restart()
    assert shop.send(*first, *later) == {"accepted": 2, "duplicates": 6, "rejected": []}
    assert revenue(shop) == sum(range(1_000, 9_000, 1_000))
    shop.time += TWO_DAYS
    assert revenue(shop) == sum(range(1_000, 9_000, 1_000))


def test_a_server_clock_set_forth_and_back_gives_the_same_report(new_database: Callable[[], Service]) -> None:
    """The same events under a clock that jumps by two days and returns, and under a quiet one: the same numbers."""
    found: list[dict[str, Any]] = []
    for jump in (0, TWO_DAYS):
        service = new_database()
        service.app.runtime.new_salt = lambda: "0f" * 16
        service.coffee_shop()
        for i in range(8):
            service.decide(f"c{i}", expose=True)
        service.wait(days=1)
        at = service.at()
        service.send(*(bought(i, at) for i in range(4)))
        service.time += jump
        service.send(*(bought(i, at) for i in range(2, 6)))
        service.time -= jump
        service.send(*(bought(i, at) for i in range(8)))
        service.wait(days=4)
        found.append(report(service))
    assert found[0] == found[1]


@pytest.fixture
def new_database(tmp_path: Any) -> Iterator[Callable[[], Service]]:
    """Makes a service on a store of its own at every call."""
    made: list[Service] = []

    def make() -> Service:
        made.append(Service(f"sqlite:///{tmp_path / f'{len(made)}.db'}"))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_instants_never_go_back() -> None:
    """Whatever the wall says, each instant is later than the one before and than what the store holds."""
    wall = iter([100, 50, 50, 200, 10, 10])
    instants = Onward(lambda: next(wall))
    found = [instants(), instants(), instants(), instants()]
    instants.reach(5_000)
    assert [*found, instants(), instants()] == [100, 101, 102, 200, 5_001, 5_002]


def test_a_clock_that_is_off_is_corrected_and_told(shop: Service) -> None:
    """Five minutes are nothing; beyond, the event is taken at our time, flagged for whoever looks, and counted."""
    minutes = {"near": 4, "far": 6, "past": -600}
    told = [
        {
            "id": name,
            "type": "product_viewed",
            "customer_id": "c",
            "sku": "a",
            "occurred_at": iso(shop.time + k * MINUTE),
        }
        for name, k in minutes.items()
    ]
    assert shop.send(*told)["accepted"] == len(told)
    shop.post("/v1/batch", {"batch": [order(1, shop.time)], "sentAt": iso(shop.time - 6 * MINUTE)})
    shop.post("/v1/batch", {"batch": [order(2, shop.time)], "sentAt": iso(shop.time - 4 * MINUTE)})
    found = occurred(shop)
    assert found["far"] <= shop.time < found["near"]
    seen = shop.get("/v1/events/latest").json()["items"]
    assert {item["id"]: item["outcome"] for item in seen if item["outcome"] != "taken"} == {
        "far": "clock_off",
        "m1": "clock_off",
    }
    assert "offerlab_events_clock_off_total 2.0" in shop.get("/metrics").text
    assert shop.get("/v1/events/rejected").json()["items"] == []
