"""Local evaluation: the service's answers without the service."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from client.through import ThroughService
from offerlab.assignment.ruleset import Rules, compile_ruleset
from offerlab.assignment.wire import decode, encode, published
from offerlab.client.answers import Answer
from offerlab.client.http import Client
from offerlab.client.local import Local
from offerlab.domain.product import Product
from offerlab.errors import InvalidInput
from support.service import ADMIN, Service

COUNTRIES = ("KR", "JP", "US", None)
PART = 200
PLACES = ("checkout", "cart", None)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A shop with a holdout, a layer, segments, a ramp, a re-weighted and a shipped experiment."""
    running = Service(f"sqlite:///{tmp_path_factory.mktemp('local')}/offerlab.db")
    running.coffee_shop()
    for key, rule in {
        "near": {"attribute": "country", "op": "in", "value": ["KR", "JP"]},
        "first": {"attribute": "orders_count", "op": "eq", "value": 0},
    }.items():
        running.made("/v1/segments", {"key": key, "rule": rule})
    running.made("/v1/layers", {"key": "page"})
    arms = [{"key": "control", "weight": 0.5}, {"key": "b", "offer": "capsules", "weight": 0.5}]
    held = [{"key": "held_out", "weight": 0.1}, {"key": "programme", "weight": 0.9}]
    common = {"metrics": {"primary": "aov"}}
    for fields in (
        {"key": "ramped", "variants": arms, "traffic": 0.3},
        {"key": "layered", "variants": arms, "layer": "page", "traffic": 0.4},
        {"key": "beside", "variants": arms, "layer": "page", "traffic": 0.5},
        {
            "key": "near-only",
            "variants": arms,
            "segments": ["near"],
            "allocation": {"near": {"control": 0.2, "b": 0.8}},
        },
        {"key": "new-only", "variants": arms, "segments": ["first"]},
        {"key": "shipped", "variants": arms},
        {"key": "moved", "variants": arms},
        {"key": "kept-away", "variants": held, "holdout": "*"},
        {"key": "never-started", "variants": arms},
    ):
        running.made("/v1/experiments", {**common, **fields})
        if fields["key"] != "never-started":
            assert running.post(f"/v1/experiments/{fields['key']}/start").status_code == 200
    assert running.post("/v1/experiments/shipped/stop", {"serve": "b", "conclusion": "ship"}).status_code == 200
    assert running.patch("/v1/experiments/moved", {"weights": {"control": 0.2, "b": 0.8}}).status_code == 200
    yield running
    running.close()


def customers(count: int) -> list[dict[str, Any]]:
    """Random customers, seeded: ids of every script, with and without attributes."""
    rng = random.Random(20261122)  # noqa: S311 - draws test data
    made: list[dict[str, Any]] = []
    for i in range(count):
        unit: object = rng.choice((f"c-{i}", f"고객 {i}", i - count, f"{rng.random()}", "guest"))
        country = rng.choice(COUNTRIES)
        made.append({"customer_id": unit, "attributes": {} if country is None else {"country": country}})
    return made


def differences(service: Service, count: int) -> int:
    """Customers for whom the service and the downloaded ruleset say something different."""
    wrong = 0
    with Client("http://shop", ADMIN, transport=ThroughService(service)) as client:
        local = client.local()
        people = customers(count)
        for start in range(0, count, PART):
            part = people[start : start + PART]
            place = PLACES[start // PART % len(PLACES)]
            context = {} if place is None else {"placement": place}
            for one, answered in zip(part, client.decide_many(part, context=context), strict=True):
                found = local.decide(
                    one["customer_id"], attributes=one["attributes"], context=context, now=service.time
                )
                wrong += [said(a) for a in answered.decisions] != [said(a) for a in found.decisions]
    return wrong


def said(answer: Answer) -> tuple[object, ...]:
    """What both must say alike: everything but words, codes and times."""
    offer = answer.offer or {}
    skus = [(item["sku"], item["price"], item["offer_price"]) for item in offer.get("products", ())]  # type: ignore[attr-defined]  # dictionaries from JSON
    return (
        answer.experiment,
        answer.variant,
        answer.enrolled,
        answer.reason,
        answer.segment,
        answer.propensity,
        answer.epoch,
        answer.suppressed,
        offer.get("key"),
        skus,
    )


def test_the_same_answers_as_the_service(service: Service) -> None:
    """600 random customers: no difference."""
    assert differences(service, 600) == 0


@pytest.mark.slow
def test_the_same_answers_for_100_000(service: Service) -> None:
    """100,000 random customers: no difference."""
    assert differences(service, 100_000) == 0


def test_what_may_differ_is_said(service: Service) -> None:
    """Experiments that the service might answer otherwise, knowing the customer, are not settled."""
    with Client("http://shop", ADMIN, transport=ThroughService(service)) as client:
        answers = client.local().decide("c-42", attributes={"country": "KR"})
    unsettled = {one.experiment for one in answers.decisions if not one.settled}
    assert (answers.stale, unsettled) == (True, {"moved", "new-only"})


def test_rules_survive_the_wire(service: Service) -> None:
    """Written and read again they are the same rules, and decide the same."""
    rules = service.app.runtime.projects()[0]
    sent = service.app.runtime.snapshot(rules.id).ruleset.rules
    assert decode(encode(sent)) == sent
    assert compile_ruleset(decode(encode(sent))).version == sent.version


def test_costs_and_drafts_stay_at_home(service: Service) -> None:
    """What nobody needs to decide does not leave: unit costs and drafts."""
    text = service.get("/v1/ruleset").text
    assert ('"never-started"' in text, '"unit_cost_micro":9000' in text, '"moved"' in text) == (False, False, True)
    kept = published(Rules(version=1, products=(Product(sku="a", name="A", price_micro=2, unit_cost_micro=1),)))
    assert [product.unit_cost_micro for product in kept.products] == [None]


@pytest.mark.parametrize(
    "document", [b"", b"{}", b'{"rules":{"version":1},"format":2}', b"\xff", b'{"rules":"\xe9"}', b"[1]"]
)
def test_other_documents_are_refused(document: bytes) -> None:
    """What is no ruleset, or of another format, is never decided by."""
    with pytest.raises(InvalidInput):
        Local.load(document)


def test_unknown_fields_are_passed_over() -> None:
    """A ruleset of a newer service still decides."""
    local = Local.load(b'{"format":1,"rules":{"version":7,"news":true},"more":1}')
    assert (local.version, local.decide("c").decisions) == (7, [])
