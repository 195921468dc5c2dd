"""WooCommerce's webhooks (REST v3 shapes) as a mapping: orders and refunds.

A line's `subtotal` and `total` are before and after discounts, both without tax; `prices_include_tax` therefore changes
nothing. An order counts once it is paid or awaits payment (`processing`, `completed`, `on-hold`, `refunded`,
`cancelled`); drafts, failed and pending ones are no purchases. `_offerlab_customer` in the order's meta data is the
storefront's own customer id, `_offerlab_exposure` in a line's names the offer that put it there.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from offerlab.domain.clock import iso
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
    "sku": Text(("sku", "variation_id", "product_id", "name")),
    "quantity": Count(("quantity",)),
    "unit_price": Amount(("_price",)),
    "discount": Amount(("subtotal",), minus=("total",)),
    "offer": Text(("_offer",)),
}
ORDER: Final = Rule(
    "order",
    {
        "order_id": Text(("id",)),
        "currency": Text(("currency",)),
        "lines": Each(("line_items",), LINE, keyed="line_id"),
        "shipping": Amount(("shipping_total",)),
        "tax": Amount(("total_tax",)),
        "code": Text(("coupon_lines.0.code",)),
    },
    revises=True,
)
REFUND: Final = Rule(
    "refund",
    {
        "refund_id": Text(("id",)),
        "order_id": Text(("_order_id",)),
        "currency": Text(("currency", "_currency")),
        "lines": Each(
            ("line_items",),
            {
                "line_id": Text(("_refunded",)),
                "quantity": Count(("quantity",), absolute=True),
                "amount": Amount(("total",), absolute=True),
            },
        ),
        "amount": Amount(("_amount",), absolute=True),
    },
)
COUNTED: Final = frozenset(("processing", "completed", "on-hold", "refunded", "cancelled"))
CUSTOMER_META: Final = "_offerlab_customer"
OFFER_META: Final = "_offerlab_exposure"
REFUNDED_LINE_META: Final = "_refunded_item_id"
_NOTHING: Final = Decimal(0)


def arrivals(raw: bytes, topic: str, now: int) -> list[Arrival]:
    """What one webhook says: an order with the refunds told inside it, its end, or one refund.

    Args:
        raw: the body.
        topic: of the header `X-WC-Webhook-Topic`.
        now: when it came, for what carries no time of its own.
    """
    return told(raw, topic, lambda body: _said(body, topic, raw, now))


def _said(body: Body, topic: str, raw: bytes, now: int) -> Iterable[Arrival]:
    if topic == "order.deleted":
        number = required(body, "id")
        yield cancelled("woocommerce", number, customer=orphan_of(number), at=iso(now), raw=raw)
    elif topic in ("order.created", "order.updated", "order.restored"):
        status = text_at(body, "status")
        if status not in COUNTED:
            yield nothing(raw)
            return
        yield _order(body, raw)
        for refund in objects(body, "refunds"):
            yield _refund_inside(refund, body, raw)
        if status == "cancelled":
            number, customer = required(body, "id"), customer_of(body)
            yield cancelled("woocommerce", number, customer=customer, at=_utc(_updated(body)), raw=raw)
    elif topic in ("refund.created", "order.refunded"):
        yield _refund(body, raw)
    else:
        raise InvalidInput(f"{topic!r} is no topic that means anything here", field="X-WC-Webhook-Topic")


def _order(body: Body, raw: bytes) -> Arrival:
    lines = [_line(line) for line in objects(body, "line_items")]
    updated = _updated(body)
    said = native_fields(ORDER, {**body, "line_items": lines})
    said |= {
        "id": f"woocommerce:order:{required(body, 'id')}:{updated}",
        "customer_id": customer_of(body),
        "occurred_at": _utc(required(body, "date_created_gmt")),
        "revision": max(micros(updated) or 0, 0),
    }
    return state(said, raw)


def _line(line: Body) -> dict[str, object]:
    quantity = money(line, "quantity") or Decimal(1)
    price = millionths(money(line, "subtotal") / quantity, "subtotal")
    found = {name: value for name, value in line.items() if not (name == "variation_id" and value == 0)}
    return {**found, "_price": price, "_offer": named(line, "meta_data", OFFER_META, key="key")}


def _refund_inside(refund: Body, order: Body, raw: bytes) -> Arrival:
    """A refund as an order tells it: one sum with tax and shipping, of which the merchandise has its share."""
    merchandise = sum((money(line, "total") for line in objects(order, "line_items")), _NOTHING)
    total, back = money(order, "total"), abs(money(refund, "total"))
    whole = not total or back >= total
    share = str(merchandise) if whole else millionths(back * merchandise / total, "total")
    return _refund_event(refund, order, {"_amount": share}, customer_of(order), _utc(_updated(order)), raw)


def _refund(body: Body, raw: bytes) -> Arrival:
    order_id = required(body, "order_id", "parent_id")
    lines = [{**line, "_refunded": _refunded(line)} for line in objects(body, "line_items")]
    found: dict[str, object] = {"line_items": lines, "_order_id": order_id}
    if not lines:
        found["_amount"] = required(body, "amount")
    return _refund_event(
        {**body, **found}, {"id": order_id}, {}, orphan_of(order_id), _utc(required(body, "date_created_gmt")), raw
    )


def _refunded(line: Body) -> str | None:
    return named(line, "meta_data", REFUNDED_LINE_META, key="key") or text_at(line, "id")


def _refund_event(refund: Body, order: Body, extra: Body, customer: str, at_time: str, raw: bytes) -> Arrival:
    inherited = {"_order_id": required(order, "id"), "_currency": order.get("currency")}
    said = native_fields(REFUND, {**refund, **inherited, **extra})
    said |= {
        "id": f"woocommerce:refund:{required(refund, 'id')}",
        "customer_id": customer,
        "occurred_at": at_time,
    }
    return once(said, raw)


def _updated(body: Body) -> str:
    return required(body, "date_modified_gmt", "date_created_gmt")


def _utc(moment: str) -> str:
    return moment if moment.endswith("Z") or "+" in moment else f"{moment}Z"


def customer_of(body: Body) -> str:
    """The unit of an order: the storefront's own id, else WooCommerce's, else the address, else the order itself."""
    found = named(body, "meta_data", CUSTOMER_META, key="key")
    if found is not None:
        return found
    number = text_at(body, "customer_id")
    if number is not None and number != "0":
        return number
    address = text_at(body, "billing.email")
    return address.strip().lower() if address else orphan_of(required(body, "id"))
