"""Due times under a clock that jumps: the system's clock is wrong by hours, ahead and behind, and corrected again.

True time passes by itself; what the service reads is true time plus an error. A mail counts as early by true time.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct

from offerlab.delivery.steady import TRUSTED, Anchor, SteadyClock
from offerlab.domain import timing
from offerlab.domain.clock import DAY, SECOND, iso, to_micros
from offerlab.workflows.courier import Courier
from support.mailbox import Mailbox, mailbox
from support.service import CAPSULES, COFFEE, Service

MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
STEP = 10 * MINUTE
CUSTOMERS = 20
BERLIN = ZoneInfo("Europe/Berlin")
CHANGES = {
    "an hour more": datetime(2026, 10, 24, 6, tzinfo=UTC),
    "an hour less": datetime(2027, 3, 27, 6, tzinfo=UTC),
}
"""Early on the day before Berlin's clocks change."""


class Wrong(Service):
    """A service whose system clock is off by `error` microseconds."""

    error = 0

    def now(self) -> int:
        """What the system says."""
        return super().now() + self.error


class Sent(Struct, frozen=True):
    """One mail: to whom, when it was due and when it came, true microseconds UTC."""

    customer: str
    due_at: int
    came_at: int


@pytest.fixture
def box() -> Iterator[Mailbox]:
    """A mail server."""
    with mailbox() as running:
        yield running


def shop(folder: Path, box: Mailbox, start: datetime) -> Wrong:
    """A shop that mails an hour after an order."""
    service = Wrong(
        f"sqlite:///{folder / 'a.db'}", smtp_url=box.url, mail_from="shop@shop.test", base_url="https://shop.test"
    )
    service.time = int(start.timestamp()) * SECOND
    service.made("/v1/products", COFFEE)
    timing = {"trigger": "order_placed", "delay_seconds": 3_600}
    service.made(
        "/v1/offers", {**CAPSULES, "placements": [], "channel": "email", "delivery": "email", "timing": timing}
    )
    arms = [{"key": "control", "weight": 0.0}, {"key": "t", "offer": "capsules", "weight": 1.0}]
    service.made("/v1/experiments", {"key": "mailed", "variants": arms, "metrics": {"primary": "aov"}})
    assert service.post("/v1/experiments/mailed/start").status_code == 200
    return service


def orders(service: Wrong) -> dict[str, int]:
    """Orders of a day, placed ahead; when the mail about each is due."""
    due: dict[str, int] = {}
    start = service.time
    for i in range(CUSTOMERS):
        name, at = f"c{i}", start + i * DAY // CUSTOMERS
        service.time = at
        told = {"email": f"{name}@mail.test", "country": "DE"}
        lines = [{"sku": "coffee-machine", "unit_price": "1"}]
        service.send(
            {"id": f"p{i}", "type": "profile", "customer_id": name, "attributes": told},
            {"id": f"c{i}", "type": "consent", "customer_id": name, "channel": "email", "granted": True},
        )
        order = {"id": f"o{i}", "type": "order", "customer_id": name, "order_id": f"o{i}", "lines": lines}
        assert service.send(order)["accepted"] == 1
        due[name] = at + HOUR
    service.time = start
    return due


def errors(seed: int) -> Callable[[int], int]:
    """The system clock's error at a step: two hours ahead for less than is believed, or two hours behind for long."""
    draw = random.Random(seed)  # noqa: S311 - when a clock is wrong is no secret
    plan: dict[int, int] = {}
    step = 3
    while step < 2 * DAY // STEP:
        ahead = draw.random() < 0.6
        for one in range(step, step + (1 if ahead else draw.randint(2, 8))):
            plan[one] = 2 * HOUR if ahead else -2 * HOUR
        step += draw.randint(9, 15)
    return lambda step: plan.get(step, 0)


def live(service: Wrong, box: Mailbox, anchor: Callable[[], Anchor] | None, seed: int) -> list[Sent]:
    """Two days of looks every ten minutes, by a new courier now and then and while the clock is ahead; the mails."""
    due, error = orders(service), errors(seed)
    begun = service.time
    sent: list[Sent] = []
    for step in range(2 * DAY // STEP):
        service.time = begun + step * STEP
        service.error = error(step)
        if step % 5 == 0 or service.error > 0:
            old = service.app.courier
            clock = service.now if anchor is None else SteadyClock(service.now, lambda: service.time, anchor())
            service.app.courier = Courier(
                service.app.runtime, guard=old.guard, post_office=old.post_office, clock=clock
            )
        if service.app.courier._is_due():
            service.deliver()
        for to, _ in box.taken[len(sent) :]:
            name = to.partition("@")[0]
            sent.append(Sent(name, due[name], service.time))
    return sent


def faults(sent: list[Sent]) -> Counter[str]:
    """How many mails came early, by night, twice, or not at all."""
    came = Counter(one.customer for one in sent)
    found = Counter(
        early=sum(one.came_at < one.due_at for one in sent),
        by_night=sum(not 8 <= datetime.fromtimestamp(one.came_at / SECOND, BERLIN).hour < 21 for one in sent),
        twice=sum(count > 1 for count in came.values()),
        lost=CUSTOMERS - len(came),
    )
    return +found


@pytest.mark.parametrize("change", ["an hour more", pytest.param("an hour less", marks=pytest.mark.slow)])
def test_jumps_restarts_and_summer_time(tmp_path: Path, box: Mailbox, change: str) -> None:
    """Two hours ahead or behind, restarts, clocks that change at night: nothing early, twice, lost or by night."""
    service = shop(tmp_path, box, CHANGES[change])
    sent = live(service, box, lambda: Anchor(tmp_path / "clock.json", "this boot"), seed=1)
    service.close()
    assert faults(sent) == {}
    assert sum(one.came_at >= one.due_at + STEP for one in sent) > CUSTOMERS // 4  # many had to wait for the morning


def summer_for_ever(_: str) -> timezone:
    """Berlin's offset in summer, whatever is asked for."""
    return timezone(timedelta(hours=2))


@pytest.mark.slow
@pytest.mark.parametrize("twin", ["trusts the wall", "forgets at a restart", "keeps summer time"])
def test_broken_clocks_are_caught(tmp_path: Path, box: Mailbox, twin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trusting the wall, at all times or at a restart, is early; a morning reckoned by summer's offset is night."""
    if twin == "keeps summer time":
        monkeypatch.setattr(timing, "_zone", summer_for_ever)
    boots = iter(range(10**6))
    anchors: dict[str, Callable[[], Anchor] | None] = {
        "trusts the wall": None,
        "forgets at a restart": lambda: Anchor(tmp_path / "clock.json", f"boot {next(boots)}"),
        "keeps summer time": lambda: Anchor(tmp_path / "clock.json", "this boot"),
    }
    service = shop(tmp_path, box, CHANGES["an hour more"])
    found = faults(live(service, box, anchors[twin], seed=1))
    service.close()
    assert found["by_night" if twin == "keeps summer time" else "early"] > 0


@pytest.mark.parametrize("content", [b"", b"{}", b'{"boot":"\xe9","offset":1}'], ids=["empty", "other", "text"])
def test_a_broken_file_of_the_clock_is_none(tmp_path: Path, content: bytes) -> None:
    """What can't be read is not trusted: the wall is believed."""
    (tmp_path / "clock.json").write_bytes(content)
    assert SteadyClock(lambda: DAY, lambda: 0, Anchor(tmp_path / "clock.json", "one"))() == DAY


def test_a_clock_behind_dates_its_triggers_early_and_senders_show_it(tmp_path: Path, box: Mailbox) -> None:
    """The written limit: an order of a right time reads as ahead, is dated by our clock and counted as `clock_off`."""
    service = shop(tmp_path, box, CHANGES["an hour more"])
    service.time += DAY
    placed, service.error = service.time, -2 * HOUR
    lines = [{"sku": "coffee-machine", "unit_price": "1"}]
    told: list[dict[str, object]] = [
        {"id": "c", "type": "consent", "customer_id": "c1", "channel": "email", "granted": True},
        {"id": "o", "type": "order", "customer_id": "c1", "order_id": "o", "lines": lines},
    ]
    assert service.send(*({**one, "occurred_at": iso(placed)} for one in told))["accepted"] == 2
    counted = service.get("/metrics").text
    (planned,) = service.get("/v1/timed-offers").json()["items"]
    service.close()
    assert "offerlab_events_clock_off_total 2" in counted
    early = placed + HOUR - to_micros(datetime.fromisoformat(planned["due_at"]))
    assert 2 * HOUR - MINUTE < early <= 2 * HOUR


def test_the_trusted_time_outlives_the_process(tmp_path: Path) -> None:
    """Started anew two hours ahead, the time goes on as before until the jump has stood; not after a boot."""
    wall, elapsed = [10 * DAY], [0]

    def started(boot: str | None) -> SteadyClock:
        return SteadyClock(lambda: wall[0], lambda: elapsed[0], Anchor(tmp_path / "a" / "clock.json", boot))

    started("one")
    wall[0] += 2 * HOUR
    again = started("one")
    assert again() == 10 * DAY
    elapsed[0], wall[0] = TRUSTED, wall[0] + TRUSTED
    assert again() == 10 * DAY + 2 * HOUR + TRUSTED
    wall[0] += HOUR
    assert started("one")() == 10 * DAY + 2 * HOUR + TRUSTED
    assert started("another")() == started(None)() == wall[0]
    wall[0] -= DAY
    assert started("another")() == wall[0]
