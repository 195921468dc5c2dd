"""Ids that are one person: what stands does not depend on order, can be undone, and has a limit."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from offerlab.domain.customer import MOST_IDS
from offerlab.domain.identity import Link, roots, standing
from offerlab.storage import customers, identity, schema
from offerlab.storage.database import open_engine, reading, writing
from offerlab.storage.known import Known
from support.service import Service

LINKS = st.lists(
    st.builds(Link, st.integers(0, 5), st.uuids().map(str), st.integers(1, 6), st.integers(1, 6)), max_size=12
)


@given(links=LINKS, order=st.randoms(use_true_random=False))
def test_persons_follow_from_the_links_alone(links: list[Link], order: object) -> None:
    """In any order the same links give the same persons; linked ids count under one number."""
    shuffled = sorted(links, key=lambda _: order.random())  # type: ignore[attr-defined]  # Hypothesis's random
    numbers = range(1, 7)
    found = roots(numbers, standing(links))
    assert found == roots(numbers, standing(shuffled))
    assert all(found[customer] == found[into] for customer, into in standing(links).items())
    assert all(found[root] == root for root in found.values())


@pytest.fixture
def engine(fresh_database_url: str) -> Iterator[Engine]:
    """A store with project 1."""
    found = open_engine(fresh_database_url)
    schema.upgrade(found)
    with writing(found) as connection:
        from offerlab.storage import projects  # noqa: PLC0415 - only to make one

        projects.add(connection, key="p", name="P", currency="USD", secret=b"s" * 32, now=0)
    yield found
    found.dispose()


def test_a_link_can_be_undone_and_made_again(engine: Engine) -> None:
    """Undoing gives back the persons of before; the log keeps both, and a later link joins them anew."""
    with writing(engine) as connection:
        numbers = iter((11, 22, 33))
        customers.numbers_for(connection, 1, [b"a", b"b", b"c"], new_number=lambda: next(numbers), now=0, known=Known())
        identity.link(connection, 1, [Link(5, "e1", 11, 22), Link(6, "e2", 22, 33)], now=5)
    with reading(engine) as connection:
        assert {one.digest: one.root for one in identity.family(connection, 1, b"a")} == {b"a": 33, b"b": 33, b"c": 33}
    with writing(engine) as connection:
        assert identity.undo(connection, 1, 22, now=9) == ["e2"]
    with reading(engine) as connection:
        assert {one.number for one in identity.family(connection, 1, b"a")} == {11, 22}
        assert {one.number for one in identity.family(connection, 1, b"c")} == {33}
    with writing(engine) as connection:
        identity.link(connection, 1, [Link(9, "e3", 11, 33)], now=10)
    with reading(engine) as connection:
        assert {one.number for one in identity.family(connection, 1, b"c")} == {33}, "of two links the earliest stands"


def test_who_is_known_keeps_his_number_beside_strangers(engine: Engine) -> None:
    """A batch of somebody known and somebody new, met without a memory: one keeps, one gets a number."""
    numbers = iter(range(11, 20))
    for digests in ([b"b"], [b"a", b"b", b"c"]):
        known = Known()
        with writing(engine) as connection:
            found = customers.numbers_for(connection, 1, digests, new_number=lambda: next(numbers), now=0, known=known)
    assert found[b"b"] == 11
    assert len(set(found.values())) == 3
    assert known.states.keys() <= {found[b"a"], found[b"c"]}, "of a stranger nothing is stored that had to be read"
    with reading(engine) as connection:
        assert customers.known_among(connection, 1, [b"a", b"b", b"c"]) == found


def test_a_family_is_found_without_reading_the_whole_vault(tmp_path: Path) -> None:
    """SQLite finds numbers by their indexes, although the vault's own key begins with the project."""
    engine = open_engine(f"sqlite:///{tmp_path / 'offerlab.sqlite'}")
    schema.upgrade(engine)
    statements: list[tuple[str, object]] = []
    event.listen(engine, "before_cursor_execute", lambda *told: statements.append((told[2], told[3])))
    with reading(engine) as connection:
        identity.families(connection, 1, [11, 22])
        seen = [one for one in statements if "vault" in one[0]]
        plans = [
            row[3]
            for statement, values in seen
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]  # as the driver got them
            if "vault" in row[3]
        ]
    engine.dispose()
    assert seen
    assert plans
    assert [plan for plan in plans if "ix_vault_" not in plan] == []


def test_the_501st_id_of_a_person_is_refused(service: Service) -> None:
    """500 ids are one person; one more is refused with its reason, listed, and stays apart."""
    links = [
        {"id": f"l{i}", "type": "profile", "customer_id": "person", "anonymous_id": f"device-{i}"}
        for i in range(MOST_IDS)
    ]
    done = service.send(*links)
    assert (done["accepted"], [one["code"] for one in done["rejected"]]) == (MOST_IDS - 1, ["too_many_ids"])
    assert [one["code"] for one in service.get("/v1/events/rejected").json()["items"]] == ["too_many_ids"]


@pytest.fixture
def service(fresh_database_url: str) -> Iterator[Service]:
    """A service with the coffee experiment."""
    running = Service(fresh_database_url)
    running.coffee_shop()
    yield running
    running.close()


def test_the_first_assignment_wins_after_a_log_in(service: Service) -> None:
    """A visitor exposed to one arm keeps it as a user whose own id would have given the other."""
    arm = {name: service.decide(name)["decisions"][0]["variant"] for name in (f"n{i}" for i in range(40))}
    visitor = next(name for name, variant in arm.items() if variant == "control")
    user = next(name for name, variant in arm.items() if variant != "control")
    service.decide(visitor, expose=True)
    service.send({"id": "x", "type": "product_viewed", "customer_id": user, "sku": "tea"})
    service.send({"id": "l", "type": "profile", "customer_id": user, "anonymous_id": visitor})
    for _ in range(2):
        assert service.decide(user)["decisions"][0]["variant"] == "control"
        service.restart()
    undone = service.post(f"/v1/customers/{visitor}/separate")
    assert (undone.status_code, undone.json()) == (200, {"links": ["l"]})
    assert service.decide(user)["decisions"][0]["variant"] == arm[user]
    assert service.decide(visitor)["decisions"][0]["variant"] == "control"
    service.restart()
    assert service.decide(user)["decisions"][0]["variant"] == arm[user]


def test_two_arms_under_one_person_are_a_crossover(service: Service) -> None:
    """Linked after both were exposed in different arms: out of the metrics and counted; undone: both are back."""
    arm = {name: service.decide(name, expose=True)["decisions"][0]["variant"] for name in (f"n{i}" for i in range(40))}
    one = next(name for name, variant in arm.items() if variant == "control")
    other = next(name for name, variant in arm.items() if variant != "control")
    service.send({"id": "l", "type": "profile", "customer_id": one, "anonymous_id": other})

    def counted() -> tuple[int, int]:
        report = service.get("/v1/experiments/coffee-addon/report").json()
        return report["quality"]["crossovers"], sum(row["n"] for row in report["metrics"][0]["arms"])

    assert counted() == (1, 38)
    service.post(f"/v1/customers/{other}/separate")
    assert counted() == (0, 40)
