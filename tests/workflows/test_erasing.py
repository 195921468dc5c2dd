"""Erasing on one replica while another takes events of the same person (PostgreSQL): nobody comes back."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from offerlab.storage import customers, events
from offerlab.storage.database import reading
from support.service import Service

pytestmark = pytest.mark.postgres
NAME = "mina.erased"
PATIENCE_S = 30


@pytest.fixture
def replicas(new_postgres_database: Callable[[], str]) -> Iterator[tuple[Service, Service]]:
    """Two replicas on one database."""
    url = new_postgres_database()
    pair = Service(url), Service(url)
    yield pair
    for one in pair:
        one.close()


def told(service: Service, number: int, customer: str = NAME) -> dict[str, Any]:
    """Something about the customer, with words of theirs."""
    head = {"id": f"e{number}", "customer_id": customer, "occurred_at": service.at()}
    if number % 2:
        return {**head, "type": "complaint", "text": f"{NAME} is cross"}
    return {**head, "type": "profile", "attributes": {"nick": NAME, "email": f"{NAME}@mail.test"}}


def traces(service: Service, customer: str = NAME) -> dict[str, int]:
    """What is left of a person: their row in the vault, and rows that name them or hang on a number without a vault."""
    runtime = service.app.runtime
    digest = customers.digest_of(runtime.projects()[0].secret, customer)
    orphans = "SELECT count(*) FROM {} WHERE customer NOT IN (SELECT customer FROM vault)"
    with reading(runtime.engine) as connection:
        found = {
            "vault": connection.execute(
                text("SELECT count(*) FROM vault WHERE digest = :d"), {"d": digest}
            ).scalar_one(),
            "words": connection.execute(
                text("SELECT count(*) FROM interactions WHERE body LIKE :w"), {"w": f"%{NAME}%"}
            ).scalar_one(),
        }
        for table in ("profiles", "contacts", "contact_keys", "payloads"):
            found[table] = connection.execute(text(orphans.format(table))).scalar_one()
    return {name: int(count) for name, count in found.items() if count}


def test_who_is_erased_between_two_looks_stays_out(
    replicas: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Erased after an event's first look at the list and before its number: sent back once, then refused as erased."""
    one, other = replicas
    give, meanwhile = customers.numbers_for, [lambda: other.call("DELETE", f"/v1/customers/{NAME}")]

    def paused(*arguments: Any, **more: Any) -> Any:
        while meanwhile:
            assert meanwhile.pop()().status_code == 200
        return give(*arguments, **more)

    monkeypatch.setattr(customers, "numbers_for", paused)
    body = {"events": [told(one, 1), told(one, 2)]}
    first = one.post("/v1/events", body)
    assert (first.status_code, "retry-after" in first.headers) == (503, True)
    again = one.post("/v1/events", body).json()
    assert [item["code"] for item in again["rejected"]] == ["erased", "erased"]
    assert traces(one) == {}


def test_looking_once_is_found(replicas: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin trusts its first look: the erased customer has a number and words again."""
    one, other = replicas
    give, look, looks = customers.numbers_for, events._erased, list[set[int]]()

    def paused(*arguments: Any, **more: Any) -> Any:
        assert other.call("DELETE", f"/v1/customers/{NAME}").status_code == 200
        return give(*arguments, **more)

    def once(*arguments: Any, **more: Any) -> set[int]:
        if not looks:
            looks.append(look(*arguments, **more))
        return looks[0]

    monkeypatch.setattr(customers, "numbers_for", paused)
    monkeypatch.setattr(events, "_erased", once)
    assert one.send(told(one, 1))["accepted"] == 1
    assert {"vault", "words"} <= set(traces(one))


def test_erasing_waits_for_what_is_under_way(
    replicas: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that has its number is stored first and erased with the rest; later ones are refused."""
    one, other = replicas
    held, asked = threading.Event(), threading.Event()
    facts = events._project_facts

    def slow(*arguments: Any, **more: Any) -> Any:
        held.set()
        assert asked.wait(PATIENCE_S)
        return facts(*arguments, **more)

    monkeypatch.setattr(events, "_project_facts", slow)
    answers: dict[str, Any] = {}
    sending = threading.Thread(target=lambda: answers.update(sent=one.send(told(one, 1), told(one, 2))))
    sending.start()
    assert held.wait(PATIENCE_S)
    erasing = threading.Thread(target=lambda: answers.update(erased=other.call("DELETE", f"/v1/customers/{NAME}")))
    erasing.start()
    asked.set()
    sending.join()
    erasing.join()
    assert answers["sent"]["accepted"] == 2
    assert answers["erased"].status_code == 200
    assert one.send(told(one, 3))["rejected"][0]["code"] == "erased"
    assert traces(one) == {}


def test_a_crowd_is_erased_while_it_talks(replicas: tuple[Service, Service]) -> None:
    """Ten customers erased on one replica while the other takes their events: every later word is refused."""
    one, other = replicas
    crowd = [f"{NAME}-{i}" for i in range(10)]
    done = threading.Event()

    def talk() -> None:
        number = 0
        while not done.is_set() or number % len(crowd):
            customer = crowd[number % len(crowd)]
            answer = one.post("/v1/events", {"events": [told(one, number, customer)]})
            assert answer.status_code in (200, 503), answer.text
            number += 1

    talking = threading.Thread(target=talk)
    talking.start()
    for customer in crowd:
        assert other.call("DELETE", f"/v1/customers/{customer}").status_code == 200
    done.set()
    talking.join()
    for i, customer in enumerate(crowd):
        assert one.send(told(one, 10_000_000 + i, customer))["rejected"][0]["code"] == "erased"
        assert traces(one, customer) == {}
