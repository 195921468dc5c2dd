"""What is fixed at the start of an experiment and what every look at its report leaves behind."""

from typing import Any

from support.service import AT_CHECKOUT, CAPSULES, COFFEE_ADDON, Service

REPORT = "/v1/experiments/coffee-addon/report"
GROUP: dict[str, Any] = {"metrics": {"primary": "conversion_rate"}, "analysis": {"sequential": "group"}}


def visit(service: Service, *names: str) -> None:
    """These customers reach the checkout."""
    for name in names:
        service.decide(name, context=AT_CHECKOUT, expose=True)


def test_the_planned_sample_is_fixed_at_the_start(service: Service) -> None:
    """Four customers in two days make 28 in the fortnight planned; what comes later changes nothing."""
    for i in range(4):
        service.send({"id": f"v{i}", "type": "product_viewed", "customer_id": f"p-{i}", "sku": "x"})
        service.wait(days=0.5)
    service.coffee_shop(**GROUP, ends_at=service.at(days=14))
    planned = service.get("/v1/experiments/coffee-addon").json()["analysis"]["planned_customers"]
    assert planned == 28
    visit(service, *(f"c-{i}" for i in range(9)))
    service.wait(days=3)
    report = service.get(REPORT).json()
    assert report["looking"]["planned"] == report["facts"]["planned_customers"] == 28
    again = service.post("/v1/experiments", {**COFFEE_ADDON, **GROUP, "ends_at": _end(service)})
    assert again.status_code == 200, again.text


def _end(service: Service) -> str:
    ends: str = service.get("/v1/experiments/coffee-addon").json()["ends_at"]
    return ends


def test_without_a_past_the_first_look_fixes_the_plan(service: Service) -> None:
    """Nobody was seen before the start: the first reading counts by the calendar, and later ones keep its plan."""
    service.coffee_shop(**GROUP, ends_at=service.at(days=10))
    visit(service, "a", "b", "c", "d")
    service.wait(days=5)
    first = service.get(REPORT).json()["looking"]
    assert 7 <= first["planned"] <= 9
    service.wait(days=2)
    visit(service, *(f"c-{i}" for i in range(7)))
    second = service.get(REPORT).json()["looking"]
    assert second["planned"] == first["planned"]
    assert second["looks"] == 2
    assert second["note"] == "plan_complete"
    service.wait(days=2)
    visit(service, *(f"d-{i}" for i in range(9)))
    third = service.get(REPORT).json()
    assert (third["looking"]["note"], third["looking"]["speaks"]) == ("overrun", "always")
    assert "More customers came" in {check["code"]: check["detail"] for check in third["quality"]["checks"]}["looks"]


def test_a_fixed_plan_read_early_says_what_that_costs(service: Service) -> None:
    """Read three times before its end: the report names the false alarms that this makes."""
    plan = {"sequential": "fixed", "planned_customers": 40}
    service.coffee_shop(metrics={"primary": "conversion_rate"}, analysis=plan)
    reports: list[Any] = []
    for i in range(3):
        visit(service, *(f"c-{i}-{k}" for k in range(10)))
        service.wait(days=1.5)
        reports.append(service.get(REPORT).json())
    report = reports[-1]
    looks = {check["code"]: check for check in report["quality"]["checks"]}["looks"]
    assert looks["numbers"]["n"] == looks["numbers"]["early"] == 3
    assert 0.1 < report["looking"]["false_alarm"] < 0.11


def test_a_report_reads_the_offer_that_was_exposed(service: Service) -> None:
    """After the end the offer gets another product; what was accepted stays what was offered then."""
    service.coffee_shop(metrics={"primary": "acceptance_rate"})
    visit(service, *(f"c-{i}" for i in range(20)))
    lines = [{"sku": "capsule-set", "unit_price": "18000"}]
    orders = [
        {"id": f"o{i}", "type": "order", "customer_id": f"c-{i}", "order_id": f"{i}", "lines": lines} for i in range(20)
    ]
    service.send(*orders)
    before = service.get(REPORT).json()["metrics"][0]["arms"][0]
    service.post("/v1/experiments/coffee-addon/stop", {"conclusion": "undecided"})
    service.made("/v1/products", {"sku": "mug", "name": "머그", "price": "9000", "unit_cost": "3000"})
    changed = service.call("PUT", "/v1/offers/capsules", {**CAPSULES, "products": ["mug"]})
    assert changed.status_code == 200, changed.text
    after = service.get(REPORT).json()["metrics"][0]["arms"][0]
    assert before["mean"] == after["mean"] == 1.0
