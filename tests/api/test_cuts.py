"""Reports cut by what was known at the exposure: device, placement, channel."""

from typing import Any

from support.service import AT_CHECKOUT, Service


def exposures(service: Service) -> Any:
    """Customers by device, whatever the arm; under ten their number is not told."""
    report = service.get("/v1/experiments/coffee-addon/report?segment_by=device").json()
    return {cut["segment"]: cut["n"] for cut in report["segments"]}


def expose(service: Service, customer: str, event: str, device: str) -> None:
    """Somebody reaches the moment on a device."""
    token = service.decide(customer, context=AT_CHECKOUT)["decision_id"]
    item = {"id": event, "type": "exposure", "customer_id": customer, "decision_id": token, "device": device}
    assert service.send(item)["accepted"] == 1


def test_the_device_of_the_exposure_cuts_the_report(service: Service) -> None:
    """Thirty customers on a phone, twelve at a desk: the report by device counts them apart, each in their arm."""
    service.coffee_shop()
    for i in range(42):
        expose(service, f"c{i}", f"e{i}", "mobile" if i < 30 else "desktop")
    assert exposures(service) == {"mobile": 30, "desktop": 12}


def test_a_page_opened_again_exposes_nobody_twice(service: Service) -> None:
    """The tracking page rendered five times, on two devices: one customer, under the device seen first."""
    service.coffee_shop()
    for n in range(5):
        service.wait(seconds=600)
        expose(service, "c", f"e{n}", "mobile" if n == 0 else "desktop")
    report = service.get("/v1/experiments/coffee-addon/report").json()
    assert sum(arm["n"] for arm in report["metrics"][0]["arms"]) == 1
    assert exposures(service) == {"mobile": None}


def test_the_slot_of_a_page_cuts_the_report(service: Service) -> None:
    """S66: a page with two places names the one it asks for; it stays with the exposure, by token, event or at once."""
    service.coffee_shop()
    for i in range(36):
        said = {"slot": "top"} if i < 12 else {"slot": "below the map"} if i < 24 else {}
        answer = service.decide(f"c{i}", context={**AT_CHECKOUT, **said})
        event = {"id": f"e{i}", "type": "exposure", "customer_id": f"c{i}", "decision_id": answer["decision_id"]}
        assert service.send({**event, "slot": "side"} if i >= 24 else event)["accepted"] == 1
    service.decide("c99", context={**AT_CHECKOUT, "slot": "top"}, expose=True)
    cuts = service.get("/v1/experiments/coffee-addon/report?segment_by=slot").json()["segments"]
    assert {cut["segment"]: cut["n"] for cut in cuts} == {"top": 13, "below the map": 12, "side": 12}
    service.send({"id": "v", "type": "offer_viewed", "customer_id": "c0", "offer": "capsules", "slot": "top"})
    person = service.get("/v1/customers/c0/export").json()
    assert (person["exposures"][0]["slot"], person["interactions"][-1]["body"]["slot"]) == ("top", "top")


def test_the_agent_who_spoke_cuts_the_report(service: Service) -> None:
    """Whoever asked for the script, or is named by the exposure, is kept with it: an effect for each of them."""
    service.coffee_shop()
    for i in range(36):
        said = {"agent": "kim"} if i < 12 else {"agent": "lee"} if i < 24 else {}
        answer = service.decide(f"c{i}", context={**AT_CHECKOUT, **said})
        event = {"id": f"e{i}", "type": "exposure", "customer_id": f"c{i}", "decision_id": answer["decision_id"]}
        assert service.send({**event, "agent": "park"} if i >= 24 else event)["accepted"] == 1
    service.decide("c99", context={**AT_CHECKOUT, "agent": "kim"}, expose=True)
    cuts = service.get("/v1/experiments/coffee-addon/report?segment_by=agent").json()["segments"]
    assert {cut["segment"]: cut["n"] for cut in cuts} == {"kim": 13, "lee": 12, "park": 12}
    assert all(cut["metrics"][0]["metric"] == "revenue_per_customer" for cut in cuts)
    service.send({"id": "d", "type": "offer_declined", "customer_id": "c0", "offer": "capsules", "agent": "kim"})
    person = service.get("/v1/customers/c0/export").json()
    assert (person["exposures"][0]["agent"], person["interactions"][-1]["body"]["agent"]) == ("kim", "kim")


def test_what_agents_said_and_heard_is_counted_by_agent(service: Service) -> None:
    """S55: shown, accepted and declined with their reasons, each customer once; of a handful only the agent's name."""
    service.coffee_shop()
    heard: dict[str, list[str]] = {"kim": [], "lee": []}
    for i in range(32):
        agent = "kim" if i < 20 else "lee" if i < 30 else "new"
        seen = service.decide(f"c{i}", context={**AT_CHECKOUT, "agent": agent}, expose=True)["decisions"][0]
        if seen["offer"] is not None:
            heard.setdefault(agent, []).append(f"c{i}")
    yes, *rest = heard["kim"]
    no, other, *_ = rest

    def answer(event: str, customer: str, kind: str, **more: str) -> dict[str, Any]:
        about = {"customer_id": customer, "offer": "capsules", "agent": "kim"}
        return {"id": event, "type": f"offer_{kind}", **about, **more}

    service.send(
        answer("1", yes, "declined", reason="too dear"),
        answer("2", yes, "accepted", experiment="coffee-addon"),
        answer("3", yes, "accepted"),
        answer("4", no, "declined", reason="too dear"),
        answer("5", other, "declined"),
        {**answer("6", other, "declined"), "offer": "another"},
        answer("7", "stranger", "accepted"),
    )
    kim, lee, new = service.get("/v1/experiments/coffee-addon/agents").json()["items"]
    assert kim == {
        "agent": "kim",
        "customers": 20,
        "shown": len(heard["kim"]),
        "accepted": 1,
        "declined": 3,
        "reasons": [{"reason": "too dear", "n": 2}, {"reason": "unstated", "n": 1}],
        "withheld": None,
    }
    assert (lee["customers"], lee["shown"], lee["accepted"], lee["reasons"]) == (10, len(heard["lee"]), 0, [])
    assert (new["agent"], new["customers"], new["withheld"]) == ("new", None, "under_10")
    assert service.get("/v1/experiments/nothing/agents").status_code == 404
