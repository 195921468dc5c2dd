"""Tracking clients as their makers publish them, pointed at the service: nothing of them is changed."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from support import node
from support.process import Process
from support.service import ADMIN, CAPSULES, COFFEE, COFFEE_ADDON

pytestmark = pytest.mark.client
NODE: Final = {"@segment/analytics-node": "3.1.0"}
ORDER: Final = {
    "order_id": "o-1",
    "currency": "KRW",
    "tax": 2,
    "products": [{"product_id": "capsule-set", "price": 18000, "quantity": 2}],
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A running service with the coffee experiment."""
    process = Process(tmp_path_factory.mktemp("shop"))
    process.start()
    for path, body in (("products", COFFEE), ("offers", CAPSULES), ("experiments", COFFEE_ADDON)):
        process.made(f"/v1/{path}", body)
    process.made("/v1/experiments/coffee-addon/start", None)
    yield process
    process.stop()


def figures(shop: Process) -> tuple[int, float]:
    """Exposed customers over all arms and what they spent together."""
    _, report = shop.ask("GET", "/v1/experiments/coffee-addon/report")
    arms = next(row for row in report["metrics"] if row["metric"] == "revenue_per_customer")["arms"]
    return sum(arm["n"] for arm in arms), sum((arm["mean"] or 0) * arm["n"] for arm in arms)


def codes(shop: Process) -> dict[str, int]:
    """Rejected events by code."""
    counts: dict[str, int] = shop.ask("GET", "/v1/events/rejected")[1]["counts"]
    return counts


def keeping(failed: list[object]) -> Any:
    """An error handler that keeps what it is told."""

    def keep(error: object, _items: object) -> None:
        failed.append(error)

    return keep


def tell(client: Any, name: str) -> None:
    """A visitor is seen, logs in and buys; a page view and a poisoned event in between."""
    client.track(anonymous_id=f"anon-{name}", event="Experiment Viewed", properties={"experiment_id": "coffee-addon"})
    client.identify(user_id=name, anonymous_id=f"anon-{name}", traits={"country": "KR", "email": "a@b.example"})
    client.page(user_id=name, name="Home")
    client.track(user_id=name, event="Experiment Viewed", properties={"experiment_id": "no-such-experiment"})
    client.track(user_id=name, event="Order Completed", properties={**ORDER, "order_id": f"o-{name}"})
    client.flush()


def failed_with(failed: list[object]) -> Callable[..., None]:
    """What a client calls with an error and the messages it lost."""

    def note(*error: object) -> None:
        failed.append(error)

    return note


def test_segment_python_delivers_and_a_log_in_keeps_the_person_whole(shop: Process) -> None:
    """segment-analytics-python, gzip on: exposed as a visitor, bought as a user, one person in the report."""
    from segment.analytics.client import Client  # noqa: PLC0415 - only where the mark asks for it

    failed: list[object] = []
    before, rejected = figures(shop), codes(shop)
    client = Client(ADMIN, host=shop.url, gzip=True, on_error=failed_with(failed))
    tell(client, "segment-python")
    client.shutdown()
    after = figures(shop)
    assert (failed, after[0] - before[0], after[1] - before[1]) == ([], 1, 36000)
    assert codes(shop).get("unknown_experiment", 0) - rejected.get("unknown_experiment", 0) == 1


def test_rudder_python_delivers(shop: Process) -> None:
    """rudder-sdk-python with its own defaults (gzip on), which takes nothing but 200."""
    from rudderstack.analytics.client import Client  # noqa: PLC0415 - likewise

    failed: list[object] = []
    before = figures(shop)
    client = Client(ADMIN, host=shop.url, gzip=True, on_error=failed_with(failed))
    tell(client, "rudder-python")
    client.join()
    after = figures(shop)
    assert (failed, after[0] - before[0], after[1] - before[1]) == ([], 1, 36000)


def test_a_wrong_key_reaches_the_client_as_what_it_is(shop: Process) -> None:
    """The clients' error handlers read `code` and `message` of a 401."""
    from rudderstack.analytics.request import APIError, post  # noqa: PLC0415 - likewise

    with pytest.raises(APIError) as caught:
        post("wrong", shop.url, batch=[])
    assert (caught.value.status, caught.value.code) == (401, "invalid_write_key")


SCRIPT: Final = """
import { Analytics } from '@segment/analytics-node';
const [host, writeKey] = process.argv.slice(1).filter((one) => one !== '--');
const analytics = new Analytics({ writeKey, host, flushAt: 20, flushInterval: 100 });
const failed = [];
analytics.on('error', (error) => failed.push(String(error.code) + ' ' + String(error.reason)));
const userId = 'segment-node', anonymousId = 'anon-segment-node';
analytics.track({ anonymousId, event: 'Experiment Viewed', properties: { experiment_id: 'coffee-addon' } });
analytics.identify({ userId, anonymousId, traits: { country: 'KR' } });
analytics.alias({ userId, previousId: 'old-segment-node' });
analytics.page({ userId, name: 'Home' });
analytics.group({ userId, groupId: 'g' });
analytics.track({ userId, event: 'Order Completed', properties: {
  order_id: 'o-node', currency: 'KRW', products: [{ product_id: 'capsule-set', price: 18000, quantity: 2 }] } });
await analytics.closeAndFlush({ timeout: 20000 });
console.log(JSON.stringify(failed));
"""


def test_segment_node_delivers(shop: Process) -> None:
    """@segment/analytics-node: every call without an error event, exposure and order of one person in the report."""
    before = figures(shop)
    printed = node.run(node.installed(NODE), SCRIPT, shop.url, ADMIN)
    after = figures(shop)
    assert (printed.strip(), after[0] - before[0], after[1] - before[1]) == ("[]", 1, 36000)
