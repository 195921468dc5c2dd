"""The same customer, the same variant: over restarts, replicas, databases and the client that decides by itself."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from offerlab.app import App, create_app
from offerlab.assignment.decide import decide
from offerlab.assignment.ruleset import Ruleset
from offerlab.client.local import Local
from offerlab.domain.customer import NOBODY
from offerlab.domain.decision import Request
from support.figures import note
from support.service import COFFEE_ADDON, Service

CUSTOMERS = [f"customer-{i}" for i in range(100_000)]
RESTARTS = 20
SALT = "0f" * 16


def told(ruleset: Ruleset, now: int) -> bytes:
    """The arm of every customer, one byte each."""
    return bytes(
        decide(ruleset, NOBODY, Request(unit=unit, experiments=("coffee-addon",)), now).decisions[0].variant
        for unit in CUSTOMERS
    )


@pytest.mark.slow
@pytest.mark.postgres
def test_nobody_moves_for_a_hundred_thousand(new_postgres_database: Callable[[], str], tmp_path: Path) -> None:
    """100,000 ids, 20 restarts, 2 replicas, 2 databases, local evaluation: not one difference."""
    answers: set[bytes] = set()
    compared = 0
    for url in (f"sqlite:///{tmp_path / 'offerlab.sqlite'}", new_postgres_database()):
        service = Service(url)
        service.app.runtime.new_salt = lambda: SALT
        service.made("/v1/experiments", {**COFFEE_ADDON, "variants": [{"key": "control"}, {"key": "treatment"}]})
        service.post("/v1/experiments/coffee-addon/start")
        local = Local.load(service.get("/v1/ruleset").content)
        answers.add(told(local._ruleset, service.now()))
        for i in range(RESTARTS):
            service.made("/v1/experiments", {**COFFEE_ADDON, "key": f"other-{i}", "variants": [{"key": "control"}]})
            service.post(f"/v1/experiments/other-{i}/start")
            service.restart()
            other: App = create_app(service.settings, now=service.now)
            for app in (service.app, other):
                answers.add(told(app.runtime.snapshot(1).ruleset, service.now()))
                compared += len(CUSTOMERS)
            other.serving.close()
            other.runtime.close()
        service.close()
    assert len(answers) == 1
    assert compared == 100_000 * 20 * 2 * 2
    assert 49_000 < sum(next(iter(answers))) < 51_000
    note(
        "decisions through outages",
        f"{len(CUSTOMERS):,} ids x {RESTARTS} restarts x 2 replicas x 2 databases x local evaluation: 0 differences in"
        f" {compared:,} comparisons",
    )


def test_another_replica_serves_a_change_soon(fresh_database_url: str) -> None:
    """What one replica starts, the other one serves without being asked to look."""
    service = Service(fresh_database_url)
    other = create_app(service.settings, now=service.now)
    service.coffee_shop()
    version = service.app.runtime.snapshot(1).project.version
    deadline = time.monotonic() + 30
    while other.runtime.snapshot(1).project.version < version and time.monotonic() < deadline:
        time.sleep(0.05)
    assert other.runtime.snapshot(1).project.version == version
    assert "coffee-addon" in other.runtime.snapshot(1).ruleset.current.by_key
    other.serving.close()
    other.runtime.close()
    service.close()
