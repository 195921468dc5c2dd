"""The project's own rules, over HTTP."""

from typing import Any

import pytest

from support.service import AT_CHECKOUT, Service


def test_caps_bind_as_soon_as_they_are_set(service: Service) -> None:
    """Off by default; a cap of one web offer a day suppresses the second, and going back to the defaults lifts it."""
    service.coffee_shop(variants=[{"key": "capsules-20", "offer": "capsules"}])
    assert service.get("/v1/settings").json()["caps"] == {}
    service.decide("c", context=AT_CHECKOUT, expose=True)
    service.send(
        {"id": "v", "type": "offer_viewed", "customer_id": "c", "offer": "capsules", "experiment": "coffee-addon"}
    )
    assert service.decide("c", context=AT_CHECKOUT)["decisions"][0]["suppressed"] is None
    done = service.call("PUT", "/v1/settings", {"caps": {"web": {"per_day": 1}}})
    assert done.status_code == 200
    assert service.decide("c", context=AT_CHECKOUT)["decisions"][0]["suppressed"] == "cap"
    service.call("PUT", "/v1/settings", {})
    assert service.decide("c", context=AT_CHECKOUT)["decisions"][0]["suppressed"] is None


def test_a_change_on_what_was_not_read_is_refused(service: Service) -> None:
    """If-Match with an old ETag is 412 and changes nothing; with the current one it is done."""
    old = service.get("/v1/settings").headers["etag"]
    assert service.call("PUT", "/v1/settings", {"slots": 2}, headers={"If-Match": old}).status_code == 200
    lost = service.call("PUT", "/v1/settings", {"slots": 3}, headers={"If-Match": old})
    assert (lost.status_code, lost.json()["code"]) == (412, "precondition_failed")
    seen = service.get("/v1/settings")
    assert seen.json()["slots"] == 2
    assert service.call("PUT", "/v1/settings", {"slots": 3}, headers={"If-Match": seen.headers["etag"]}).is_success


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"slots": -1}, "slots"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"quiet_hours": {"start_minute": 1440}}, "quiet_hours.start_minute"),
        ({"currency": "EUR"}, "currency"),
        ({"caps": {"pigeon": {}}}, "caps"),
    ],
)
def test_settings_that_mean_nothing_are_refused(service: Service, body: Any, field: str) -> None:
    """422 with the field; the settings stay."""
    refused = service.call("PUT", "/v1/settings", body)
    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert service.get("/v1/settings").json()["viewed_days"] == 30
