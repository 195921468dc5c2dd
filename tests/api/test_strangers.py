"""Whoever is not remembered is exposed as a stranger; the writer finds out who is none, and he is decided for again."""

from typing import Any

import pytest

from offerlab.storage import events
from offerlab.storage.states import EmbeddedStates
from support.service import Service

CUSTOMERS = [f"c-{i}" for i in range(40)]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Whom the embedded store was asked for, in order."""
    seen, read = list[bytes](), EmbeddedStates.read

    def told(states: EmbeddedStates, project_id: int, digest: bytes) -> Any:
        seen.append(digest)
        return read(states, project_id, digest)

    monkeypatch.setattr(EmbeddedStates, "read", told)
    return seen


def reweighted_after_exposure(service: Service) -> tuple[dict[str, str], dict[str, str]]:
    """Arms before and after the weights were turned round and the service started anew with an empty memory."""
    service.coffee_shop()
    before = {name: service.decide(name, expose=True)["decisions"][0]["variant"] for name in CUSTOMERS}
    weights = {"control": 0.05, "capsules-20": 0.95}
    assert service.patch("/v1/experiments/coffee-addon", {"weights": weights}).status_code == 200
    service.restart()
    after = {}
    for name in CUSTOMERS:
        decision = service.decide(name, expose=True)["decisions"][0]
        assert decision["exposed"], decision
        after[name] = decision["variant"]
    return before, after


def never(_event: object) -> bool:
    """Nobody was ever taken for a stranger."""
    return False


def test_a_stranger_is_exposed_without_a_read(service: Service, reads: list[bytes]) -> None:
    """The store is asked for nobody: neither for a first exposure nor for the ones after it."""
    service.coffee_shop()
    for _ in range(2):
        for name in CUSTOMERS:
            decision = service.decide(name, expose=True)["decisions"][0]
            assert (decision["exposed"], decision["reason"]) == (True, "SPLIT")
    assert reads == []
    report = service.get("/v1/experiments/coffee-addon/report").json()
    assert sum(arm["n"] for arm in report["metrics"][0]["arms"]) == len(CUSTOMERS)


def test_somebody_known_keeps_his_arm(service: Service) -> None:
    """After a restart nobody is remembered and arms are drawn by other weights: nobody moves, nobody counts twice."""
    before, after = reweighted_after_exposure(service)
    assert after == before
    report = service.get("/v1/experiments/coffee-addon/report").json()
    assert sum(arm["n"] for arm in report["metrics"][0]["arms"]) == len(CUSTOMERS)


def test_a_writer_that_believes_the_guess_is_found(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin exposes him as a stranger once more: on the embedded store people move."""
    monkeypatch.setattr(events, "_STRANGER", never)
    before, after = reweighted_after_exposure(service)
    assert (after == before) is not service.app.runtime.engine.url.drivername.startswith("sqlite")


def test_who_is_not_exposed_is_read(service: Service, reads: list[bytes]) -> None:
    """A guess that no exposure confirms is none: outside the experiment's moment the store is asked."""
    service.coffee_shop()
    elsewhere = {"placement": "newsletter"}
    decision = service.decide("c", context=elsewhere, expose=True)["decisions"][0]
    assert (decision["reason"], decision["exposed"]) == ("NO_CONTEXT_MATCH", False)
    assert len(reads) == (1 if service.app.runtime.engine.url.drivername.startswith("sqlite") else 0)
