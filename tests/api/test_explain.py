"""Why this arm: every gate of a decision over HTTP."""

from offerlab.assignment.hashing import bucket
from support.service import AT_CHECKOUT, COFFEE_ADDON, Service


def test_every_gate_is_told_with_its_bucket(service: Service) -> None:
    """The gates of each decision in order; the arm's bucket is the published hash, and the answer is the usual one."""
    service.coffee_shop(traffic=0.5, forced={"tester": "capsules-20"})
    reasons: set[str] = set()
    for customer in ("tester", *(f"c{number}" for number in range(40))):
        body = {"customer_id": customer, "context": AT_CHECKOUT}
        answer = service.post("/v1/decisions?explain=true", body).json()
        plain = service.decide(customer, context=AT_CHECKOUT)
        told = answer["explanations"][0]
        decision = answer["decisions"][0]
        assert "explanations" not in plain
        assert {**decision, "offer": None} == {**plain["decisions"][0], "offer": None}
        assert (told["experiment"], told["variant"], told["reason"]) == (
            "coffee-addon",
            decision["variant"],
            decision["reason"],
        )
        gates = {gate["gate"]: gate for gate in told["gates"]}
        assert list(gates)[:5] == ["life", "moment", "unit", "forced", "assigned"]
        for gate in ("traffic", "arm"):
            assert gates[gate]["bucket"] == bucket(gates[gate]["salt"], customer)
        slots = gates["traffic"]["slots"]
        assert gates["traffic"]["passed"] == any(start <= gates["traffic"]["bucket"] < end for start, end in slots)
        assert gates["forced"]["passed"] == (customer != "tester")
        failed = [gate["reason"] for gate in told["gates"] if not gate["passed"] and gate["reason"]]
        assert decision["reason"] == (failed[0] if failed else "SPLIT")
        reasons.add(decision["reason"])
    assert reasons == {"FORCED", "SPLIT", "NOT_IN_TRAFFIC"}


def test_salts_stay_with_server_keys(service: Service) -> None:
    """A client key gets 403 for an explanation, a server key gets it; another word than true or false is 422."""
    service.coffee_shop()
    keys = {kind: service.new_key(kind) for kind in ("client", "server")}
    for kind, status in (("client", 403), ("server", 200)):
        assert service.post("/v1/decisions?explain=true", {"customer_id": "c"}, key=keys[kind]).status_code == status
        assert service.post("/v1/decisions?explain=false", {"customer_id": "c"}, key=keys[kind]).status_code == 200
    assert service.post("/v1/decisions?explain=maybe", {"customer_id": "c"}).json()["field"] == "explain"


def test_a_prerequisite_is_a_gate_with_its_reason(service: Service) -> None:
    """Defined over the API, refused in a circle with its field, and told where a customer stands."""
    service.coffee_shop(forced={"tester": "capsules-20"})
    after = {**COFFEE_ADDON, "key": "after", "requires": [{"experiment": "coffee-addon", "variants": ["capsules-20"]}]}
    assert service.made("/v1/experiments", after)["requires"][0]["holds"] is True
    assert service.post("/v1/experiments/after/start").status_code == 200
    circle = {**COFFEE_ADDON, "key": "before", "requires": [{"experiment": "after"}]}
    service.made("/v1/experiments", circle)
    refused = service.patch("/v1/experiments/before", {"requires": [{"experiment": "before"}]})
    assert (refused.status_code, refused.json()["field"]) == (422, "requires[0].experiment")
    told = service.post("/v1/decisions?explain=true", {"customer_id": "tester", "experiments": ["after"]}).json()
    gates = {gate["gate"]: gate for gate in told["explanations"][0]["gates"]}
    assert gates["prerequisite"]["passed"] is True
    reasons = {service.decide(f"c-{i}", experiments=["after"])["decisions"][0]["reason"] for i in range(40)}
    assert reasons == {"SPLIT", "PREREQUISITE"}
    flag = service.post("/ofrep/v1/evaluate/flags/after", {"context": {"targetingKey": "c-1"}}).json()
    assert flag["reason"] in ("SPLIT", "STATIC")
