"""Every route by every kind of key: the matrix is made from the running application."""

import base64
import re

import pytest
from litestar import Litestar, get

from offerlab.api.rights import may
from offerlab.api.routing import check_rights, handlers_of
from offerlab.errors import Misconfigured
from support.service import ADMIN, Service

KINDS = ("admin", "server", "client", "read")
CONTRACT = {
    "define": {"admin"},
    "decide": {"admin", "server", "client"},
    "decide_many": {"admin", "server"},
    "send": {"admin", "server", "client"},
    "write_key": {"admin", "server", "client"},
    "read": {"admin", "read"},
    "customers": {"admin", "server"},
    "inspect": {"admin", "read"},
}


def test_rights_are_those_of_the_contract() -> None:
    """Each right belongs to exactly the kinds of key that the contract's table names."""
    for right, kinds in CONTRACT.items():
        assert {kind for kind in KINDS if may(kind, right)} == kinds, right  # type: ignore[arg-type]  # words of the table


def test_every_route_lets_in_exactly_whom_it_declares(service: Service) -> None:
    """For each route and key: 401 without a known key, 403 without the right, anything else with it."""
    keys = {"admin": ADMIN, **{kind: service.new_key(kind) for kind in KINDS if kind != "admin"}}
    checked = 0
    for path, method, operation in handlers_of(service.app.web):
        url = re.sub(r"{\w+:int}", "999", re.sub(r"{\w+:str}", "nothing", path))
        if operation.right in ("open", "page", "inspect", "signed"):
            continue
        for unknown in (None, "", "nonsense", "ol_admin_" + "x" * 40, ADMIN + "x"):
            header = {"Authorization": f"Bearer {unknown}"} if unknown else {}
            assert service.call(method, url, key=None, headers=header).status_code == 401, (method, path, unknown)
        for kind, key in keys.items():
            status = service.call(method, url, key=key, content=b"{" if method != "GET" else None).status_code
            assert (status == 403) == (not may(kind, operation.right)), (method, path, kind, status)  # type: ignore[arg-type]  # one of the four
            assert status < 500, (method, path, kind, status)
            checked += 1
    assert checked > 80


def test_a_route_without_a_declared_right_keeps_the_service_from_starting() -> None:
    """The broken twin of the matrix: a route that nobody decided about."""

    @get("/v1/forgotten")
    async def forgotten() -> None:
        """Nobody declared who may call this."""

    with pytest.raises(Misconfigured, match="/v1/forgotten"):
        check_rights(Litestar([forgotten], openapi_config=None))


def test_keys_are_taken_in_four_places(service: Service) -> None:
    """Bearer, X-API-Key and the Basic user name are the same key."""
    basic = base64.b64encode(f"{ADMIN}:".encode()).decode()
    for headers in ({"Authorization": f"Bearer {ADMIN}"}, {"X-API-Key": ADMIN}, {"Authorization": f"Basic {basic}"}):
        assert service.get("/v1/offers", key=None, headers=headers).status_code == 200


def test_a_client_key_can_not_invent_revenue(service: Service) -> None:
    """A publishable key's order is rejected as `key_may_not`; its product view is taken."""
    client = service.new_key("client")
    done = service.send(
        {"id": "1", "type": "order", "customer_id": "c", "order_id": "1"},
        {"id": "2", "type": "product_viewed", "customer_id": "c", "sku": "a"},
        key=client,
    )
    assert done["accepted"] == 1
    assert [(item["index"], item["code"]) for item in done["rejected"]] == [(0, "key_may_not")]


def test_a_revoked_key_opens_nothing(service: Service) -> None:
    """Revoking works at once, also after a restart."""
    created = service.made("/v1/keys", {"kind": "read"})
    assert service.get("/v1/offers", key=created["key"]).status_code == 200
    service.call("DELETE", f"/v1/keys/{created['id']}")
    assert service.get("/v1/offers", key=created["key"]).status_code == 401
    service.restart()
    assert service.get("/v1/offers", key=created["key"]).status_code == 401


def test_keys_are_stored_hashed_and_shown_once(service: Service) -> None:
    """No list, replay or row ever shows a secret again."""
    headers = {"Idempotency-Key": "once"}
    first = service.post("/v1/keys", {"kind": "server", "name": "s"}, headers=headers)
    secret = first.json()["key"]
    assert first.status_code == 201
    again = service.post("/v1/keys", {"kind": "server", "name": "s"}, headers=headers)
    assert (again.status_code, secret in again.text) == (409, False)
    assert secret not in service.get("/v1/keys").text
