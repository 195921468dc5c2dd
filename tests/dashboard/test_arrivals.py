"""The page of what arrives: live events, reasons, and a second try."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.visitor import Visitor
from support.service import Service


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    """Somebody signed in to a service of their own."""
    service = Service(f"sqlite:///{tmp_path / 'a.db'}")
    found = Visitor(service)
    found.sign_in()
    yield found
    service.close()


def refused(service: Service) -> dict[str, Any]:
    """One event taken, one of an experiment that does not exist yet."""
    told = {"customer_id": "secret-person", "occurred_at": "2026-09-21T14:00:00Z"}
    offer = {"type": "offer_viewed", "experiment": "later", "offer": "capsules", **told}
    seen = {"id": "seen", "type": "product_viewed", "sku": "tea", **told}
    answer: dict[str, Any] = service.send(seen, {"id": "bad", **offer})
    return answer


def test_the_page_shows_what_came_and_why_not(visitor: Visitor) -> None:
    """Both events stand there, the refused one with its code and a sample that names nobody, in both languages."""
    assert "Nothing was refused." in visitor.get("/events").text
    refused(visitor.service)
    page = visitor.get("/events").text
    for word in ("product_viewed seen", "offer_viewed bad", 'unknown_experiment <span class="count">1<', "***"):
        assert word in page
    assert "secret-person" not in page
    assert "받지 못한 이벤트" in visitor.get("/events?lang=ko").text


def test_a_second_try_is_a_button(visitor: Visitor) -> None:
    """Still refused while its cause is there, taken once it is mended; a session that only reads may not."""
    refused(visitor.service)
    number = visitor.service.get("/v1/events/rejected").json()["items"][0]["id"]
    (value,) = set(re.findall(r'name="stamp" value="([^"]+)"', visitor.get("/events").text))
    stamp = {"stamp": value}
    assert visitor.post(f"/events/rejected/{number}", stamp).headers["location"] == "/events?done=still_rejected"
    body = {"key": "later", "variants": [{"key": "a", "weight": 1}], "metrics": {"primary": "aov"}}
    visitor.service.made("/v1/experiments", body)
    done = visitor.post(f"/events/rejected/{number}", stamp)
    assert (done.status_code, done.headers["location"]) == (303, "/events?done=redriven")
    reader = Visitor(visitor.service)
    reader.sign_in(visitor.service.new_key("read"))
    assert "Try again" not in reader.get("/events").text


def test_a_monitor_counts_and_a_person_sees_the_latest_of_a_key(visitor: Visitor) -> None:
    """Counters by outcome, and the events of one key, newest first."""
    service = visitor.service
    refused(service)
    refused(service)
    metrics = service.get("/metrics").text
    for line in (
        'offerlab_events_total{outcome="accepted"} 1.0',
        'offerlab_events_total{outcome="duplicate"} 1.0',
        'offerlab_events_total{outcome="unknown_experiment"} 2.0',
        "offerlab_events_waiting 0.0",
        "offerlab_event_lag_seconds",
    ):
        assert line in metrics
    key = next(item["id"] for item in service.get("/v1/keys").json()["items"] if item["kind"] == "admin")
    latest = service.get(f"/v1/events/latest?key={key}&limit=2").json()["items"]
    assert [(item["id"], item["outcome"]) for item in latest] == [("seen", "taken"), ("bad", "unknown_experiment")]
    assert service.get("/v1/events/latest?key=999").json()["items"] == []


def test_a_customers_events_are_asked_for_in_a_form(visitor: Visitor) -> None:
    """What came from one person and what became of it, asked without the id in any address; a reader may not."""
    refused(visitor.service)
    (value,) = set(re.findall(r'name="stamp" value="([^"]+)"', visitor.get("/events").text))
    page = visitor.post("/events", {"stamp": value, "customer": "secret-person"})
    assert page.status_code == 200
    theirs = page.text.partition('id="theirs"')[2]
    for word in ("product_viewed seen", "offer_viewed bad", "unknown_experiment", "2026-09-21 14:00:00"):
        assert word in theirs
    nobody = visitor.post("/events", {"stamp": value, "customer": "null"}).text
    assert "Nothing ever came from this customer." in nobody
    reader = Visitor(visitor.service)
    reader.sign_in(visitor.service.new_key("read"))
    assert 'id="theirs"' not in reader.get("/events").text
    assert visitor.post("/events", {"customer": "secret-person"}).status_code == 403


def test_the_page_shows_one_keys_events(visitor: Visitor) -> None:
    """The admin key's events under its own name, none under webhooks."""
    refused(visitor.service)
    key = next(item["id"] for item in visitor.service.get("/v1/keys").json()["items"] if item["kind"] == "admin")
    for query, shown in ((f"?key={key}", True), ("?key=0", False), ("?key=nonsense", True)):
        latest = visitor.get(f"/events{query}").text.partition('id="latest"')[2].partition("</section>")[0]
        assert ("product_viewed seen" in latest) is shown
