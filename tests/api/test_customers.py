"""A person's rights: to be seen by the desk only with a trace, to take everything along, to be forgotten for good."""

from typing import Any

from sqlalchemy import text

from offerlab.storage.database import reading
from support.service import AT_CHECKOUT, CAPSULES, COFFEE, COFFEE_ADDON, Service


def shopper(service: Service, customer: str = "c-7") -> None:
    """Somebody with a profile, a consent, an order with a refund, an exposure, a complaint in words and a review."""
    head = {"customer_id": customer}
    line = {"line_id": "1", "sku": "capsule-set", "quantity": 2, "unit_price": "18000"}
    shown = service.decide(customer, context=AT_CHECKOUT, expose=True)
    assert shown["decisions"][0]["exposed"]
    done = service.send(
        {"id": "p", "type": "profile", "attributes": {"first_name": "Hana", "age": 31}, **head},
        {"id": "c", "type": "consent", "channel": "email", "granted": True, **head},
        {"id": "o", "type": "order", "order_id": "1001", "lines": [line], **head},
        {"id": "r", "type": "refund", "refund_id": "r1", "order_id": "1001", "amount": "18000", **head},
        {"id": "x", "type": "complaint", "text": "I live in Mapo and nobody called", **head},
        {"id": "w", "type": "review", "sku": "capsule-set", "rating": 2, "text": "stale, says Hana", **head},
        {
            "id": "d",
            "type": "offer_declined",
            "offer": "capsules",
            "reason": "price",
            "text": "too dear for me",
            **head,
        },
    )
    assert done == {"accepted": 7, "duplicates": 0, "rejected": []}


def everything(service: Service) -> str:
    """Every row of every table but the definitions, as text."""
    tables = ("assignments", "exposures", "interactions", "orders", "order_lines", "refunds", "profiles", "vault")
    more = ("events", "audit", "rejected", "privacy_requests", "contacts", "payloads", "erased")
    with reading(service.app.runtime.engine) as connection:
        return repr([connection.execute(text(f"SELECT * FROM {name}")).all() for name in (*tables, *more)])  # noqa: S608 - names above


def test_the_desk_sees_a_customer_and_leaves_a_trace(service: Service) -> None:
    """Attributes, segments, consents, orders and exposures with reasons; age stays hidden; the look is in the log."""
    service.coffee_shop()
    service.made("/v1/segments", {"key": "buyers", "rule": {"attribute": "orders_count", "op": "gte", "value": 1}})
    shopper(service)
    seen = service.get("/v1/customers/c-7").json()
    assert (seen["attributes"]["first_name"], seen["attributes"]["orders_count"]) == ("Hana", 1)
    assert (seen["withheld"], "age" in seen["attributes"]) == (["age"], False)
    assert (seen["segments"], seen["consents"]) == (["buyers"], {"email:marketing": True})
    assert [order["order_id"] for order in seen["orders"]] == ["1001"]
    assert [(one["experiment"], one["suppressed"]) for one in seen["exposures"]] == [("coffee-addon", None)]
    assert seen["exposed_ever"] == 1
    log = everything(service)
    assert log.count("'look'") == 1
    assert "c-7" not in log


def test_everything_about_a_person_can_be_taken_along(service: Service) -> None:
    """The export holds every event sent, with times one can read; sensitive attributes are left out when asked."""
    service.coffee_shop()
    shopper(service)
    found = service.get("/v1/customers/c-7/export").json()
    assert {one["type"] for one in found["interactions"]} == {
        "profile",
        "consent",
        "complaint",
        "review",
        "offer_declined",
    }
    assert found["attributes"]["age"]["value"] == 31
    assert found["consents"][0]["granted"] is True
    assert found["orders"][0]["lines"][0]["sku"] == "capsule-set"
    assert found["refunds"][0]["amount_minor"] == 18000
    assert found["assignments"][0]["experiment"] == "coffee-addon"
    assert found["exposures"][0]["occurred_at"].endswith("Z")
    assert found["profile"]["ratings"]["capsule-set"]["mark"] == 2
    less = service.get("/v1/customers/c-7/export?sensitive=false").json()
    assert (sorted(less["attributes"]), less["orders"]) == (["first_name"], found["orders"])
    assert service.get("/v1/customers/c-7/export?sensitive=perhaps").json()["field"] == "sensitive"
    requests = service.get("/v1/privacy-requests").json()["items"]
    assert [(one["kind"], one["done_at"] is not None) for one in requests] == [("export", True)] * 2


def test_nobody_and_broken_ids_are_told(service: Service) -> None:
    """Strangers are 404, ids that name nobody 422."""
    assert service.get("/v1/customers/nobody").status_code == 404
    assert service.get("/v1/customers/nobody/export").status_code == 404
    assert service.get("/v1/customers/null").json()["field"] == "customer_id"


def test_a_forgotten_customer_leaves_nothing_to_find(service: Service) -> None:
    """After erasure no row holds the name, the words or a way back; later events are refused; a second time is fine."""
    service.coffee_shop()
    shopper(service)
    shopper_id = "c-7"
    done = service.call("DELETE", f"/v1/customers/{shopper_id}").json()
    assert (done["known"], done["ids"], done["kept"]["orders"]) == (True, 1, 1)
    rows = everything(service)
    assert [word for word in ("Hana", "Mapo", "stale", "dear", "c-7") if word in rows] == []
    refused = service.send({"id": "late", "type": "product_viewed", "customer_id": shopper_id, "sku": "capsule-set"})
    assert [item["code"] for item in refused["rejected"]] == ["erased"]
    gone = service.get(f"/v1/customers/{shopper_id}")
    assert (gone.status_code, gone.json()["extra"]) == (404, {"erased": True})
    again = service.call("DELETE", f"/v1/customers/{shopper_id}").json()
    assert (again["known"], again["kept"]) == (False, {})
    service.restart()
    assert service.get(f"/v1/suppressions/{shopper_id}").json() == {"suppressed": True}
    assert service.decide(shopper_id)["decisions"][0]["enrolled"] is True


def test_erasure_keeps_the_counts_of_every_report(service: Service) -> None:
    """Arms keep their customers, revenue and split: what is erased is who, not how many."""
    service.coffee_shop()
    for i in range(12):
        service.decide(f"c{i}", context=AT_CHECKOUT, expose=True)
    line = {"sku": "capsule-set", "quantity": 1, "unit_price": "18000"}
    service.send(
        *(
            {"id": f"o{i}", "type": "order", "customer_id": f"c{i}", "order_id": f"{i}", "lines": [line]}
            for i in range(12)
        )
    )

    def numbers() -> Any:
        report = service.get("/v1/experiments/coffee-addon/report").json()
        return report["quality"]["srm"], [one["arms"] for one in report["metrics"]]

    before = numbers()
    for i in range(5):
        service.call("DELETE", f"/v1/customers/c{i}")
    assert numbers() == before


def test_all_ids_of_a_person_are_forgotten_together(service: Service) -> None:
    """Who is known under two ids is erased under both, also under the one that was not named."""
    head = {"type": "product_viewed", "sku": "x"}
    service.send({"id": "1", "customer_id": "anon-1", **head}, {"id": "2", "customer_id": "c-1", **head})
    linked = service.post("/v1/alias", {"previousId": "anon-1", "userId": "c-1", "messageId": "m"})
    assert linked.status_code == 200, linked.text
    done = service.call("DELETE", "/v1/customers/anon-1").json()
    assert (done["known"], done["ids"]) == (True, 2)
    late = service.send({"id": "3", "customer_id": "c-1", **head}, {"id": "4", "customer_id": "anon-1", **head})
    assert [item["code"] for item in late["rejected"]] == ["erased", "erased"]


def test_a_suppression_list_keeps_out_whom_nobody_knew(service: Service) -> None:
    """Ids on the list are refused before their first event; the list itself holds no id."""
    done = service.post("/v1/suppressions", {"customers": ["never-seen", "nor-this"]}).json()
    assert done == {"suppressed": 2, "erased": 0}
    assert service.get("/v1/suppressions/never-seen").json() == {"suppressed": True}
    assert service.get("/v1/suppressions/somebody").json() == {"suppressed": False}
    refused = service.send({"id": "1", "type": "product_viewed", "customer_id": "never-seen", "sku": "x"})
    assert [item["code"] for item in refused["rejected"]] == ["erased"]
    assert "never-seen" not in everything(service)


def test_requests_name_deadlines_and_nobody(service: Service) -> None:
    """Each request has its day; pages follow each other."""
    for i in range(3):
        service.call("DELETE", f"/v1/customers/c{i}")
    first = service.get("/v1/privacy-requests?limit=2").json()
    rest = service.get(f"/v1/privacy-requests?limit=2&cursor={first['next']}").json()
    found = first["items"] + rest["items"]
    assert ([one["kind"] for one in found], rest["next"]) == (["erase"] * 3, None)
    assert all(one["received_at"] < one["due_at"] for one in found)
    assert service.get("/v1/privacy-requests?cursor=eA").json()["field"] == "cursor"


def test_retention_purges_what_has_served_its_purpose(service: Service) -> None:
    """Views of two years ago and words of four go, also out of profiles; younger ones stay; the log proves it."""
    from offerlab.workflows.desk import Desk  # noqa: PLC0415 - the job is no route
    from offerlab.workflows.privacy import purge  # noqa: PLC0415 - likewise

    service.coffee_shop()
    head = {"customer_id": "c"}
    line = {"sku": "capsule-set", "quantity": 1, "unit_price": "18000"}
    service.send(
        {"id": "old view", "type": "product_viewed", "sku": "b", "occurred_at": service.at(days=-730), **head},
        {"id": "view", "type": "product_viewed", "sku": "a", "occurred_at": service.at(days=-100), **head},
        {"id": "words", "type": "complaint", "text": "broken", "occurred_at": service.at(days=-1460), **head},
        {
            "id": "order",
            "type": "order",
            "order_id": "1",
            "lines": [line],
            "occurred_at": service.at(days=-1460),
            **head,
        },
        {
            "id": "ancient",
            "type": "order",
            "order_id": "2",
            "lines": [line],
            "occurred_at": service.at(days=-2000),
            **head,
        },
    )
    runtime = service.app.runtime
    done = purge(Desk(runtime, runtime.projects()[0].id, "test"))
    assert (done["behaviour"], done["texts"], done["contracts"], done["profiles"]) == (1, 1, 1, 1)
    with reading(runtime.engine) as connection:
        kept = connection.execute(text("SELECT event_id, body FROM interactions ORDER BY event_id")).all()
        orders = connection.execute(text("SELECT event_id FROM orders")).scalars().all()
        lines = connection.execute(text("SELECT event_id FROM order_lines")).scalars().all()
        deeds = connection.execute(text("SELECT object FROM audit WHERE action = 'purge'")).scalars().all()
    assert ([row.event_id for row in kept], "broken" in repr(kept)) == (["view", "words"], False)
    assert (orders, lines, deeds) == (["order"], ["order"], ["retention"])
    attributes = service.get("/v1/customers/c").json()["attributes"]
    assert (attributes["viewed_skus"], attributes["orders_count"]) == (["a"], 1)
    again = service.send({"id": "old view", "type": "product_viewed", "sku": "b", "customer_id": "c"})
    assert again["accepted"] == 0
    assert purge(Desk(runtime, runtime.projects()[0].id, "test"))["profiles"] == 0


def test_the_record_of_processing_is_made_of_what_is_stored(service: Service) -> None:
    """P15: controller, purposes, classes with their retention, attributes with theirs, channels and recipients."""
    empty = service.get("/v1/processing-record").json()
    assert [one["days"] for one in empty["classes"]] == [400, 1095, 1826, 90, None, 30, None]
    assert (empty["attributes"], empty["channels"], empty["recipients"]) == ([], [], [])
    sender = {"name": "오퍼랩", "contact": "02-123-4567", "opt_out": "080-123-4567"}
    retention = {"behaviour": 100}
    service.made("/v1/apply", {"settings": {"advertiser": sender, "retention": retention}})
    age = {"name": "age", "type": "number", "purpose": "gifts by age"}
    assert service.call("PUT", "/v1/attributes/age", age).status_code == 200
    service.made("/v1/products", COFFEE)
    service.made("/v1/offers", {**CAPSULES, "channel": "email", "placements": []})
    service.made("/v1/experiments", COFFEE_ADDON)
    service.post("/v1/experiments/coffee-addon/start")
    found = service.get("/v1/processing-record").json()
    assert (found["controller"], found["contact"]) == ("오퍼랩", "02-123-4567")
    assert next(one["days"] for one in found["classes"] if one["name"] == "behaviour") == 100
    assert found["attributes"] == [{"attribute": "age", "sensitive": True, "purpose": "gifts by age"}]
    assert (found["channels"], found["consented"], len(found["purposes"])) == (["email"], ["email"], 3)
    assert "c-" not in str(found), "nobody is named"
