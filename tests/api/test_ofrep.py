"""OpenFeature's remote evaluation protocol, in the corners where its clients are strict."""

from typing import Any

import pytest

from support.service import COFFEE_ADDON, Service

FLAGS = "/ofrep/v1/evaluate/flags"


def evaluate(service: Service, key: str, **context: Any) -> Any:
    """One flag for a context."""
    return service.post(f"{FLAGS}/{key}", {"context": context})


def test_a_flag_is_the_arm_that_a_decision_names(service: Service) -> None:
    """Status 200, value and variant as in the decision, reason in OpenFeature's words, nothing exposed."""
    service.coffee_shop()
    for i in range(10):
        flag = evaluate(service, "coffee-addon", targetingKey=f"c-{i}", country="KR")
        assert flag.status_code == 200
        body = flag.json()
        decision = service.decide(f"c-{i}")["decisions"][0]
        assert (body["key"], body["variant"], body["value"]) == (
            "coffee-addon",
            decision["variant"],
            decision["variant"],
        )
        assert (body["reason"], body["metadata"]["reason"]) == ("SPLIT", "SPLIT")
        assert decision["exposed"] is False


def test_reasons_are_mapped(service: Service) -> None:
    """Paused is DISABLED, shipped and forced are TARGETING_MATCH, the rest STATIC, always with variant and value."""
    service.coffee_shop(forced={"tester": "capsules-20"})
    forced = evaluate(service, "coffee-addon", targetingKey="tester").json()
    assert (forced["reason"], forced["variant"]) == ("TARGETING_MATCH", "capsules-20")
    elsewhere = evaluate(service, "coffee-addon", targetingKey="c", placement="tracking_page").json()
    assert (elsewhere["reason"], elsewhere["variant"]) == ("STATIC", "control")
    service.post("/v1/experiments/coffee-addon/pause")
    paused = evaluate(service, "coffee-addon", targetingKey="c").json()
    assert (paused["reason"], paused["variant"], paused["value"]) == ("DISABLED", "control", "control")
    service.post("/v1/experiments/coffee-addon/stop", {"serve": "capsules-20"})
    shipped = evaluate(service, "coffee-addon", targetingKey="c").json()
    assert (shipped["reason"], shipped["value"]) == ("TARGETING_MATCH", "capsules-20")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "PARSE_ERROR"),
        (b"\xff", 400, "PARSE_ERROR"),
        (b"[]", 400, "INVALID_CONTEXT"),
        (b'{"context":5}', 400, "INVALID_CONTEXT"),
        (b'{"context":{}}', 400, "TARGETING_KEY_MISSING"),
        (b'{"context":{"targetingKey":"guest"}}', 400, "TARGETING_KEY_MISSING"),
        (b'{"context":{"targetingKey":[1]}}', 400, "INVALID_CONTEXT"),
    ],
)
def test_errors_have_the_protocols_shape(service: Service, body: bytes, status: int, code: str) -> None:
    """Errors are 400 with key, errorCode and errorDetails."""
    service.coffee_shop()
    response = service.post(f"{FLAGS}/coffee-addon", content=body)
    assert (response.status_code, response.json()["errorCode"], response.json()["key"]) == (
        status,
        code,
        "coffee-addon",
    )
    assert response.json()["errorDetails"]


def test_drafts_and_archives_are_no_flags(service: Service) -> None:
    """Unknown, draft and archived are 404 FLAG_NOT_FOUND."""
    service.coffee_shop()
    service.made("/v1/experiments", {**COFFEE_ADDON, "key": "draft"})
    service.post("/v1/experiments/coffee-addon/stop", {})
    service.post("/v1/experiments/coffee-addon/archive")
    for key in ("nothing", "draft", "coffee-addon"):
        missing = evaluate(service, key, targetingKey="c")
        assert (missing.status_code, missing.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")


def test_the_context_is_free_form(service: Service) -> None:
    """Nothing but the targetingKey can make a context invalid; odd fields are plain attributes."""
    service.coffee_shop()
    odd = {"cart": {"total": 42.5}, "trigger": "x", "placement": 7, "nested": {"a": [1, None]}, "expose": True}
    assert evaluate(service, "coffee-addon", targetingKey="c", **odd).json()["reason"] == "SPLIT"
    fitting = evaluate(service, "coffee-addon", targetingKey="c", cart=[{"sku": "coffee-machine"}]).json()
    assert fitting["reason"] == "SPLIT"
    strange = evaluate(service, "coffee-addon", targetingKey="c", cart=[{"sku": "tea"}]).json()
    assert strange["reason"] == "STATIC"


def test_numbers_keep_their_type(service: Service) -> None:
    """A number flag leaves with a decimal point, an integer flag without."""
    for key, kind, value in (("f", "number", 10), ("i", "integer", 10)):
        service.made(
            "/v1/experiments",
            {
                "key": key,
                "value_type": kind,
                "variants": [{"key": "control", "value": value}],
                "metrics": {"primary": "aov"},
            },
        )
        service.post(f"/v1/experiments/{key}/start")
    assert '"value":10.0' in evaluate(service, "f", targetingKey="c").text
    assert '"value":10,' in evaluate(service, "i", targetingKey="c").text


def test_bulk_answers_with_an_etag_over_context_and_values(service: Service) -> None:
    """The same context and values are 304; another attribute or a changed experiment is not."""
    service.coffee_shop()
    first = service.post(FLAGS, {"context": {"targetingKey": "c", "plan": "a"}})
    tag = first.headers["etag"]
    assert [flag["key"] for flag in first.json()["flags"]] == ["coffee-addon"]
    same = service.post(FLAGS, {"context": {"targetingKey": "c", "plan": "a"}}, headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    other = service.post(FLAGS, {"context": {"targetingKey": "c", "plan": "b"}}, headers={"If-None-Match": tag})
    assert other.status_code == 200
    service.post("/v1/experiments/coffee-addon/pause")
    changed = service.post(FLAGS, {"context": {"targetingKey": "c", "plan": "a"}}, headers={"If-None-Match": tag})
    assert changed.status_code == 200
