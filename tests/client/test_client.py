"""The client against the real service, and against one in trouble."""

import time
from collections.abc import Iterator

import msgspec
import pytest

import offerlab
from client.through import Reply, ThroughService, scripted
from offerlab.client import transport as travelling
from offerlab.client.http import Client
from offerlab.domain.clock import DAY, MINUTE
from offerlab.errors import Forbidden, Unauthenticated, Unavailable
from support.service import ADMIN, AT_CHECKOUT, Service

GOOD = msgspec.json.encode(
    {
        "decision_id": "d",
        "ruleset_version": 3,
        "stale": False,
        "unknown": [],
        "decisions": [{"experiment": "e", "variant": "b", "enrolled": True, "reason": "SPLIT", "propensity": 0.5}],
        "from_a_newer_service": 1,
    }
)
KEY = "ol_server_x"
PATIENCE_S = 60.0
"""How long a decision may take where time is not what is tested."""


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on SQLite: what the client sees does not depend on the store."""
    running = Service(f"sqlite:///{tmp_path_factory.mktemp('client')}/offerlab.db")
    yield running
    running.close()


def opened_now(service: Service) -> None:
    """A shop that opened a day ago by this machine's clock, whatever day that has, and is a minute ahead of it."""
    now = time.time_ns() // 1000
    service.time = now - DAY
    service.coffee_shop()
    service.time = now + MINUTE


class TestService:
    """Against the service itself, in process."""

    def test_is_public(self) -> None:
        """`offerlab.Client` is the client."""
        assert offerlab.Client is Client

    def test_decide_expose_and_order(self, service: Service) -> None:
        """A decision with its exposure, then an order, are all stored."""
        service.coffee_shop()
        with Client("http://shop", service.new_key("server"), transport=ThroughService(service)) as client:
            answers = client.decide("c-42", context=AT_CHECKOUT, expose=True)
            found = answers.of("coffee-addon")
            assert found is not None
            assert (found.enrolled, found.exposed, found.propensity, answers.error) == (True, True, 0.5, None)
            line = {"line_id": "1", "sku": "capsule-set", "quantity": 1, "unit_price": "14400"}
            order = {"type": "order", "customer_id": "c-42", "order_id": "o-1", "currency": "KRW", "lines": [line]}
            receipt = client.send([{**order, "occurred_at": service.at()}])
            assert (receipt.accepted, receipt.rejected) == (1, [])

    def test_expose_later(self, service: Service) -> None:
        """The exposure of an earlier decision is stored once, and told as a duplicate of nothing."""
        opened_now(service)
        with Client("http://shop", ADMIN, timeout=PATIENCE_S, transport=ThroughService(service)) as client:
            answers = client.decide("c-42", context=AT_CHECKOUT)
            assert client.expose("c-42", answers).rejected == []
            again = client.decide("c-42", context=AT_CHECKOUT, expose=True)
            assert [one.exposed for one in again.decisions] == [True]

    def test_a_mailing(self, service: Service) -> None:
        """Many customers are answered in their order."""
        service.coffee_shop()
        with Client("http://shop", ADMIN, timeout=PATIENCE_S, transport=ThroughService(service)) as client:
            customers = [{"customer_id": f"c{i}"} for i in range(20)]
            many = client.decide_many(customers)
            assert [one.customer_id for one in many] == [one["customer_id"] for one in customers]
            single = [client.variant("coffee-addon", f"c{i}", default="?") for i in range(20)]
            assert [one.decisions[0].variant for one in many] == single

    def test_a_key_without_the_right(self, service: Service) -> None:
        """Events and downloads say what is wrong with the key; a decision serves the default."""
        service.coffee_shop()
        transport = ThroughService(service)
        with Client("http://shop", service.new_key("client"), transport=transport) as client, pytest.raises(Forbidden):
            client.local()
        with Client("http://shop", "nonsense", transport=transport) as client:
            assert client.variant("coffee-addon", "c-42", default="control") == "control"
            with pytest.raises(Unauthenticated):
                client.send([{"type": "product_viewed", "customer_id": "c", "sku": "a", "occurred_at": service.at()}])

    def test_a_newer_ruleset_is_fetched_once(self, service: Service) -> None:
        """An unchanged ruleset is answered 304 and stays the same object; a change gives another."""
        service.coffee_shop()
        with Client("http://shop", ADMIN, timeout=PATIENCE_S, transport=ThroughService(service)) as client:
            local = client.local()
            assert client.newer(local) is local
            service.post("/v1/experiments/coffee-addon/pause")
            newer = client.newer(local)
            assert newer.version > local.version
            assert [one.reason for one in newer.decide("c", experiments=["coffee-addon"]).decisions] == ["NOT_RUNNING"]


class TestTrouble:
    """Against a service that fails in every way."""

    @pytest.mark.parametrize("first", [Reply(500), Reply(503), Reply(522), Reply(429), Reply(0), Reply(408)], ids=str)
    def test_a_failure_is_retried(self, first: Reply) -> None:
        """One bad answer, one good: the good one counts."""
        with scripted(first, Reply(200, GOOD)) as script, Client(script.url, KEY, timeout=PATIENCE_S) as client:
            assert client.variant("e", "c", default="control") == "b"
            assert len(script.seen) == 2

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(500),
            Reply(401),
            Reply(422),
            Reply(200, b"<html>"),
            Reply(200, b"[]"),
            Reply(200, b'{"decisions":"\xe9"}'),
            Reply(404, b'{"detail":"\xe9"}'),
            Reply(302),
        ],
        ids=str,
    )
    def test_whatever_fails_the_default_is_served(self, reply: Reply) -> None:
        """No exception reaches a checkout."""
        with scripted(reply) as script, Client(script.url, KEY, timeout=PATIENCE_S) as client:
            answers = client.decide("c")
            assert (answers.variant("e", default="control"), answers.decisions) == ("control", [])
            assert answers.error is not None

    def test_nobody_listens(self) -> None:
        """A refused connection serves the default too."""
        with scripted(Reply(200)) as script:
            url = script.url
        with Client(url, KEY, timeout=PATIENCE_S) as client:
            assert client.variant("e", "c", default="control") == "control"

    def test_the_deadline_holds_over_all_attempts(self) -> None:
        """A service that hangs costs no more than the timeout, retries included."""
        with scripted(Reply(200, hangs=True)) as script, Client(script.url, KEY, timeout=0.2, retries=5) as client:
            assert client.variant("e", "c", default="control") == "control"
        assert len(script.seen) <= 1

    def test_an_answer_that_drips_is_cut_off(self) -> None:
        """Each byte comes in time and the answer never ends: the timeout counts for the whole."""
        with scripted(Reply(200, drips=True)) as script, Client(script.url, KEY, timeout=0.3) as client:
            assert client.decide("c").error == "unavailable"

    def test_a_long_retry_after_is_not_waited_for(self) -> None:
        """Told to come back in an hour, a decision gives up at once."""
        with (
            scripted(Reply(429, headers={"Retry-After": "3600"})) as script,
            Client(script.url, KEY, timeout=PATIENCE_S) as client,
        ):
            client.decide("c")
            assert len(script.seen) == 1

    def test_after_failures_in_a_row_it_keeps_quiet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Three failures, then silence for a moment: the fourth call does not reach the service."""
        monkeypatch.setattr(travelling, "BREAK_S", 3_600.0)
        with scripted(Reply(500)) as script, Client(script.url, KEY, timeout=PATIENCE_S, retries=0) as client:
            answers = [client.decide("c") for _ in range(5)]
            assert (len(script.seen), {one.error for one in answers}) == (3, {"unavailable"})

    def test_a_bad_id_is_no_exception_either(self) -> None:
        """What can't be sent is answered with the default, and does not count as trouble of the service."""
        with scripted(Reply(200, GOOD)) as script, Client(script.url, KEY, timeout=PATIENCE_S) as client:
            assert [client.decide(bad).error for bad in ("\ud800", "a\0b", 2**70, 1.5)] == ["invalid_input"] * 4
            assert script.seen == []

    def test_events_are_retried_under_the_same_ids(self) -> None:
        """A batch sent again has the ids of the first time, so that it counts once."""
        done = Reply(200, b'{"accepted":2,"duplicates":0,"rejected":[]}')
        with scripted(Reply(503), Reply(0), done) as script, Client(script.url, KEY, timeout=PATIENCE_S) as client:
            assert client.send([{"type": "a"}, {"type": "b"}]).accepted == 2
            assert len({body for _, body in script.seen}) == 1
            ids = [event["id"] for event in msgspec.json.decode(script.seen[0][1])["events"]]
            assert len(set(ids)) == 2

    def test_lost_events_are_told(self) -> None:
        """When no attempt succeeds the error is raised: nothing is swallowed."""
        busy = Reply(503, headers={"Retry-After": "60"})
        with (
            scripted(busy) as script,
            Client(script.url, KEY, timeout=PATIENCE_S) as client,
            pytest.raises(Unavailable),
        ):
            client.send([{"type": "a"}])

    def test_the_ruleset_at_hand_decides_instead(self, service: Service) -> None:
        """With a fallback the answer comes from it, marked stale, and says why."""
        service.coffee_shop()
        with Client("http://shop", ADMIN, timeout=PATIENCE_S, transport=ThroughService(service)) as client:
            local = client.local()
            expected = client.variant("coffee-addon", "c-42", default="?")
        with scripted(Reply(500)) as script, Client(script.url, KEY, timeout=PATIENCE_S) as client:
            answers = client.decide("c-42", context=AT_CHECKOUT, fallback=local)
            assert (answers.variant("coffee-addon", default="?"), answers.stale) == (expected, True)
            assert answers.error == "unavailable"
