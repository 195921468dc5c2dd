"""Webhooks from the API to a real receiver on loopback, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from offerlab.delivery.signing import secret_bytes, verify
from offerlab.domain.clock import SECOND
from support.receiver import Receiver, receiving
from support.service import Service


@pytest.fixture
def service(fresh_database_url: str) -> Iterator[Service]:
    """A service that may call loopback."""
    running = Service(fresh_database_url, webhook_private=True)
    yield running
    running.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on loopback."""
    with receiving() as running:
        yield running


def hook(service: Service, receiver: Receiver, **more: object) -> dict[str, object]:
    """An endpoint at the receiver."""
    made: dict[str, object] = service.made("/v1/webhooks", {"url": receiver.url, **more})
    return made


def test_a_start_is_told_once_and_signed(service: Service, receiver: Receiver) -> None:
    """P18: each move of an experiment is one message, signed with the secret that was shown once."""
    made = hook(service, receiver)
    service.coffee_shop()
    service.post("/v1/experiments/coffee-addon/pause")
    assert service.deliver() == 2
    assert service.deliver() == 0
    kinds = [msgspec.json.decode(one.body)["type"] for one in receiver.received]
    assert sorted(kinds) == ["experiment.paused", "experiment.started"]
    for one in receiver.received:
        now_s = int(one.headers["webhook-timestamp"])
        assert verify(secret_bytes(str(made["secret"])), one.headers, one.body, now_s=now_s)
    assert "secret" not in service.get(f"/v1/webhooks/{made['id']}").json()
    assert str(made["secret"]) not in service.get("/v1/webhooks").text


def test_only_what_was_asked_for(service: Service, receiver: Receiver) -> None:
    """An endpoint gets the types it names; one that is off gets nothing."""
    hook(service, receiver, types=["experiment.stopped"])
    hook(service, receiver, enabled=False)
    service.coffee_shop()
    assert service.deliver() == 0
    service.post("/v1/experiments/coffee-addon/stop", {"serve": "capsules-20", "conclusion": "ship"})
    assert service.deliver() == 1
    assert msgspec.json.decode(receiver.received[0].body)["data"]["conclusion"] == "ship"


def test_a_dead_receiver_is_tried_for_days_and_then_replayed(service: Service, receiver: Receiver) -> None:
    """P20: ten attempts over three days under one id, a dead letter, and a replay under the same id."""
    made = hook(service, receiver)
    receiver.otherwise = 500
    service.post(f"/v1/webhooks/{made['id']}/test")
    for _ in range(200):
        service.deliver()
        service.wait(seconds=3_600)
    (dead,) = service.get(f"/v1/webhooks/{made['id']}/deliveries?status=dead").json()["items"]
    assert (dead["attempts"], dead["answer"], len(receiver.received)) == (10, 500, 10)
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    receiver.otherwise = 204
    assert service.post(f"/v1/webhooks/{made['id']}/replay", {"deliveries": [dead["id"]]}).json() == {"replayed": 1}
    assert service.deliver() == 1
    assert receiver.received[-1].headers["webhook-id"] == dead["message_id"]
    (sent,) = service.get(f"/v1/webhooks/{made['id']}/deliveries").json()["items"]
    assert (sent["status"], sent["answer"]) == ("delivered", 204)


def test_retry_after_is_honoured_and_410_switches_off(service: Service, receiver: Receiver) -> None:
    """A receiver that asks for a minute gets a minute; one that is gone is asked no more."""
    made = hook(service, receiver)
    receiver.answers, receiver.extra = [503, 410], {"retry-after": "60"}
    service.post(f"/v1/webhooks/{made['id']}/test")
    assert service.deliver() == 1
    service.wait(seconds=50)
    assert service.deliver() == 0
    service.wait(seconds=15)
    assert service.deliver() == 1
    view = service.get(f"/v1/webhooks/{made['id']}").json()
    assert (view["enabled"], view["reason"]) == (False, "the receiver answered 410")
    assert service.post(f"/v1/webhooks/{made['id']}/test").status_code == 409
    again = service.patch(f"/v1/webhooks/{made['id']}", {"enabled": True}).json()
    assert (again["enabled"], again["reason"]) == (True, None)


def test_one_dead_receiver_delays_no_other(service: Service, receiver: Receiver) -> None:
    """Many messages for an endpoint that refuses leave room for its neighbour's."""
    bad = service.made("/v1/webhooks", {"url": "http://127.0.0.1:1/"})
    good = hook(service, receiver, types=["webhook.test"])
    for _ in range(40):
        service.post(f"/v1/webhooks/{bad['id']}/test")
    service.post(f"/v1/webhooks/{good['id']}/test")
    service.deliver()
    assert len(receiver.received) == 1
    failed = service.get(f"/v1/webhooks/{bad['id']}/deliveries?limit=100").json()["items"]
    assert {(one["status"], one["attempts"]) for one in failed} == {("pending", 1)}
    assert len(failed) == 40


def test_a_rotated_secret_overlaps_for_a_day(service: Service, receiver: Receiver) -> None:
    """Old and new secret sign side by side, and after a day the new one alone."""
    made = hook(service, receiver)
    fresh = service.post(f"/v1/webhooks/{made['id']}/secret").json()["secret"]
    checks: list[tuple[bool, bool]] = []
    for _ in range(2):
        service.post(f"/v1/webhooks/{made['id']}/test")
        service.deliver()
        one = receiver.received[-1]
        now_s = int(one.headers["webhook-timestamp"])
        checks.append(
            tuple(
                verify(secret_bytes(str(text)), one.headers, one.body, now_s=now_s) for text in (made["secret"], fresh)
            )  # type: ignore[arg-type]  # two of them
        )
        service.wait(days=2)
    assert checks == [(True, True), (False, True)]


def test_a_message_survives_its_sender(service: Service, receiver: Receiver) -> None:
    """A row that a dead sender left is sent again after its lease, under the same id."""
    made = hook(service, receiver)
    told = service.post(f"/v1/webhooks/{made['id']}/test").json()["message_id"]
    service.app.courier._claim(10, ())  # a sender takes it and dies
    assert service.deliver() == 0
    service.restart()
    assert service.deliver() == 0
    service.wait(seconds=60)
    assert service.deliver() == 1
    assert [one.headers["webhook-id"] for one in receiver.received] == [told]


def test_a_deleted_webhook_gets_nothing_more(service: Service, receiver: Receiver) -> None:
    """What waited for it is cancelled; its id is unknown from then on."""
    made = hook(service, receiver)
    service.post(f"/v1/webhooks/{made['id']}/test")
    assert service.call("DELETE", f"/v1/webhooks/{made['id']}").status_code == 200
    assert (service.deliver(), receiver.received) == (0, [])
    assert service.get(f"/v1/webhooks/{made['id']}").status_code == 404


@pytest.mark.parametrize("moment", ["create", "change", "test", "send"])
def test_the_inside_is_refused_at_every_moment(tmp_path: Path, receiver: Receiver, moment: str) -> None:
    """A20: creating, changing, testing and sending each refuse a target inside, also one stored before."""
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_service = Service(url, webhook_private=True)
    made = open_service.made("/v1/webhooks", {"url": receiver.url})
    if moment == "send":
        open_service.post(f"/v1/webhooks/{made['id']}/test")
    open_service.close()
    strict = Service(url)
    if moment == "create":
        refused = strict.post("/v1/webhooks", {"url": receiver.url})
    elif moment == "change":
        refused = strict.patch(f"/v1/webhooks/{made['id']}", {"url": "http://[::1]/"})
    elif moment == "test":
        refused = strict.post(f"/v1/webhooks/{made['id']}/test")
    else:
        strict.wait(seconds=60)
        strict.deliver()
        (delivery,) = strict.get(f"/v1/webhooks/{made['id']}/deliveries").json()["items"]
        assert "127.0.0.1" in delivery["error"]
        refused = None
    assert refused is None or (refused.status_code, refused.json()["field"]) == (422, "url")
    assert receiver.received == []
    strict.close()


def test_the_timestamp_is_that_of_the_attempt(service: Service, receiver: Receiver) -> None:
    """A retry keeps id and body and signs its own time, so that receivers' five minutes hold."""
    made = hook(service, receiver)
    receiver.answers = [500]
    service.post(f"/v1/webhooks/{made['id']}/test")
    service.deliver()
    service.wait(seconds=400)
    service.deliver()
    first, second = receiver.received
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 400
    assert abs(int(second.headers["webhook-timestamp"]) - service.time // SECOND) <= 1


@pytest.mark.parametrize("number", [0, 999, 2**63, 10**30])
def test_an_unknown_number_is_not_found(service: Service, number: int) -> None:
    """However large the number in a path is, the answer is 404; in a body it is refused."""
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries"), ("POST", "/secret")):
        assert service.call(method, f"/v1/webhooks/{number}{path}").status_code == 404, path
    assert service.post("/v1/webhooks/1/replay", {"deliveries": [number]}).status_code in (404, 422)
