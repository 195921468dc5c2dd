"""Define, decide, expose, order: the loop that everything else stands on."""

import pytest

from offerlab.errors import Unavailable
from support.service import AT_CHECKOUT, Service


def test_a_decision_shows_the_offer_of_its_arm(service: Service) -> None:
    """Customers of the treatment see the offer in their language with its price; control sees nothing."""
    service.coffee_shop()
    seen: dict[str, object] = {}
    for i in range(20):
        answer = service.decide(f"c-{i}", context=AT_CHECKOUT)
        assert answer["unknown"] == []
        decision = answer["decisions"][0]
        assert (decision["reason"], decision["enrolled"], decision["exposed"]) == ("SPLIT", True, False)
        assert decision["propensity"] == 0.5
        seen[decision["variant"]] = decision["offer"]
    assert seen["control"] is None
    assert seen["capsules-20"] == {
        "key": "capsules",
        "kind": "cross_sell",
        "products": [{"sku": "capsule-set", "name": "캡슐 세트", "price": "18000", "offer_price": "14400"}],
        "message": {
            "title": "캡슐 세트 20% 할인",
            "body": "커피 머신을 구매하셨나요? 캡슐 세트로 더 맛있는 커피를 즐겨보세요!",
            "benefit": "",
            "locale": "ko",
        },
        "discount": {"type": "percent", "value": "20", "code": None},
        "timing": {"trigger": None, "delay_seconds": 0, "expires_at": None},
        "channel": "web",
        "version": 1,
    }


def test_a_customer_keeps_the_variant_through_weights_and_restarts(service: Service) -> None:
    """Law 2: exposed customers stay where they were when weights change and when the service restarts."""
    service.coffee_shop()
    before = {f"c-{i}": service.decide(f"c-{i}", expose=True)["decisions"][0] for i in range(40)}
    assert all(decision["exposed"] for decision in before.values())
    changed = service.patch("/v1/experiments/coffee-addon", {"weights": {"control": 0.1, "capsules-20": 0.9}})
    assert [epoch["number"] for epoch in changed.json()["epochs"]] == [1, 2]
    service.restart()
    for customer, first in before.items():
        again = service.decide(customer)["decisions"][0]
        assert (again["variant"], again["epoch"], again["propensity"]) == (first["variant"], 1, 0.5)
    fresh = service.decide("never-seen")["decisions"][0]
    assert fresh["epoch"] == 2


def test_exposures_come_by_token_and_by_name(service: Service) -> None:
    """An exposure is taken with the decision's token, or by name when the service decides the same again."""
    service.coffee_shop()
    answer = service.decide("c-1")
    variant = answer["decisions"][0]["variant"]
    other = {"control": "capsules-20", "capsules-20": "control"}[variant]
    done = service.send(
        {"id": "x1", "type": "exposure", "customer_id": "c-1", "decision_id": answer["decision_id"]},
        {"id": "x2", "type": "exposure", "customer_id": "c-2", "decision_id": answer["decision_id"]},
        {"id": "x3", "type": "exposure", "customer_id": "c-3", "experiment": "coffee-addon"},
        {"id": "x4", "type": "exposure", "customer_id": "c-1", "experiment": "coffee-addon", "variant": other},
        {"id": "x5", "type": "exposure", "customer_id": "c-4", "experiment": "nowhere"},
        {
            "id": "x6",
            "type": "exposure",
            "customer_id": "c-4",
            "experiment": "coffee-addon",
            "occurred_at": "2020-01-01T00:00:00Z",
        },
        {"id": "x7", "type": "exposure", "customer_id": "c-4", "decision_id": "bm8.bm8"},
        {"id": "x8", "type": "exposure", "customer_id": "guest", "experiment": "coffee-addon"},
    )
    assert done["accepted"] == 2
    assert [(item["index"], item["code"]) for item in done["rejected"]] == [
        (1, "customer_mismatch"),
        (3, "variant_mismatch"),
        (4, "unknown_experiment"),
        (5, "not_enrolled"),
        (6, "invalid_token"),
        (7, "invalid_customer_id"),
    ]


def test_an_exposure_that_can_not_be_judged_now_is_no_bad_one(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store does not tell who somebody is, the sender is asked to come again; the same event then counts."""
    service.coffee_shop()
    event = {
        "id": "e",
        "type": "exposure",
        "customer_id": "c",
        "experiment": "coffee-addon",
        "occurred_at": service.at(),
    }

    def away(*_: object) -> None:
        raise Unavailable("the store can't be reached")

    with monkeypatch.context() as outage:
        outage.setattr(service.app.serving._states, "read", away)
        assert service.post("/v1/events", {"events": [event]}).status_code == 503
    assert service.get("/v1/events/rejected").json()["items"] == []
    assert service.send(event)["accepted"] == 1


def test_an_event_counts_once_and_a_changed_one_is_told(service: Service) -> None:
    """The same body is a duplicate, whatever its spacing; another body under the id is a conflict."""
    order = {"id": "o", "type": "order", "customer_id": "c", "occurred_at": service.at(), "order_id": "1", "lines": []}
    assert service.send(order) == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert service.send(order, order)["duplicates"] == 2
    conflict = service.send({**order, "order_id": "2"})
    assert [item["code"] for item in conflict["rejected"]] == ["conflict"]


def test_stopping_serves_the_winner(service: Service) -> None:
    """After a stop with `serve` everybody is SHIPPED the arm; without it nothing runs."""
    service.coffee_shop()
    assert (
        service.post("/v1/experiments/coffee-addon/stop", {"serve": "capsules-20", "conclusion": "ship"}).json()[
            "status"
        ]
        == "stopped"
    )
    shipped = service.decide("anybody", context=AT_CHECKOUT)["decisions"][0]
    assert (shipped["reason"], shipped["variant"], shipped["enrolled"], shipped["segment"]) == (
        "SHIPPED",
        "capsules-20",
        False,
        None,
    )
    assert shipped["offer"]["key"] == "capsules"
    assert service.post("/v1/experiments/coffee-addon/start").status_code == 409


def test_pausing_shows_control_and_exposes_nobody(service: Service) -> None:
    """Paused is NOT_RUNNING with control's content; resuming brings everybody back."""
    service.coffee_shop()
    before = service.decide("c-1", expose=True)["decisions"][0]
    service.post("/v1/experiments/coffee-addon/pause")
    paused = service.decide("c-1", experiments=["coffee-addon"], expose=True)["decisions"][0]
    assert (paused["reason"], paused["variant"], paused["exposed"], paused["offer"]) == (
        "NOT_RUNNING",
        "control",
        False,
        None,
    )
    service.post("/v1/experiments/coffee-addon/resume")
    assert service.decide("c-1")["decisions"][0]["variant"] == before["variant"]


def test_segments_come_from_what_customers_did(service: Service) -> None:
    """A segment over folded attributes sees orders as soon as they are acknowledged; the request's attributes win."""
    service.made("/v1/products", [{"sku": "a", "name": "A", "price": "1000"}])
    rule = {"all": [{"attribute": "orders_count", "op": "gte", "value": 2}]}
    service.made("/v1/segments", {"key": "repeat", "rule": rule})
    service.made(
        "/v1/experiments",
        {
            "key": "loyal",
            "segments": ["repeat"],
            "variants": [{"key": "control"}, {"key": "b"}],
            "metrics": {"primary": "conversion_rate"},
        },
    )
    service.post("/v1/experiments/loyal/start")
    assert service.decide("c-1")["decisions"][0]["reason"] == "NOT_IN_SEGMENT"
    for i in (1, 2):
        service.send(
            {
                "id": f"o{i}",
                "type": "order",
                "customer_id": "c-1",
                "order_id": str(i),
                "lines": [{"sku": "a", "unit_price": "1000"}],
            }
        )
    decided = service.decide("c-1")["decisions"][0]
    assert (decided["reason"], decided["segment"]) == ("SPLIT", "repeat")
    told = service.decide("c-2", attributes={"orders_count": 7})["decisions"][0]
    assert told["segment"] == "repeat"


def test_nobody_runs_nothing(service: Service) -> None:
    """Without experiments a decision is 200 with an empty list; unknown keys are listed."""
    answer = service.decide("c-1", experiments=["a", "b"])
    assert (answer["decisions"], answer["unknown"], answer["stale"]) == ([], ["a", "b"], False)


def test_junk_ids_enter_no_arm(service: Service) -> None:
    """Ids that name nobody get 200, NO_UNIT and control; broken ids get 422."""
    service.coffee_shop()
    for junk in (None, "", "  ", "null", "undefined", "None", "NaN", "0", 0, "guest", "anonymous", "[object Object]"):
        decision = service.decide(junk, expose=True)["decisions"][0]
        assert (decision["reason"], decision["variant"], decision["exposed"]) == ("NO_UNIT", "control", False)
    for broken in (1.5, True, ["a"], {"a": 1}, "x" * 1025, "a\u0007b", 2**63):
        response = service.post("/v1/decisions", {"customer_id": broken})
        assert response.status_code == 422, broken
    assert service.decide(42)["decisions"][0]["variant"] == service.decide("42")["decisions"][0]["variant"]


def test_bulk_decides_like_single(service: Service) -> None:
    """A mailing gets for each customer what a single request would say."""
    service.coffee_shop()
    customers = [f"c-{i}" for i in range(30)]
    bulk = service.post(
        "/v1/decisions/bulk", {"customers": [{"customer_id": c} for c in customers], "expose": True}
    ).json()
    assert [result["customer_id"] for result in bulk["results"]] == customers
    for result in bulk["results"]:
        single = service.decide(result["customer_id"])["decisions"][0]
        assert single["variant"] == result["decisions"][0]["variant"]
        assert result["decisions"][0]["exposed"] is True
