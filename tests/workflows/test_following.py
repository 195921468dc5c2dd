"""Several replicas on one database: what one of them stores about a customer, the others decide by."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from offerlab.domain.customer import NOBODY
from offerlab.storage import neighbours
from offerlab.storage.database import reading, writing
from offerlab.workflows import following
from offerlab.workflows.memory import Memory
from support.service import AT_CHECKOUT, Service

pytestmark = pytest.mark.postgres
PATIENCE_S = 30
"""It takes a second; a busy machine may take longer."""


class Pair:
    """Two replicas with one clock, and a shop that only the first was told about."""

    def __init__(self, url: str) -> None:
        self.one = Service(url)
        self.other = Service(url)
        self.other.app.runtime.now = self.one.now
        self.one.coffee_shop()
        self.until(lambda: self.arm(self.other, "somebody") is not None)

    def until(self, holds: Callable[[], bool]) -> bool:
        """Whether something comes true, soon."""
        patience = time.monotonic() + PATIENCE_S
        while not holds() and time.monotonic() < patience:
            time.sleep(0.05)
        return holds()

    def arm(self, service: Service, customer: str, **fields: Any) -> str | None:
        """The variant that a replica answers."""
        found = service.decide(customer, context=AT_CHECKOUT, **fields)["decisions"]
        return str(found[0]["variant"]) if found else None

    def linked(self, count: int) -> dict[str, str]:
        """Customers known to the other replica, then linked on the first one: the arm that each must have now."""
        wanted: dict[str, str] = {}
        for i in range(count):
            visitor, customer = f"anon-{i}", f"c-{i}"
            wanted[customer] = str(self.arm(self.one, visitor, expose=True))
            self.arm(self.other, customer)
        for i in range(count):
            body = {"messageId": f"m-{i}", "anonymousId": f"anon-{i}", "userId": f"c-{i}"}
            assert self.one.post("/v1/identify", body).json() == {"success": True}
        return wanted

    def close(self) -> None:
        """End both."""
        self.other.close()
        self.one.close()


@pytest.fixture
def pair(new_postgres_database: Callable[[], str]) -> Iterator[Pair]:
    """Two replicas."""
    running = Pair(new_postgres_database())
    yield running
    running.close()


def test_a_log_in_on_one_replica_holds_on_the_other(pair: Pair) -> None:
    """Customers whom the other replica remembers as strangers get the arm of the visitor that they turned out to be."""
    wanted = pair.linked(20)
    assert len(set(wanted.values())) == 2
    assert pair.until(lambda: all(pair.arm(pair.other, name) == arm for name, arm in wanted.items()))


def test_a_replica_that_does_not_follow_is_found(pair: Pair) -> None:
    """The broken twin looks at rules alone: somebody keeps the arm of the stranger that he was."""
    with pair.other.app.runtime._reloading:  # the poller asks for it and uses it there
        pair.other.app.runtime._follower = None
    wanted = pair.linked(20)
    pair.other.app.runtime.refresh()
    assert any(pair.arm(pair.other, name) != arm for name, arm in wanted.items())


def test_consent_withdrawn_on_one_replica_binds_the_other(pair: Pair) -> None:
    """Who says no to mails on one replica gets none from the other, which remembers a yes."""
    pair.one.made("/v1/offers", {"key": "mail", "kind": "cross_sell", "products": ["capsule-set"]})
    arms = [{"key": "control", "weight": 0.0}, {"key": "t", "offer": "mail", "weight": 1.0}]
    pair.one.made("/v1/experiments", {"key": "mailed", "variants": arms, "metrics": {"primary": "aov"}})
    assert pair.one.post("/v1/experiments/mailed/start").status_code == 200
    says = {"type": "consent", "customer_id": "c", "channel": "email"}

    def suppressed() -> object:
        asked = {"context": {"channel": "email"}, "experiments": ["mailed"]}
        found = pair.other.decide("c", **asked)["decisions"]
        return found[0]["suppressed"] if found else "unknown"

    assert pair.one.send({**says, "id": "yes", "granted": True})["accepted"] == 1
    assert pair.until(lambda: suppressed() is None)
    assert pair.one.send({**says, "id": "no", "granted": False})["accepted"] == 1
    assert pair.until(lambda: suppressed() == "consent")


def test_a_low_number_that_turns_up_late_is_not_missed(pair: Pair) -> None:
    """A transaction that took its number first and commits last, rounds later, is still looked at."""
    runtime = pair.other.app.runtime
    engine = runtime.engine
    memory = Memory()
    follower = following.Follower(memory)
    row = (
        "INSERT INTO events (project_id, event_id, type, customer, occurred_at, received_at, digest)"
        " VALUES (1, :id, 'product_viewed', 7, 1, 1, ''::bytea)"
    )
    with writing(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO vault (project_id, digest, customer, root, created_at) VALUES (1, 'seven'::bytea, 7, 7, 1)"
            )
        )
    with writing(engine) as slow:
        slow.execute(text(row), {"id": "slow"})
        for i in range(5):
            with writing(engine) as fast:
                fast.execute(text(row.replace("7, 1, 1", "8, 1, 1")), {"id": f"fast-{i}"})
            with reading(engine) as connection:
                follower.look(connection)
        memory.put(1, b"seven", 1, NOBODY)
    for _ in range(2):
        with reading(engine) as connection:
            follower.look(connection)
    assert memory.get(1, b"seven", 1) is None
    with reading(engine) as connection:
        assert follower.look(connection) == 0
        assert neighbours.stored_since(connection, follower._after, limit=10) == []


def test_a_state_read_across_a_round_is_not_kept() -> None:
    """What was being read while the neighbours were looked at may be older than what they stored."""
    memory = Memory()
    begun = memory.rounds
    memory.end_round()
    memory.offer(1, b"a", 1, NOBODY, begun=begun)
    assert memory.get(1, b"a", 1) is None
    memory.offer(1, b"a", 1, NOBODY, begun=memory.rounds)
    assert memory.get(1, b"a", 1) is NOBODY


def test_the_latest_events_are_seen_from_every_replica(pair: Pair) -> None:
    """What one replica took and refused stands in the other's list, with the reason; a customer's under every id."""
    told = {"customer_id": "c", "occurred_at": pair.one.at()}
    seen = {"id": "seen", "type": "product_viewed", "sku": "a", **told}
    assert pair.one.send(seen, {"id": "bad", "type": "offer_viewed", "experiment": "none", **told})["accepted"] == 1

    def listed() -> list[tuple[str, str, str | None]]:
        items = pair.other.get("/v1/events/latest").json()["items"]
        return sorted((item["id"], item["outcome"], item["detail"]) for item in items)

    reason = "no experiment has the key 'none'"
    assert pair.until(lambda: listed() == [("bad", "unknown_experiment", reason), ("seen", "taken", None)])
    pair.one.post("/v1/identify", {"messageId": "m", "anonymousId": "anon", "userId": "c"})
    items = pair.other.get("/v1/customers/anon/events").json()["items"]
    assert sorted((item["id"], item["outcome"]) for item in items) == [
        ("bad", "unknown_experiment"),
        ("m", "taken"),
        ("seen", "taken"),
    ]
    assert pair.other.get("/v1/customers/nobody/events").status_code == 404


def test_too_much_news_forgets_everybody(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """More events than a round looks at: nobody is remembered, so everybody is read anew."""
    monkeypatch.setattr(following, "MOST", 3)
    runtime = pair.other.app.runtime
    pair.arm(pair.other, "x")
    pair.one.send(*({"id": str(i), "type": "product_viewed", "customer_id": "y", "sku": "a"} for i in range(9)))
    assert pair.until(lambda: len(runtime.memory) == 0)
