"""P19: a thousand timers and a hundred kill -9: nothing early, nothing twice, nothing lost. And its broken twins."""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from support.figures import note
from support.mailbox import Mailbox, mailbox
from support.receiver import Receiver, receiving
from support.sender import HURRY, nursery, send_until_killed
from support.service import CAPSULES, COFFEE, Service

DELAY_S = 5
PACE_S = 0.8
"""Offers fall due over so many seconds for each kill."""

PATIENCE_S = 300.0
TIMERS = int(os.environ.get("OFFERLAB_TIMERS", "1000"))
KILLS = TIMERS // 10


class RealTime(Service):
    """A service on the system's clock, which may be `ahead` by so many microseconds."""

    ahead = 0

    def now(self) -> int:
        """Microseconds UTC."""
        return time.time_ns() // 1000 + self.ahead


class Told(Struct, frozen=True):
    """What customers and receivers saw of one run.

    Attributes:
        hits: kills that found something half sent.
        settled: what was done about mails in doubt.
        left: still to go, or in doubt: each with its status, attempts and error.
    """

    early: int
    mails: Counter[str]
    hooks: dict[str, set[str]]
    settled: Counter[str]
    left: list[str]
    hits: int


@pytest.fixture
def box() -> Iterator[Mailbox]:
    """A mail server that takes its time to say yes, for there a sender is often killed, and at times breaks off."""
    with mailbox() as running:
        running.slow_s = 0.05
        running.cuts = 20
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver."""
    with receiving() as running:
        yield running


def set_up(service: Service, receiver: Receiver, timers: int, *, spread_s: float) -> dict[str, float]:
    """Half of the customers are mailed, half are told to a webhook; when each falls due, seconds UTC."""
    service.made("/v1/products", COFFEE)
    service.made("/v1/webhooks", {"url": receiver.url, "types": ["offer.due"]})
    timing = {"trigger": "order_placed", "delay_seconds": DELAY_S}
    common = {**CAPSULES, "placements": [], "timing": timing}
    for key, sku, channel, delivery in (
        ("mailed", "coffee-machine", "email", "email"),
        ("told", "capsule-set", "push", "webhook"),
    ):
        other = "capsule-set" if sku == "coffee-machine" else "coffee-machine"
        offer = {**common, "key": key, "trigger_products": [sku], "products": [other]}
        service.made("/v1/offers", {**offer, "channel": channel, "delivery": delivery})
        arms = [{"key": "control", "weight": 0.0}, {"key": "t", "offer": key, "weight": 1.0}]
        service.made("/v1/experiments", {"key": key, "variants": arms, "metrics": {"primary": "aov"}})
        assert service.post(f"/v1/experiments/{key}/start").status_code == 200
    start = datetime.now(UTC)
    due: dict[str, float] = {}
    events: list[dict[str, Any]] = []
    for i in range(timers):
        name, mailed = f"c{i}", i % 2 == 0
        at = start + timedelta(seconds=spread_s * i / timers)
        due[name] = at.timestamp() + DELAY_S
        sku = "coffee-machine" if mailed else "capsule-set"
        common_fields = {"customer_id": name, "occurred_at": start.isoformat()}
        events += [
            {"id": f"p{i}", "type": "profile", "attributes": {"email": f"{name}@mail.test"}, **common_fields},
            {"id": f"c{i}", "type": "consent", "channel": "email", "granted": True, **common_fields},
            {"id": f"d{i}", "type": "consent", "channel": "push", "granted": True, **common_fields},
        ]
        order = {"id": f"o{i}", "type": "order", "order_id": f"o{i}", "lines": [{"sku": sku, "unit_price": "1"}]}
        events.append({**order, "customer_id": name, "occurred_at": at.isoformat()})
    for kind in ("profile", "consent", "order"):
        part = [event for event in events if event["type"] == kind]
        done = service.send(*part)
        assert done["accepted"] == len(part), done["rejected"][:3]
    return due


def run(
    service: RealTime, box: Mailbox, receiver: Receiver, *, timers: int, kills: int, twin: str | None = None
) -> Told:
    """Kill the sender again and again while offers fall due, then let one finish; ask the mail server after each.

    A sender lives until some messages have come, and a moment longer: so it dies while it sends, on any machine.
    A clock that runs ahead is the machine's: every sender's, and that of the service, by which doubts are settled.
    """
    hurries = twin == "hurries"
    pace = 10.0 if hurries else PACE_S  # whoever hurries needs offers that are not due yet
    due = set_up(service, receiver, timers, spread_s=pace * kills)
    service.ahead = HURRY if hurries else 0
    context = nursery()
    draw = random.Random(20261122)  # noqa: S311 - when to kill is no secret
    settled: Counter[str] = Counter()
    hits = 0
    for _ in range(kills):
        goal = min(timers, _came(box, receiver) + draw.randint(0, timers // kills))
        with _sender(context, service, box, twin):
            _wait(lambda goal=goal: _came(box, receiver) >= goal)  # type: ignore[misc]  # the goal of this round
            time.sleep(draw.uniform(0, 0.1))
        hits += _under_way(service) > 0
        settled += _ask(service, box, twin)

    def is_done() -> bool:
        settled.update(_ask(service, box, twin))
        return not (_open(service) or _in_doubt(service))

    with _sender(context, service, box, twin if hurries else None):
        _wait(is_done)
    return _told(service, box, receiver, due, settled, hits)


def _came(box: Mailbox, receiver: Receiver) -> int:
    return len(box.taken) + len(receiver.received)


def _wait(ready: Callable[[], bool]) -> None:
    """Until it is so, or long past."""
    patience = time.monotonic() + PATIENCE_S
    while not ready() and time.monotonic() < patience:
        time.sleep(0.005)


@contextmanager
def _sender(context: ForkServerContext, service: Service, box: Mailbox, twin: str | None) -> Generator[None]:
    """A process that sends, killed at the end of the block, and its connections with it."""
    ready = context.Event()
    process = context.Process(target=send_until_killed, args=(service.url, box.url, twin, ready), daemon=True)
    process.start()
    ready.wait()
    yield
    process.kill()
    process.join()
    _wait(lambda: box.sessions == 0)


def _ask(service: Service, box: Mailbox, twin: str | None) -> Counter[str]:
    """Settle mails in doubt by the mail server's log; how many in which way. A twin does not look."""
    fates: list[dict[str, str]] = []
    for name in _in_doubt(service):
        fate = "delivered" if box.has(name) else "not_taken"
        fates.append(
            {"message_id": name, "fate": {"resends": "not_taken", "gives_up": "delivered"}.get(twin or "", fate)}
        )
    if not fates:
        return Counter()
    said = service.post("/v1/mails/settle", {"mails": fates}).json()
    return Counter({fate: said[fate] for fate in ("delivered", "sent_again")})


def _in_doubt(service: Service) -> list[str]:
    return [one["message_id"] for one in service.get("/v1/mails?status=ambiguous&limit=1000").json()["items"]]


def _under_way(service: Service) -> int:
    """Messages in the hands of a sender."""
    mails = [service.get(f"/v1/mails?status={one}&limit=1000").json()["items"] for one in ("sending", "handed_over")]
    hooks = service.get("/v1/webhooks/1/deliveries?status=sending&limit=1000").json()["items"]
    return len(hooks) + sum(map(len, mails))


def _open(service: Service) -> list[str]:
    """Offers and messages that are still to go."""
    waiting = service.get("/v1/timed-offers?status=scheduled&limit=1000").json()["items"]
    sent = [
        one
        for status in ("pending", "sending", "handed_over")
        for path in (f"/v1/mails?status={status}&", f"/v1/webhooks/1/deliveries?status={status}&")
        for one in service.get(f"{path}limit=1000").json()["items"]
    ]
    left = [f"{one['status']} {one['attempts']} {one['next_attempt_at']} {one['error']}" for one in sent]
    return left + [f"scheduled {one['due_at']} {one['reason']}" for one in waiting]


def _told(
    service: Service, box: Mailbox, receiver: Receiver, due: dict[str, float], settled: Counter[str], hits: int
) -> Told:
    early = 0
    mails: Counter[str] = Counter()
    for (to, _), at in zip(box.taken, box.times, strict=True):
        name = to.partition("@")[0]
        mails[name] += 1
        early += at < due[name]
    hooks: dict[str, set[str]] = {}
    for one in receiver.received:
        name = json.loads(one.body)["data"]["customer_id"]
        hooks.setdefault(name, set()).add(one.headers["webhook-id"])
        early += one.at < due[name]
    return Told(early, mails, hooks, settled, _open(service) + _in_doubt(service), hits)


@pytest.mark.slow
def test_a_thousand_timers_and_a_hundred_kills(fresh_database_url: str, box: Mailbox, receiver: Receiver) -> None:
    """Everybody is mailed once and told under one id, nobody early; the mail server's log settles the doubts."""
    service = RealTime(fresh_database_url, webhook_private=True)
    told = run(service, box, receiver, timers=TIMERS, kills=KILLS)
    service.close()
    repeated = len(receiver.received) - len(told.hooks)
    store = fresh_database_url.partition(":")[0].partition("+")[0]
    figures = (
        f"{store}, {TIMERS} timers, {KILLS} kill -9, {told.hits} of them in the middle of a sending: {len(told.mails)} "
        f"mails, {sum(told.mails.values()) - len(told.mails)} twice, {len(told.hooks)} webhooks, {repeated} repeated "
        f"under their own id, {told.early} early, {len(told.left)} left; {told.settled['delivered']} mails in doubt "
        f"were in the mail server's log, {told.settled['sent_again']} were not and went again"
    )
    note("delivery under kill -9", figures)
    assert (told.early, told.left) == (0, [])
    assert told.mails == Counter(f"c{i}" for i in range(0, TIMERS, 2))
    assert set(told.hooks) == {f"c{i}" for i in range(1, TIMERS, 2)}
    assert {len(ids) for ids in told.hooks.values()} == {1}
    assert min(told.settled["delivered"], told.settled["sent_again"]) > 0
    assert told.hits > KILLS // 4


@pytest.mark.slow
@pytest.mark.parametrize("twin", ["forgets", "hurries", "resends", "gives_up"])
def test_broken_senders_are_caught(tmp_path: Path, box: Mailbox, receiver: Receiver, twin: str) -> None:
    """Sending again without asking mails somebody twice, giving doubts up loses mails, a clock that runs is early."""
    box.slow_s = 0.3
    service = RealTime(f"sqlite:///{tmp_path / 'a.db'}", webhook_private=True)
    told = run(service, box, receiver, timers=300, kills=20, twin=twin)
    service.close()
    found = {
        "early": told.early > 0,
        "twice": max(told.mails.values()) > 1,
        "lost": len(told.mails) < 150,
    }
    expected = {"forgets": "twice", "resends": "twice", "hurries": "early", "gives_up": "lost"}[twin]
    assert found == {name: name == expected for name in found}
