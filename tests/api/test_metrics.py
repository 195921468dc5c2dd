"""A shop's own metrics over HTTP: defined over events, planned, measured, frozen."""

from typing import Any

from support.service import AT_CHECKOUT, Service

CAPSULES: dict[str, Any] = {
    "key": "capsule_packs",
    "name": "Capsule packs per customer",
    "kind": "mean",
    "value": {"event": "order_line", "sum": "quantity", "where": {"sku": ["capsule-set"]}},
}
SHARE: dict[str, Any] = {"key": "viewers", "kind": "proportion", "value": {"event": "product_viewed"}}
PRICE: dict[str, Any] = {
    "key": "pack_price",
    "kind": "ratio",
    "value": {"event": "order_line", "sum": "revenue", "where": {"sku": ["capsule-set"]}},
    "per": {"event": "order_line", "sum": "quantity", "where": {"sku": ["capsule-set"]}},
}


def test_own_metrics_are_planned_and_measured(service: Service) -> None:
    """A mean, a share and a ratio by definition: the report's means are what was sent, per exposed customer."""
    for metric in (CAPSULES, SHARE, PRICE):
        assert service.post("/v1/metrics", metric).status_code == 201
    plan = {"primary": "capsule_packs", "secondary": ["viewers", "pack_price"]}
    service.coffee_shop(metrics=plan)
    events: list[dict[str, Any]] = []
    arms: dict[str, list[int]] = {"control": [], "capsules-20": []}
    for i in range(12):
        arm = service.decide(f"c-{i}", context=AT_CHECKOUT, expose=True)["decisions"][0]["variant"]
        arms[arm].append(i)
        lines = [{"sku": "capsule-set", "unit_price": "18000", "quantity": 1 + i % 3}]
        events.append({"id": f"o{i}", "type": "order", "customer_id": f"c-{i}", "order_id": f"{i}", "lines": lines})
        if i % 2:
            events.append({"id": f"v{i}", "type": "product_viewed", "customer_id": f"c-{i}", "sku": "mug"})
    service.send(*events)
    report = service.get("/v1/experiments/coffee-addon/report").json()
    found = {metric["metric"]: metric for metric in report["metrics"]}
    for arm, members in arms.items():
        mean = {key: next(each for each in found[key]["arms"] if each["variant"] == arm)["mean"] for key in found}
        assert abs(mean["capsule_packs"] - sum(1 + i % 3 for i in members) / len(members)) < 1e-9
        assert abs(mean["viewers"] - sum(i % 2 for i in members) / len(members)) < 1e-9
        assert abs(mean["pack_price"] - 18_000) < 1e-6
    assert found["capsule_packs"]["name"] == "Capsule packs per customer"
    assert [found[key]["unit"] for key in ("capsule_packs", "viewers", "pack_price")] == ["count", "share", "money"]
    text = service.get("/v1/experiments/coffee-addon/report?format=md").text
    assert "Capsule packs per customer" in text


def test_own_metrics_stand_in_the_list(service: Service) -> None:
    """The list holds the contract's metrics and the shop's own; one can be read by its key."""
    service.made("/v1/metrics", CAPSULES)
    items = {item["key"]: item for item in service.get("/v1/metrics?limit=100").json()["items"]}
    assert items["capsule_packs"]["custom"] is True
    assert "custom" not in items["aov"]
    assert service.get("/v1/metrics/capsule_packs").json()["value"]["where"] == {"sku": ["capsule-set"]}
    assert service.get("/v1/metrics/nothing").status_code == 404


def test_a_definition_is_identical_frozen_or_refused(service: Service) -> None:
    """The same again is 200, another under its key 409, a change while measured 409, nonsense 422 with its field."""
    service.made("/v1/metrics", CAPSULES)
    other = {**CAPSULES, "value": {"event": "order"}}
    assert service.post("/v1/metrics", CAPSULES).status_code == 200
    assert service.post("/v1/metrics", other).status_code == 409
    assert service.call("PUT", "/v1/metrics/capsule_packs", other).status_code == 200
    service.coffee_shop(metrics={"primary": "capsule_packs"})
    assert service.call("PUT", "/v1/metrics/capsule_packs", CAPSULES).status_code == 409
    wrong = {
        "key": {**CAPSULES, "key": "aov"},
        "value.sum": {**CAPSULES, "key": "x", "value": {"event": "product_viewed", "sum": "revenue"}},
        "value.where.sku": {**CAPSULES, "key": "x", "value": {"event": "order", "where": {"sku": ["a"]}}},
        "per": {**PRICE, "kind": "mean"},
        "value.to_hours": {**CAPSULES, "key": "x", "value": {"event": "order", "from_hours": 5, "to_hours": 2}},
    }
    for field, body in wrong.items():
        answer = service.post("/v1/metrics", body)
        assert (answer.status_code, answer.json().get("field")) == (422, field), answer.text


def test_a_plan_has_room_for_twenty_own_metrics(service: Service) -> None:
    """Twenty can be measured beside all of the contract's; one more is refused where it is planned."""
    keys = [f"m{i}" for i in range(21)]
    for key in keys:
        service.made("/v1/metrics", {"key": key, "kind": "mean", "value": {"event": "order"}})
    every = [item["key"] for item in service.get("/v1/metrics?limit=100").json()["items"] if item["key"] not in keys]
    plan = {"key": "e", "variants": [{"key": "a"}, {"key": "b"}]}
    full = {"primary": "revenue_per_customer", "secondary": [*every, *keys]}
    refused = service.post("/v1/experiments", {**plan, "metrics": full})
    assert (refused.status_code, refused.json()["field"]) == (422, "metrics")
    full["secondary"] = [*every, *keys[:20]]
    service.made("/v1/experiments", {**plan, "metrics": full})
    service.post("/v1/experiments/e/start")
    service.decide("c", experiments=["e"], expose=True)
    found = service.get("/v1/experiments/e/report").json()["metrics"]
    assert {metric["metric"] for metric in found} == {*every, *keys[:20]}


def test_an_unknown_metric_is_still_refused(service: Service) -> None:
    """A plan names metrics of the contract or of the shop, nothing else."""
    plan = {"key": "e", "variants": [{"key": "a"}], "metrics": {"primary": "capsule_packs"}}
    assert service.post("/v1/experiments", plan).status_code == 422
