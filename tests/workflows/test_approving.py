"""A second pair of eyes: what one key asks for another one lets happen, where a project wants it."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from dashboard.visitor import Text, Visitor
from offerlab.storage.database import reading
from offerlab.storage.tables import audit
from offerlab.workflows.scheduling import keep_dates
from support.service import CAPSULES, COFFEE, COFFEE_ADDON, Service

KEY = "/v1/experiments/coffee-addon"


@pytest.fixture
def service(fresh_database_url: str) -> Iterator[Service]:
    """A service with a shop that wants a second pair of eyes."""
    running = Service(fresh_database_url)
    running.made("/v1/products", COFFEE)
    running.made("/v1/offers", CAPSULES)
    assert running.call("PUT", "/v1/settings", {"approval": True}).json()["approval"] is True
    yield running
    running.close()


def drafted(service: Service, **more: Any) -> str:
    """The draft of the first key; the second key, which was there before."""
    second = service.new_key("admin")
    service.made("/v1/experiments", {**COFFEE_ADDON, **more})
    return second


def deeds(service: Service) -> list[tuple[str, str]]:
    """What the audit log says of approvals: which key did what."""
    wanted = ("propose", "approve", "decline", "start", "reweigh")
    with reading(service.app.runtime.engine) as connection:
        rows = connection.execute(select(audit.c.actor, audit.c.action).where(audit.c.action.in_(wanted)))
        return [(row.actor.partition(" ")[0], row.action) for row in rows]


def test_an_author_asks_and_another_key_starts(service: Service) -> None:
    """409 with the request kept, 403 for one's own approval, then the other key's starts it; all in the audit log."""
    second = drafted(service)
    asked = service.post(f"{KEY}/start")
    assert (asked.status_code, asked.json()["code"], asked.json()["extra"]["action"]) == (
        409,
        "approval_needed",
        "start",
    )
    waiting = service.get(KEY).json()
    assert (waiting["status"], waiting["waits_for"]["action"]) == ("draft", "start")
    own = service.post(f"{KEY}/approve")
    assert (own.status_code, own.json()["code"]) == (403, "same_person")
    stale = service.post(f"{KEY}/approve", {"revision": 1}, key=second)
    assert stale.status_code == 409
    done = service.post(f"{KEY}/approve", {"revision": waiting["revision"]}, key=second).json()
    assert (done["status"], done["waits_for"]) == ("running", None)
    assert done["approved_by"].startswith("key:2 ")
    assert deeds(service) == [("key:1", "propose"), ("key:2", "approve"), ("key:2", "start")]
    assert service.post(f"{KEY}/approve", key=second).status_code == 409


def test_another_key_may_start_at_once_and_an_editor_is_an_author(service: Service) -> None:
    """Two people have seen it then; whoever changed a word of it counts as its author, and an approval is void."""
    third, second = service.new_key("admin"), drafted(service)
    service.post(f"{KEY}/start")
    service.patch(KEY, {"window_days": 7}, key=second)
    assert service.get(KEY).json()["waits_for"] is None
    assert service.post(f"{KEY}/start", key=second).status_code == 409
    assert service.post(f"{KEY}/start", key=third).json()["status"] == "running"


def test_a_key_made_for_the_purpose_is_nobody_else(service: Service) -> None:
    """A person with two keys is one: who makes a second after the draft, or a third with that, still waits."""
    other = drafted(service)
    second = service.new_key("admin")
    third = service.post("/v1/keys", {"kind": "admin"}, key=second).json()["key"]
    assert [service.post(f"{KEY}/start", key=key).json()["code"] for key in (second, third)] == ["approval_needed"] * 2
    fourth = service.new_key("admin")
    refused = [service.post(f"{KEY}/approve", key=key) for key in (second, third, fourth)]
    assert [(one.status_code, one.json()["code"]) for one in refused] == [(403, "same_person")] * 3
    assert service.post(f"{KEY}/approve", key=other).json()["status"] == "running"


def test_a_key_made_after_a_change_was_asked_for_does_not_approve_it(service: Service) -> None:
    """Whoever had a key when the change was asked for may let it happen, whoever made that key."""
    other = drafted(service)
    assert service.post(f"{KEY}/start", key=other).status_code == 200
    colleague = service.new_key("admin")
    assert service.patch(KEY, {"traffic": 0.9}).status_code == 409
    assert service.post(f"{KEY}/approve", key=service.new_key("admin")).json()["code"] == "same_person"
    assert service.post(f"{KEY}/approve", key=colleague).json()["traffic"] == pytest.approx(0.9)


def test_a_change_of_the_split_waits_and_nothing_else_does(service: Service) -> None:
    """Weights are kept as a request, wrong ones refused at once; a name, a pause and a stop wait for nobody."""
    second = drafted(service)
    assert service.post(f"{KEY}/start", key=second).status_code == 200
    wanted = {"weights": {"control": 0.3, "capsules-20": 0.7}}
    assert service.patch(KEY, {"weights": {"control": 0.3, "nobody": 0.7}}).status_code == 422
    asked = service.patch(KEY, {**wanted, "name": "Coffee"})
    assert (asked.status_code, asked.json()["code"]) == (409, "approval_needed")
    known = service.get(KEY).json()
    assert (known["name"], len(known["epochs"]), known["waits_for"]["weights"]) == ("Coffee", 1, wanted["weights"])
    assert service.post(f"{KEY}/decline", {"note": "not on a Friday"}).json()["waits_for"] is None
    service.patch(KEY, wanted)
    done = service.post(f"{KEY}/approve", key=second).json()
    assert done["epochs"][1]["weights"]["*"] == pytest.approx(wanted["weights"])
    ramp = {"ramp": [{"at": service.at(days=1), "traffic": 1.0}]}
    assert service.patch(KEY, ramp).status_code == 409
    assert service.post(f"{KEY}/pause").status_code == 200
    assert service.post(f"{KEY}/stop", {}).status_code == 200


def test_the_calendar_starts_only_what_was_approved(service: Service) -> None:
    """A draft with a date waits for both: its approval first, then its day."""
    second = drafted(service, starts_at=service.at(days=1))
    service.wait(days=2)
    assert keep_dates(service.app.runtime, 1) == []
    other = {**COFFEE_ADDON, "key": "later", "starts_at": service.at(days=1)}
    service.made("/v1/experiments", other)
    assert service.post("/v1/experiments/later/start").status_code == 409
    approved = service.post("/v1/experiments/later/approve", key=second).json()
    assert (approved["status"], approved["waits_for"]) == ("draft", None)
    assert keep_dates(service.app.runtime, 1) == []
    service.wait(days=2)
    assert keep_dates(service.app.runtime, 1) == ["later"]


def test_an_idempotency_key_does_not_swallow_the_request(service: Service) -> None:
    """Asked twice under one key it is asked twice, and once approved it is known to run."""
    second = drafted(service)
    header = {"Idempotency-Key": "k"}
    assert [service.post(f"{KEY}/start", headers=header).status_code for _ in range(2)] == [409, 409]
    assert service.get(KEY).json()["waits_for"]["action"] == "start"
    assert service.post(f"{KEY}/approve", key=second).json()["status"] == "running"


def test_a_shop_file_is_taken_and_its_start_waits(service: Service) -> None:
    """`offerlab apply` defines everything; what needs another person is asked for."""
    shop = {"experiments": [{**COFFEE_ADDON, "start": True}]}
    assert service.post("/v1/apply", shop).status_code == 200
    assert service.get(KEY).json()["waits_for"]["action"] == "start"


def test_without_the_setting_nobody_is_asked(service: Service) -> None:
    """The default: the author starts it."""
    service.call("PUT", "/v1/settings", {})
    drafted(service)
    assert service.post(f"{KEY}/start").json()["status"] == "running"


def test_the_pages_show_who_waits_and_the_other_has_the_button(service: Service) -> None:
    """The author is told that it waits; another key sees what is asked for and approves it, in both languages."""
    second = drafted(service)
    author, other = Visitor(service), Visitor(service)
    author.sign_in()
    other.sign_in(second)
    page = "/experiments/coffee-addon"
    sent = author.post(f"{page}/start", author.form(f"{page}/start"))
    assert sent.headers["location"] == f"{page}?done=proposed"
    assert "it waits for another person's approval" in Text(author.get(f"{page}?done=proposed&lang=en").text).text
    assert f"{page}/approve" not in author.get(page).text
    assert "Waits for approval by another person." in Text(other.get("/?lang=en").text).text
    assert f"{page}/approve" in other.get(page).text
    assert "승인을 기다려요. 시작을 요청한 키: key:1" in Text(other.get(f"{page}?lang=ko").text).text
    approved = other.post(f"{page}/approve", other.form(f"{page}/approve"))
    assert approved.headers["location"] == f"{page}?done=approve"
    service.patch(KEY, {"weights": {"control": 0.3, "capsules-20": 0.7}})
    shown = Text(other.get(f"{page}/approve?lang=en").text).text
    assert "capsules-20: 70" in shown
    assert "(now 50" in shown
    assert other.post(f"{page}/decline", other.form(f"{page}/decline")).status_code == 303
    assert service.get(KEY).json()["waits_for"] is None
