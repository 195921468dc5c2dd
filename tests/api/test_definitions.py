"""Defining, reading, listing and changing what is offered to whom."""

import pytest

from support.service import CAPSULES, COFFEE, COFFEE_ADDON, Service

RULE = {"all": [{"attribute": "country", "op": "in", "value": ["KR", "JP"]}]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/offers", CAPSULES),
        ("/v1/segments", {"key": "asia", "rule": RULE}),
        ("/v1/layers", {"key": "checkout"}),
        ("/v1/experiments", COFFEE_ADDON),
    ],
    ids=["offer", "segment", "layer", "experiment"],
)
def test_a_definition_is_created_once(service: Service, path: str, body: dict[str, object]) -> None:
    """201 when new, 200 when it stands there identical, 409 when another one has the key; read and list agree."""
    service.made("/v1/products", COFFEE)
    if path == "/v1/experiments":
        service.made("/v1/offers", CAPSULES)
    first = service.post(path, body)
    assert first.status_code == 201, first.text
    again = service.post(path, body)
    assert (again.status_code, again.json()) == (200, first.json())
    other = service.post(path, {**body, "name": "another"} if path != "/v1/offers" else {**body, "kind": "order_bump"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert service.get(f"{path}/{body['key']}").json() == first.json()
    assert service.get(path).json() == {"items": [first.json()], "next": None}
    assert service.get(f"{path}/nobody").status_code == 404


def test_products_are_upserted(service: Service) -> None:
    """A list answers with counts; one that stands there otherwise is a conflict; prices keep their exact digits."""
    assert service.post("/v1/products", COFFEE).json() == {"created": 2, "updated": 0}
    assert service.post("/v1/products", [*COFFEE, {"sku": "x", "name": "X", "price": 0.5}]).json() == {
        "created": 1,
        "updated": 2,
    }
    machine, capsules = COFFEE
    assert service.post("/v1/products", machine).status_code == 200
    other = service.post("/v1/products", {**capsules, "price": "1"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    changed = service.patch("/v1/products/capsule-set", {"price": "17500", "stock": 3})
    assert (changed.json()["price"], changed.json()["stock"], changed.json()["unit_cost"]) == ("17500", 3, "9000")
    assert service.get("/v1/products/x").json()["price"] == "0.5"


def test_pages_follow_each_other(service: Service) -> None:
    """Every item is on exactly one page."""
    service.made("/v1/products", [{"sku": f"s{i:02}", "name": "N", "price": "1"} for i in range(25)])
    seen: list[str] = []
    path: str | None = "/v1/products?limit=10"
    while path is not None:
        page = service.get(path).json()
        seen += [item["sku"] for item in page["items"]]
        path = None if page["next"] is None else f"/v1/products?limit=10&cursor={page['next']}"
    assert seen == [f"s{i:02}" for i in range(25)]


def test_a_changed_offer_is_a_new_version_unless_it_runs(service: Service) -> None:
    """Offers that a running experiment shows are frozen; others get the next version."""
    service.made("/v1/products", COFFEE)
    service.made("/v1/offers", CAPSULES)
    changed = service.patch("/v1/offers/capsules", {"placements": ["cart"]})
    assert (changed.json()["version"], changed.json()["placements"]) == (2, ["cart"])
    service.made("/v1/experiments", COFFEE_ADDON)
    service.post("/v1/experiments/coffee-addon/start")
    assert service.patch("/v1/offers/capsules", {"placements": []}).status_code == 409


def test_a_draft_is_edited_and_a_started_experiment_is_frozen(service: Service) -> None:
    """A draft takes any change; a started one only what the refusal lists."""
    service.coffee_shop(key="coffee-addon")
    service.made("/v1/experiments", {**COFFEE_ADDON, "key": "second"})
    edited = service.patch(
        "/v1/experiments/second", {"window_days": 7, "weights": {"control": 0.2, "capsules-20": 0.8}}
    )
    assert edited.json()["window_days"] == 7
    assert [arm["weight"] for arm in edited.json()["variants"]] == [0.2, 0.8]
    frozen = service.call("PUT", "/v1/experiments/coffee-addon", {**COFFEE_ADDON, "window_days": 7})
    assert (frozen.status_code, frozen.json()["extra"]["status"]) == (409, "running")
    assert service.patch("/v1/experiments/coffee-addon", {"window_days": 7}).status_code == 422
    excess = service.patch("/v1/experiments/coffee-addon", {"weights": {"control": 0.5, "capsules-20": 0.6}})
    assert excess.status_code == 422


def test_an_idempotency_key_does_a_thing_once(service: Service) -> None:
    """The first answer is replayed; another body under the key is refused; another caller is independent."""
    headers = {"Idempotency-Key": "k"}
    body = {"key": "s", "rule": RULE}
    first = service.post("/v1/segments", body, headers=headers)
    again = service.post("/v1/segments", body, headers=headers)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert service.post("/v1/segments", {**body, "priority": 1}, headers=headers).status_code == 422
    assert service.post("/v1/segments", body, headers={"Idempotency-Key": "x" * 300}).status_code == 422
    other = service.new_key("admin")
    assert service.post("/v1/segments", body, headers=headers, key=other).status_code == 200


def test_layers_keep_experiments_apart(service: Service) -> None:
    """Experiments of one layer share its customers; a full layer refuses the next start."""
    service.made("/v1/layers", {"key": "checkout"})
    for key in ("first", "second"):
        service.made(
            "/v1/experiments",
            {
                "key": key,
                "layer": "checkout",
                "traffic": 0.5,
                "variants": [{"key": "control"}, {"key": "b"}],
                "metrics": {"primary": "aov"},
            },
        )
        assert service.post(f"/v1/experiments/{key}/start").status_code == 200
    for i in range(50):
        reasons = sorted(one["reason"] for one in service.decide(f"c{i}")["decisions"])
        assert reasons == ["EXCLUDED_BY_LAYER", "SPLIT"]
    third = {"key": "third", "layer": "checkout", "variants": [{"key": "a"}], "metrics": {"primary": "aov"}}
    service.made("/v1/experiments", third)
    assert service.post("/v1/experiments/third/start").status_code == 409
