"""The report over HTTP: what was sent is what is counted, in every format, the same for ever."""

import csv
import io
from typing import Any

from support.service import AT_CHECKOUT, COFFEE_ADDON, Service

METRICS = {
    "primary": "revenue_per_customer",
    "secondary": ["acceptance_rate", "aov", "conversion_rate"],
    "guardrails": ["refund_rate"],
}


def play(service: Service, customers: int = 120) -> dict[str, list[str]]:
    """Everybody comes to the checkout; every second buys the machine, treated buyers take capsules too."""
    arms: dict[str, list[str]] = {"control": [], "capsules-20": []}
    events: list[dict[str, Any]] = []
    for i in range(customers):
        decision = service.decide(f"c-{i}", context=AT_CHECKOUT, expose=True)["decisions"][0]
        arms[decision["variant"]].append(f"c-{i}")
        if i % 2:
            lines = [{"sku": "coffee-machine", "unit_price": "129000"}]
            if decision["variant"] != "control":
                lines.append({"sku": "capsule-set", "unit_price": "18000", "discount": "3600"})
            events.append({"id": f"o{i}", "type": "order", "customer_id": f"c-{i}", "order_id": str(i), "lines": lines})
    assert service.send(*events)["accepted"] == len(events)
    return arms


def test_the_report_counts_what_was_sent(service: Service) -> None:
    """n, means and rates are exactly those of the customers exposed and the orders sent; zeros are in."""
    service.coffee_shop(metrics=METRICS)
    arms = play(service)
    report = service.get("/v1/experiments/coffee-addon/report").json()
    buyers = {arm: sum(int(c[2:]) % 2 for c in members) for arm, members in arms.items()}
    by_metric = {metric["metric"]: {arm["variant"]: arm for arm in metric["arms"]} for metric in report["metrics"]}
    assert report["state"] == "running"
    assert set(by_metric) >= {*METRICS["secondary"], "revenue_per_customer", "refund_rate", "offered_item_rate"}
    value = {"control": 129_000, "capsules-20": 129_000 + 14_400}
    for arm, members in arms.items():
        found = by_metric["revenue_per_customer"][arm]
        assert found["n"] == len(members)
        assert abs(found["mean"] - buyers[arm] * value[arm] / len(members)) < 1e-6
        assert abs(by_metric["conversion_rate"][arm]["mean"] - buyers[arm] / len(members)) < 1e-12
        assert abs(by_metric["aov"][arm]["mean"] - value[arm]) < 1e-6
    treated = by_metric["acceptance_rate"]["capsules-20"]
    assert abs(treated["mean"] - buyers["capsules-20"] / len(arms["capsules-20"])) < 1e-12
    assert "control" not in by_metric["acceptance_rate"]
    assert report["quality"]["crossovers"] == 0


def test_a_report_is_the_same_for_ever_as_of_its_moment(service: Service) -> None:
    """What comes later changes a later report, not an earlier one."""
    service.coffee_shop(metrics=METRICS)
    play(service, 40)
    path = "/v1/experiments/coffee-addon/report"
    first = service.get(path).json()
    moment = first["as_of"]
    service.send(
        {"id": "r", "type": "refund", "customer_id": "c-1", "refund_id": "r", "order_id": "1", "amount": "1000"}
    )
    service.decide("late", context=AT_CHECKOUT, expose=True)
    again = service.get(f"{path}?as_of={moment}").json()
    later = service.get(path).json()
    assert again["metrics"] == first["metrics"]
    assert later["metrics"] != first["metrics"]
    assert service.get(f"{path}?as_of=2099-01-01T00:00:00Z").status_code == 422
    assert service.get(f"{path}?as_of=yesterday").status_code == 422


def test_every_event_acknowledged_before_a_report_is_in_it(service: Service) -> None:
    """Order of arrival does not matter, and nothing acknowledged is missing."""
    service.coffee_shop(metrics={"primary": "conversion_rate"})
    for i in range(20):
        at = service.at()
        variant = service.decide(f"c-{i}", expose=True)["decisions"][0]["variant"]
        service.send({"id": f"{i}", "type": "order", "customer_id": f"c-{i}", "order_id": f"{i}", "lines": []})
        arms = service.get("/v1/experiments/coffee-addon/report").json()["metrics"][0]["arms"]
        assert sum(arm["n"] for arm in arms) == i + 1, (at, variant)
        assert sum(arm["converted"] for arm in arms) == i + 1


def test_the_report_comes_in_four_formats(service: Service) -> None:
    """JSON, HTML, CSV and Markdown carry the same arms; another word is refused."""
    service.coffee_shop(metrics=METRICS)
    play(service, 30)
    path = "/v1/experiments/coffee-addon/report"
    html = service.get(f"{path}?format=html")
    assert html.headers["content-type"].startswith("text/html")
    assert "coffee-addon" in html.text
    rows = list(csv.DictReader(io.StringIO(service.get(f"{path}?format=csv").text)))
    assert {row["variant"] for row in rows if row["metric"] == "aov"} == {"control", "capsules-20"}
    assert service.get(f"{path}?format=md").text.startswith("# coffee-addon")
    assert service.get(f"{path}?format=pdf").status_code == 422


def test_refused_events_are_counted(service: Service) -> None:
    """Each once, however often it was sent, and none that was mended and taken, as things stood at that moment."""
    service.send({"id": "before", "type": "refund", "customer_id": "c"})
    service.coffee_shop(metrics=METRICS)
    path = "/v1/experiments/coffee-addon/report"

    def told(query: str = "") -> tuple[int, str]:
        report = service.get(path + query).json()
        check = next(each for each in report["quality"]["checks"] if each["code"] == "rejected")
        return report["funnel"]["rejected"], check["level"]

    assert told() == (0, "pass")
    for _ in range(3):
        service.send({"id": "odd", "type": "order", "customer_id": "c", "order_id": 1, "colour": "red"})
    service.send({"id": "v", "type": "product_viewed", "customer_id": "c"})
    assert told() == (2, "look")
    moment = service.at()
    service.send({"id": "v", "type": "product_viewed", "customer_id": "c", "sku": "capsule-set"})
    assert told() == (1, "look")
    assert told(f"?as_of={moment}") == (2, "look")


def test_reports_without_a_subject(service: Service) -> None:
    """Nobody's report is 404; a draft's is 409."""
    assert service.get("/v1/experiments/none/report").status_code == 404
    service.made("/v1/experiments", {"key": "d", "variants": [{"key": "a"}], "metrics": {"primary": "aov"}})
    assert service.get("/v1/experiments/d/report").status_code == 409


def test_nobody_exposed_is_undetermined(service: Service) -> None:
    """A running experiment without customers has every metric, each saying why it says nothing."""
    service.coffee_shop(metrics=METRICS)
    report = service.get("/v1/experiments/coffee-addon/report").json()
    for metric in report["metrics"]:
        for effect in metric["effects"]:
            assert effect["undetermined"]["reason"]
            assert effect["absolute"] is None
            assert effect["p_value"] is None


def test_a_finished_experiment_teaches_the_next_ones_prior(service: Service) -> None:
    """Its lift, once it has ended and been read, is evidence; with one of them the stated fallback still speaks."""
    service.coffee_shop(metrics=METRICS)
    play(service)
    first = service.get("/v1/experiments/coffee-addon/report").json()["metrics"][0]["effects"][0]["bayes"]
    assert (first["prior_source"], first["prior_experiments"]) == ("fallback", 0)
    service.post("/v1/experiments/coffee-addon/stop", {"conclusion": "undecided"})
    assert service.get("/v1/experiments/coffee-addon/report").json()["state"] == "maturing"
    again = {**COFFEE_ADDON, "key": "again", "metrics": {"primary": "revenue_per_customer"}}
    service.made("/v1/experiments", again)
    service.post("/v1/experiments/again/start")
    events: list[dict[str, Any]] = []
    for i in range(60):
        service.decide(f"d-{i}", context=AT_CHECKOUT, experiments=["again"], expose=True)
        lines = [{"sku": "coffee-machine", "unit_price": str(100_000 + 999 * i)}]
        events.append({"id": f"d{i}", "type": "order", "customer_id": f"d-{i}", "order_id": f"d{i}", "lines": lines})
    service.send(*events)
    bayes = service.get("/v1/experiments/again/report").json()["metrics"][0]["effects"][0]["bayes"]
    assert (bayes["prior_source"], bayes["prior_experiments"], bayes["prior_sd"]) == ("fallback", 1, 0.1)
