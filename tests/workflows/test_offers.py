"""Offers from their words to the customer: lint at the desk, preview, kinds, ladder, touchpoints, too much."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from offerlab.domain.touchpoint import TOUCHPOINTS
from offerlab.messaging.starters import STARTERS
from support.service import AT_CHECKOUT, CAPSULES, COFFEE, COFFEE_ADDON, Service

MACHINES: list[dict[str, Any]] = [
    {"sku": "fridge", "name": "냉장고", "price": "900000"},
    {"sku": "smart-xl", "name": "스마트 냉장고 XL", "price": "2000000"},
    {"sku": "smart-l", "name": "스마트 냉장고 L", "price": "1500000"},
    {"sku": "smart-m", "name": "스마트 냉장고 M", "price": "1200000"},
]
LADDER: dict[str, Any] = {
    "key": "ladder",
    "kind": "upsell",
    "products": ["smart-xl", "smart-l", "smart-m"],
    "trigger_products": ["fridge"],
    "message": {"ko": {"title": "{{ price_diff | money }} 더", "body": "{{ offer.name }}", "benefit": "더 큰 용량"}},
}
ADVERTISER = {"name": "오퍼랩", "contact": "02-123-4567", "opt_out": "080-123-4567"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A shop with machines and capsules."""
    running = Service(f"sqlite:///{tmp_path / 'a.db'}")
    running.made("/v1/products", [*COFFEE, *MACHINES])
    yield running
    running.close()


def words(body: str, **more: Any) -> dict[str, Any]:
    """The capsule offer with these words."""
    return {**CAPSULES, "message": {"ko": {"title": "", "body": body}}, **more}


def shows(service: Service, offer: str) -> None:
    """An experiment whose only arm with customers shows this offer."""
    arms = [{"key": "control", "weight": 0.0}, {"key": "t", "offer": offer, "weight": 1.0}]
    service.made("/v1/experiments", {**COFFEE_ADDON, "key": offer, "variants": arms})
    assert service.post(f"/v1/experiments/{offer}/start").status_code == 200


@pytest.mark.parametrize(
    ("offer", "reason", "field"),
    [
        (words("지금 30% 할인!"), "discount_differs", "message.ko.body"),
        (words("{{ saving | money: 'USD' }} 절약"), "other_currency", "message.ko.body"),
        (words("구매하신 분들은 이것도 함께 구매하셨습니다. 20% 할인!"), "claim_without_evidence", "message.ko.body"),
        (words("20% 할인 javascript://x"), "unsafe_link", "message.ko.body"),
    ],
    ids=["discount", "currency", "also-bought", "link"],
)
def test_untrue_words_are_not_stored(service: Service, offer: dict[str, Any], reason: str, field: str) -> None:
    """S97, S100: creating and changing both refuse, name the text and carry the remarks in two languages."""
    refused = service.post("/v1/offers", offer)
    assert (refused.status_code, refused.json()["extra"]["reason"], refused.json()["field"]) == (422, reason, field)
    assert {"en", "ko", "code", "severity", "field"} <= set(refused.json()["extra"]["findings"][0])
    service.made("/v1/offers", CAPSULES)
    assert service.call("PUT", "/v1/offers/capsules", offer).status_code == 422
    assert service.get("/v1/offers/capsules").json()["version"] == 1


def test_the_claim_stands_on_baskets(service: Service) -> None:
    """S100: the same claim is stored once the pair was mined from orders, and for a match by affinity."""
    claim = "{{ trigger.name }}을(를) 구매하신 분들은 함께 구매하셨습니다. 20% 할인!"
    assert service.post("/v1/offers", words(claim)).status_code == 422
    assert service.post("/v1/offers", words(claim, key="by-affinity", match="affinity")).status_code == 201
    from offerlab.domain.product import Relation  # noqa: PLC0415 - what mining would write
    from offerlab.workflows.defining import put_relations  # noqa: PLC0415 - likewise
    from offerlab.workflows.desk import Desk  # noqa: PLC0415 - likewise

    pair = Relation(sku="coffee-machine", kind="complement", target="capsule-set", source="affinity")
    put_relations(Desk(service.app.runtime, 1, "test"), [pair], source="affinity")
    assert service.post("/v1/offers", words(claim)).status_code == 201


def test_the_law_is_the_projects(service: Service) -> None:
    """P4: where Korean law binds, what is sent needs label, sender and way out; with an advertiser we add them."""
    sms = words("{{ offer.name }} 20% 할인", channel="sms", placements=[])
    assert service.post("/v1/offers", {**sms, "key": "free"}).status_code == 201
    service.call("PUT", "/v1/settings", {"law": "KR"})
    refused = service.post("/v1/offers", sms)
    assert (refused.status_code, refused.json()["extra"]["reason"]) == (422, "ad_label_missing")
    altered = service.post("/v1/offers", words("(광 고) {{ offer.name }} 20% 할인", channel="sms", placements=[]))
    assert altered.json()["extra"]["reason"] == "ad_label_altered"
    service.call("PUT", "/v1/settings", {"law": "KR", "advertiser": ADVERTISER})
    service.made("/v1/offers", sms)
    shown = service.post("/v1/offers/capsules/preview", {"context": {"locale": "ko"}}).json()
    body = shown["offer"]["message"]["body"]
    assert body.startswith("(광고) 캡슐 세트 20% 할인")
    assert body.endswith("오퍼랩 02-123-4567\n무료 수신거부: 080-123-4567")
    assert shown["suppressed"] == "consent"


def test_a_preview_is_what_this_customer_would_see(service: Service) -> None:
    """Step 3: a real customer's own name and code, what would hold it back, every remark; nothing is stored."""
    greeting = "{{ customer.first_name | default: '고객' }}님, {{ offer.name }} 20% 할인! {{ offer.code }}"
    service.made("/v1/offers", words(greeting, discount={"type": "percent", "value": "20", "code": "unique"}))
    service.send({"id": "p", "type": "profile", "customer_id": "c1", "attributes": {"first_name": "민지"}})
    one = service.post("/v1/offers/capsules/preview", {"customer_id": "c1", "context": AT_CHECKOUT}).json()
    other = service.post("/v1/offers/capsules/preview", {"customer_id": "c2", "context": AT_CHECKOUT}).json()
    assert one["offer"]["message"]["body"].startswith("민지님, 캡슐 세트 20% 할인! ")
    assert other["offer"]["message"]["body"].startswith("고객님")
    assert one["offer"]["discount"]["code"] != other["offer"]["discount"]["code"]
    assert (one["suppressed"], one["unrendered"]) == (None, None)
    full = {**AT_CHECKOUT, "cart": [{"sku": "capsule-set"}]}
    held = service.post("/v1/offers/capsules/preview", {"context": full})
    assert (held.json()["suppressed"], held.json()["offer"] is None) == ("in_cart", False)
    assert service.post("/v1/offers/nothing/preview", {}).status_code == 404
    assert service.get("/v1/customers/c2").status_code == 404


@pytest.mark.parametrize("starter", STARTERS, ids=lambda one: one.key)
@pytest.mark.parametrize("locale", ["ko", "en"])
def test_the_starters_go_through_the_api(service: Service, starter: Any, locale: str) -> None:
    """S100 to S103, S42: the seeds' templates are stored and shown in both languages, with their evidence in place."""
    from offerlab.domain.product import Relation  # noqa: PLC0415 - what a curator and mining would write
    from offerlab.workflows.defining import put_relations  # noqa: PLC0415 - likewise
    from offerlab.workflows.desk import Desk  # noqa: PLC0415 - likewise

    desk = Desk(service.app.runtime, 1, "test")
    bought = Relation(sku="coffee-machine", kind="complement", target="capsule-set", source="affinity")
    put_relations(desk, [bought], source="affinity")
    put_relations(
        desk, [Relation(sku="fridge", kind="upgrade", target="smart-m", features=("큰 용량",))], source="curated"
    )
    upsell = starter.kind == "upsell"
    offer = {
        "key": "starter",
        "kind": starter.kind,
        "products": ["smart-m" if upsell else "capsule-set"],
        "trigger_products": ["fridge" if upsell else "coffee-machine"],
        "message": msgspec.to_builtins(starter.texts),
        "discount": {"type": "none"} if upsell else {"type": "percent", "value": "20"},
    }
    assert service.post("/v1/offers", offer).status_code == 201
    trigger = {"sku": "fridge" if upsell else "coffee-machine"}
    shown = service.post("/v1/offers/starter/preview", {"context": {"locale": locale, "trigger": trigger}}).json()
    assert (shown["unrendered"], shown["offer"]["message"]["locale"]) == (None, locale)
    assert [one for one in shown["findings"] if one["severity"] == "error"] == []


def test_a_ladder_is_climbed_down(service: Service) -> None:
    """S9: the best upgrade first; each no leads to the next lower one, and after the last nothing is left."""
    service.made("/v1/offers", LADDER)
    shows(service, "ladder")
    context = {"trigger": {"sku": "fridge"}, "locale": "ko"}
    seen: list[Any] = []
    offer: dict[str, Any] = {}
    for _ in range(4):
        offer = service.decide("c1", context=context)["decisions"][0]
        seen.append((offer["offer"] or {"products": [{"sku": None}]})["products"][0]["sku"])
        no = {"id": f"n{len(seen)}", "type": "offer_declined", "customer_id": "c1", "offer": "ladder"}
        if seen[-1] is not None:
            assert service.send({**no, "sku": seen[-1]})["accepted"] == 1
    assert seen == ["smart-xl", "smart-l", "smart-m", None]
    assert offer["suppressed"] == "cooling_down"
    diff = service.decide("c2", context=context)["decisions"][0]["offer"]
    assert (diff["message"]["title"], len(diff["products"])) == ("₩1,100,000 더", 1)


@pytest.mark.parametrize(
    ("discount", "prices"),
    [
        ({"type": "none"}, ["18000"]),
        ({"type": "percent", "value": "20"}, ["14400"]),
        ({"type": "amount", "value": "3000"}, ["15000"]),
        ({"type": "free_shipping"}, ["18000"]),
        ({"type": "gift"}, ["0"]),
    ],
)
def test_every_discount_has_its_price(service: Service, discount: dict[str, Any], prices: list[str]) -> None:
    """None, percent, amount, free shipping and gift; the wire carries exact decimals."""
    offer = {**CAPSULES, "message": {}, "discount": discount}
    service.made("/v1/offers", offer)
    shown = service.post("/v1/offers/capsules/preview", {"context": AT_CHECKOUT}).json()["offer"]
    assert [one["offer_price"] for one in shown["products"]] == prices


def test_a_bundle_computes_its_saving(service: Service) -> None:
    """S37, S43: the saving is that of all items together, and typed by nobody; one missing item empties the offer."""
    bundle = {
        "key": "set",
        "kind": "bundle",
        "products": ["coffee-machine", "capsule-set"],
        "message": {
            "en": {
                "title": "Save {{ saving | money }} ({{ saving_percent }}%)",
                "body": "{{ offer.names | join: ', ' }}",
            }
        },
        "discount": {"type": "amount", "value": "14700"},
    }
    service.made("/v1/offers", bundle)
    shown = service.post("/v1/offers/set/preview", {"context": {"locale": "en"}}).json()
    assert shown["offer"]["message"]["title"] == "Save ₩14,700 (10%)"
    assert sum(int(one["offer_price"]) for one in shown["offer"]["products"]) == 147_000 - 14_700
    service.patch("/v1/products/capsule-set", {"stock": 0})
    assert service.post("/v1/offers/set/preview", {}).json()["suppressed"] == "out_of_stock"


@pytest.mark.parametrize("placement", list(TOUCHPOINTS))
def test_every_touchpoint_can_be_asked_at(service: Service, placement: str) -> None:
    """S14, S39 to S45, S55, S65: an offer placed there answers there and nowhere else, through the right channel."""
    service.made("/v1/offers", {**CAPSULES, "channel": None, "placements": [placement]})
    shows(service, "capsules")
    for channel in ("email", "sms", "push"):
        event = {"id": channel, "type": "consent", "customer_id": "c1", "channel": channel, "granted": True}
        service.send(event)
    there = service.decide("c1", context={"placement": placement})["decisions"][0]
    assert (there["suppressed"], there["offer"]["key"]) == (None, "capsules")
    elsewhere = service.decide("c1", context={"placement": "elsewhere"})["decisions"][0]
    assert (elsewhere["reason"], elsewhere["offer"]) == ("NO_CONTEXT_MATCH", None)
    stranger = service.decide("c2", context={"placement": placement})["decisions"][0]
    expected = "consent" if TOUCHPOINTS[placement] in ("email", "sms", "push") else None
    assert stranger["suppressed"] == expected


def test_an_agent_reads_a_script_and_logs_what_was_said(service: Service) -> None:
    """S55: the agent's channel needs no consent; shown, accepted and declined are events of its experiment."""
    service.made("/v1/offers", {**CAPSULES, "channel": "agent", "placements": ["agent"]})
    shows(service, "capsules")
    context = {"placement": "agent", "channel": "agent", "locale": "ko", "trigger": {"sku": "coffee-machine"}}
    script = service.decide("c1", context=context, expose=True)["decisions"][0]
    assert (script["exposed"], script["offer"]["message"]["title"]) == (True, "캡슐 세트 20% 할인")
    about = {"customer_id": "c1", "experiment": "capsules", "variant": "t", "offer": "capsules"}
    done = service.send(
        {"id": "1", "type": "offer_viewed", **about},
        {"id": "2", "type": "offer_accepted", **about},
        {"id": "3", "type": "offer_declined", "reason": "too_dear", **about},
    )
    assert done["accepted"] == 3


def test_a_declined_product_stays_away_in_every_offer(service: Service) -> None:
    """S114: who said no to an offer of one product is not shown it in another one while the cool-down lasts."""
    for key in ("capsules", "again"):
        service.made("/v1/offers", {**CAPSULES, "key": key})
        shows(service, key)
    service.call("PUT", "/v1/settings", {"declined_days": 7})
    service.send({"id": "no", "type": "offer_declined", "customer_id": "c1", "offer": "capsules"})

    def held() -> list[str | None]:
        return [one["suppressed"] for one in service.decide("c1", context=AT_CHECKOUT)["decisions"]]

    assert held() == ["cooling_down", "cooling_down"]
    service.wait(days=7)
    assert held() == [None, None]


def test_what_is_held_back_is_logged_and_stays_in_the_arm(service: Service) -> None:
    """S113: a capped customer is exposed in the arm, with the reason; the answer carries no offer."""
    service.made("/v1/offers", CAPSULES)
    shows(service, "capsules")
    service.call("PUT", "/v1/settings", {"caps": {"web": {"per_day": 0}}})
    decision = service.decide("c1", context=AT_CHECKOUT, expose=True)["decisions"][0]
    assert (decision["exposed"], decision["offer"], decision["suppressed"]) == (True, None, "cap")
    report = service.get("/v1/experiments/capsules/report").json()
    assert [arm["n"] for arm in report["metrics"][0]["arms"]] == [0, 1]


def test_an_offer_that_can_not_be_worded_leaves_the_message_alone(service: Service) -> None:
    """S46: a detail that this customer lacks empties the block; the answer is 200 and names no other error."""
    service.made("/v1/offers", words("{{ customer.nickname }}님, {{ offer.name }} 20% 할인"))
    shows(service, "capsules")
    answer = service.post("/v1/decisions", {"customer_id": "c1", "context": AT_CHECKOUT})
    decision = answer.json()["decisions"][0]
    assert (answer.status_code, decision["offer"], decision["suppressed"], decision["variant"]) == (
        200,
        None,
        "no_match",
        "t",
    )


@pytest.mark.parametrize("kind", ["shared", "unique"])
def test_a_code_in_the_wrong_hands_is_flagged(service: Service, kind: str) -> None:
    """S61, S62: control never sees a code; who redeems one that was never given to them is listed with the order."""
    discount = {"type": "percent", "value": "20", "code": kind, "shared_code": "SAVE20" if kind == "shared" else None}
    service.made("/v1/offers", {**CAPSULES, "discount": discount})
    service.made("/v1/experiments", COFFEE_ADDON)
    service.post("/v1/experiments/coffee-addon/start")
    given: dict[str, str] = {}
    control: list[str] = []
    for i in range(30):
        answer = service.decide(f"c{i}", context=AT_CHECKOUT, expose=True)["decisions"][0]
        if answer["offer"] is None:
            control.append(f"c{i}")
        else:
            given[f"c{i}"] = answer["offer"]["discount"]["code"]
    holder, code = next(iter(given.items()))
    lines = [{"sku": "capsule-set", "unit_price": "18000"}]
    for customer, order in ((holder, "own"), (control[0], "leaked"), ("stranger", "found")):
        event = {"id": order, "type": "order", "customer_id": customer, "order_id": order, "code": code}
        assert service.send({**event, "lines": lines})["accepted"] == 1
    other = {"id": "x", "type": "order", "customer_id": control[1], "order_id": "x", "code": "WELCOME", "lines": lines}
    service.send(other)
    (use,) = service.get("/v1/experiments/coffee-addon/codes").json()["items"]
    assert use == {"offer": "capsules", "code": kind, "redeemed": 3, "leaked": 2, "orders": ["found", "leaked"]}
    assert len(set(given.values())) == (1 if kind == "shared" else len(given))
