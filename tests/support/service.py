"""The real service in process: its own store, a clock that tests move, a client that speaks HTTP to it."""

import asyncio
import tempfile
import threading
from collections.abc import Coroutine, Mapping
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, TypeVar

import httpx

from offerlab.api.front import Front
from offerlab.app import App, create_app
from offerlab.domain.clock import DAY, SECOND, iso
from offerlab.settings import Settings
from offerlab.storage import schema
from offerlab.storage.database import open_engine
from support.luck import Salts

ADMIN = "ol_admin_test_0123456789012345678901234567890"
NOON = 1_790_000_000 * SECOND
"""Where the clock of a test starts: 2026-09-21 14:13:20 UTC."""


T = TypeVar("T")


class Loop:
    """An event loop in a thread of its own: a browser's driver may own the loop of the test's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="service-loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for what a coroutine returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Stop and free the loop."""
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _migrate(url: str) -> None:
    engine = open_engine(url)
    schema.upgrade(engine)
    engine.dispose()


@cache
def _migrated() -> bytes:
    """An empty embedded store at our schema, made by the migrations once a process: they cost more than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.sqlite"
        _migrate(f"sqlite:///{file}")
        return file.read_bytes()


class Service:
    """A running service.

    Args:
        url: an empty database.
        settings: further settings.
    """

    def __init__(self, url: str, **settings: Any) -> None:
        self.url = url
        self.settings = Settings(database_url=url, admin_key=ADMIN, **{**DEFAULTS, **settings})
        self.time = NOON
        self._salts = Salts()
        self.runner = Loop()
        self.app = self._start()

    def _start(self) -> App:
        file = Path(self.url.removeprefix("sqlite:///"))
        if self.url.startswith("sqlite:///") and not file.exists():
            file.write_bytes(_migrated())
        else:
            _migrate(self.url)
        app = create_app(self.settings, now=self.now, new_salt=self._salts)
        transport = httpx.ASGITransport(Front.around(app, origins=self.settings.origins), raise_app_exceptions=False)
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))  # a visitor keeps their own; tests share this
        self._client = httpx.AsyncClient(transport=transport, base_url="http://shop.test", cookies=no_cookies)
        return app

    def now(self) -> int:
        """The clock: a microsecond passes at every look."""
        self.time += 1
        return self.time

    def at(self, *, days: float = 0, seconds: float = 0) -> str:
        """A time relative to the clock, as ISO 8601."""
        return iso(self.time + int(days * DAY) + int(seconds * SECOND))

    def wait(self, *, days: float = 0, seconds: float = 0) -> None:
        """Let time pass."""
        self.time += int(days * DAY) + int(seconds * SECOND)

    def restart(self) -> None:
        """Stop and start again on the same store."""
        self.close_app()
        self.app = self._start()

    def close_app(self) -> None:
        """Stop the service, keep its store."""
        self.runner.run(self._client.aclose())
        self.runner.run(self.app.close())

    def close(self) -> None:
        """Stop for good."""
        self.close_app()
        self.runner.close()

    def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        content: bytes | None = None,
        key: str | None = ADMIN,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request, with a key unless it is None."""
        sent = dict(headers or {})
        if key is not None:
            sent.setdefault("Authorization", f"Bearer {key}")
        if content is None and json is None:
            return self.runner.run(self._client.request(method, path, headers=sent))
        if content is not None:
            return self.runner.run(self._client.request(method, path, content=content, headers=sent))
        return self.runner.run(self._client.request(method, path, json=json, headers=sent))

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return self.call("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        """POST."""
        return self.call("POST", path, json, **options)

    def patch(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        """PATCH."""
        return self.call("PATCH", path, json, **options)

    def made(self, path: str, json: Any) -> Any:
        """POST something that must be created; its view."""
        response = self.post(path, json)
        assert response.status_code in (200, 201), response.text
        return response.json()

    def new_key(self, kind: str) -> str:
        """A fresh key of a kind."""
        return str(self.made("/v1/keys", {"kind": kind})["key"])

    def decide(self, customer: object, **fields: Any) -> Any:
        """The answer to a decision request."""
        response = self.post("/v1/decisions", {"customer_id": customer, **fields})
        assert response.status_code == 200, response.text
        return response.json()

    def send(self, *events: dict[str, Any], key: str = ADMIN) -> Any:
        """Send events that happened now unless they say otherwise."""
        items = [{"occurred_at": self.at(), **event} for event in events]
        response = self.post("/v1/events", {"events": items}, key=key)
        assert response.status_code == 200, response.text
        return response.json()

    def deliver(self) -> int:
        """Send every message that is due now; how many attempts that took."""
        return self.runner.run(self.app.courier.round())

    def coffee_shop(self, **experiment: Any) -> None:
        """A machine, capsules at 20 % off for whoever buys it, and an experiment `coffee-addon` that runs."""
        self.made("/v1/products", COFFEE)
        self.made("/v1/offers", CAPSULES)
        self.made("/v1/experiments", {**COFFEE_ADDON, **experiment})
        started = self.post("/v1/experiments/coffee-addon/start")
        assert started.status_code == 200, started.text


DEFAULTS: dict[str, Any] = {"currency": "KRW", "state_timeout_ms": 60_000}
"""A busy machine must not make a test's decision stale or leave its exposure out: both have tests of their own."""

COFFEE: list[dict[str, Any]] = [
    {"sku": "coffee-machine", "name": "커피 머신", "price": "129000", "unit_cost": "70000"},
    {"sku": "capsule-set", "name": "캡슐 세트", "price": "18000", "unit_cost": "9000", "stock": 120},
]
CAPSULES: dict[str, Any] = {
    "key": "capsules",
    "kind": "cross_sell",
    "products": ["capsule-set"],
    "trigger_products": ["coffee-machine"],
    "message": {
        "ko": {
            "title": "{{ offer.name }} {{ offer.discount_percent }}% 할인",
            "body": "{{ trigger.name }}을(를) 구매하셨나요? {{ offer.name }}(으)로 더 맛있는 커피를 즐겨보세요!",
        },
        "en": {"title": "{{ offer.name }}: {{ offer.discount_percent }}% off", "body": "Goes with {{ trigger.name }}."},
    },
    "discount": {"type": "percent", "value": "20"},
    "placements": ["checkout"],
    "channel": "web",
}
COFFEE_ADDON: dict[str, Any] = {
    "key": "coffee-addon",
    "variants": [
        {"key": "control", "role": "control", "weight": 0.5},
        {"key": "capsules-20", "offer": "capsules", "weight": 0.5},
    ],
    "metrics": {"primary": "revenue_per_customer", "secondary": ["acceptance_rate", "aov"]},
}
AT_CHECKOUT: dict[str, Any] = {
    "placement": "checkout",
    "channel": "web",
    "locale": "ko-KR",
    "trigger": {"sku": "coffee-machine"},
    "cart": [{"sku": "coffee-machine", "quantity": 1, "price": "129000"}],
}
