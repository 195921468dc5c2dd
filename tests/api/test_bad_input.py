"""Whatever is sent: a clear refusal that names the field, nothing stored, the service alive."""

import json
from collections.abc import Iterator

import pytest

from support.service import CAPSULES, COFFEE, COFFEE_ADDON, Service


@pytest.fixture(scope="module")
def service(database_url: str) -> Iterator[Service]:
    """One service for the module: nothing that is sent here may change it."""
    running = Service(database_url)
    running.made("/v1/products", COFFEE)
    running.made("/v1/offers", CAPSULES)
    yield running
    running.close()


def stored(service: Service) -> list[str]:
    """Everything that is defined, as text."""
    return [service.get(f"/v1/{what}").text for what in ("products", "offers", "segments", "experiments")]


MALFORMED = {
    "empty": b"",
    "cut off": b'{"sku":"a"',
    "no UTF-8": b'{"sku":"a","name":"\xff","price":"1"}',
    "deep": b'{"sku":"a","name":"A","price":"1","attributes":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "NaN": b'{"sku":"a","name":"A","price":NaN}',
    "trailing": b'{"sku":"a","name":"A","price":"1"} {}',
}
WRONG = {
    "unknown field": (b'{"sku":"a","name":"A","price":"1","colour":"red"}', "colour"),
    "duplicate key": (b'{"sku":"a","name":"A","name":"B","price":"1"}', "name"),
    "missing field": (b'{"sku":"a","price":"1"}', "name"),
    "number for text": (b'{"sku":1,"name":"A","price":"1"}', "sku"),
    "text for number": (b'{"sku":"a","name":"A","price":"1","stock":"7"}', "stock"),
    "true for number": (b'{"sku":"a","name":"A","price":"1","stock":true}', "stock"),
    "float for int": (b'{"sku":"a","name":"A","price":"1","stock":1.5}', "stock"),
    "negative stock": (b'{"sku":"a","name":"A","price":"1","stock":-1}', "stock"),
    "beyond int64": (b'{"sku":"a","name":"A","price":"1","stock":9223372036854775808}', "stock"),
    "negative price": (b'{"sku":"a","name":"A","price":"-1"}', "price"),
    "huge price": (b'{"sku":"a","name":"A","price":1e999}', "price"),
    "price of seven digits": (b'{"sku":"a","name":"A","price":"0.0000001"}', "price"),
    "no price": (b'{"sku":"a","name":"A","price":"cheap"}', "price"),
    "NUL": (b'{"sku":"a","name":"A\\u0000","price":"1"}', "name"),
    "NUL inside attributes": (b'{"sku":"a","name":"A","price":"1","attributes":{"x":["\\u0000"]}}', "x"),
    "unknown kind": (b'{"sku":"a","name":"A","price":"1","kind":"thing"}', "kind"),
    "empty sku": (b'{"sku":"","name":"A","price":"1"}', "sku"),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_json_is_400(service: Service, body: bytes) -> None:
    """Malformed bodies get 400 as a problem and store nothing."""
    before = stored(service)
    response = service.post("/v1/products", content=body)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "malformed"
    assert stored(service) == before


@pytest.mark.parametrize(("body", "field"), WRONG.values(), ids=WRONG)
def test_what_has_another_shape_is_422_with_the_field(service: Service, body: bytes, field: str) -> None:
    """Bodies of another shape get 422 naming the field and store nothing."""
    before = stored(service)
    response = service.post("/v1/products", content=body)
    assert (response.status_code, response.json().get("field")) == (422, field)
    assert stored(service) == before


def _experiment(**changes: object) -> dict[str, object]:
    return {**COFFEE_ADDON, **changes}


def _arms(*weights: float) -> list[dict[str, object]]:
    return [{"key": f"v{i}", "weight": weight} for i, weight in enumerate(weights)]


EXPERIMENTS: dict[str, tuple[dict[str, object], str]] = {
    "weights of 0.9": (_experiment(variants=_arms(0.5, 0.4)), "variants.weight"),
    "some weights": (_experiment(variants=[{"key": "a", "weight": 1}, {"key": "b"}]), "variants.weight"),
    "no variants": (_experiment(variants=[]), "variants"),
    "twins": (_experiment(variants=[{"key": "a"}, {"key": "a"}]), "variants"),
    "two controls": (
        _experiment(variants=[{"key": "a", "role": "control"}, {"key": "b", "role": "control"}]),
        "variants",
    ),
    "unknown offer": (_experiment(variants=[{"key": "a"}, {"key": "b", "offer": "none"}]), "variants[1].offer"),
    "unknown segment": (_experiment(segments=["none"]), "segments[0]"),
    "unknown layer": (_experiment(layer="none"), "layer"),
    "unknown metric": (_experiment(metrics={"primary": "happiness"}), "metrics.primary"),
    "bad key": (_experiment(key="a b"), "key"),
    "traffic 0": (_experiment(traffic=0), "traffic"),
    "alpha 2": (_experiment(analysis={"alpha": 2}), "analysis.alpha"),
    "group without end": (_experiment(analysis={"sequential": "group"}), "ends_at"),
    "allocation elsewhere": (_experiment(allocation={"x": {"control": 1.0}}), "allocation.x"),
    "value of another type": (_experiment(variants=[{"key": "a", "value": 1}, {"key": "b"}]), "variants[0].value"),
    "unknown field": (_experiment(owner="me"), "owner"),
}


@pytest.mark.parametrize(("body", "field"), EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_an_experiment_that_contradicts_itself_is_422(service: Service, body: dict[str, object], field: str) -> None:
    """Experiments are checked whole before anything is stored."""
    before = stored(service)
    response = service.post("/v1/experiments", body)
    assert (response.status_code, response.json().get("field")) == (422, field), response.text
    assert stored(service) == before


OFFERS: dict[str, tuple[dict[str, object], str]] = {
    "unknown product": ({"products": ["none"]}, "products[0]"),
    "offered to its buyer": ({"products": ["coffee-machine"]}, "products"),
    "bundle of one": ({"kind": "bundle"}, "products"),
    "percent of 120": ({"discount": {"type": "percent", "value": "120"}}, "discount.value"),
    "percent of nothing": ({"discount": {"type": "percent"}}, "discount.value"),
    "unwritten code": ({"discount": {"type": "percent", "value": "5", "code": "shared"}}, "discount.shared_code"),
    "unknown name": ({"message": {"ko": {"body": "{{ offer.colour }}"}}}, "message.ko.body"),
    "open tag": ({"message": {"ko": {"title": "{{ offer.name"}}}, "message.ko.title"),
    "no language": ({"message": {"한국어": {"title": "a"}}}, "message.한국어"),
    "upsell without benefit": (
        {"kind": "upsell", "trigger_products": [], "products": ["coffee-machine"]},
        "message.ko.benefit",
    ),
    "cheaper upgrade": (
        {"kind": "upsell", "message": {"ko": {"title": "a", "benefit": "more"}}, "discount": {"type": "none"}},
        "products",
    ),
}


@pytest.mark.parametrize(("change", "field"), OFFERS.values(), ids=OFFERS)
def test_an_offer_that_contradicts_itself_is_422(service: Service, change: dict[str, object], field: str) -> None:
    """Offers are checked against themselves, the catalogue and the language of messages."""
    before = stored(service)
    response = service.post("/v1/offers", {**CAPSULES, "key": "other", **change})
    assert (response.status_code, response.json().get("field")) == (422, field), response.text
    assert stored(service) == before


RULES: dict[str, object] = {
    "no operator": {"attribute": "a", "op": "matches", "value": "x"},
    "no list": {"all": {"attribute": "a"}},
    "both words": {"all": [], "any": []},
    "no number": {"attribute": "a", "op": "gte", "value": "2"},
    "no values": {"attribute": "a", "op": "in", "value": "x"},
    "unknown field": {"attribute": "a", "op": "eq", "value": 1, "not": True},
    "too many": {"any": [{"attribute": "a", "op": "eq", "value": i} for i in range(501)]},
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_that_is_none_is_422(service: Service, rule: object) -> None:
    """Rules are small trees of known operators."""
    response = service.post("/v1/segments", {"key": "s", "rule": rule})
    assert response.status_code == 422
    assert response.json()["field"].startswith("rule")


def test_a_rule_too_deep_is_422(service: Service) -> None:
    """Depth has a written limit."""
    rule: object = {"attribute": "a", "op": "eq", "value": 1}
    for _ in range(40):
        rule = {"all": [rule]}
    assert service.post("/v1/segments", {"key": "s", "rule": rule}).status_code == 422


@pytest.mark.parametrize("path", ["/v1/products", "/v1/decisions", "/v1/events"])
def test_oversized_bodies_are_413(service: Service, path: str) -> None:
    """A body above the route's limit is refused before it is decoded."""
    assert service.post(path, content=b"[" + b" " * 11_000_000 + b"]").status_code == 413


def test_too_many_events_are_413(service: Service) -> None:
    """A batch has at most 10,000 events."""
    assert service.post("/v1/events", {"events": [{}] * 10_001}).status_code == 413


def test_one_poison_event_harms_no_other(service: Service) -> None:
    """Of a batch with every kind of bad event exactly the good ones are stored, each bad one says why."""
    at = service.at()
    good = {"id": "ok", "type": "product_viewed", "customer_id": "c", "occurred_at": at, "sku": "a"}
    order = {"type": "order", "customer_id": "c", "occurred_at": at, "order_id": "o"}
    bad: list[tuple[object, str]] = [
        (5, "invalid"),
        ({}, "invalid"),
        ({**good, "id": "1", "type": "dance"}, "unknown_type"),
        ({**good, "id": "2", "colour": 1}, "unknown_field"),
        ({**good, "id": ""}, "invalid"),
        ({**good, "id": "x" * 256}, "invalid"),
        ({**good, "id": "3", "customer_id": "null"}, "invalid_customer_id"),
        ({**good, "id": "4", "customer_id": 1.5}, "invalid_customer_id"),
        ({**good, "id": "5", "occurred_at": "0001-01-01T00:00:00Z"}, "invalid_time"),
        ({**good, "id": "6", "occurred_at": "2026-09-21T10:00:00"}, "invalid"),
        ({**order, "id": "7", "currency": "won"}, "invalid"),
        ({**order, "id": "8", "lines": [{"sku": "a", "unit_price": "-1"}]}, "invalid"),
        ({**order, "id": "9", "lines": [{"sku": "a", "unit_price": "1", "quantity": 0}]}, "invalid"),
        ({**order, "id": "10", "lines": [{"sku": "a", "unit_price": "1", "discount": "2"}]}, "invalid"),
        (
            {"id": "11", "type": "refund", "customer_id": "c", "occurred_at": at, "refund_id": "r", "order_id": "o"},
            "invalid",
        ),
        ({**order, "id": "10e", "lines": [{"sku": "a", "unit_price": "1e9999999"}]}, "invalid"),
        ({**good, "id": "12", "customer_id": "a\u0000b"}, "invalid"),
        ({**good, "id": "13", "sku": "a\u0000b"}, "invalid"),
    ]
    twice = json.dumps(good)[:-1] + ', "sku": "b"}'
    items = ", ".join(
        [json.dumps(good), *(json.dumps(item) for item, _ in bad), twice, json.dumps({**good, "id": "ok2"})]
    )
    bad.append((twice, "duplicate_key"))
    response = service.post("/v1/events", content=f'{{"events": [{items}]}}'.encode())
    assert response.status_code == 200
    done = response.json()
    assert [(item["index"], item["code"]) for item in done["rejected"]] == [
        (i + 1, code) for i, (_, code) in enumerate(bad)
    ]
    assert (done["accepted"], done["duplicates"]) == (2, 0)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"events":5}', b'{"events":[],"x":1}', b"{"])
def test_an_envelope_that_can_not_be_read_is_refused(service: Service, body: bytes) -> None:
    """Only a readable envelope is answered item by item."""
    assert service.post("/v1/events", content=body).status_code in (400, 422)


def test_an_empty_batch_is_fine(service: Service) -> None:
    """Nothing sent, nothing stored, no error."""
    assert service.post("/v1/events", {"events": []}).json() == {"accepted": 0, "duplicates": 0, "rejected": []}


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=abc", "limit=99999", "cursor=%FF", "cursor=a"])
def test_pages_that_do_not_exist_are_422(service: Service, query: str) -> None:
    """Limits and cursors are checked."""
    assert service.get(f"/v1/products?{query}").status_code == 422
