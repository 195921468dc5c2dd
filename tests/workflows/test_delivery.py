"""Offers that the service brings itself: due when they should be, wanted when they go, at most once."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from offerlab.storage.outbox import Message
from support.mailbox import Mailbox, mailbox
from support.receiver import Receiver, receiving
from support.service import CAPSULES, COFFEE, COFFEE_ADDON, Service

MAILED: dict[str, Any] = {
    **CAPSULES,
    "placements": [],
    "channel": "email",
    "delivery": "email",
    "timing": {"trigger": "order_placed", "delay_seconds": 3_600},
}
TOLD: dict[str, Any] = {**MAILED, "channel": "push", "delivery": "webhook"}
ALL_IN: dict[str, Any] = {
    **COFFEE_ADDON,
    "variants": [{"key": "control", "weight": 0.0}, {"key": "t", "offer": "capsules", "weight": 1.0}],
}
HALF: dict[str, Any] = {**ALL_IN, "variants": [{"key": "control"}, {"key": "t", "offer": "capsules"}]}


@pytest.fixture
def box() -> Iterator[Mailbox]:
    """A mail server."""
    with mailbox() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver."""
    with receiving() as running:
        yield running


@pytest.fixture
def service(fresh_database_url: str, box: Mailbox) -> Iterator[Service]:
    """A service that mails to the box and may call loopback."""
    running = Service(
        fresh_database_url,
        webhook_private=True,
        smtp_url=box.url,
        mail_from="오퍼랩 상점 <offers@shop.test>",
        base_url="https://offers.shop.test",
    )
    yield running
    running.close()


def set_up(service: Service, offer: dict[str, Any] = MAILED, experiment: dict[str, Any] = ALL_IN) -> None:
    """A shop whose experiment delivers this offer after an order."""
    service.made("/v1/products", COFFEE)
    service.made("/v1/offers", offer)
    service.made("/v1/experiments", experiment)
    assert service.post("/v1/experiments/coffee-addon/start").status_code == 200


def meets(service: Service, customer: str, *channels: str) -> None:
    """A customer in New York whom we may write to."""
    told = {"email": f"{customer}@mail.test", "first_name": "민지", "locale": "ko-KR", "country": "KR"}
    service.send(
        {"id": f"p-{customer}", "type": "profile", "customer_id": customer, "attributes": told},
        *(
            {"id": f"c-{customer}-{one}", "type": "consent", "customer_id": customer, "channel": one, "granted": True}
            for one in channels or ("email",)
        ),
    )


def buys(service: Service, customer: str, order: str = "o", sku: str = "coffee-machine") -> None:
    """An order of one thing."""
    lines = [{"sku": sku, "unit_price": "129000", "line_id": "1"}]
    done = service.send(
        {"id": f"order-{customer}-{order}", "type": "order", "customer_id": customer, "order_id": order, "lines": lines}
    )
    assert done == {"accepted": 1, "duplicates": 0, "rejected": []}


def ships(service: Service, customer: str, stage: str, order: str = "o") -> None:
    """A parcel reaches a stage."""
    service.send(
        {
            "id": f"{customer}-{order}-{stage}",
            "type": "shipment",
            "customer_id": customer,
            "order_id": order,
            "stage": stage,
        }
    )


def fates(service: Service) -> list[tuple[str, str | None]]:
    """Status and reason of all planned offers, oldest first."""
    items = service.get("/v1/timed-offers").json()["items"]
    return [(one["status"], one["reason"]) for one in reversed(items)]


def until(service: Service, hour: int) -> None:
    """Let time pass until this hour in Seoul; the clock starts at 23:13 there."""
    now = (service.time // 1_000_000 + 9 * 3_600) % 86_400
    service.wait(seconds=(hour * 3_600 - now) % 86_400)


def test_an_order_brings_a_mail_after_its_delay(service: Service, box: Mailbox) -> None:
    """S99, S64: exposed at the order, mailed an hour later with plain and HTML text, its code and a way out, once."""
    set_up(service)
    until(service, 9)
    meets(service, "c1")
    buys(service, "c1")
    assert (service.deliver(), box.taken) == (0, [])
    service.wait(seconds=3_590)
    assert service.deliver() == 0
    service.wait(seconds=10)
    assert service.deliver() == 1
    (to, mail), *others = box.taken
    assert (to, others, mail["Subject"]) == ("c1@mail.test", [], "캡슐 세트 20% 할인")
    assert mail["From"] == "오퍼랩 상점 <offers@shop.test>"
    parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    assert set(parts) == {"text/plain", "text/html"}
    assert "커피 머신을 구매하셨나요? 캡슐 세트로 더 맛있는 커피를 즐겨보세요!" in parts["text/plain"]
    link = mail["List-Unsubscribe"].strip("<>")
    assert link.startswith("https://offers.shop.test/unsubscribe/")
    assert link in parts["text/plain"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    buys(service, "c1", order="second")
    service.wait(days=1)
    until(service, 12)
    assert (service.deliver(), len(box.taken)) == (0, 1)
    report = service.get("/v1/experiments/coffee-addon/report").json()
    assert {arm["variant"]: arm["n"] for arm in report["metrics"][0]["arms"]} == {"control": 0, "t": 1}


def test_control_is_exposed_at_the_same_trigger(service: Service, box: Mailbox) -> None:
    """Law 4: every arm is exposed at the order; only the arm with the offer is mailed."""
    set_up(service, experiment=HALF)
    until(service, 9)
    for i in range(20):
        meets(service, f"c{i}")
        buys(service, f"c{i}", order=f"o{i}")
    service.wait(seconds=3_700)
    service.deliver()
    report = service.get("/v1/experiments/coffee-addon/report").json()
    arms = {arm["variant"]: arm["n"] for arm in report["metrics"][0]["arms"]}
    assert sum(arms.values()) == 20
    assert len(box.taken) == arms["t"] > 0
    assert arms["control"] > 0


def test_timings_are_compared_from_one_origin(service: Service, box: Mailbox) -> None:
    """S64, S99: at once, a day later and on delivery, all exposed at the order; each is mailed at its own time."""
    service.made("/v1/products", COFFEE)
    timings: dict[str, dict[str, Any]] = {
        "at-once": {},
        "next-day": {"delay_seconds": 86_400},
        "on-delivery": {"stage": "delivered"},
    }
    for key, timing in timings.items():
        service.made("/v1/offers", {**MAILED, "key": key, "timing": {"trigger": "order_placed", **timing}})
    arms = [{"key": "control", "weight": 0.25}, *({"key": key, "offer": key, "weight": 0.25} for key in timings)]
    service.made("/v1/experiments", {**COFFEE_ADDON, "variants": arms, "metrics": {"primary": "aov"}})
    service.post("/v1/experiments/coffee-addon/start")
    until(service, 9)
    names = [f"c{i}" for i in range(24)]
    for name in names:
        meets(service, name)
        buys(service, name, order=name)

    def came() -> set[str]:
        service.deliver()
        new = {to.partition("@")[0] for to, _ in box.taken}
        box.taken.clear()
        return new

    found = {"at-once": came()}
    service.wait(days=1)
    found["next-day"] = came()
    service.wait(days=1)
    for name in names:
        ships(service, name, "delivered", order=name)
    found["on-delivery"] = came()
    members: dict[str, set[str]] = {arm: set() for arm in ("control", *timings)}
    for name in names:
        person = service.get(f"/v1/customers/{name}/export").json()
        (exposure,), (bought,) = person["exposures"], person["orders"]
        assert exposure["occurred_at"] == bought["occurred_at"]
        members[exposure["variant"]].add(name)
    assert found == {arm: who for arm, who in members.items() if arm != "control"}


def test_what_the_order_holds_is_not_offered_with_it(service: Service, box: Mailbox) -> None:
    """S49: who bought machine and capsules together is mailed no capsules, and stays in the arm with the reason."""
    set_up(service)
    until(service, 9)
    meets(service, "c1")
    lines = [{"sku": sku, "unit_price": "1000"} for sku in ("coffee-machine", "capsule-set")]
    service.send({"id": "o", "type": "order", "customer_id": "c1", "order_id": "o", "lines": lines})
    service.wait(seconds=3_700)
    assert (service.deliver(), fates(service)) == (0, [])
    (exposure,) = service.get("/v1/customers/c1/export").json()["exposures"]
    assert (exposure["variant"], exposure["suppressed"]) == ("t", "in_cart")


def test_who_complains_meanwhile_is_offered_nothing(service: Service, box: Mailbox) -> None:
    """S48, S118: a complaint between order and delivery keeps the offer back, where the shop has a cool-down."""
    set_up(service, {**MAILED, "timing": {"trigger": "order_placed", "stage": "delivered"}})
    service.call("PUT", "/v1/settings", {"trouble_days": 30})
    until(service, 9)
    for name in ("c1", "c2"):
        meets(service, name)
        buys(service, name, order=name)
    service.send({"id": "angry", "type": "complaint", "customer_id": "c1"})
    for name in ("c1", "c2"):
        ships(service, name, "delivered", order=name)
    assert service.deliver() == 1
    assert [to for to, _ in box.taken] == ["c2@mail.test"]
    assert fates(service) == [("suppressed", "cooling_down"), ("released", None)]


def test_a_webhook_is_told_what_is_due(service: Service, receiver: Receiver) -> None:
    """S63: a push offer falls due as `offer.due` with everything the shop's sender needs."""
    set_up(service, TOLD)
    service.made("/v1/webhooks", {"url": receiver.url, "types": ["offer.due"]})
    until(service, 9)
    meets(service, "c1", "push")
    buys(service, "c1")
    service.wait(seconds=3_600)
    assert service.deliver() == 1
    told = msgspec.json.decode(receiver.received[0].body)
    assert told["type"] == "offer.due"
    data = told["data"]
    assert (data["customer_id"], data["experiment"], data["variant"], data["channel"], data["order_id"]) == (
        "c1",
        "coffee-addon",
        "t",
        "push",
        "o",
    )
    assert data["offer"]["products"] == [
        {"sku": "capsule-set", "name": "캡슐 세트", "price": "18000", "offer_price": "14400"}
    ]
    assert data["offer"]["message"]["locale"] == "ko"


@pytest.mark.parametrize("order_first", [True, False], ids=["order-first", "parcel-first"])
def test_an_offer_waits_for_its_parcel(service: Service, box: Mailbox, order_first: bool) -> None:  # noqa: FBT001 - a case
    """S48, S69: due a day after delivery of that very order, in whatever order the two events come."""
    set_up(service, {**MAILED, "timing": {"trigger": "order_placed", "stage": "delivered", "delay_seconds": 86_400}})
    until(service, 9)
    meets(service, "c1")
    if order_first:
        buys(service, "c1")
        service.wait(days=3)
        assert service.deliver() == 0
        ships(service, "c1", "delivered")
    else:
        ships(service, "c1", "delivered")
        buys(service, "c1")
    ships(service, "c1", "delivered", order="another")
    assert service.deliver() == 0
    service.wait(days=1)
    assert (service.deliver(), len(box.taken)) == (1, 1)


STAGES = ("label_created", "in_transit", "out_for_delivery", "delivered")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("waits", [True, False], ids=["waited for", "set off by"])
def test_each_stage_of_a_parcel_has_its_own_moment(service: Service, box: Mailbox, stage: str, waits: bool) -> None:  # noqa: FBT001 - a case
    """S69: from the label to the door, the mail of a stage goes at that stage, not at the one before it nor after."""
    waiting = {"trigger": "order_placed", "stage": stage}
    set_up(service, {**MAILED, "timing": waiting if waits else {"trigger": f"shipment_{stage}"}})
    until(service, 9)
    meets(service, "c1")
    buys(service, "c1")
    for one in STAGES:
        ships(service, "c1", one)
        assert (one, service.deliver()) == (one, int(one == stage))
    assert len(box.taken) == 1


@pytest.mark.parametrize("stage", ["exception", "returned"])
def test_a_broken_parcel_ends_the_waiting(service: Service, box: Mailbox, stage: str) -> None:
    """S48: nobody is offered anything about a parcel that is lost or on its way back."""
    set_up(service, {**MAILED, "timing": {"trigger": "order_placed", "stage": "delivered"}})
    until(service, 9)
    meets(service, "c1")
    buys(service, "c1")
    ships(service, "c1", stage)
    ships(service, "c1", "delivered")
    assert (service.deliver(), box.taken, fates(service)) == (0, [], [("suppressed", "shipment_trouble")])


def test_a_stage_may_itself_be_the_trigger(service: Service, box: Mailbox) -> None:
    """S69: out for delivery sets the experiment off, about what that order held."""
    set_up(service, {**MAILED, "timing": {"trigger": "shipment_out_for_delivery"}})
    until(service, 9)
    meets(service, "c1")
    buys(service, "c1")
    assert service.deliver() == 0
    ships(service, "c1", "in_transit")
    assert service.deliver() == 0
    ships(service, "c1", "out_for_delivery")
    assert service.deliver() == 1
    assert "커피 머신을" in box.taken[0][1].get_body(("plain",)).get_content()  # type: ignore[union-attr]  # it has one


def test_the_night_puts_off(service: Service, box: Mailbox) -> None:
    """P3: due at 23:13 in Seoul, mailed at 08:00, not a minute before; another zone is not asked to wait."""
    set_up(service)
    meets(service, "c1")
    service.send(
        {"id": "z", "type": "profile", "customer_id": "c2", "attributes": {"email": "a@b.test", "country": "GB"}}
    )
    service.send({"id": "y", "type": "consent", "customer_id": "c2", "channel": "email", "granted": True})
    buys(service, "c1")
    buys(service, "c2", order="p")
    service.wait(seconds=3_600)
    assert service.deliver() == 1
    assert [to for to, _ in box.taken] == ["a@b.test"]
    until(service, 8)
    service.wait(seconds=-60)
    assert service.deliver() == 0
    service.wait(seconds=60)
    assert service.deliver() == 1


@pytest.mark.parametrize("order_first", [True, False], ids=["order-first", "order-last"])
@pytest.mark.parametrize(("said_s", "sent"), [(-60, 1), (0, 1), (60, 0)], ids=["before", "at once", "after"])
def test_consent_and_order_may_come_together(
    service: Service,
    box: Mailbox,
    order_first: bool,  # noqa: FBT001 - a case
    said_s: int,
    sent: int,
) -> None:
    """One batch holds the tick and the order: the tick counts if it came no later, wherever in the batch it stands."""
    set_up(service)
    until(service, 9)
    at, said = service.at(seconds=-120), service.at(seconds=-120 + said_s)
    told = {"email": "c1@mail.test", "country": "KR"}
    lines = [{"sku": "coffee-machine", "unit_price": "129000"}]
    batch: list[dict[str, Any]] = [
        {"id": "p", "type": "profile", "customer_id": "c1", "attributes": told, "occurred_at": said},
        {"id": "c", "type": "consent", "customer_id": "c1", "channel": "email", "granted": True, "occurred_at": said},
        {"id": "o", "type": "order", "customer_id": "c1", "order_id": "o", "lines": lines, "occurred_at": at},
    ]
    assert service.send(*(reversed(batch) if order_first else batch))["accepted"] == 3
    (exposure,) = service.get("/v1/customers/c1/export").json()["exposures"]
    assert exposure["suppressed"] == (None if sent else "consent")
    service.wait(seconds=3_600)
    assert (service.deliver(), len(box.taken)) == (sent, sent)


@pytest.mark.parametrize("when", ["before", "between"])
def test_without_consent_nothing_goes(service: Service, box: Mailbox, when: str) -> None:
    """P1, P12: no consent at the order is logged with the exposure; one withdrawn before the due time is obeyed."""
    set_up(service)
    until(service, 9)
    no = {"id": "no", "type": "consent", "customer_id": "c1", "channel": "email", "granted": False}
    meets(service, "c1")
    if when == "before":
        service.send(no)
    buys(service, "c1")
    if when == "between":
        service.send(no)
    service.wait(seconds=3_700)
    assert (service.deliver(), box.taken) == (0, [])
    assert fates(service) == ([] if when == "before" else [("suppressed", "consent")])


def test_one_click_ends_it(service: Service, box: Mailbox) -> None:
    """P12: looking at the link changes nothing, one POST does, from the next message on; a forged link is unknown."""
    set_up(service)
    until(service, 9)
    meets(service, "c1")
    buys(service, "c1")
    service.wait(seconds=3_600)
    service.deliver()
    path = box.taken[0][1]["List-Unsubscribe"].strip("<>").removeprefix("https://offers.shop.test")
    shown = service.get(path, key=None, headers={"Accept-Language": "ko-KR"})
    assert (shown.status_code, "수신거부" in shown.text) == (200, True)
    context = {"channel": "email", "trigger": {"sku": "coffee-machine"}}
    assert service.decide("c1", context=context)["decisions"][0]["suppressed"] is None
    form = {"content-type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        done = service.call("POST", path, content=b"List-Unsubscribe=One-Click", key=None, headers=form)
        assert (done.status_code, done.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert service.decide("c1", context=context)["decisions"][0]["suppressed"] == "consent"
    assert service.post(path[:-3] + "AAA", key=None).status_code == 404
    assert service.post("/unsubscribe/nonsense", key=None).status_code == 404


@pytest.mark.parametrize(
    ("answers", "later", "status"),
    [(["451 later"], True, "delivered"), (["554 no"], False, "dead")],
    ids=["later", "never"],
)
def test_a_mail_server_says_no(service: Service, box: Mailbox, answers: list[str], later: bool, status: str) -> None:  # noqa: FBT001 - a case
    """A temporary no is tried again, a final one is listed; neither is a second mail."""
    set_up(service)
    until(service, 9)
    meets(service, "c1")
    buys(service, "c1")
    box.answers = [*answers]  # each takes its own from there
    service.wait(seconds=3_600)
    assert (service.deliver(), box.taken) == (1, [])
    service.wait(seconds=60)
    assert service.deliver() == int(later)
    (mail,) = service.get("/v1/mails").json()["items"]
    assert (mail["status"], len(box.taken)) == (status, int(later))


def in_doubt(service: Service) -> list[str]:
    """Message ids of mails whose fate nobody heard."""
    return [one["message_id"] for one in service.get("/v1/mails?status=ambiguous").json()["items"]]


def settle(service: Service, fate: str, *message_ids: str) -> dict[str, Any]:
    """Say what became of mails."""
    mails = [{"message_id": one, "fate": fate} for one in message_ids]
    answer = service.post("/v1/mails/settle", {"mails": mails})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_sender_that_dies_between_is_ambiguous(service: Service, box: Mailbox) -> None:
    """P19: a mail whose fate nobody heard is listed and not sent again; one that was not handed over yet is sent."""
    set_up(service)
    until(service, 9)
    courier = service.app.courier
    for name in ("handed", "claimed"):
        meets(service, name)
        buys(service, name, order=name)
    service.wait(seconds=3_600)
    courier._release()
    messages, _ = courier._claim(10, ())
    assert courier._hand_over(messages[0])
    service.restart()
    service.wait(seconds=60)
    assert service.deliver() == 1
    assert sorted(one["status"] for one in service.get("/v1/mails").json()["items"]) == ["ambiguous", "delivered"]
    service.wait(days=1)
    assert (service.deliver(), len(box.taken)) == (0, 1)


def test_a_mail_in_doubt_is_settled_by_the_servers_log(service: Service, box: Mailbox) -> None:
    """A server breaks off at the dot, once after taking a mail and once before: who knows its log ends the doubt."""
    set_up(service)
    until(service, 9)
    for name in ("c1", "c2"):
        meets(service, name)
        buys(service, name, order=name)
    service.wait(seconds=3_600)
    box.cuts = 1
    assert service.deliver() == 2
    box.cuts = 0
    (taken,) = filter(box.has, in_doubt(service))
    (lost,) = set(in_doubt(service)) - {taken}
    assert settle(service, "not_taken", lost, "msg_offer_1_99")["too_early"] == [lost]
    service.wait(seconds=600)
    assert service.deliver() == 0
    said = settle(service, "delivered", f"<{taken}@shop.test>", "msg_offer_1_99")
    assert said == {"delivered": 1, "bounced": 0, "sent_again": 0, "too_early": [], "unknown": ["msg_offer_1_99"]}
    assert settle(service, "not_taken", lost, taken) == {**said, "delivered": 0, "sent_again": 1, "unknown": [taken]}
    assert service.deliver() == 1
    assert sorted(to for to, _ in box.taken) == ["c1@mail.test", "c2@mail.test"]
    assert {one["status"] for one in service.get("/v1/mails").json()["items"]} == {"delivered"}


def test_dying_senders_use_up_no_attempts(service: Service, box: Mailbox) -> None:
    """After twelve senders died with a mail in hand its first refusal is tried again in seconds, like any first one."""
    set_up(service)
    until(service, 9)
    meets(service, "c1")
    buys(service, "c1")
    service.wait(seconds=3_600)
    courier = service.app.courier
    courier._release()
    for _ in range(12):
        assert len(courier._claim(10, ())[0]) == 1
        service.wait(seconds=60)
    box.answers = ["451 later"]
    assert (service.deliver(), box.taken) == (1, [])
    service.wait(seconds=6)
    assert (service.deliver(), len(box.taken)) == (1, 1)


def test_a_sender_taken_for_dead_may_still_bring_the_answer(service: Service, box: Mailbox) -> None:
    """A mail that another sender gave up as ambiguous is delivered when its own sender hears so after all."""
    set_up(service)
    until(service, 9)
    meets(service, "c1")
    buys(service, "c1")
    service.wait(seconds=3_600)
    courier = service.app.courier
    taken_over = courier._hand_over

    def slowly(message: Message) -> bool:
        done = taken_over(message)
        service.wait(seconds=60)
        courier._claim(10, ())
        assert in_doubt(service) == [message.message_id]
        return done

    courier._hand_over = slowly  # type: ignore[method-assign]  # a sender that hangs after its note
    assert service.deliver() == 1
    assert [one["status"] for one in service.get("/v1/mails").json()["items"]] == ["delivered"]


def test_what_was_bought_meanwhile_is_not_offered(service: Service, box: Mailbox) -> None:
    """S72: a reminder of something already bought never goes out."""
    set_up(service)
    until(service, 9)
    meets(service, "c1")
    buys(service, "c1")
    buys(service, "c1", order="then", sku="capsule-set")
    service.wait(seconds=3_600)
    assert (service.deliver(), fates(service)) == (0, [("suppressed", "owned")])


def test_an_old_order_brings_no_mail(service: Service, box: Mailbox) -> None:
    """S67: history that is sent in later sets nothing off; an offer past its end is not served."""
    set_up(
        service, {**MAILED, "timing": {"trigger": "order_placed", "delay_seconds": 3_600, "expires_after_seconds": 60}}
    )
    until(service, 9)
    meets(service, "c1")
    buys(service, "c1")
    service.wait(seconds=3_700)
    assert (service.deliver(), fates(service)) == (0, [("suppressed", "expired")])


def test_a_stopped_experiment_sends_nothing_more_unless_it_ships(service: Service, box: Mailbox) -> None:
    """A pause holds what has not gone back for good; the winner of an ended experiment goes to whoever orders."""
    set_up(service)
    until(service, 9)
    meets(service, "c1")
    meets(service, "c2")
    buys(service, "c1")
    service.post("/v1/experiments/coffee-addon/stop", {"serve": "t", "conclusion": "ship"})
    buys(service, "c2", order="q")
    service.wait(seconds=3_600)
    assert service.deliver() == 2
    assert sorted(to for to, _ in box.taken) == ["c1@mail.test", "c2@mail.test"]


def test_an_erased_customer_is_brought_nothing(service: Service, box: Mailbox) -> None:
    """P14: what waits for somebody who is forgotten is forgotten with them; their old link harms nobody."""
    set_up(service)
    until(service, 9)
    for name in ("c1", "c2"):
        meets(service, name)
        buys(service, name, order=name)
    service.wait(seconds=3_600)
    service.app.courier._release()
    assert service.call("DELETE", "/v1/customers/c1").status_code in (200, 204)
    assert service.deliver() == 1
    assert ([to for to, _ in box.taken], len(fates(service))) == (["c2@mail.test"], 1)


def test_addresses_are_sealed(service: Service) -> None:
    """Law 9: an address told by a profile is in no attribute, row or list, and no rule sees it."""
    set_up(service)
    meets(service, "canary")
    from offerlab.storage.database import reading  # noqa: PLC0415 - a look into the store
    from offerlab.storage.tables import metadata  # noqa: PLC0415 - likewise

    with reading(service.app.runtime.engine) as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(table.select()):
                assert b"canary@mail" not in repr(tuple(row)).encode(), table.name
    refused = service.send(
        {"id": "x", "type": "profile", "customer_id": "a", "attributes": {"email": "a@b\r\nBcc: c@d"}}
    )
    assert refused["rejected"][0]["code"] == "invalid"


@pytest.mark.parametrize(
    ("channel", "purpose"), [("all", "marketing"), ("email,sms", "ads"), ("email", "ads+profiling"), ("*", "ads")]
)
def test_bundled_consents_are_refused(service: Service, channel: str, purpose: str) -> None:
    """P7: one yes for several channels or purposes is none."""
    bundle = {"id": "b", "type": "consent", "customer_id": "a", "channel": channel, "purpose": purpose, "granted": True}
    assert service.send(bundle)["accepted"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"delivery": "email", "channel": "sms"},
        {"delivery": "webhook", "channel": "web"},
        {"delivery": "webhook", "channel": None},
        {"delivery": "caller", "timing": {"trigger": "order_placed", "stage": "delivered"}},
        {"delivery": "email", "timing": {"trigger": "checkout", "stage": "delivered"}},
    ],
)
def test_a_delivery_that_can_not_work_is_refused(service: Service, wrong: dict[str, Any]) -> None:
    """Mail goes through the channel email, a webhook names its channel, a parcel follows an order."""
    service.made("/v1/products", COFFEE)
    assert service.post("/v1/offers", {**MAILED, **wrong}).status_code == 422
