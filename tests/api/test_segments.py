"""Previews, presets and attributes over HTTP."""

import statistics
from typing import Any

import pytest

from support.service import COFFEE, Service


def shop(service: Service, customers: int = 40) -> None:
    """Customer i orders i % 4 times, each for 10,000 (i + 1); every third may be mailed; the last order a day ago."""
    service.made("/v1/products", COFFEE)
    events: list[dict[str, Any]] = []
    for i in range(customers):
        for n in range(i % 4):
            line = {
                "line_id": "1",
                "sku": "capsule-set" if n else "coffee-machine",
                "quantity": 1,
                "unit_price": str(10_000 * (i + 1)),
            }
            events.append(
                {
                    "id": f"o{i}-{n}",
                    "type": "order",
                    "customer_id": f"c{i}",
                    "order_id": f"{i}-{n}",
                    "lines": [line],
                    "occurred_at": service.at(days=-1 - 30 * n),
                }
            )
        if i % 4 == 0:
            events.append({"id": f"v{i}", "type": "product_viewed", "customer_id": f"c{i}", "sku": "capsule-set"})
        if i % 3 == 0:
            events.append(
                {"id": f"k{i}", "type": "consent", "customer_id": f"c{i}", "channel": "email", "granted": True}
            )
    assert service.send(*events)["accepted"] == len(events)


def repeat(key: str = "repeat", least: int = 2, **more: object) -> dict[str, object]:
    """A segment by number of orders."""
    return {"key": key, "rule": {"attribute": "orders_count", "op": "gte", "value": least}, **more}


def test_a_segment_is_previewed_before_launch(service: Service) -> None:
    """Size, order value, frequency, top products, reach and overlap are those of the orders sent."""
    shop(service)
    service.made("/v1/segments", repeat(priority=20))
    service.made("/v1/segments", repeat("buyers", 1, priority=30))
    service.made("/v1/segments", repeat("often", 3, priority=10))
    found = service.get("/v1/segments/repeat/preview").json()
    members = [i for i in range(40) if i % 4 >= 2]
    orders = sum(i % 4 for i in members)
    revenue = sum((i % 4) * 10_000 * (i + 1) for i in members)
    assert (found["customers"], found["size"], found["share"], found["buyers"]) == (40, 20, 0.5, 20)
    assert found["revenue"] == revenue
    assert found["aov"] == pytest.approx(revenue / orders)
    assert found["orders_per_customer"] == orders / 20
    assert found["days_since_last_order"] == pytest.approx(1.0, abs=0.01)
    assert sum(i % 3 == 0 for i in members) < 10
    assert found["reach"] == {"email": None}, "under ten"
    assert [(one["sku"], one["customers"]) for one in found["top_products"]] == [
        ("capsule-set", 20),
        ("coffee-machine", 20),
    ]
    assert found["overlaps"] == [
        {"segment": "buyers", "customers": 20, "first": False},
        {"segment": "often", "customers": 10, "first": True},
    ]
    assert found["left"] == 10
    assert (found["currency"], found["withheld"]) == ("KRW", None)


def test_a_preview_says_how_long_a_test_would_take(service: Service) -> None:
    """Baseline of the last two weeks, customers needed for the effect asked for, and weeks at the traffic seen."""
    shop(service)
    service.made("/v1/segments", repeat("everybody", 0))
    coarse, fine = (
        service.get(f"/v1/segments/everybody/preview?mde={mde}").json()["trials"] for mde in ("0.25", "0.025")
    )
    rate, money = coarse
    assert (rate["metric"], rate["baseline"]) == ("conversion_rate", 0.75)
    spent = [10_000 * (i + 1) if i % 4 else 0 for i in range(40)]
    assert (money["metric"], money["baseline"]) == ("revenue_per_customer", pytest.approx(statistics.mean(spent)))
    assert rate["weeks"] >= 2
    assert rate["final_days"] == 7 * rate["weeks"] + 14 + 30
    assert fine[0]["customers"] > 50 * rate["customers"]
    beyond = service.get("/v1/segments/everybody/preview?mde=0.5").json()["trials"][0]
    assert (beyond["undetermined"], beyond["weeks"]) == ("more_than_everybody", None)
    assert service.get("/v1/segments/everybody/preview?mde=0").json()["field"] == "mde"


def test_a_segment_without_orders_says_why_no_test_can_be_planned(service: Service) -> None:
    """Nobody bought: no baseline, no weeks, a reason."""
    events = [{"id": f"v{i}", "type": "product_viewed", "customer_id": f"c{i}", "sku": "x"} for i in range(12)]
    service.send(*events)
    found = service.post("/v1/segment-previews", repeat("lookers", 0)).json()
    assert {one["undetermined"] for one in found["trials"]} == {"no_orders_lately"}
    assert (found["aov"], found["days_since_last_order"], found["buyers"]) == (None, None, 0)


def test_under_ten_customers_stay_unspoken_of(service: Service) -> None:
    """A handful of people is named as such, and nothing else is said of them."""
    shop(service, 20)
    service.made("/v1/segments", repeat("often", 3))
    found = service.get("/v1/segments/often/preview").json()
    assert (found["size"], found["share"], found["left"]) == (None, None, None)
    assert (found["withheld"], found["aov"], found["top_products"]) == ("under_10", None, [])
    service.made("/v1/segments", repeat("everybody", 0))
    whole = service.get("/v1/segments/everybody/preview").json()
    assert (whole["size"], whole["buyers"], whole["reach"]) == (20, 15, {"email": None})
    assert whole["overlaps"] == [{"segment": "often", "customers": None, "first": False}]


def test_who_objects_is_in_no_new_analysis(service: Service) -> None:
    """P13: previews and the matching table leave out who objects to being profiled; taking it back brings them in."""
    service.made("/v1/products", COFFEE)
    lines = [{"sku": sku, "unit_price": "10000"} for sku in ("coffee-machine", "capsule-set")]
    events = [
        {"id": f"o{i}", "type": "order", "customer_id": f"c{i}", "order_id": f"{i}", "lines": lines} for i in range(30)
    ]
    assert service.send(*events)["accepted"] == 30

    def looked_at() -> tuple[int, int]:
        size = service.post("/v1/segment-previews", repeat("buyers", 1)).json()["size"]
        return size, service.post("/v1/affinity-builds", {}).json()["baskets"]

    assert looked_at() == (30, 30)
    word = {"type": "consent", "customer_id": "c3", "channel": "all", "purpose": "profiling"}
    service.send({"id": "no", "granted": False, **word})
    assert looked_at() == (29, 29)
    service.send({"id": "yes", "granted": True, **word})
    assert looked_at() == (30, 30)


def test_what_has_served_its_time_is_in_no_new_analysis(service: Service) -> None:
    """P13: a look or order older than its class is kept counts in no preview and no matching table, purged or not."""
    service.made("/v1/products", COFFEE)
    lines = [{"sku": sku, "unit_price": "10000"} for sku in ("coffee-machine", "capsule-set")]
    events: list[dict[str, Any]] = []
    for i in range(24):
        age = {"customer_id": f"c{i}", "occurred_at": service.at(days=-100 if i < 12 else -10)}
        events += [
            {"id": f"o{i}", "type": "order", "order_id": f"{i}", "lines": lines, **age},
            {"id": f"v{i}", "type": "product_viewed", "sku": "capsule-set", **age},
        ]
    assert service.send(*events)["accepted"] == 48
    looked = {"key": "looked", "rule": {"attribute": "viewed_skus", "op": "contains", "value": "capsule-set"}}
    path = "/v1/affinity-builds"
    assert service.post("/v1/segment-previews", looked).json()["size"] == 24
    assert service.post(path, {}).json()["baskets"] == 24
    service.made("/v1/apply", {"settings": {"retention": {"behaviour": 50, "contracts": 50}}})
    assert service.post("/v1/segment-previews", looked).json()["size"] == 12
    assert service.post(path, {}).json()["baskets"] == 12


def test_a_draft_rule_is_previewed_and_not_stored(service: Service) -> None:
    """The same numbers as once it is stored."""
    shop(service)
    draft = service.post("/v1/segment-previews", repeat()).json()
    assert service.get("/v1/segments/repeat").status_code == 404
    service.made("/v1/segments", repeat())
    stored = service.get("/v1/segments/repeat/preview").json()
    moving = dict.fromkeys(("as_of", "orders_per_year", "days_since_last_order"))
    assert {**draft, **moving} == {**stored, **moving}


def test_a_preview_sees_what_was_acknowledged(service: Service) -> None:
    """An order sent before the request is counted in it."""
    shop(service)
    before = service.post("/v1/segment-previews", repeat()).json()["size"]
    order = {"type": "order", "customer_id": "c0", "lines": [{"sku": "x", "quantity": 1, "unit_price": "1"}]}
    service.send(*({"id": f"more{n}", "order_id": f"more{n}", **order} for n in range(2)))
    assert service.post("/v1/segment-previews", repeat()).json()["size"] == before + 1


def test_presets_have_the_shops_own_limits(service: Service) -> None:
    """One buyer in ten is high value by this shop's orders; each preset is taken over as it stands."""
    shop(service, 80)
    found = service.get("/v1/segment-presets").json()
    by_key = {one["key"]: one for one in found["items"]}
    assert found["buyers"] == 60
    high = by_key["high-value"]["limit"]
    assert sum(10_000 * (i + 1) >= high for i in range(80) if i % 4) == 6
    for one in found["items"]:
        service.made("/v1/segments", one["segment"])
    assert service.get("/v1/segments/high-value/preview").json()["withheld"] == "under_10"
    assert service.get("/v1/segments/new/preview").json()["size"] == 20


def test_a_small_shop_has_no_percentiles(service: Service) -> None:
    """Twenty buyers make a limit, nineteen none."""
    shop(service, 8)
    items = service.get("/v1/segment-presets").json()["items"]
    assert [one["key"] for one in items if one["segment"] is None] == ["high-value", "lapsed"]


def test_a_sensitive_rule_needs_a_registered_purpose(service: Service) -> None:
    """Age is refused in a rule, registered with its purpose, then taken; the registry can't undo it under the rule."""
    segment = {"key": "parents", "rule": {"attribute": "age", "op": "gte", "value": 30}}
    refused = service.post("/v1/segments", segment)
    assert (refused.status_code, refused.json()["extra"]) == (422, {"attribute": "age"})
    path, body = "/v1/attributes/age", {"name": "age", "type": "number"}
    assert service.call("PUT", path, body).json()["field"] == "purpose"
    registered = service.call("PUT", path, {**body, "purpose": "gifts for parents"})
    assert (registered.status_code, registered.json()["sensitive"]) == (200, True)
    service.made("/v1/segments", segment)
    assert service.get("/v1/attributes").json()["items"] == [service.get(path).json()]
    text = {"name": "age", "type": "text", "purpose": "gifts for parents"}
    assert service.call("PUT", path, text).status_code == 409
    assert service.get("/v1/attributes/income").status_code == 404


def test_rules_look_at_reviews_views_and_categories(service: Service) -> None:
    """Who rated a category well, looked lately and owns something of it belongs to a segment that says so."""
    shop(service, 4)
    service.send(
        {"id": "r1", "type": "review", "customer_id": "c3", "sku": "capsule-set", "rating": 5},
        {"id": "r2", "type": "review", "customer_id": "c3", "sku": "coffee-machine", "rating": 4},
        {"id": "w", "type": "product_viewed", "customer_id": "c3", "sku": "capsule-set"},
    )
    service.patch("/v1/products/capsule-set", {"category": "coffee"})
    service.patch("/v1/products/coffee-machine", {"category": "coffee"})
    rule = {
        "all": [
            {"attribute": "rating_mean:coffee", "op": "gte", "value": 4.5},
            {"attribute": "owned_categories", "op": "contains", "value": "coffee"},
            {"attribute": "days_since_last_view", "op": "lte", "value": 1},
            {"attribute": "orders_per_year", "op": "gte", "value": 12},
        ]
    }
    service.made("/v1/segments", {"key": "fans", "rule": rule})
    service.made("/v1/offers", {"key": "hello", "kind": "engagement"})
    arms = [{"key": "control"}, {"key": "hi", "offer": "hello"}]
    service.made(
        "/v1/experiments",
        {"key": "e", "segments": ["fans"], "variants": arms, "metrics": {"primary": "conversion_rate"}},
    )
    service.post("/v1/experiments/e/start")
    assert [service.decide(f"c{i}")["decisions"][0]["segment"] for i in (1, 3)] == [None, "fans"]
    assert service.post("/v1/segment-previews", {"key": "fans", "rule": rule}).json()["withheld"] == "under_10"
