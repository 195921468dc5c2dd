"""Who walks into the demo: real baskets, and what an offer is planted to do to them.

Each shopper carries a basket that a real customer of the shop bought after the cut, drawn with replacement. Planted,
and said wherever it is shown: whether the shopper buys at all, gives it back, and takes an offer that is seen. So the
true effect of each arm is known exactly, and can be printed beside the estimate.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np
from msgspec import Struct

from offerlab.demo.cancellations import Order

BUYS: Final = 0.6
"""Planted chance that a shopper buys the basket at all, alike in every arm."""

RETAIL: Final = 20
"""Baskets of more different products are resellers' and do not walk in."""

REFUNDED: Final = 0.03
"""Planted chance that a bought basket is given back whole the next day, alike in every arm."""


class Shopper(Struct, frozen=True):
    """One visit.

    Attributes:
        day: of the experiment, 0-based. basket: (sku, quantity, unit price in pounds).
        orders_count, spend_total: what the real customer had bought before this basket.
        buys, refunds: whether the basket is bought, and given back.
        taste: a draw in 0..1; an offer is taken where it lies below the planted chance.
    """

    id: str
    day: int
    basket: tuple[tuple[str, int, Decimal], ...]
    orders_count: int
    spend_total: float
    country: str
    buys: bool
    refunds: bool
    taste: float

    def holds(self, skus: Sequence[str]) -> bool:
        """Whether any of these products is in the basket."""
        return any(sku in skus for sku, _, _ in self.basket)


class Treat(Struct, frozen=True):
    """What an arm offers and how it is planted to be taken.

    Attributes:
        skus: the products, all taken together. price: of all pieces together after the discount, pounds.
        taken: planted chance that a shopper who buys and sees the offer takes it.
    """

    arm: str
    skus: tuple[str, ...]
    quantity: int
    price: Decimal
    taken: float


def draw_shoppers(
    orders: Sequence[Order], countries: Mapping[str, str], *, since: datetime, count: int, days: int, seed: int
) -> list[Shopper]:
    """`count` shoppers with baskets bought at or after `since`, by day of arrival."""
    rng = np.random.default_rng(seed)
    history: dict[str, list[float]] = defaultdict(list)
    pool: list[tuple[Order, int, float]] = []
    for order in orders:
        value = float(sum(line.unit_price * line.quantity for line in order.lines))
        if order.occurred_at >= since and 0 < len(_basket(order)) <= RETAIL:
            pool.append((order, len(history[order.customer_id]), sum(history[order.customer_id])))
        history[order.customer_id].append(value)
    picks = rng.integers(0, len(pool), count)
    arrivals = np.sort(rng.integers(0, days, count))
    buys, tastes, refunds = rng.random(count) < BUYS, rng.random(count), rng.random(count) < REFUNDED
    return [
        Shopper(
            id=f"shopper-{i + 1:05}",
            day=int(arrivals[i]),
            basket=_basket(pool[pick][0]),
            orders_count=pool[pick][1],
            spend_total=round(pool[pick][2], 2),
            country=countries.get(pool[pick][0].customer_id, "United Kingdom"),
            buys=bool(buys[i]),
            refunds=bool(refunds[i]),
            taste=float(tastes[i]),
        )
        for i, pick in enumerate(picks)
    ]


def _basket(order: Order) -> tuple[tuple[str, int, Decimal], ...]:
    pieces: Counter[tuple[str, Decimal]] = Counter()
    for line in order.lines:
        pieces[line.sku, line.unit_price] += line.quantity
    return tuple((sku, quantity, price) for (sku, price), quantity in sorted(pieces.items()) if quantity > 0)


class Planted(Struct, frozen=True):
    """The true effect of one arm against control, by metric, in the metric's unit."""

    arm: str
    effects: dict[str, float]


def planted_effects(shoppers: Sequence[Shopper], treats: Sequence[Treat]) -> list[Planted]:
    """What each arm does in truth, on average over these shoppers, whoever was drawn into which arm."""
    every = tuple({sku for treat in treats for sku in treat.skus})
    found: list[Planted] = []
    for treat in treats:
        sees = [not shopper.holds(treat.skus) for shopper in shoppers]
        fresh = [seen and not shopper.holds(every) for seen, shopper in zip(sees, shoppers, strict=True)]
        takes = BUYS * treat.taken
        added = float(treat.price) * treat.taken * float(np.mean(sees)) * (1 - REFUNDED)
        found.append(
            Planted(
                treat.arm,
                {
                    "conversion_rate": 0.0,
                    "offered_item_rate": takes * float(np.mean(fresh)),
                    "revenue_per_customer": BUYS * added,
                    "aov": added,
                },
            )
        )
    return found
