"""A whole shop from one file: the plan first, all or nothing, twice is once, and out again as it went in."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec import Struct
from msgspec.structs import fields

from offerlab.api import experiment_requests, experiment_responses, requests, responses, yaml
from offerlab.api.shopfile import FILE_LIMIT
from offerlab.cli import cli
from offerlab.domain.attribute import Attribute
from offerlab.domain.metric import CustomMetric
from offerlab.errors import InvalidInput
from support.find import ROOT
from support.service import COFFEE, Service

EXAMPLE = ROOT / "examples/appliance.yaml"
AT_CHECKOUT = {"placement": "checkout", "channel": "web", "locale": "ko-KR", "trigger": {"sku": "fridge"}}


def example() -> dict[str, Any]:
    """The packaged appliance shop."""
    shop: dict[str, Any] = json.loads(yaml.to_json(EXAMPLE.read_text(encoding="utf-8"), limit=FILE_LIMIT))
    return shop


def applied(service: Service, shop: dict[str, Any], *, dry: bool = False) -> list[str]:
    """The steps that were taken, as `action kind key`."""
    response = service.post(f"/v1/apply?dry_run={str(dry).lower()}", shop)
    assert response.status_code == 200, response.text
    return [f"{step['action']} {step['kind']} {step['key']}" for step in response.json()["steps"]]


def test_a_shop_is_applied_once(service: Service) -> None:
    """The plan names every step and changes nothing; then they are taken; a second time there is nothing to do."""
    shop = example()
    plan = applied(service, shop, dry=True)
    assert service.get("/v1/products").json()["items"] == []
    assert applied(service, shop) == plan
    assert plan[0] == "change settings of the project"
    assert plan[-2:] == ["create experiment smart-fridge", "start experiment smart-fridge"]
    assert plan.index("create product fridge") < plan.index("create offer smart-instead")
    assert applied(service, shop) == []
    service.restart()
    assert applied(service, shop) == []


def test_the_four_steps_run_from_the_file(service: Service) -> None:
    """Customers come, are decided for, buy; segments can be looked at, matches are there, the report counts them."""
    applied(service, example())
    line = {"sku": "fridge", "quantity": 1, "unit_price": "900000"}
    seen: dict[str, int] = {}
    for i in range(60):
        decision = service.decide(f"c{i}", context=AT_CHECKOUT, expose=True, experiments=["fridge-addons"])[
            "decisions"
        ][0]
        assert (decision["enrolled"], decision["segment"]) == (True, "new")
        seen[decision["variant"]] = seen.get(decision["variant"], 0) + 1
        lines = [{**line, "line_id": "1"}]
        if decision["offer"] is not None:
            product = decision["offer"]["products"][0]
            lines.append({"line_id": "2", "sku": product["sku"], "quantity": 1, "unit_price": product["offer_price"]})
            assert "냉장고" in decision["offer"]["message"]["body"]
        service.send({"id": f"o{i}", "type": "order", "customer_id": f"c{i}", "order_id": f"{i}", "lines": lines})
    assert service.get("/v1/segments/new/preview").json()["size"] == 60
    related = service.get("/v1/relations?sku=fridge").json()["items"]
    assert [(one["kind"], one["target"]) for one in related if one["rank"] == 1] == [
        ("complement", "water-filter"),
        ("upgrade", "smart-fridge"),
    ]
    assert related[-1]["features"] == ["두 배 넓은 수납", "문 밖에서 보는 화면"]
    report = service.get("/v1/experiments/fridge-addons/report").json()
    accepted = next(one for one in report["metrics"] if one["metric"] == "acceptance_rate")
    assert {arm["variant"]: (arm["n"], arm["mean"]) for arm in accepted["arms"]} == {
        arm: (seen[arm], 1.0) for arm in ("filter", "purifier")
    }
    upgrade = service.decide(
        "u", context={"placement": "cart", "trigger": {"sku": "fridge"}}, experiments=["smart-fridge"]
    )
    shown = upgrade["decisions"][0]
    assert shown["offer"] is None or "두 배 넓은 수납" in shown["offer"]["message"]["benefit"]


def test_what_is_exported_makes_the_same_shop(service: Service, tmp_path: Path) -> None:
    """Definitions out of one shop, into an empty one, out again: the same file; and nothing to do in the first."""
    applied(service, example())
    service.patch("/v1/experiments/fridge-addons", {"weights": {"control": 0.5, "filter": 0.2, "purifier": 0.3}})
    first = service.get("/v1/definitions").json()
    assert applied(service, first) == []
    other = Service(f"sqlite:///{tmp_path / 'other.sqlite'}")
    applied(other, json.loads(yaml.to_json(yaml.from_plain(first), limit=FILE_LIMIT)))
    second = other.get("/v1/definitions").json()
    other.close()
    assert second == first


def test_the_type_of_benefit_is_kept(service: Service) -> None:
    """S94: taken, answered, exported, applied again without a change, kept in a new version; another word is not."""
    shop = example()
    assert all("benefit_type" not in offer for offer in shop["offers"])
    applied(service, shop)
    key = shop["offers"][0]["key"]
    assert service.get(f"/v1/offers/{key}").json()["benefit_type"] is None
    shop["offers"].append({**shop["offers"][0], "key": "cared-for", "benefit_type": "service"})
    assert applied(service, shop) == ["create offer cared-for"]
    assert applied(service, service.get("/v1/definitions").json()) == []
    changed = service.patch("/v1/offers/cared-for", {"placements": ["cart"]}).json()
    assert (changed["version"], changed["benefit_type"]) == (2, "service")
    listed = {each["key"]: each["benefit_type"] for each in service.get("/v1/offers").json()["items"]}
    assert (listed["cared-for"], listed[key]) == ("service", None)
    refused = service.post("/v1/offers", {**shop["offers"][0], "key": "other", "benefit_type": "love"})
    assert (refused.status_code, refused.json()["field"]) == (422, "benefit_type")


def test_own_metrics_come_and_go_with_the_file(service: Service) -> None:
    """A metric of the shop's own is made before the experiment that is judged by it, and leaves with the export."""
    shop = example()
    shop["metrics"] = [
        {"key": "looks", "kind": "mean", "value": {"event": "product_viewed", "where": {"sku": ["water-filter"]}}}
    ]
    shop["experiments"][0]["metrics"]["secondary"].append("looks")
    plan = applied(service, shop)
    assert plan.index("create metric looks") < plan.index("create experiment fridge-addons")
    assert applied(service, shop) == []
    out = service.get("/v1/definitions").json()
    assert [one["key"] for one in out["metrics"]] == ["looks"]
    assert applied(service, out) == []


@pytest.mark.parametrize(
    ("sent", "view"),
    [
        (requests.NewOffer, responses.OfferView),
        (requests.NewProduct, responses.ProductView),
        (requests.NewSegment, responses.SegmentView),
        (requests.NewLayer, responses.LayerView),
        (experiment_requests.NewExperiment, experiment_responses.ExperimentView),
        (requests.NewMetric, CustomMetric),
        (requests.NewAttribute, Attribute),
    ],
)
def test_what_can_be_sent_can_be_exported(sent: type[Struct], view: type[Struct]) -> None:
    """Each field that a definition takes stands in what is exported of it, so that no new one is forgotten."""
    assert {one.name for one in fields(sent)} - {one.name for one in fields(view)} == set()


def test_a_changed_file_changes_what_it_names(service: Service) -> None:
    """A new price, other weights and a new name are three steps; what the file no longer names stays."""
    shop = example()
    applied(service, shop)
    shop["products"][2]["price"] = "42000"
    shop["experiments"][0] |= {"name": "What a fridge needs"}
    for arm, weight in zip(shop["experiments"][0]["variants"], (0.2, 0.4, 0.4), strict=True):
        arm["weight"] = weight
    del shop["offers"], shop["layers"]
    response = service.post("/v1/apply", shop).json()
    assert [(step["action"], step["key"], step["fields"]) for step in response["steps"]] == [
        ("change", "water-filter", ["price_micro"]),
        ("reweigh", "fridge-addons", ["weights", "name"]),
    ]
    assert service.get("/v1/experiments/fridge-addons").json()["epochs"][-1]["weights"]["*"] == pytest.approx(
        {"control": 0.2, "filter": 0.4, "purifier": 0.4}, abs=1e-6
    )
    assert applied(service, shop) == []


def test_a_ramp_is_planned_anew_from_the_file(service: Service) -> None:
    """A running experiment takes a new ramp from the file, the plan first; one that does not rise is refused."""
    shop = example()
    applied(service, shop)
    experiment = shop["experiments"][0]
    experiment |= {"ramp": [{"at": service.at(days=2), "traffic": 0.5}, {"at": service.at(days=1), "traffic": 1.0}]}
    refused = service.post("/v1/apply?dry_run=true", shop)
    assert (refused.status_code, refused.json()["field"]) == (422, "ramp[1].at")
    experiment["ramp"].reverse()
    experiment["ramp"][0]["traffic"], experiment["ramp"][1]["traffic"] = 0.5, 1.0
    assert applied(service, shop, dry=True) == ["change experiment fridge-addons"]
    assert service.get("/v1/experiments/fridge-addons").json()["ramp"] == []
    assert service.post("/v1/apply", shop).json()["steps"][0]["fields"] == ["ramp"]
    kept = service.get("/v1/experiments/fridge-addons").json()["ramp"]
    assert [step["traffic"] for step in kept] == [0.5, 1.0]
    assert applied(service, shop) == []
    service.post("/v1/experiments/fridge-addons/pause")
    experiment["ramp"] = experiment["ramp"][1:]
    assert applied(service, shop) == ["change experiment fridge-addons"]
    service.post("/v1/experiments/fridge-addons/stop", {})
    experiment["ramp"] = []
    assert applied(service, shop) == []


def test_a_running_experiment_is_not_rewritten(service: Service) -> None:
    """What froze at the start is refused by name, before anything else of the file is done."""
    shop = example()
    applied(service, shop)
    shop["experiments"][1]["window_days"] = 7
    shop["products"][0]["price"] = "950000"
    refused = service.post("/v1/apply", shop)
    assert (refused.status_code, refused.json()["extra"]["frozen"]) == (409, ["window_days"])
    assert service.get("/v1/products/fridge").json()["price"] == "900000"


def test_a_file_is_applied_whole_or_not_at_all(service: Service) -> None:
    """An offer of an unknown product at the end undoes the products before it; the error names the field."""
    shop = example()
    shop["offers"][2]["products"] = ["nothing"]
    refused = service.post("/v1/apply", shop)
    assert (refused.status_code, refused.json()["field"]) == (422, "products[0]")
    assert service.get("/v1/products").json()["items"] == []
    assert service.get("/v1/segments").json()["items"] == []


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"currency": "USD"}, "currency"),
        ({"settings": {"slot": 1}}, "settings.slot"),
        ({"settings": {"slots": -1}}, "slots"),
        ({"settings": {"slots": "one"}}, "settings"),
        ({"matching": "product,cross_sell,upsell\nfridge,nothing,\n"}, "matching"),
        ({"relations": [{"sku": "fridge", "kind": "upgrade", "target": "water-filter"}]}, "target"),
        ({"presets": ["lapsed"]}, "presets"),
        ({"attributes": [{"name": "age"}]}, "purpose"),
        ({"shops": []}, "shops"),
    ],
)
def test_a_file_that_can_not_be_taken_names_the_field(service: Service, part: dict[str, Any], field: str) -> None:
    """Nothing is stored of a file with a fault."""
    refused = service.post("/v1/apply", {**example(), **part})
    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert service.get("/v1/products").json()["items"] == []


def test_presets_are_taken_over_once(service: Service) -> None:
    """A preset has the shop's own limit; one that stands is left as it is, whatever the limit would be today."""
    service.made("/v1/products", COFFEE)
    line = {"sku": "capsule-set", "quantity": 1}
    service.send(
        *(
            {
                "id": f"o{i}",
                "type": "order",
                "customer_id": f"c{i}",
                "order_id": f"{i}",
                "lines": [{**line, "unit_price": str(1000 * i)}],
            }
            for i in range(1, 31)
        )
    )
    assert applied(service, {"presets": ["high-value", "new"]}) == ["create segment high-value", "create segment new"]
    before = service.get("/v1/segments/high-value").json()
    order = {"id": "more", "type": "order", "customer_id": "c31", "order_id": "more"}
    service.send({**order, "lines": [{**line, "unit_price": "9000000"}]})
    assert applied(service, {"presets": ["high-value", "new"]}) == []
    assert service.get("/v1/segments/high-value").json() == before


def test_a_matching_table_comes_in_one_to_one(service: Service) -> None:
    """Rows become complements and upgrades in their order; a bad row is told with its line; mined ones give way."""
    service.made("/v1/products", COFFEE)
    table = "product,cross_sell,upsell\ncoffee-machine,capsule-set,\ncapsule-set,,nothing\n"
    done = service.call("PUT", "/v1/matching-table", {"table": table}).json()
    assert done == {"relations": 1, "bad_rows": [{"line": 3, "problem": "unknown_product", "value": "nothing"}]}
    assert [one["target"] for one in service.get("/v1/relations").json()["items"]] == ["capsule-set"]
    counted = service.call(
        "PUT", "/v1/relations", [{"sku": "capsule-set", "kind": "bundle", "target": "coffee-machine"}]
    )
    assert counted.json() == {"relations": 1}
    assert [one["kind"] for one in service.get("/v1/relations").json()["items"]] == ["bundle"]


def test_the_command_shows_its_plan_and_asks(tmp_path: Path) -> None:
    """`offerlab apply` prints the plan; no is no; yes does it; then there is nothing to do; `export` gives it back."""
    runner, where = CliRunner(), ["--data-dir", str(tmp_path / "data")]
    file = str(EXAMPLE)
    no = runner.invoke(cli, ["apply", file, *where], input="n\n")
    assert (no.exit_code, "create   product fridge" in no.output, "done" in no.output) == (0, True, False)
    done = runner.invoke(cli, ["apply", file, "--yes", *where])
    assert (done.exit_code, "done: " in done.output) == (0, True)
    again = runner.invoke(cli, ["apply", file, *where])
    assert again.output == "nothing to do: the shop is what the file says\n"
    out = tmp_path / "shop.yaml"
    out.write_text(runner.invoke(cli, ["export", "definitions", *where]).output, encoding="utf-8")
    assert runner.invoke(cli, ["apply", str(out), *where]).output == again.output
    elsewhere = ["--data-dir", str(tmp_path / "elsewhere")]
    assert "done: " in runner.invoke(cli, ["apply", str(out), "--yes", *elsewhere]).output
    assert runner.invoke(cli, ["apply", file, *elsewhere]).output == again.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "line 2: 'a' stands here twice"),
        ("a: &x [1]\nb: *x\n", "line 2: references"),
        ("a: [1\n", "line 2"),
        ("1: a\n", "line 1: 1 is no text"),
        ("a: !!python/object:os.system {}\n", "line 1"),
    ],
)
def test_a_broken_file_is_told_with_its_line(text: str, said: str) -> None:
    """What is no YAML, says a thing twice or refers to itself is refused where it stands."""
    with pytest.raises(InvalidInput, match=said.replace("(", r"\(").replace("*", r"\*")):
        yaml.to_json(text, limit=1000)


def test_words_that_old_yaml_takes_for_truths_stay_words() -> None:
    """Norway is `no`, and stays it."""
    assert json.loads(yaml.to_json("country: no\non: yes\nt: true\nn: null\n", limit=1000)) == {
        "country": "no",
        "on": "yes",
        "t": True,
        "n": None,
    }
