"""Consent by channel and purpose over the API: history, receipts, age, objection."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.service import CAPSULES, COFFEE, Service

EMAIL = {"channel": "email", "trigger": {"sku": "coffee-machine"}}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A coffee shop whose only arm mails capsules to whoever asks."""
    running = Service(f"sqlite:///{tmp_path / 'a.db'}")
    running.made("/v1/products", [{**one, "category": "coffee"} for one in COFFEE])
    running.made("/v1/offers", {**CAPSULES, "placements": [], "channel": None})
    arms = [{"key": "control", "weight": 0.0}, {"key": "t", "offer": "capsules", "weight": 1.0}]
    running.made("/v1/experiments", {"key": "e", "variants": arms, "metrics": {"primary": "aov"}})
    running.post("/v1/experiments/e/start")
    yield running
    running.close()


def says(service: Service, customer: str, *, granted: bool = True, **more: Any) -> None:
    """A word of consent."""
    event = {"id": f"{customer}{service.time}", "type": "consent", "customer_id": customer, "channel": "email"}
    assert service.send({**event, "granted": granted, **more})["accepted"] == 1


def answer(service: Service, customer: str, context: dict[str, Any] | None = None, **more: Any) -> Any:
    """The decision of the experiment."""
    return service.decide(customer, context=context or EMAIL, **more)["decisions"][0]


def test_each_word_is_kept_with_its_receipt(service: Service) -> None:
    """P1, P6: channel, purpose, text version, time and source; a receipt within 14 days for yes and no."""
    says(service, "c1", purpose="ads", text_version="2026-01", source="checkout")
    says(service, "c1", granted=False, purpose="ads")
    first, second = service.get("/v1/customers/c1/consents").json()["items"]
    assert (first["granted"], first["text_version"], first["source"], second["granted"]) == (
        True,
        "2026-01",
        "checkout",
        False,
    )
    assert (first["tell_by"][:10], first["at"][:10]) == ("2026-10-05", "2026-09-21")
    assert service.get("/v1/customers/nobody/consents").status_code == 404


def test_two_years_later_it_is_to_be_confirmed(service: Service) -> None:
    """P6: on day 730 nobody is asked, on day 731 the consent is listed; a new yes takes it off the list."""
    says(service, "c1")
    service.wait(days=729)
    assert service.get("/v1/consents/due").json()["items"] == []
    service.wait(days=2)
    (item,) = service.get("/v1/consents/due").json()["items"]
    assert (item["customer_id"], item["channel"], item["purpose"]) == ("c1", "email", "marketing")
    assert answer(service, "c1")["suppressed"] is None
    service.call("PUT", "/v1/settings", {"consent_days": 730})
    assert answer(service, "c1")["suppressed"] == "consent"
    says(service, "c1")
    assert answer(service, "c1")["suppressed"] is None
    assert service.get("/v1/consents/due").json()["items"] == []


def test_who_bought_such_goods_lately_may_be_written_to(service: Service) -> None:
    """P2: with the policy day 180 after a purchase of the same kind is fine, day 181 is not; a refusal always wins."""
    order = {"id": "o", "type": "order", "customer_id": "c1", "order_id": "o"}
    service.send({**order, "lines": [{"sku": "coffee-machine", "unit_price": "1"}]})
    assert answer(service, "c1")["suppressed"] == "consent"
    service.call("PUT", "/v1/settings", {"soft_opt_in_days": 180})
    assert answer(service, "c1")["suppressed"] is None
    assert answer(service, "c2")["suppressed"] == "consent"
    service.wait(days=179.9)
    assert answer(service, "c1")["suppressed"] is None
    service.wait(days=0.2)
    assert answer(service, "c1")["suppressed"] == "consent"
    says(service, "c3", granted=False)
    service.send(
        {**order, "id": "p", "order_id": "p", "customer_id": "c3", "lines": [{"sku": "capsule-set", "unit_price": "1"}]}
    )
    assert answer(service, "c3")["suppressed"] == "consent"


@pytest.mark.parametrize("placement", ["tracking_email", "remarketing_email", "push", "sms"])
def test_an_offer_in_a_message_is_an_advertisement(service: Service, placement: str) -> None:
    """P5: the block of a tracking mail is empty without consent, the arm stays, and the web is never asked."""
    context = {"placement": placement, "trigger": {"sku": "coffee-machine"}}
    empty = answer(service, "c1", context)
    assert (empty["offer"], empty["suppressed"], empty["reason"], empty["variant"]) == (None, "consent", "SPLIT", "t")
    says(service, "c1", channel=placement.removeprefix("tracking_").removeprefix("remarketing_"))
    assert answer(service, "c1", context)["offer"] is not None
    assert answer(service, "c2", {**context, "placement": "tracking_page"})["offer"] is not None


def test_an_objection_ends_everything(service: Service) -> None:
    """P13: no arm, no exposure, no offer, also where the customer was exposed before; taking it back opens again."""
    web = {"channel": "web", "trigger": {"sku": "coffee-machine"}}
    assert answer(service, "c1", web, expose=True)["exposed"] is True
    says(service, "c1", granted=False, channel="all", purpose="profiling")
    after = answer(service, "c1", web, expose=True)
    assert (after["enrolled"], after["exposed"], after["offer"], after["reason"]) == (
        False,
        False,
        None,
        "NOT_IN_SEGMENT",
    )
    says(service, "c1", channel="web", purpose="profiling")
    assert answer(service, "c1", web)["enrolled"] is True


@pytest.mark.parametrize(("age", "enrolled"), [(13, False), (14, True), (None, True), ("13", True), (True, True)])
def test_children_are_offered_nothing(service: Service, age: object, enrolled: bool) -> None:  # noqa: FBT001 - a case
    """P8: under 14 by the profile or by the request, nobody takes part; who told no age does."""
    web = {"channel": "web", "trigger": {"sku": "coffee-machine"}}
    service.send({"id": "p", "type": "profile", "customer_id": "told", "attributes": {"age": age}})
    assert answer(service, "told", web)["enrolled"] is enrolled
    assert answer(service, "asked", web, attributes={"age": age})["enrolled"] is enrolled
