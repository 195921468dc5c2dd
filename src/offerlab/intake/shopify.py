"""Shopify's webhooks as a mapping: orders told again and again, and refunds.

Every order topic carries the whole order, so each is the same order at a higher revision (its `updated_at`); what was
added after the purchase is simply a further line. An order's time is that of the purchase in every telling. Amounts are
those of the shop's currency, as texts, with tax inside where `taxes_included` says so.

A storefront hands its own customer id over as the note attribute `_offerlab_customer`; without one the customer is
Shopify's, then the e-mail address. A line's property `_offerlab_exposure` names the offer that put it there.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from offerlab.domain.event import orphan_of
from offerlab.errors import InvalidInput
from offerlab.intake.arrival import Arrival
from offerlab.intake.mapping import (
    Amount,
    Body,
    Count,
    Each,
    Rule,
    Source,
    Text,
    micros,
    millionths,
    money,
    named,
    native_fields,
    objects,
    required,
    text_at,
)
from offerlab.intake.webhook import cancelled, nothing, once, state, told

LINE: Final[dict[str, Source]] = {
    "line_id": Text(("id",)),
    "sku": Text(("sku", "variant_id", "product_id", "title")),
    "quantity": Count(("quantity",)),
    "unit_price": Amount(("price",)),
    "discount": Amount(("_discount", "total_discount")),
    "offer": Text(("_offer",)),
}
ORDER: Final = Rule(
    "order",
    {
        "order_id": Text(("id",)),
        "currency": Text(("currency",)),
        "lines": Each(("line_items",), LINE, keyed="line_id", unless="gift_card"),
        "shipping": Amount(("total_shipping_price_set.shop_money.amount", "_shipping")),
        "tax": Amount(("total_tax",)),
        "code": Text(("discount_codes.0.code",)),
    },
    revises=True,
)
REFUND: Final = Rule(
    "refund",
    {
        "refund_id": Text(("id",)),
        "order_id": Text(("order_id", "_order_id")),
        "currency": Text(("currency", "transactions.0.currency", "_currency")),
        "lines": Each(
            ("_lines",),
            {
                "line_id": Text(("line_item_id",)),
                "quantity": Count(("quantity",)),
                "amount": Amount(("amount",)),
            },
        ),
        "amount": Amount(("_amount",)),
    },
)

ORDERS: Final = frozenset(("orders/create", "orders/paid", "orders/updated", "orders/edited", "orders/cancelled"))
CUSTOMER_ATTRIBUTE: Final = "_offerlab_customer"
OFFER_PROPERTY: Final = "_offerlab_exposure"
_NOTHING: Final = Decimal(0)


def arrivals(raw: bytes, topic: str) -> list[Arrival]:
    """What one webhook says: an order, perhaps its cancellation, perhaps refunds told inside it.

    Test orders and refunds of shipping alone mean nothing here.
    """
    return told(raw, topic, lambda body: _said(body, topic, raw))


def _said(body: Body, topic: str, raw: bytes) -> Iterable[Arrival]:
    if body.get("test") is True:
        yield nothing(raw)
    elif topic == "refunds/create":
        yield _refund(body, {}, raw)
    elif topic in ORDERS and "line_items" not in body:
        # An edit names what changed; `orders/updated`, which Shopify sends with it, tells the whole order.
        yield nothing(raw)
    elif topic in ORDERS:
        yield _order(body, raw)
        for refund in objects(body, "refunds"):
            yield _refund(refund, body, raw)
        if body.get("cancelled_at") is not None:
            at, number = required(body, "cancelled_at"), required(body, "id")
            yield cancelled("shopify", number, customer=customer_of(body), at=at, raw=raw)
    else:
        raise InvalidInput(f"{topic!r} is no topic that means anything here", field="X-Shopify-Topic")


def _order(body: Body, raw: bytes) -> Arrival:
    order = {**body, "line_items": [_line(line, body) for line in objects(body, "line_items")]}
    order["_shipping"] = str(sum((money(one, "price") for one in objects(body, "shipping_lines")), _NOTHING))
    updated = required(body, "updated_at", "created_at")
    said = native_fields(ORDER, order)
    said |= {
        "id": f"shopify:order:{required(body, 'id')}:{updated}",
        "customer_id": customer_of(body),
        "occurred_at": required(body, "processed_at", "created_at"),
        "revision": max(micros(updated) or 0, 0),
    }
    return state(said, raw)


def _line(line: Body, order: Body) -> dict[str, object]:
    """A line with its share of every discount, without the tax in its price, and the offer that put it there."""
    price, quantity = money(line, "price"), money(line, "quantity")
    discount = money(line, "total_discount")
    if "discount_allocations" in line:
        discount = sum((money(one, "amount") for one in objects(line, "discount_allocations")), _NOTHING)
    rate = Decimal(1)
    if order.get("taxes_included") is True:
        tax = sum((money(one, "price") for one in objects(line, "tax_lines")), _NOTHING)
        paid = price * quantity - discount
        rate = (paid - tax) / paid if paid else rate
    return {
        **line,
        "price": millionths(price * rate, "price"),
        "_discount": millionths(discount * rate, "total_discount"),
        "_offer": named(line, "properties", OFFER_PROPERTY),
    }


def _refund(body: Body, order: Body, raw: bytes) -> Arrival:
    """A refund of merchandise: what came back by line, at what the line was worth; shipping lowers no revenue.

    Without lines, or with more or less given back than they were worth, the discrepancy is an amount of its own.
    """
    lines: list[Body] = [
        {"line_item_id": one.get("line_item_id"), "quantity": one.get("quantity")}
        for one in objects(body, "refund_line_items")
        if money(one, "quantity")
    ]
    apart = [one for one in objects(body, "order_adjustments") if one.get("kind") == "refund_discrepancy"]
    more = -sum((money(one, "amount") for one in apart), _NOTHING)
    extra: dict[str, object] = {}
    if more > 0:
        lines.append({"line_item_id": "discrepancy", "amount": str(more)})
    elif more < 0:
        worth = sum((money(one, "subtotal") for one in objects(body, "refund_line_items")), _NOTHING)
        extra["_amount"] = str(max(worth + more, _NOTHING))
    if not lines:
        return nothing(raw)
    order_id = text_at(body, "order_id") or required(order, "id")
    inherited = {"_order_id": order_id, "_currency": order.get("currency"), "_lines": lines}
    said = native_fields(REFUND, {**body, **inherited, **extra})
    said |= {
        "id": f"shopify:refund:{required(body, 'id')}",
        "customer_id": customer_of(order) if order else orphan_of(order_id),
        "occurred_at": required(body, "processed_at", "created_at"),
    }
    return once(said, raw)


def customer_of(body: Body) -> str:
    """The unit of an order: the storefront's own id, else Shopify's, else the address, else the order itself."""
    found = named(body, "note_attributes", CUSTOMER_ATTRIBUTE) or text_at(body, "customer.id")
    if found is not None:
        return found
    address = text_at(body, "email", "contact_email")
    return address.strip().lower() if address else orphan_of(required(body, "id"))
