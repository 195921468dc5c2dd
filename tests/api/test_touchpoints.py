"""What the two texts claim of customers and mails, as questions that a report answers: nothing is taken for granted."""

from typing import Any

import pytest

from support.service import AT_CHECKOUT, CAPSULES, COFFEE, COFFEE_ADDON, Service

OPENED: dict[str, Any] = {"key": "opened", "kind": "proportion", "value": {"event": "offer_viewed"}}
EXISTING = {"key": "existing", "rule": {"attribute": "orders_count", "op": "gte", "value": 1}, "priority": 1}
NEW = {"key": "new", "rule": {"attribute": "orders_count", "op": "eq", "value": 0}, "priority": 2}


def order(customer: str, number: str, sku: str = "capsule-set", **more: Any) -> dict[str, Any]:
    """An order of one thing."""
    lines = [{"sku": sku, "unit_price": "18000"}]
    return {"id": f"o-{number}", "type": "order", "customer_id": customer, "order_id": number, "lines": lines, **more}


def arms_of(part: dict[str, Any], metric: str) -> dict[str, dict[str, Any]]:
    """The arms of a metric of the report, or of one of its segments."""
    found = next(one for one in part["metrics"] if one["metric"] == metric)
    return {arm["variant"]: arm for arm in found["arms"]}


def test_new_and_existing_customers_accept_side_by_side(service: Service) -> None:
    """S4: each group's acceptance is its own share with its error, effects have ranges, the groups are compared."""
    service.made("/v1/segments", EXISTING)
    service.made("/v1/segments", NEW)
    old = [f"old-{i}" for i in range(60)]
    service.send(*(order(name, name, occurred_at=service.at(days=-200)) for name in old))
    service.coffee_shop(segments=["new", "existing"], metrics={"primary": "acceptance_rate"})
    treated: dict[str, list[str]] = {"new": [], "existing": []}
    bought: list[str] = []
    for i, name in enumerate([*old, *(f"fresh-{i}" for i in range(60))]):
        decision = service.decide(name, context=AT_CHECKOUT, expose=True)["decisions"][0]
        group = "existing" if name in old else "new"
        assert decision["segment"] == group
        if decision["variant"] == "capsules-20":
            treated[group].append(name)
        if i % (2 if group == "existing" else 5) == 0:
            bought.append(name)
    service.send(*(order(name, f"then-{name}") for name in bought))
    report = service.get("/v1/experiments/coffee-addon/report").json()
    for part in report["segments"]:
        names = treated[part["segment"]]
        share = sum(name in bought for name in names) / len(names)
        arm = arms_of(part, "acceptance_rate")["capsules-20"]
        assert (arm["n"], arm["mean"]) == (len(names), pytest.approx(share))
        assert arm["se"] == pytest.approx((share * (1 - share) / (len(names) - 1)) ** 0.5)
        effect = next(one for one in part["metrics"] if one["metric"] == "offered_item_rate")["effects"][0]
        assert effect["absolute"]["lower"] < effect["absolute"]["estimate"] < effect["absolute"]["upper"]
    assert report["heterogeneity"][0]["p_value"] is not None


def test_opens_are_recorded_by_touchpoint_and_never_decide(service: Service) -> None:
    """S57: opens are told for each touchpoint beside the metrics that decide; as the primary one they are refused."""
    service.made("/v1/metrics", OPENED)
    plan = {"primary": "orders_per_customer", "secondary": ["opened"]}
    refused = service.post("/v1/experiments", {**COFFEE_ADDON, "metrics": {"primary": "opened"}})
    assert (refused.status_code, refused.json()["field"]) == (422, "metrics.primary")
    service.made("/v1/products", COFFEE)
    service.made("/v1/offers", {**CAPSULES, "placements": [], "channel": None})
    service.made("/v1/experiments", {**COFFEE_ADDON, "metrics": plan})
    service.post("/v1/experiments/coffee-addon/start")
    opened: dict[str, list[bool]] = {"tracking_email": [], "remarketing_email": []}
    for i in range(80):
        place = "tracking_email" if i % 2 else "remarketing_email"
        name, opens = f"c{i}", i % 10 < (7 if i % 2 else 1)
        answer = service.decide(name, context={"placement": place, "trigger": {"sku": "coffee-machine"}}, expose=True)
        if answer["decisions"][0]["variant"] == "capsules-20":
            opened[place].append(opens)
            if opens:
                about = {
                    "experiment": "coffee-addon",
                    "variant": "capsules-20",
                    "offer": "capsules",
                    "placement": place,
                }
                service.send({"id": f"v{i}", "type": "offer_viewed", "customer_id": name, **about})
    report = service.get("/v1/experiments/coffee-addon/report?segment_by=placement").json()
    found = {part["segment"]: arms_of(part, "opened")["capsules-20"] for part in report["segments"]}
    assert {place: (arm["n"], arm["mean"]) for place, arm in found.items()} == {
        place: (len(seen), pytest.approx(sum(seen) / len(seen))) for place, seen in opened.items()
    }
    assert report["metrics"][0]["metric"] == "orders_per_customer"


def test_a_tracking_mail_goes_with_and_without_its_block(service: Service) -> None:
    """S58: a random part of tracking mails goes without the offer; each is answered, and who came back is reported."""
    service.made("/v1/products", COFFEE)
    service.made("/v1/offers", {**CAPSULES, "placements": ["tracking_email"], "channel": "email"})
    shown = [{"key": "t", "offer": "capsules"}]
    service.made("/v1/experiments", {"key": "block", "variants": shown, "metrics": {"primary": "aov"}})
    hold = [{"key": "held_out", "weight": 0.5}, {"key": "programme", "weight": 0.5}]
    metrics = {"primary": "repeat_purchase_rate", "secondary": ["conversion_rate"]}
    service.made("/v1/experiments", {"key": "hold", "holdout": "*", "variants": hold, "metrics": metrics})
    for key in ("block", "hold"):
        assert service.post(f"/v1/experiments/{key}/start").status_code == 200
    names = [f"c{i}" for i in range(60)]
    service.send(
        *({"id": name, "type": "consent", "customer_id": name, "channel": "email", "granted": True} for name in names)
    )
    at = {"placement": "tracking_email", "trigger": {"sku": "coffee-machine"}}
    blocks: dict[str, bool] = {}
    for name in names:
        answer = service.post(
            "/v1/decisions", {"customer_id": name, "context": at, "experiments": ["block"], "expose": True}
        )
        decision = answer.json()["decisions"][0]
        assert (answer.status_code, decision["suppressed"]) == (200, None)
        assert (decision["reason"] == "SPLIT") == (decision["offer"] is not None)
        assert decision["reason"] in ("SPLIT", "HOLDOUT")
        blocks[name] = decision["offer"] is not None
    service.send(*(order(name, f"1-{name}") for name in names[::3]))
    service.wait(days=3)
    service.send(*(order(name, f"2-{name}") for name in names[::6]))
    report = service.get("/v1/experiments/hold/report").json()
    for arm, had in (("held_out", False), ("programme", True)):
        members = [name for name in names if blocks[name] is had]
        assert arms_of(report, "repeat_purchase_rate")[arm]["n"] == len(members) > 10
        back = sum(name in names[::6] for name in members)
        assert arms_of(report, "repeat_purchase_rate")[arm]["mean"] == pytest.approx(back / len(members))


def test_acceptance_is_told_per_exposed_and_per_shown_customer(service: Service) -> None:
    """S104: who held the product in the cart was exposed and not shown it; both bases are told, each customer once."""
    service.coffee_shop(metrics={"primary": "acceptance_rate"})
    treated: list[tuple[str, bool]] = []
    for i in range(40):
        name, holds = f"c{i}", i % 4 == 0
        cart = [{"sku": "coffee-machine"}, *([{"sku": "capsule-set"}] if holds else [])]
        decision = service.decide(name, context={**AT_CHECKOUT, "cart": cart}, expose=True)["decisions"][0]
        if decision["variant"] != "control":
            assert decision["suppressed"] == ("in_cart" if holds else None)
            treated.append((name, holds))
    buyers = [name for name, holds in treated if not holds][:6]
    service.send(*(order(name, f"{n}-{name}") for name in buyers for n in (1, 2)))
    arm = arms_of(service.get("/v1/experiments/coffee-addon/report").json(), "acceptance_rate")["capsules-20"]
    shown = sum(not holds for _, holds in treated)
    assert (arm["n"], arm["shown"]) == (len(treated), shown)
    assert (arm["mean"], arm["mean_shown"]) == (pytest.approx(6 / len(treated)), pytest.approx(6 / shown))


def test_a_service_is_accepted_by_its_order_line(service: Service) -> None:
    """S88: a warranty has neither stock nor parcel; it is offered, and accepted by the order that holds it."""
    warranty = {"sku": "warranty", "name": "연장 보증", "price": "59000", "kind": "service"}
    service.made("/v1/products", [*COFFEE, warranty])
    service.made("/v1/offers", {**CAPSULES, "products": ["warranty"]})
    arms = [{"key": "t", "offer": "capsules"}]
    service.made("/v1/experiments", {**COFFEE_ADDON, "variants": arms, "metrics": {"primary": "acceptance_rate"}})
    service.post("/v1/experiments/coffee-addon/start")
    for name in ("c1", "c2"):
        shown = service.decide(name, context=AT_CHECKOUT, expose=True)["decisions"][0]["offer"]
        assert shown["products"][0]["sku"] == "warranty"
    service.send(order("c1", "1", sku="warranty"))
    report = service.get("/v1/experiments/coffee-addon/report").json()
    assert arms_of(report, "acceptance_rate")["t"]["mean"] == 0.5


def test_an_exposure_keeps_the_version_of_its_words(service: Service) -> None:
    """S47: by decision, token or name, the exposure keeps the hash of its words; another wording has another one."""
    service.coffee_shop()
    kept: dict[str, set[str | None]] = {"control": set(), "capsules-20": set()}
    for i in range(24):
        answer = service.decide(f"c{i}", context=AT_CHECKOUT, expose=i % 3 == 0)
        if i % 3:
            by = {"decision_id": answer["decision_id"]} if i % 3 == 1 else {"experiment": "coffee-addon"}
            assert service.send({"id": f"e{i}", "type": "exposure", "customer_id": f"c{i}", **by})["accepted"] == 1
        exposure = service.get(f"/v1/customers/c{i}/export").json()["exposures"][0]
        kept[answer["decisions"][0]["variant"]].add(exposure["template"])
    (first,) = kept["capsules-20"]
    assert (kept["control"], bool(first)) == ({None}, True)
    service.post("/v1/experiments/coffee-addon/stop", {"serve": "capsules-20"})
    service.call("PUT", "/v1/offers/capsules", {**CAPSULES, "message": {"en": {"title": "20% off", "body": "Now."}}})
    service.made("/v1/experiments", {**COFFEE_ADDON, "key": "anew", "variants": [{"key": "t", "offer": "capsules"}]})
    service.post("/v1/experiments/anew/start")
    service.decide("c99", context=AT_CHECKOUT, experiments=["anew"], expose=True)
    again = service.get("/v1/customers/c99/export").json()["exposures"][0]["template"]
    assert again not in (None, first)


@pytest.mark.parametrize(
    ("base", "better", "names"),
    [("basic", "premium", ("베이직", "프리미엄")), ("economy", "business", ("이코노미석", "비즈니스석"))],
    ids=["software", "seat"],
)
def test_an_upgrade_needs_only_its_pair(service: Service, base: str, better: str, names: tuple[str, str]) -> None:
    """S2, S8, S79, S80: before payment, without stock, parcel or relation; worth what is paid beyond its base."""
    plain, dear = {"sku": base, "price": "100000"}, {"sku": better, "price": "150000"}
    goods = [{**one, "name": name, "kind": "service"} for one, name in zip((plain, dear), names, strict=True)]
    service.made("/v1/products", goods)
    text = {"title": "{{ price_diff | money }} 더", "body": "{{ base.name }} 대신", "benefit": "더 넓게, 더 빠르게"}
    upsell = {"key": "up", "kind": "upsell", "products": [better], "trigger_products": [base], "message": {"ko": text}}
    service.made("/v1/offers", {**upsell, "placements": ["pre_purchase"]})
    swapped = {**upsell, "key": "down", "products": [base], "trigger_products": [better]}
    assert service.post("/v1/offers", swapped).json()["field"] == "products"
    arms = [{"key": "control", "weight": 0.2}, {"key": "t", "offer": "up", "weight": 0.8}]
    metrics = {"primary": "acceptance_rate", "secondary": ["gross_profit_per_customer"]}
    service.made("/v1/experiments", {"key": "e", "variants": arms, "metrics": metrics})
    service.post("/v1/experiments/e/start")
    treated: list[str] = []
    for i in range(12):
        asked = {"placement": "pre_purchase", "trigger": {"sku": base}, "locale": "ko"}
        decision = service.decide(f"c{i}", context=asked, expose=True)["decisions"][0]
        if decision["variant"] == "t":
            treated.append(f"c{i}")
            assert decision["offer"]["message"]["title"] == "₩50,000 더"
    instead, beside, *_ = treated

    def line(sku: str, price: str) -> dict[str, str]:
        return {"sku": sku, "unit_price": price}

    service.send(
        {**order(instead, "1"), "lines": [line(better, "145000")]},
        {**order(beside, "2"), "lines": [line(better, "150000"), line(base, "100000")]},
    )
    service.patch(f"/v1/products/{base}", {"price": "1"})
    report = service.get("/v1/experiments/e/report").json()
    assert arms_of(report, "acceptance_rate")["t"]["mean"] == pytest.approx(1 / len(treated))
    assert report["money"][0]["attributed_revenue"] == 45_000


def test_age_bands_and_the_unknown_are_groups_of_the_report(service: Service) -> None:
    """S19, S23, S25: bands of age, once it has a purpose, and those who told no gender, each with a line of its own."""
    purpose = {"name": "age", "type": "number", "purpose": "gifts by age"}
    assert service.call("PUT", "/v1/attributes/age", purpose).status_code == 200
    gender = {"name": "gender", "type": "text", "purpose": "clothes that fit"}
    assert service.call("PUT", "/v1/attributes/gender", gender).status_code == 200
    older, known = {"attribute": "age", "op": "gte", "value": 40}, {"attribute": "gender", "op": "exists"}
    for priority, (key, rule) in enumerate(
        {
            "untold": {**known, "value": False},
            "40-and-over": {"all": [{**known, "value": True}, older]},
            "under-40": {"all": [{**known, "value": True}, {**older, "op": "lt"}]},
        }.items()
    ):
        service.made("/v1/segments", {"key": key, "priority": priority, "rule": rule})
    service.coffee_shop(segments=["untold", "40-and-over", "under-40"])
    told: dict[str, int] = {}
    for i in range(45):
        age, gender_of = 25 + i, {"gender": "f" if i % 2 else "m"} if i % 3 else {}
        said = {"age": age, **gender_of}
        service.send({"id": f"p{i}", "type": "profile", "customer_id": f"c{i}", "attributes": said})
        decision = service.decide(f"c{i}", context=AT_CHECKOUT, expose=True)["decisions"][0]
        expected = "untold" if not gender_of else "40-and-over" if age >= 40 else "under-40"
        assert (decision["enrolled"], decision["segment"]) == (True, expected)
        told[expected] = told.get(expected, 0) + 1
    report = service.get("/v1/experiments/coffee-addon/report").json()
    assert {part["segment"]: part["n"] for part in report["segments"]} == told
    assert min(told.values()) >= 10


def test_a_holdout_is_measured_for_months(service: Service) -> None:
    """S73: of those held out and of those in the programme, orders of 89 days count and those of the 91st do not."""
    hold = [{"key": "held_out", "weight": 0.5}, {"key": "programme", "weight": 0.5}]
    metrics = {"primary": "revenue_per_customer", "secondary": ["orders_per_customer"]}
    plan = {"key": "hold", "holdout": "*", "variants": hold, "metrics": metrics, "window_days": 90}
    service.made("/v1/experiments", plan)
    assert service.post("/v1/experiments/hold/start").status_code == 200
    service.coffee_shop()
    arms: dict[str, list[str]] = {"held_out": [], "programme": []}
    for i in range(24):
        decision = service.decide(f"c{i}", context=AT_CHECKOUT, experiments=["coffee-addon"], expose=True)
        shown = decision["decisions"][0]["reason"] != "HOLDOUT"
        arms["programme" if shown else "held_out"].append(f"c{i}")
    service.wait(days=89)
    service.send(*(order(members[0], f"in-{arm}") for arm, members in arms.items()))
    assert service.get("/v1/experiments/hold/report").json()["state"] == "running"
    service.wait(days=2)
    service.send(*(order(members[1], f"out-{arm}") for arm, members in arms.items()))
    found = arms_of(service.get("/v1/experiments/hold/report").json(), "orders_per_customer")
    for arm, members in arms.items():
        assert (found[arm]["n"], found[arm]["mean"]) == (len(members), pytest.approx(1 / len(members)))


@pytest.mark.parametrize("trouble", ["refund", "complaint"])
def test_after_trouble_there_is_no_offer_for_so_many_days(service: Service, trouble: str) -> None:
    """S54, S118: a refund or a complaint keeps offers away while the cool-down lasts; the arm stays."""
    service.coffee_shop(variants=[{"key": "t", "offer": "capsules"}])
    service.call("PUT", "/v1/settings", {"trouble_days": 14})
    service.send(order("c1", "1"))
    told = (
        {"type": "refund", "refund_id": "r", "order_id": "1", "amount": "1"}
        if trouble == "refund"
        else {"type": "complaint"}
    )
    assert service.send({"id": "t", "customer_id": "c1", **told})["rejected"] == []

    def seen() -> tuple[str, str | None]:
        decision = service.decide("c1", context=AT_CHECKOUT)["decisions"][0]
        return decision["reason"], decision["suppressed"]

    assert seen() == ("SPLIT", "cooling_down")
    service.wait(days=14)
    assert seen() == ("SPLIT", None)


def test_a_tag_and_an_open_complaint_decide_who_takes_part(service: Service) -> None:
    """S118: both come as attributes, with a profile event or an import; who has an open complaint is left out."""
    clear = {"any": [{"attribute": "open_complaint", "op": "exists", "value": False},
                     {"attribute": "open_complaint", "op": "eq", "value": False}]}  # fmt: skip
    rule = {"all": [{"attribute": "tags", "op": "contains", "value": "vip"}, clear]}
    service.made("/v1/segments", {"key": "calm-vips", "rule": rule})
    service.coffee_shop(segments=["calm-vips"])
    for name, told in (
        ("calm", {"tags": ["vip"]}),
        ("angry", {"tags": ["vip"], "open_complaint": True}),
        ("guest", {"open_complaint": False}),
    ):
        service.send({"id": name, "type": "profile", "customer_id": name, "attributes": told})
    asked = {
        name: service.decide(name, context=AT_CHECKOUT)["decisions"][0]["enrolled"]
        for name in ("calm", "angry", "guest")
    }
    assert asked == {"calm": True, "angry": False, "guest": False}
    service.send({"id": "solved", "type": "profile", "customer_id": "angry", "attributes": {"open_complaint": False}})
    assert service.decide("angry", context=AT_CHECKOUT)["decisions"][0]["enrolled"] is True


def test_what_was_looked_at_and_lies_in_the_cart_makes_an_audience(service: Service) -> None:
    """S20, S72, S84: looked at that very product lately and did not buy it; and what the cart holds now."""
    service.made("/v1/segments", {"key": "looked", "priority": 1, "rule": {"all": [
        {"attribute": "days_since_view:coffee-machine", "op": "lte", "value": 3},
        {"any": [{"attribute": "owned_skus", "op": "exists", "value": False},
                 {"attribute": "owned_skus", "op": "not_in", "value": ["coffee-machine"]}]}]}})  # fmt: skip
    rule = {"attribute": "cart_skus", "op": "contains", "value": "capsule-set"}
    service.made("/v1/segments", {"key": "filling", "priority": 2, "rule": rule})
    service.coffee_shop(segments=["looked", "filling"])

    def segment(name: str) -> str | None:
        told: str | None = service.decide(name, context={"placement": "checkout"})["decisions"][0]["segment"]
        return told

    view = {"type": "product_viewed", "sku": "coffee-machine"}
    service.send(
        *({"id": f"v-{name}", "customer_id": name, **view} for name in ("looks", "buys")),
        {"id": "other", "type": "product_viewed", "customer_id": "other", "sku": "capsule-set"},
        order("buys", "1", sku="coffee-machine"),
        {"id": "cart", "type": "cart_updated", "customer_id": "fills", "cart": [{"sku": "capsule-set"}]},
    )
    assert [segment(name) for name in ("looks", "buys", "other", "fills")] == ["looked", None, None, "filling"]
    service.wait(days=4)
    service.send({"id": "empty", "type": "cart_updated", "customer_id": "fills", "cart": []})
    assert [segment(name) for name in ("looks", "fills")] == [None, None]
