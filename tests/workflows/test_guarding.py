"""The stop button that needs nobody: harm pauses an experiment once, with its reason, on both databases."""

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from dashboard.visitor import Text, Visitor
from offerlab.app import create_app
from offerlab.storage.database import reading
from offerlab.storage.tables import audit, outbox
from offerlab.workflows.guarding import watch
from support.service import Service

GUARDED: dict[str, Any] = {
    "metrics": {"primary": "revenue_per_customer", "guardrails": ["unsubscribe_rate", "complaint_rate"]},
    "forced": {},
}
KEY = "/v1/experiments/coffee-addon"


@pytest.fixture
def service(fresh_database_url: str) -> Iterator[Service]:
    """A service on an empty store of its own."""
    running = Service(fresh_database_url)
    yield running
    running.close()


def exposed(service: Service, **settings: Any) -> dict[str, list[str]]:
    """A running experiment with 240 exposed customers, by arm."""
    service.coffee_shop(**{**GUARDED, **settings})
    customers = [{"customer_id": f"c-{i}"} for i in range(240)]
    answer = service.post("/v1/decisions/bulk", {"customers": customers, "expose": True}).json()
    arms: dict[str, list[str]] = {"control": [], "capsules-20": []}
    for one in answer["results"]:
        arms[one["decisions"][0]["variant"]].append(one["customer_id"])
    service.wait(seconds=60)
    return arms


def leave(service: Service, customers: list[str], kind: str = "unsubscribe") -> None:
    """These customers unsubscribe, or complain."""
    more = {"channel": "email"} if kind == "unsubscribe" else {}
    events = [{"id": f"{kind}-{one}", "type": kind, "customer_id": one, **more} for one in customers]
    assert service.send(*events)["accepted"] == len(events)


def looks(service: Service) -> list[str]:
    """What a look of the watch pauses."""
    return service.app.watch.look()


def test_harm_pauses_by_itself_once_and_goes_on_when_acknowledged(service: Service) -> None:
    """Unsubscribers in one arm pause it: reason in the API, audit and message; a person acknowledges and resumes."""
    hook = {"url": "https://93.184.216.34/hook", "types": ["experiment.paused"]}
    assert service.post("/v1/webhooks", hook).status_code == 201
    arms = exposed(service)
    assert looks(service) == []
    leave(service, arms["capsules-20"][:40])
    assert looks(service) == ["coffee-addon"]
    paused = service.get(KEY).json()
    (why,) = paused["halts"]
    assert (paused["status"], why["metric"], why["variant"], why["reference"]) == (
        "paused",
        "unsubscribe_rate",
        "capsules-20",
        "control",
    )
    assert why["estimate"] == pytest.approx(40 / len(arms["capsules-20"]), abs=1e-6)
    assert (why["customers"], why["acknowledged_at"]) == (240, None)
    assert service.decide("c-1", experiments=["coffee-addon"])["decisions"][0]["reason"] == "NOT_RUNNING"
    with reading(service.app.runtime.engine) as connection:
        actors = list(connection.execute(select(audit.c.actor).where(audit.c.action == "auto_pause")).scalars())
        told = [msgspec.json.decode(row.body) for row in connection.execute(select(outbox))]
    assert actors == ["guardrail"]
    assert [(one["type"], one["data"]["guardrails"][0]["metric"]) for one in told] == [
        ("experiment.paused", "unsubscribe_rate")
    ]
    refused = service.post(f"{KEY}/resume")
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (
        409,
        "not_acknowledged",
        "acknowledge",
    )
    resumed = service.post(f"{KEY}/resume", {"acknowledge": True, "note": "the mail had the wrong link"})
    assert resumed.json()["status"] == "running"
    assert resumed.json()["halts"][0]["note"] == "the mail had the wrong link"
    assert resumed.json()["halts"][0]["acknowledged_by"].endswith("(admin)")
    leave(service, arms["capsules-20"][40:50])
    assert looks(service) == []
    leave(service, arms["capsules-20"][:40], "complaint")
    assert looks(service) == ["coffee-addon"]
    assert [one["metric"] for one in service.get(KEY).json()["halts"]] == ["unsubscribe_rate", "complaint_rate"]


def test_customers_who_say_no_are_a_guardrail(service: Service) -> None:
    """S53: "not interested" is a metric of the shop's own, counted per arm; where it is harm, the experiment pauses."""
    no = {"key": "said-no", "kind": "proportion", "better": "down", "value": {"event": "offer_declined"}}
    service.made("/v1/metrics", no)
    arms = exposed(service, metrics={"primary": "revenue_per_customer", "guardrails": ["said-no"]})
    assert looks(service) == []
    service.send(
        *(
            {"id": f"no-{one}", "type": "offer_declined", "customer_id": one, "offer": "capsules"}
            for one in arms["capsules-20"][:40]
        )
    )
    assert looks(service) == ["coffee-addon"]
    (why,) = service.get(KEY).json()["halts"]
    assert (why["metric"], why["variant"]) == ("said-no", "capsules-20")
    assert why["estimate"] == pytest.approx(40 / len(arms["capsules-20"]), abs=1e-6)


def test_nothing_pauses_without_harm_or_where_it_is_switched_off(service: Service) -> None:
    """Alike in both arms is no harm; `auto_pause: false` leaves it to a person, and may be changed while it runs."""
    arms = exposed(service)
    leave(service, [*arms["capsules-20"][:30], *arms["control"][:30]])
    assert looks(service) == []
    assert service.patch(KEY, {"auto_pause": False}).json()["auto_pause"] is False
    leave(service, arms["capsules-20"][30:110])
    assert looks(service) == []
    service.patch(KEY, {"auto_pause": True})
    assert looks(service) == ["coffee-addon"]


def test_a_pause_by_a_person_needs_no_acknowledgement(service: Service) -> None:
    """`resume` without a body goes on as ever."""
    exposed(service)
    assert service.post(f"{KEY}/pause").status_code == 200
    assert service.post(f"{KEY}/resume").json()["status"] == "running"


def test_of_two_replicas_one_pauses(service: Service) -> None:
    """Both see the harm at the same moment; it is paused once, with one message and one line in the audit log."""
    arms = exposed(service)
    leave(service, arms["capsules-20"][:40])
    other = create_app(service.settings, now=service.now)
    together = threading.Barrier(2)
    paused: list[str] = []

    def run(app: Any) -> None:
        together.wait(30)
        paused.extend(watch(app.runtime, 1))

    threads = [threading.Thread(target=run, args=(app,)) for app in (service.app, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.serving.close()
    other.runtime.close()
    assert paused == ["coffee-addon"]
    service.app.runtime.refresh()
    assert len(service.get(KEY).json()["halts"]) == 1


def test_the_report_and_the_watch_say_the_same_whatever_the_plan(service: Service) -> None:
    """A plan that is read once, at its end, is guarded at every look all the same; the report calls it harmed too."""
    arms = exposed(service, analysis={"sequential": "fixed"})
    leave(service, arms["capsules-20"][:40])
    assert looks(service) == ["coffee-addon"]
    report = service.get(f"{KEY}/report").json()
    guarded = next(one for one in report["metrics"] if one["metric"] == "unsubscribe_rate")
    assert guarded["effects"][0]["harmed"] is True


def test_the_pages_say_why_it_paused_and_ask_to_have_it_read(service: Service) -> None:
    """Today, the experiment and the page before resuming name the guardrail, in both languages."""
    arms = exposed(service)
    leave(service, arms["capsules-20"][:40])
    looks(service)
    visitor = Visitor(service)
    visitor.sign_in()
    assert "A guardrail paused it." in Text(visitor.get("/?lang=en").text).text
    page = "/experiments/coffee-addon"
    assert "It paused by itself: the unsubscribe rate of capsules-20" in Text(visitor.get(f"{page}?lang=en").text).text
    assert "스스로 멈췄어요. capsules-20 안의" in Text(visitor.get(f"{page}?lang=ko").text).text
    form = visitor.form(f"{page}/resume")
    refused = visitor.post(f"{page}/resume?lang=en", form)
    assert refused.status_code == 422
    assert "Say that you have read why it paused." in Text(refused.text).text
    assert visitor.post(f"{page}/resume", {**form, "acknowledge": "yes", "note": "fixed"}).status_code == 303
    assert service.get(KEY).json()["status"] == "running"
