"""The outermost layer: starting, cross-origin calls, labels, health."""

from support.service import Service

SHOP = "https://shop.example"


def test_health_needs_no_key(service: Service) -> None:
    """Liveness, readiness, metrics and the schema answer on loopback without a key."""
    assert service.get("/livez", key=None).json() == {"status": "alive"}
    ready = service.get("/readyz", key=None).json()
    assert (ready["status"], ready["store"]) == ("ready", "reachable")
    for path in ("/metrics", "/schema/openapi.json"):
        assert service.get(path, key=None).status_code == 200
    assert service.get("/metrics", key=None).headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    assert service.get("/sign-in", key=None).headers["content-type"] == "text/html; charset=utf-8"


def test_storefront_routes_answer_any_shop_and_others_none(service: Service) -> None:
    """Decisions and events carry `*` without credentials; definitions carry nothing."""
    preflight = service.call("OPTIONS", "/v1/decisions", key=None, headers={"Origin": SHOP})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    decided = service.post("/v1/decisions", {"customer_id": "c"}, headers={"Origin": SHOP})
    assert decided.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in decided.headers
    listed = service.get("/v1/offers", headers={"Origin": SHOP})
    assert "access-control-allow-origin" not in listed.headers


def test_listed_origins_are_the_only_ones(fresh_database_url: str) -> None:
    """With `OFFERLAB_ORIGINS` set, exactly those sites may call."""
    service = Service(fresh_database_url, origins=(SHOP,))
    allowed = service.post("/v1/decisions", {"customer_id": "c"}, headers={"Origin": SHOP})
    assert (allowed.headers["access-control-allow-origin"], allowed.headers["vary"]) == (SHOP, "Origin")
    for origin in ("https://shopXexample", "null", f"{SHOP}.evil.example", "http://shop.example"):
        refused = service.post("/v1/decisions", {"customer_id": "c"}, headers={"Origin": origin})
        assert "access-control-allow-origin" not in refused.headers
    service.close()


def test_every_answer_is_labelled(service: Service) -> None:
    """No answer lets a browser guess its type or frame it."""
    for path in ("/livez", "/v1/offers", "/v1/nowhere"):
        headers = service.get(path).headers
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")


def test_unknown_routes_and_methods_are_problems(service: Service) -> None:
    """404 and 405 come as problem+json too."""
    missing = service.get("/v1/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = service.call("DELETE", "/v1/decisions")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
