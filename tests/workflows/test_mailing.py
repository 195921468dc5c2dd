"""A mailing is decided in slices: like one by one, and nobody before a screen waits for it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from offerlab.domain.decision import Request
from offerlab.storage.customers import digest_of
from offerlab.storage.states import ServerStates
from offerlab.workflows.mailing import Turns, answer_part
from offerlab.workflows.serving import Ask
from support.service import Service

CUSTOMERS = 2_000


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Service]:
    """The coffee shop on an embedded store."""
    service = Service(f"sqlite:///{tmp_path / 'offerlab.sqlite'}")
    service.coffee_shop()
    yield service
    service.close()


def served_between(shop: Service, slice_s: float) -> int:
    """How many single decisions are answered while a mailing is under way."""

    async def work() -> int:
        serving = shop.app.serving
        asks = [Ask(Request(unit=f"c-{i}")) for i in range(CUSTOMERS)]
        mailing = asyncio.create_task(answer_part(serving, 1, asks, Turns(slice_s)))
        served = 0
        while not mailing.done():
            await serving.answer(1, Ask(Request(unit="before the screen")))
            served += 1
            await asyncio.sleep(0)
        assert len(mailing.result()) == CUSTOMERS
        return served

    return shop.runner.run(work())


def test_single_decisions_are_served_between_the_slices(shop: Service) -> None:
    """While two thousand are decided others are answered many times; the twin that takes one long turn serves none."""
    assert served_between(shop, 0.0005) >= 10
    assert served_between(shop, float("inf")) <= 2


@pytest.mark.parametrize(
    ("customer", "code", "field"),
    [
        ('{"customer_id":true}', "invalid_input", "customers[1].customer_id"),
        ('{"customer_id":"a","who":1}', "invalid_input", "customers[1].who"),
        ('{"customer_id":"a","attributes":[]}', "invalid_input", "customers[1].attributes"),
        ('{"customer_id":"a","customer_id":"b"}', "duplicate_key", "customers[1].customer_id"),
        ('{"customer_id":"a","attributes":{"n":99999999999999999999999}}', "invalid_input", "customers[1]"),
        ("7", "invalid_input", "customers[1]"),
    ],
)
def test_one_bad_customer_refuses_the_list_and_names_its_place(
    shop: Service, customer: str, code: str, field: str
) -> None:
    """Whatever is wrong with it, and nobody is exposed."""
    body = f'{{"customers":[{{"customer_id":"a"}},{customer}],"expose":true}}'
    answer = shop.post("/v1/decisions/bulk", content=body.encode())
    said = answer.json()
    assert (answer.status_code, said["code"]) == (422, code)
    assert said["field"] == field
    assert shop.app.runtime.writer.waiting == 0
    assert not shop.decide("a")["decisions"][0]["exposed"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ('{"customers":"all"}', 422, "customers"),
        ('{"customers":[],"customers":[]}', 422, "customers"),
        ('{"customers":[],"expose":false,"expose":true}', 422, "expose"),
        ('{"customers":[{"customer_id":"a"}],"context":{"placement":"a","placement":"b"}}', 422, "placement"),
        ('{"customers":[{"customer_id":"a"]}', 400, None),
        ('{"customers":[' + ",".join(["{}"] * 100_001) + "]}", 422, "customers"),
    ],
    ids=["no list", "twice", "expose twice", "in the context", "no JSON", "too many"],
)
def test_the_envelope_is_read_strictly(shop: Service, body: str, status: int, field: str | None) -> None:
    """What stands around the customers is checked like any other body."""
    answer = shop.post("/v1/decisions/bulk", content=body.encode())
    assert answer.status_code == status
    assert answer.json().get("field") == field


def test_an_empty_list_is_answered(shop: Service) -> None:
    """Nobody to decide for is no error."""
    answer = shop.post("/v1/decisions/bulk", {"customers": [], "experiments": ["nope"]}).json()
    assert answer["results"] == []


@pytest.mark.postgres
def test_states_read_together_are_those_read_one_by_one(postgres_url: str) -> None:
    """One read for a mailing finds for each customer, strangers among them, what a read for that customer finds."""
    service = Service(postgres_url)
    service.coffee_shop()
    known = [f"c-{i}" for i in range(20)]
    for customer in known:
        service.decide(customer, expose=True)
    project = service.app.runtime.snapshot(1).project
    states = ServerStates(service.app.runtime.engine)
    digests = [digest_of(project.secret, unit) for unit in (*known, "stranger")]
    together = states.read_many(project.id, digests)
    assert together == {digest: states.read(project.id, digest) for digest in digests}
    assert sum(bool(state.assignments) for state in together.values()) == len(known)
    service.app.runtime.memory.clear()
    answers: list[dict[str, Any]] = service.post(
        "/v1/decisions/bulk", {"customers": [{"customer_id": customer} for customer in known]}
    ).json()["results"]
    assert [answer["stale"] for answer in answers] == [False] * len(known)
    service.close()
