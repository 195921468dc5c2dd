"""P19: a thousand timers and a hundred kill -9: nothing early, nothing twice, nothing lost. And its broken twins."""

import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from support.mailbox import Mailbox, mailbox
from support.receiver import Receiver, receiving
from support.sender import send_until_killed
from support.service import CAPSULES, COFFEE, Service

DELAY_S = 5


class RealTime(Service):
    """A service on the system's clock."""

    def now(self) -> int:
        """Microseconds UTC."""
        return time.time_ns() // 1000


class Told(Struct, frozen=True):
    """What customers and receivers saw of one run."""

    early: int
    mails: Counter[str]
    hooks: dict[str, set[str]]
    ambiguous: int
    open: int
    kills: int


@pytest.fixture
def box() -> Iterator[Mailbox]:
    """A mail server that takes its time to say yes: there a sender is often killed."""
    with mailbox() as running:
        running.slow_s = 0.05
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


def run(service: Service, box: Mailbox, receiver: Receiver, *, timers: int, kills: int, twin: str | None) -> Told:
    """Kill the sender again and again while offers fall due, then let one finish.

    A twin lives longer, so that on a busy machine too it is killed while it sends.
    """
    shortest, longest = (0.05, 1.0) if twin is None else (1.0, 3.0)
    due = set_up(service, receiver, timers, spread_s=(0.75 + longest / 2) * kills)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.sender"])
    draw = random.Random(20261122)  # noqa: S311 - when to kill is no secret
    for _ in range(kills):
        process, ready = _sender(context, service, box, twin)
        ready.wait()
        time.sleep(draw.uniform(shortest, longest))
        process.kill()
        process.join()
    process, _ = _sender(context, service, box, None)
    patience, left = time.time() + 120, 1
    while time.time() < patience and (left := _open(service)):
        time.sleep(0.5)
    process.kill()
    process.join()
    return _told(service, box, receiver, due, left, kills)


def _sender(
    context: ForkServerContext, service: Service, box: Mailbox, twin: str | None
) -> tuple[ForkServerProcess, Event]:
    """A process that sends, and what it sets when it does."""
    ready = context.Event()
    process = context.Process(target=send_until_killed, args=(service.url, box.url, twin, ready), daemon=True)
    process.start()
    return process, ready


def _open(service: Service) -> int:
    """Offers and messages that are still to go."""
    waiting = service.get("/v1/timed-offers?status=scheduled&limit=1000").json()["items"]
    mails = [
        service.get(f"/v1/mails?status={one}&limit=1000").json()["items"]
        for one in ("pending", "sending", "handed_over")
    ]
    hooks = service.get("/v1/webhooks/1/deliveries?limit=1000").json()["items"]
    return len(waiting) + sum(map(len, mails)) + sum(one["status"] in ("pending", "sending") for one in hooks)


def _told(service: Service, box: Mailbox, receiver: Receiver, due: dict[str, float], left: int, kills: int) -> Told:
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
    ambiguous = len(service.get("/v1/mails?status=ambiguous&limit=1000").json()["items"])
    return Told(early, mails, hooks, ambiguous, left, kills)


@pytest.mark.slow
def test_a_thousand_timers_and_a_hundred_kills(fresh_database_url: str, box: Mailbox, receiver: Receiver) -> None:
    """Every webhook comes, under one id, and every mail at most once; those nobody heard of are listed."""
    service = RealTime(fresh_database_url, webhook_private=True)
    told = run(service, box, receiver, timers=1_000, kills=100, twin=None)
    service.close()
    twice = [name for name, count in told.mails.items() if count > 1]
    repeated = len(receiver.received) - len(told.hooks)
    figures = f"{told.kills} kills: {len(told.mails)} mails, {told.ambiguous} ambiguous, {len(told.hooks)} webhooks"
    store = fresh_database_url.partition(":")[0]
    sys.stdout.write(f"{store}: {figures}, {repeated} of them repeated, {told.early} early\n")
    assert (told.early, told.open, twice) == (0, 0, [])
    assert set(told.hooks) == {f"c{i}" for i in range(1, 1_000, 2)}
    assert {len(ids) for ids in told.hooks.values()} == {1}
    assert 500 - told.ambiguous <= len(told.mails) <= 500
    assert told.kills == 100


@pytest.mark.slow
@pytest.mark.parametrize("twin", ["forgets", "hurries"])
def test_broken_senders_are_caught(tmp_path: Path, box: Mailbox, receiver: Receiver, twin: str) -> None:
    """One that sends again what it handed over mails somebody twice; one whose clock runs ahead is early."""
    box.slow_s = 0.3
    service = RealTime(f"sqlite:///{tmp_path / 'a.db'}", webhook_private=True)
    told = run(service, box, receiver, timers=300, kills=20, twin=twin)
    service.close()
    if twin == "forgets":
        assert max(told.mails.values()) > 1
    else:
        assert told.early > 0
