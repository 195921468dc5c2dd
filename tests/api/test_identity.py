"""A visitor logs in: the arm first seen stays, and an experiment says by which id it buckets."""

from typing import Any

import pytest

from support.service import AT_CHECKOUT, Service


def variant(service: Service, customer: str | None, **fields: Any) -> tuple[str, str]:
    """Variant and reason for a customer."""
    decision = service.decide(customer, context=AT_CHECKOUT, **fields)["decisions"][0]
    return decision["variant"], decision["reason"]


@pytest.mark.parametrize("link", ["alias", "identify"])
def test_a_log_in_keeps_the_first_arm(service: Service, link: str) -> None:
    """Visitors exposed under an anonymous id keep their arm as customers, also those whose own hash says otherwise."""
    service.coffee_shop()
    moved = 0
    for i in range(30):
        visitor, customer = f"anon-{i}", f"c-{i}"
        first = service.decide(visitor, context=AT_CHECKOUT, expose=True)["decisions"][0]
        assert first["exposed"]
        by_hash = variant(service, customer)[0]
        body = {
            "alias": {"previousId": visitor, "userId": customer},
            "identify": {"anonymousId": visitor, "userId": customer},
        }
        assert service.post(f"/v1/{link}", {"messageId": f"m-{i}", **body[link]}).json() == {"success": True}
        assert variant(service, customer) == (first["variant"], "SPLIT")
        moved += by_hash != first["variant"]
    assert moved > 5


def test_a_customer_seen_in_two_arms_is_a_crossover(service: Service) -> None:
    """Exposed under both ids before the log-in, in different arms: the earlier one is served, the report counts it."""
    service.coffee_shop()
    crossed = 0
    for i in range(30):
        visitor, customer = f"anon-{i}", f"c-{i}"
        arms = [service.decide(one, context=AT_CHECKOUT, expose=True)["decisions"][0] for one in (visitor, customer)]
        service.post("/v1/alias", {"messageId": f"m-{i}", "previousId": visitor, "userId": customer})
        assert variant(service, customer)[0] == variant(service, visitor)[0] == arms[0]["variant"]
        crossed += arms[0]["variant"] != arms[1]["variant"]
    report = service.get("/v1/experiments/coffee-addon/report").json()
    assert report["quality"]["crossovers"] == crossed > 5


def test_an_experiment_chooses_its_id(service: Service) -> None:
    """Bucketed by anonymous id, a log-in changes nothing before any link is known; by customer id the hash decides."""
    service.coffee_shop(bucket_by="anonymous_id")
    differ = 0
    for i in range(30):
        as_visitor = variant(service, f"anon-{i}", anonymous_id=f"anon-{i}")
        assert variant(service, f"c-{i}", anonymous_id=f"anon-{i}") == as_visitor
        differ += variant(service, f"c-{i}") != as_visitor
    assert differ > 5
