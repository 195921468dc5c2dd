"""What the demo's shop and its marketer say before the first shopper comes: catalogue, history, offers, experiment."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from offerlab.demo.cancellations import Order
from offerlab.demo.shop import Shop
from offerlab.demo.shoppers import Shopper, Treat
from offerlab.demo.stage import BATCH, DAYS, Demo, batches, order_event, send
from offerlab.domain.clock import DAY, iso, to_micros
from offerlab.errors import Misconfigured
from offerlab.workflows.desk import Desk
from offerlab.workflows.matching import build_matches

EXPERIMENT: Final = "gift-addon"
DISCOUNT: Final = Decimal(15)
PIECES: Final = 2


def define_catalogue(demo: Demo, shop: Shop) -> None:
    """Send the catalogue."""
    products = [
        {
            "sku": product.sku,
            "name": product.name,
            "category": product.category,
            "price": str(product.price),
            "unit_cost": str(product.unit_cost),
        }
        for product in shop.products
    ]
    for batch in demo.track(batches(products, 1_000), "products -> /v1/products"):
        demo.post("/v1/products", batch)


def send_history(demo: Demo, orders: Sequence[Order]) -> None:
    """Send the orders of before the experiment, moved to the weeks before it."""
    events = [
        order_event(
            f"history-{order.order_id}",
            order.order_id,
            order.customer_id,
            to_micros(order.occurred_at) + demo.shift,
            [
                {
                    "line_id": line.line_id,
                    "sku": line.sku,
                    "quantity": line.quantity,
                    "unit_price": str(line.unit_price),
                }
                for line in order.lines
            ],
        )
        for order in orders
    ]
    for batch in demo.track(batches(events, BATCH), "order history -> /v1/events"):
        send(demo, batch)


def define_offers(demo: Demo, shop: Shop) -> list[Treat]:
    """Mine the matching table, take its two strongest finds, and write the offers."""
    step = demo.progress.add_task("product matching table from history", total=1)
    build = build_matches(Desk(demo.app.runtime, demo.app.runtime.projects()[0].id, "demo"), days=400)
    demo.progress.advance(step)
    prices = {product.sku: product.price for product in shop.products}
    pairs = sorted(
        (match.evidence for match in build.matches if prices[match.evidence.sku] + prices[match.evidence.target] < 15),  # noqa: PLR2004 - pounds: an add-on, not a purchase of its own
        key=lambda found: (-found.together, found.sku, found.target),
    )
    if not pairs:
        raise Misconfigured("the history holds no pair to offer")
    bundle = (pairs[0].sku, pairs[0].target)
    single = next(found.target for found in pairs if found.target not in bundle)
    demo.post("/v1/offers", _offer("one-more-thing", "cross_sell", (single,), _CROSS_SELL))
    demo.post("/v1/offers", _offer("better-together", "bundle", bundle, _BUNDLE))
    rest = (100 - DISCOUNT) / 100
    return [
        Treat("one-more-thing", (single,), PIECES, _pennies(prices[single] * rest) * PIECES, 0.20),
        Treat(
            "better-together",
            bundle,
            PIECES,
            sum((_pennies(prices[sku] * rest) for sku in bundle), Decimal(0)) * PIECES,
            0.12,
        ),
    ]


def _pennies(price: Decimal) -> Decimal:
    return price.quantize(Decimal("0.01"))


_CROSS_SELL: Final = {
    "en": {
        "title": "Add {{ offer.name }} at {{ offer.discount_percent }}% off",
        "body": "Customers like you often add {{ offer.name }}. Today {{ offer.offer_price | money: currency }} "
        "instead of {{ offer.price | money: currency }}.",
        "benefit": "You save {{ saving | money: currency }}",
    },
    "ko": {
        "title": "{{ offer.name }} {{ offer.discount_percent }}% 할인",
        "body": "{{ offer.name }}을(를) 함께 담아 보세요. 오늘은 {{ offer.offer_price | money: currency }}에 드려요.",
        "benefit": "{{ saving | money: currency }} 절약",
    },
}
_BUNDLE: Final = {
    "en": {
        "title": "Better together: {{ offer.discount_percent }}% off the pair",
        "body": "{{ offer.names | join: ' + ' }} for {{ offer.offer_price | money: currency }}.",
        "benefit": "You save {{ saving | money: currency }}",
    },
    "ko": {
        "title": "함께 사면 {{ offer.discount_percent }}% 할인",
        "body": "{{ offer.names | join: ' + ' }} 세트를 {{ offer.offer_price | money: currency }}에 만나 보세요.",
        "benefit": "{{ saving | money: currency }} 절약",
    },
}


def _offer(key: str, kind: str, skus: tuple[str, ...], message: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {
        "key": key,
        "kind": kind,
        "products": list(skus),
        "message": message,
        "discount": {"type": "percent", "value": str(DISCOUNT)},
        "placements": ["checkout"],
        "channel": "web",
    }


def define_experiment(demo: Demo, shoppers: Sequence[Shopper]) -> None:
    """Cut the shoppers into three segments and start the experiment of three arms."""
    spent = sorted(shopper.spend_total for shopper in shoppers)
    high = round(spent[int(len(spent) * 0.8)], 2)
    rules: list[tuple[str, str, int, dict[str, Any]]] = [
        ("high-value", "High-value customers", 10, {"attribute": "spend_total", "op": "gte", "value": high}),
        ("repeat", "Repeat customers", 20, {"attribute": "orders_count", "op": "gte", "value": 2}),
        ("new", "New customers", 30, {"attribute": "orders_count", "op": "lt", "value": 2}),
    ]
    for key, name, priority, rule in rules:
        demo.post("/v1/segments", {"key": key, "name": name, "priority": priority, "rule": {"all": [rule]}})
    demo.post(
        "/v1/experiments",
        {
            "key": EXPERIMENT,
            "name": "An add-on at checkout",
            "hypothesis": "An add-on that goes with what others bought sells more than no offer at all.",
            "segments": [key for key, *_ in rules],
            "variants": [
                {"key": "control", "role": "control", "weight": 0.34},
                {"key": "one-more-thing", "offer": "one-more-thing", "weight": 0.33},
                {"key": "better-together", "offer": "better-together", "weight": 0.33},
            ],
            "metrics": {
                "primary": "offered_item_rate",
                "secondary": ["acceptance_rate", "revenue_per_customer", "gross_profit_per_customer", "aov"],
                "guardrails": ["conversion_rate", "refund_rate"],
            },
            "window_days": 7,
            "refund_days": 14,
            "ends_at": iso(demo.start + DAYS * DAY),
            "analysis": {"mde": 0.1, "sequential": "group", "planned_customers": len(shoppers)},
        },
    )
    demo.post(f"/v1/experiments/{EXPERIMENT}/start", {})
