"""Products picked for a customer: what was shown is what the exposure keeps, and what its purchase accepts."""

from typing import Any

import pytest

from support.service import Service

SHELF = [{"sku": f"book-{i}", "name": f"Book {i}", "price": "10000"} for i in range(5)]
DRAWN = {
    "key": "surprise",
    "kind": "cross_sell",
    "match": "random",
    "message": {"en": {"title": "{{ offer.name }}", "body": "Have a look."}},
}
EXPERIMENT = {
    "key": "books",
    "variants": [{"key": "surprise", "offer": "surprise", "weight": 1.0}],
    "metrics": {"primary": "acceptance_rate", "secondary": ["need_fit_rate"]},
}


@pytest.fixture
def books(service: Service) -> Service:
    """A shelf, and one arm that shows everybody a book drawn for them."""
    service.made("/v1/products", SHELF)
    service.made("/v1/offers", DRAWN)
    service.made("/v1/experiments", EXPERIMENT)
    service.post("/v1/experiments/books/start")
    return service


def shown_to(service: Service, customer: str, **ask: Any) -> tuple[str, str]:
    """The book that a customer is shown, and the decision's token."""
    answer = service.decide(customer, **ask)
    return answer["decisions"][0]["offer"]["products"][0]["sku"], answer["decision_id"]


@pytest.mark.parametrize("way", ["with the decision", "by its token", "by name"])
def test_the_exposure_keeps_what_was_picked(books: Service, way: str) -> None:
    """However the exposure comes, it keeps the book; buying that one accepts, buying another one does not."""
    exposed = way == "with the decision"
    picked = {name: shown_to(books, name, expose=exposed) for name in ("anna", "bela", "carl", "dora")}
    if not exposed:
        events = [
            {"id": name, "type": "exposure", "customer_id": name}
            | ({"decision_id": token} if way == "by its token" else {"experiment": "books"})
            for name, (_, token) in picked.items()
        ]
        assert books.send(*events)["accepted"] == len(picked)
    others = {name: next(book["sku"] for book in SHELF if book["sku"] != sku) for name, (sku, _) in picked.items()}
    bought = {"anna": picked["anna"][0], "bela": others["bela"], "carl": picked["carl"][0]}
    lines = {name: [{"sku": sku, "unit_price": "10000"}] for name, sku in bought.items()}
    books.send(
        *(
            {"id": f"o-{n}", "type": "order", "customer_id": n, "order_id": n, "lines": each}
            for n, each in lines.items()
        )
    )
    metrics = {one["metric"]: one for one in books.get("/v1/experiments/books/report").json()["metrics"]}
    assert [metrics[key]["arms"][0]["mean"] for key in ("acceptance_rate", "need_fit_rate")] == [0.5, 0.5]
    kept = {name: books.get(f"/v1/customers/{name}/export").json()["exposures"][0]["skus"] for name in picked}
    assert kept == {name: [sku] for name, (sku, _) in picked.items()}


def test_a_token_can_not_be_given_another_book(books: Service) -> None:
    """The picked product is signed with the rest: a token with another one is no token."""
    _, token = shown_to(books, "anna")
    body, _, signature = token.partition(".")
    forged = body[:-6] + ("A" if body[-6] != "A" else "B") + body[-5:] + "." + signature
    done = books.send({"id": "x", "type": "exposure", "customer_id": "anna", "decision_id": forged})
    assert [item["code"] for item in done["rejected"]] == ["invalid_token"]
