"""The matching table over HTTP: mined from orders, told with its difference, mined anew on schedule."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from offerlab.errors import InvalidInput
from offerlab.storage.database import reading
from offerlab.workflows.desk import Desk
from offerlab.workflows.rehearsing import rehearse
from support.service import Service

GUIDE, PHRASES, FOLDING, MUG, CUP = "japan-guide", "phrase-book", "folding-map", "mug", "cup"


def product(sku: str, category: str, price: str, name: str = "") -> dict[str, Any]:
    """A product of the shop."""
    return {"sku": sku, "name": name or sku, "category": category, "price": price}


def bookshop(service: Service, baskets: int = 240) -> None:
    """Two of three buyers of the guide take the phrase book, half the map; mugs and cups are bought apart."""
    service.made(
        "/v1/products",
        [
            product(GUIDE, "travel", "20000"),
            product(PHRASES, "language", "9000"),
            product(FOLDING, "maps", "7000"),
            product(MUG, "kitchen", "8000", "white coffee mug"),
            product(CUP, "kitchen", "8500", "blue coffee mug"),
        ],
    )
    order(service, "a", baskets, lambda i: [GUIDE, *([PHRASES] if i % 3 else []), *([FOLDING] if i % 2 else [])])
    order(service, "b", baskets, lambda i: [MUG if i % 2 else CUP])


def order(service: Service, mark: str, count: int, skus: Callable[[int], list[str]]) -> None:
    """Orders of different customers, a day apart."""
    service.send(
        *(
            {
                "id": f"{mark}{i}",
                "type": "order",
                "customer_id": f"{mark}{i}",
                "order_id": f"{mark}{i}",
                "occurred_at": service.at(days=-1 - i % 100),
                "lines": [
                    {"line_id": str(n), "sku": sku, "quantity": 1, "unit_price": "1"} for n, sku in enumerate(skus(i))
                ],
            }
            for i in range(count)
        )
    )


def targets(service: Service, sku: str, kind: str = "complement") -> list[str]:
    """What is stored as going with a product."""
    items = service.get(f"/v1/affinity/{sku}").json()["items"]
    return [one["sku"] for one in items if one["kind"] == kind]


def test_a_build_is_told_with_its_difference(service: Service) -> None:
    """The planted pairs are new in the first build; a second over the same orders changes nothing; then one is lost."""
    bookshop(service)
    first = service.made("/v1/affinity-builds", {})
    assert targets(service, GUIDE) == [PHRASES, FOLDING]
    assert (first["baskets"], first["items"], first["lost_count"]) == (480, 5, 0)
    assert {"sku": GUIDE, "target": PHRASES} in first["new"]
    again = service.made("/v1/affinity-builds", {"days": 365})
    assert (again["new_count"], again["lost_count"], again["moved_count"]) == (0, 0, 0)
    assert again["kept_count"] == first["new_count"]
    order(service, "c", 4000, lambda i: [FOLDING if i % 2 else GUIDE])
    changed = service.made("/v1/affinity-builds", {})
    assert {"sku": GUIDE, "target": FOLDING} in changed["lost"]
    assert [one["built_at"] for one in service.get("/v1/affinity-builds").json()["items"]] == [
        changed["built_at"],
        again["built_at"],
        first["built_at"],
    ]


def test_a_build_names_bundles_worth_trying(service: Service) -> None:
    """S91, S112: sets in which every part belongs to the rest, best first; a disliked part sets its bundle back."""
    bookshop(service)
    told = service.made("/v1/affinity-builds", {})
    assert [one["skus"] for one in told["bundles"]] == [
        [GUIDE, PHRASES],
        [FOLDING, GUIDE],
        [FOLDING, GUIDE, PHRASES],
        [FOLDING, PHRASES],
    ]
    best = told["bundles"][0]
    assert (best["baskets"], best["support"], best["synergy"], best["appeal"]) == (160, 160 / 480, 2.0, 1.0)
    message = {"en": {"title": "Save {{ saving | money }}", "body": "{{ offer.names | join: ', ' }}"}}
    discount = {"type": "percent", "value": "10"}
    bundle = {"key": "set", "kind": "bundle", "products": best["skus"], "message": message, "discount": discount}
    assert service.post("/v1/offers", bundle).status_code == 201
    service.send(
        *(
            {"id": f"r{sku}{i}", "type": "review", "customer_id": f"a{i}", "sku": sku, "rating": mark}
            for sku, mark in ((PHRASES, 1), (FOLDING, 5))
            for i in range(60)
        )
    )
    again = service.made("/v1/affinity-builds", {})
    assert again["bundles"][0]["skus"] == [FOLDING, GUIDE]
    assert service.get("/v1/affinity-builds").json()["items"][0]["bundles"] == again["bundles"]


def test_ways_of_matching_are_scored_on_the_shops_own_orders(tmp_path: Path) -> None:
    """S35: what was planted is found in the latest baskets, popularity finds less; nothing is stored by asking."""
    service = Service(f"sqlite:///{tmp_path / 'shop.db'}")
    bookshop(service)
    order(service, "d", 200, lambda _: [MUG, CUP])
    with pytest.raises(InvalidInput, match="too few orders"):
        rehearse(Desk(service.app.runtime, 1, "test"), days=3)
    table = rehearse(Desk(service.app.runtime, 1, "test"))
    assert table["default"].cases == table["popularity"].cases > 30
    assert table["default"].ndcg.lower > table["popularity"].ndcg.upper
    assert list(table) == sorted(table, key=lambda name: -table[name].ndcg.estimate)
    assert service.get("/v1/affinity-builds").json()["items"] == []
    service.close()


def test_substitutes_are_told_from_complements(service: Service) -> None:
    """Two mugs of one kitchen shelf, never in one basket, stand in for each other; the guide's company does not."""
    bookshop(service)
    told = service.made("/v1/affinity-builds", {})
    assert (targets(service, MUG, "substitute"), targets(service, CUP, "substitute")) == ([CUP], [MUG])
    assert (targets(service, GUIDE, "substitute"), told["substitutes"]) == ([], 2)
    evidence = service.get(f"/v1/affinity/{MUG}").json()["items"][0]["evidence"]
    assert evidence["likeness"] > 0.5


def test_reviews_weigh_in(service: Service) -> None:
    """A phrase book that buyers mark down loses its first place to the map."""
    bookshop(service)
    service.send(
        *(
            {"id": f"r{sku}{i}", "type": "review", "customer_id": f"a{i}", "sku": sku, "rating": mark}
            for sku, mark in ((PHRASES, 1), (FOLDING, 5))
            for i in range(60)
        )
    )
    told = service.made("/v1/affinity-builds", {})
    assert (targets(service, GUIDE)[0], told["reviewed"]) == (FOLDING, 2)


def test_one_season_alone_makes_no_pair_where_periods_are_asked(service: Service) -> None:
    """Bought together within two days only: a match without, none with three months asked for."""
    service.made("/v1/products", [product(sku, "x", "1") for sku in ("sledge", "rope", "tea")])
    order(service, "w", 200, lambda i: ["sledge", "rope"] if i % 100 < 2 else ["tea"] if i % 2 else ["sledge"])
    order(service, "v", 40, lambda i: ["sledge", "rope"] if i % 20 < 2 else ["tea"])
    order(service, "z", 12, lambda _: ["sledge", "rope"])
    assert service.made("/v1/affinity-builds", {})["matches"] == 2
    assert service.made("/v1/affinity-builds", {"periods": 3})["matches"] == 0


def test_what_a_person_says_stays_before_what_was_mined(service: Service) -> None:
    """A curated pair outlives every build, and is not doubled by the mined one."""
    bookshop(service)
    service.made("/v1/affinity-builds", {})
    curated = [{"sku": GUIDE, "kind": "complement", "target": PHRASES, "rank": 1}]
    service.call("PUT", "/v1/relations", curated)
    service.made("/v1/affinity-builds", {})
    found = service.get(f"/v1/relations?sku={GUIDE}").json()["items"]
    assert [(one["target"], one["source"]) for one in found] == [(PHRASES, "curated"), (FOLDING, "affinity")]


def test_the_table_is_mined_anew_on_schedule(service: Service) -> None:
    """Nothing is due before the first build; a week after it is, once; without a schedule never; a purge is daily."""
    bookshop(service)
    keeper = service.app.housekeeper
    assert keeper.look() == ["purge"]
    assert keeper.look() == []
    service.made("/v1/affinity-builds", {"days": 200})
    service.wait(days=6)
    assert keeper.look() == ["purge"]
    service.wait(days=1.1)
    assert keeper.look() == ["purge", "rebuild"]
    assert keeper.look() == []
    assert len(service.get("/v1/affinity-builds").json()["items"]) == 2
    with reading(service.app.runtime.engine) as connection:
        actors = connection.execute(text("SELECT actor FROM audit ORDER BY id DESC LIMIT 1")).scalars().all()
    assert actors == ["housekeeping"]
    service.post("/v1/apply", {"settings": {"rebuild_days": None}})
    service.wait(days=30)
    assert keeper.look() == ["purge"]
