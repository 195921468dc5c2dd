"""Dates that experiments keep by themselves: start, ramp, end; one replica for all."""

import threading
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select

from offerlab.app import create_app
from offerlab.errors import Conflict
from offerlab.storage.database import reading
from offerlab.storage.tables import audit
from offerlab.workflows import lifecycle
from offerlab.workflows.desk import Desk
from offerlab.workflows.scheduling import keep_dates
from support.service import CAPSULES, COFFEE, COFFEE_ADDON, Service


@pytest.fixture
def service(fresh_database_url: str) -> Any:
    """A service on an empty store of its own."""
    running = Service(fresh_database_url)
    running.made("/v1/products", COFFEE)
    running.made("/v1/offers", CAPSULES)
    yield running
    running.close()


def status(service: Service, key: str = "coffee-addon") -> Any:
    """An experiment as it is now."""
    return service.get(f"/v1/experiments/{key}").json()


def test_an_experiment_starts_and_ends_on_its_dates(service: Service) -> None:
    """A draft starts at `starts_at`, not before, and ends at `ends_at`; both by the actor `schedule`."""
    runtime = service.app.runtime
    dates = {"starts_at": service.at(days=1), "ends_at": service.at(days=3)}
    service.made("/v1/experiments", {**COFFEE_ADDON, **dates})
    assert keep_dates(runtime, 1) == []
    assert status(service)["status"] == "draft"
    service.wait(days=1.1)
    assert keep_dates(runtime, 1) == ["coffee-addon"]
    assert status(service)["status"] == "running"
    assert service.decide("c")["decisions"][0]["reason"] == "SPLIT"
    assert keep_dates(runtime, 1) == []
    service.wait(days=2)
    assert keep_dates(runtime, 1) == ["coffee-addon"]
    assert (status(service)["status"], status(service)["note"]) == ("stopped", "ended on its planned date")
    assert keep_dates(runtime, 1) == []
    with reading(runtime.engine) as connection:
        actors = list(connection.execute(select(audit.c.actor).where(audit.c.action.in_(("start", "stop")))).scalars())
    assert actors == ["schedule", "schedule"]


def test_a_date_that_had_passed_before_the_draft_starts_nothing(service: Service) -> None:
    """A start in the past is information, not an order."""
    service.made("/v1/experiments", {**COFFEE_ADDON, "starts_at": service.at(days=-1)})
    service.wait(days=1)
    assert keep_dates(service.app.runtime, 1) == []


def test_a_ramp_lets_more_in_and_moves_nobody(service: Service) -> None:
    """5 -> 20 -> 50 -> 100 %: who was in stays in the same arm, a missed step is made good by the last one due."""
    steps = [{"at": service.at(days=day), "traffic": share} for day, share in ((1, 0.2), (2, 0.5), (3, 1.0))]
    service.coffee_shop(traffic=0.05, ramp=steps)
    customers = [{"customer_id": f"c-{i}"} for i in range(400)]

    def enrolled() -> dict[str, str]:
        answer = service.post("/v1/decisions/bulk", {"customers": customers}).json()
        told = {one["customer_id"]: one["decisions"][0] for one in answer["results"]}
        return {customer: one["variant"] for customer, one in told.items() if one["reason"] == "SPLIT"}

    seen = [enrolled()]
    for days in (1, 2):
        service.wait(days=days)
        assert keep_dates(service.app.runtime, 1) == ["coffee-addon"]
        seen.append(enrolled())
    assert [epoch["traffic"] for epoch in status(service)["epochs"]] == [0.05, 0.2, 1.0]
    assert [len(found) for found in seen][-1] == 400
    for earlier, later in pairwise(seen):
        assert 0 < len(earlier) < len(later)
        assert earlier.items() <= later.items()
    service.wait(days=30)
    assert keep_dates(service.app.runtime, 1) == []


def test_a_guardrail_halts_the_ramp_until_it_is_planned_anew(service: Service) -> None:
    """Unsubscribers in one arm keep traffic where it is, with the reason; a new plan goes on."""
    service.coffee_shop(
        traffic=0.9,
        ramp=[{"at": service.at(days=1), "traffic": 1.0}],
        metrics={"primary": "revenue_per_customer", "guardrails": ["unsubscribe_rate"]},
    )
    customers = [{"customer_id": f"c-{i}"} for i in range(300)]
    answer = service.post("/v1/decisions/bulk", {"customers": customers, "expose": True}).json()
    treated = [one["customer_id"] for one in answer["results"] if one["decisions"][0]["variant"] == "capsules-20"]
    service.wait(seconds=60)
    gone = [{"id": f"u-{one}", "type": "unsubscribe", "customer_id": one, "channel": "email"} for one in treated[::2]]
    assert service.send(*gone)["accepted"] == len(gone)
    service.wait(days=1.1)
    assert keep_dates(service.app.runtime, 1) == ["coffee-addon"]
    halted = status(service)
    assert "unsubscribe_rate" in halted["ramp_halted"]
    assert len(halted["epochs"]) == 1
    assert keep_dates(service.app.runtime, 1) == []
    service.patch("/v1/experiments/coffee-addon", {"ramp": [{"at": service.at(days=1), "traffic": 0.95}]})
    assert status(service)["ramp_halted"] == ""


@pytest.mark.parametrize(
    ("ramp", "field"),
    [
        ([(1, 0.5), (2, 0.4)], "ramp[1].traffic"),
        ([(2, 0.5), (1, 0.6)], "ramp[1].at"),
        ([(1, 0.0)], "ramp[0].traffic"),
    ],
)
def test_a_ramp_that_does_not_rise_is_refused(service: Service, ramp: list[tuple[int, float]], field: str) -> None:
    """422 names the step."""
    steps = [{"at": service.at(days=day), "traffic": share} for day, share in ramp]
    refused = service.post("/v1/experiments", {**COFFEE_ADDON, "ramp": steps})
    assert (refused.status_code, refused.json()["field"]) == (422, field)


def test_what_may_still_change_is_listed(service: Service) -> None:
    """All of a draft, seven things of a started one (the refusal names them too), nothing after the end."""
    service.made("/v1/experiments", COFFEE_ADDON)
    assert status(service)["may_change"] == ["*"]
    service.post("/v1/experiments/coffee-addon/start")
    listed = ["weights", "allocation", "traffic", "ramp", "auto_pause", "name", "hypothesis"]
    assert status(service)["may_change"] == listed
    refused = service.call("PUT", "/v1/experiments/coffee-addon", {**COFFEE_ADDON, "window_days": 3})
    assert (refused.status_code, refused.json()["extra"]["may_change"]) == (409, listed)
    service.post("/v1/experiments/coffee-addon/stop", {})
    assert status(service)["may_change"] == []


def test_one_replica_wins_a_start(service: Service) -> None:
    """Two replicas start the same drafts at the same moment: each starts once, the other side gets a conflict."""
    other = create_app(service.settings, now=service.now)
    desks = [Desk(app.runtime, 1, name) for app, name in ((service.app, "a"), (other, "b"))]
    rounds = 10
    for i in range(rounds):
        service.made("/v1/experiments", {**COFFEE_ADDON, "key": f"e-{i}"})
    other.runtime.refresh()
    outcomes: list[str] = []
    for i in range(rounds):
        barrier = threading.Barrier(2)

        def run(desk: Desk, key: str, together: threading.Barrier) -> None:
            together.wait()
            try:
                outcomes.append(lifecycle.start(desk, key).status)
            except Conflict:
                outcomes.append("conflict")

        threads = [threading.Thread(target=run, args=(desk, f"e-{i}", barrier)) for desk in desks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    other.serving.close()
    other.runtime.close()
    service.app.runtime.refresh()
    assert sorted(outcomes) == ["conflict"] * rounds + ["running"] * rounds
    assert all(len(status(service, f"e-{i}")["epochs"]) == 1 for i in range(rounds))


def test_of_several_replicas_one_keeps_each_date(service: Service) -> None:
    """Three replicas see the same start, step and end at the same moment: each is done once, by one of them."""
    others = [create_app(service.settings, now=service.now) for _ in range(2)]
    runtimes = [service.app.runtime, *(app.runtime for app in others)]
    plan = {
        "starts_at": service.at(days=1),
        "ends_at": service.at(days=3),
        "traffic": 0.2,
        "ramp": [{"at": service.at(days=2), "traffic": 1.0}],
    }
    service.made("/v1/experiments", {**COFFEE_ADDON, **plan})
    kept: list[list[str]] = []
    for _ in range(3):
        service.wait(days=1.01)
        for runtime in runtimes:
            runtime.refresh()
        barrier = threading.Barrier(len(runtimes))
        moved: list[str] = []

        def run(runtime: Any, together: threading.Barrier, found: list[str]) -> None:
            together.wait(30)
            found.extend(keep_dates(runtime, 1))

        threads = [threading.Thread(target=run, args=(runtime, barrier, moved)) for runtime in runtimes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept.append(moved)
    for app in others:
        app.serving.close()
        app.runtime.close()
    service.app.runtime.refresh()
    assert kept == [["coffee-addon"]] * 3
    assert status(service)["status"] == "stopped"
    assert [epoch["traffic"] for epoch in status(service)["epochs"]] == [0.2, 1.0]
    with reading(service.app.runtime.engine) as connection:
        wanted = audit.c.action.in_(("start", "reweigh", "stop"))
        actions = list(connection.execute(select(audit.c.action).where(wanted).order_by(audit.c.id)).scalars())
    assert actions == ["start", "reweigh", "stop"]


def test_dates_missed_while_nothing_ran_are_caught_up(service: Service) -> None:
    """The process was away on all its days: a start is made good if the end is not past, an end always, late and once.

    What is written is when it happened, not when it was planned: decisions did not split before.
    """
    dates = {"starts_at": service.at(days=1), "ends_at": service.at(days=5)}
    service.made("/v1/experiments", {**COFFEE_ADDON, **dates})
    service.made("/v1/experiments", {**COFFEE_ADDON, "key": "too-late", **dates})
    service.made("/v1/experiments", {**COFFEE_ADDON, "key": "running", "ends_at": dates["ends_at"]})
    assert service.post("/v1/experiments/running/start").status_code == 200
    service.wait(days=2)
    service.restart()
    assert service.call("PUT", "/v1/experiments/too-late", {**COFFEE_ADDON, "key": "too-late"}).status_code == 200
    assert keep_dates(service.app.runtime, 1) == ["coffee-addon"]
    assert status(service)["started_at"] > dates["starts_at"]
    put_back = {**COFFEE_ADDON, "key": "too-late", **dates}
    assert service.call("PUT", "/v1/experiments/too-late", put_back).status_code == 200
    service.wait(days=10)
    service.restart()
    assert sorted(keep_dates(service.app.runtime, 1)) == ["coffee-addon", "running"]
    assert keep_dates(service.app.runtime, 1) == []
    assert [status(service, key)["status"] for key in ("coffee-addon", "running", "too-late")] == [
        "stopped",
        "stopped",
        "draft",
    ]
