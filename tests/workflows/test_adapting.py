"""Weights that follow the results, through the service: batches, propensities, what is refused, what the pages say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, text

from dashboard.visitor import Text, Visitor
from offerlab.domain.experiment import SLOTS
from offerlab.storage.database import reading
from offerlab.storage.tables import assignments, audit
from support.service import AT_CHECKOUT, COFFEE_ADDON, Service

KEY = "/v1/experiments/coffee-addon"
FOLLOWING: dict[str, Any] = {
    "metrics": {"primary": "offered_item_rate", "guardrails": ["unsubscribe_rate"]},
    "adaptive": {"floor": 0.1, "uniform": 0.1, "every_hours": 24},
}


@pytest.fixture
def service(fresh_database_url: str) -> Iterator[Service]:
    """A service on an empty store of its own."""
    running = Service(fresh_database_url)
    yield running
    running.close()


def exposed(service: Service, name: str, count: int) -> dict[str, list[str]]:
    """`count` new customers, exposed, by arm."""
    customers = [{"customer_id": f"{name}-{i}"} for i in range(count)]
    told = {"customers": customers, "context": AT_CHECKOUT, "expose": True}
    arms: dict[str, list[str]] = {"control": [], "capsules-20": []}
    for one in service.post("/v1/decisions/bulk", told).json()["results"]:
        arms[one["decisions"][0]["variant"]].append(one["customer_id"])
    return arms


def buy(service: Service, customers: list[str]) -> None:
    """These customers buy the capsules."""
    line = {"line_id": "1", "sku": "capsule-set", "quantity": 1, "unit_price": "18000"}
    orders = [
        {
            "id": f"o-{one}",
            "type": "order",
            "order_id": f"o-{one}",
            "customer_id": one,
            "currency": "KRW",
            "lines": [line],
        }
        for one in customers
    ]
    assert service.send(*orders)["accepted"] == len(orders)


def test_a_batch_moves_the_weights_and_logs_what_was_used(service: Service) -> None:
    """After a day the arm that sells gets more, once for all replicas; later exposures carry the new propensity."""
    service.coffee_shop(**FOLLOWING)
    first = service.get(KEY).json()["epochs"][0]["weights"]["*"]
    assert first == pytest.approx({"control": 0.5, "capsules-20": 0.5})
    arms = exposed(service, "a", 300)
    service.wait(seconds=60)
    buy(service, [*arms["capsules-20"][:60], *arms["control"][:10]])
    assert service.app.watch.look() == []
    service.wait(days=1.1)
    assert service.app.watch.look() == ["coffee-addon"]
    assert service.app.watch.look() == []
    epochs = service.get(KEY).json()["epochs"]
    assert len(epochs) == 2
    weights = epochs[1]["weights"]["*"]
    assert weights["control"] == pytest.approx(0.1, abs=0.06)
    assert weights["control"] >= 0.1 - 1e-6
    exposed(service, "b", 40)
    with reading(service.app.runtime.engine) as connection:
        rows = connection.execute(select(assignments.c.epoch, assignments.c.variant, assignments.c.propensity)).all()
        actors = list(connection.execute(select(audit.c.actor).where(audit.c.action == "adapt")).scalars())
    used = {(row.epoch, row.variant): row.propensity for row in rows}
    assert used[1, 0] == pytest.approx(0.5)
    assert used[2, 1] == pytest.approx(weights["capsules-20"])
    assert actors == ["allocation"]
    report = service.get(f"{KEY}/report").json()
    (effect,) = report["metrics"][0]["effects"]
    assert effect["method"] == "adaptively_weighted"
    visitor = Visitor(service)
    visitor.sign_in()
    page = Text(visitor.get("/experiments/coffee-addon?lang=en").text).text
    assert "The weights followed the results, so plain averages mislead" in page
    assert "/experiments/coffee-addon/ramp" not in visitor.get("/experiments/coffee-addon").text
    assert "every 24 hours (the best gets most)" in page
    assert "These customers were split evenly throughout" in page
    assert (
        "이 고객들은 처음부터 끝까지 고르게 나눴어요"
        in Text(visitor.get("/experiments/coffee-addon?lang=ko").text).text
    )


def test_the_even_slice_is_read_by_itself(service: Service) -> None:
    """Its effect is the plain difference of its own customers, counted from the exposures, while the rest moved."""
    service.coffee_shop(**{**FOLLOWING, "adaptive": {"floor": 0.1, "uniform": 0.5, "every_hours": 24}})
    for name in ("a", "b"):
        arms = exposed(service, name, 300)
        service.wait(seconds=60)
        buy(service, [*arms["capsules-20"][: len(arms["capsules-20"]) // 3], *arms["control"][:10]])
        service.wait(days=1.1)
        assert service.app.watch.look() == ["coffee-addon"]
    bought = text("SELECT customer FROM events WHERE type = 'order'")
    with reading(service.app.runtime.engine) as connection:
        buyers = set(connection.execute(bought).scalars())
        rows = connection.execute(select(assignments.c.customer, assignments.c.variant, assignments.c.bucket)).all()
    even = [
        [float(row.customer in buyers) for row in rows if row.bucket < SLOTS // 2 and row.variant == i] for i in (0, 1)
    ]
    report = service.get(f"{KEY}/report").json()
    (part,) = report["segments"]
    assert (report["segment_by"], part["segment"], part["n"]) == ("even_slice", "even_slice", len(even[0] + even[1]))
    arms_told = {arm["variant"]: arm["n"] for arm in part["metrics"][0]["arms"]}
    assert arms_told == {"control": len(even[0]), "capsules-20": len(even[1])}
    (effect,) = part["metrics"][0]["effects"]
    assert effect["absolute"]["estimate"] == pytest.approx(float(np.mean(even[1]) - np.mean(even[0])))
    assert effect["method"] != "adaptively_weighted"
    assert effect["relative"] is not None
    assert report["metrics"][0]["effects"][0]["method"] == "adaptively_weighted"
    assert "Evenly split slice" in service.get(f"{KEY}/report?format=md").text


def test_without_weights_that_follow_results_there_is_no_even_slice(service: Service) -> None:
    """Asked for by name it is refused, with the field."""
    service.coffee_shop()
    refused = service.get(f"{KEY}/report?segment_by=even_slice")
    assert (refused.status_code, refused.json()["field"]) == (422, "segment_by")


def test_nobody_sets_by_hand_what_follows_the_results(service: Service) -> None:
    """Weights are refused with their reason; traffic may still change, and the slice stays."""
    service.coffee_shop(**FOLLOWING)
    refused = service.patch(KEY, {"weights": {"control": 0.5, "capsules-20": 0.5}})
    assert (refused.status_code, refused.json()["field"]) == (409, "weights")
    assert service.patch(KEY, {"traffic": 0.5}).status_code == 200


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"analysis": {"sequential": "fixed"}}, "analysis.sequential"),
        ({"adaptive": {"rule": "top_two"}}, "adaptive.rule"),
    ],
)
def test_a_plan_that_can_not_follow_is_refused(service: Service, changed: dict[str, Any], field: str) -> None:
    """Read once, it would not hold; of two arms, the best two share evenly for ever. 422 names the rule."""
    service.made("/v1/products", [{"sku": "capsule-set", "name": "Capsules", "price": "1"}])
    sent = {**COFFEE_ADDON, **FOLLOWING, **changed}
    sent["variants"] = [{"key": "control"}, {"key": "other"}]
    refused = service.post("/v1/experiments", sent)
    assert (refused.status_code, refused.json()["field"]) == (422, field)


def test_a_shop_file_carries_all_of_it_and_applies_twice(service: Service, tmp_path: Path) -> None:
    """What follows results, requires others and is guarded goes out and comes in elsewhere; a second time nothing."""
    service.coffee_shop(**FOLLOWING)
    after = {**COFFEE_ADDON, "key": "after", "requires": [{"experiment": "coffee-addon"}], "auto_pause": False}
    service.made("/v1/experiments", after)
    shop = service.get("/v1/definitions").json()
    other = Service(f"sqlite:///{tmp_path / 'other.sqlite'}")
    try:
        applied = other.post("/v1/apply", shop)
        assert applied.status_code == 200, applied.text
        known = other.get(KEY).json()
        assert (known["status"], known["adaptive"]["floor"]) == ("running", 0.1)
        assert other.get("/v1/experiments/after").json()["requires"][0]["experiment"] == "coffee-addon"
        assert other.get("/v1/experiments/after").json()["auto_pause"] is False
        assert other.post("/v1/apply", shop).json()["steps"] == []
    finally:
        other.close()
