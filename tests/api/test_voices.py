"""Why people declined, which offers did worst, and which offer follows which."""

from typing import Any

from offerlab.storage.tables import reports
from support.service import AT_CHECKOUT, CAPSULES, Service


def test_the_lowest_offers_come_with_what_customers_said(service: Service) -> None:
    """Reasons are counted by arm, texts are masked, and the successor keeps its lineage."""
    service.coffee_shop(metrics={"primary": "acceptance_rate"})
    events: list[dict[str, Any]] = []
    for i in range(16):
        arm = service.decide(f"c-{i}", context=AT_CHECKOUT, expose=True)["decisions"][0]["variant"]
        about = {"customer_id": f"c-{i}", "experiment": "coffee-addon", "variant": arm, "offer": "capsules"}
        if arm != "control":
            reason = "too expensive" if i % 3 else "have enough"
            said = {"reason": reason, "text": f"mail me at c{i}@example.com"}
            events.append({"id": f"n{i}", "type": "offer_declined", **about, **said})
    service.send(*events)
    report = service.get("/v1/experiments/coffee-addon/report").json()
    counts = {each["reason"]: each["n"] for each in report["declines"]}
    assert sum(counts.values()) == len(events)
    assert {each["text"] for each in report["voices"]} == {"mail me at •••"}
    service.made("/v1/offers", {**CAPSULES, "key": "capsules-2", "replaces": "capsules"})
    found = service.get("/v1/offer-results").json()["items"]
    assert [each["offer"] for each in found] == ["capsules"]
    assert found[0]["declines"] == len(events)
    assert found[0]["reasons"][0]["n"] == max(counts.values())
    assert found[0]["acceptance_rate"] == 0.0
    assert found[0]["replaced_by"] == ["capsules-2"]
    kept = service.app.runtime.engine.connect()
    with kept:
        bodies = [row.body for row in kept.execute(reports.select())]
    assert bodies
    assert not any("mail me" in body for body in bodies)  # a kept report would outlive an erased customer
    assert service.get("/v1/offers/capsules-2").json()["replaces"] == "capsules"


def test_a_lineage_has_a_beginning(service: Service) -> None:
    """An offer follows one that exists, never itself, not even over another one."""
    service.coffee_shop(metrics={"primary": "acceptance_rate"})
    unknown = service.post("/v1/offers", {**CAPSULES, "key": "x", "replaces": "nothing"})
    assert (unknown.status_code, unknown.json()["field"]) == (422, "replaces")
    service.made("/v1/offers", {**CAPSULES, "key": "second", "replaces": "capsules"})
    service.made("/v1/offers", {**CAPSULES, "key": "third", "replaces": "second"})
    ring = service.call("PUT", "/v1/offers/second", {**CAPSULES, "key": "second", "replaces": "third"})
    assert (ring.status_code, ring.json()["field"]) == (422, "replaces")
