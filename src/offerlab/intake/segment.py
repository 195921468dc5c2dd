"""Segment's tracking plan as a mapping: e-commerce v2, promotions, experiments, e-mail, and OfferLab's own event names.

Segment's `revenue` and `subtotal` disagree between specification and examples, so an order is counted from its lines;
what was sent is kept beside it. A partial refund lists only what came back; its `total` less the tax and shipping that
it names is the amount.
"""

from collections.abc import Mapping
from typing import Final, cast, get_args

from offerlab.domain.clock import iso
from offerlab.domain.event import EventType
from offerlab.domain.naming import MAX_EVENT_ID
from offerlab.errors import InvalidInput
from offerlab.intake import ga4
from offerlab.intake.arrival import Arrival, digest_over, native_of, read_object, refused
from offerlab.intake.canonical import MAX_SKEW
from offerlab.intake.mapping import (
    Always,
    Amount,
    Count,
    Each,
    Measure,
    Rule,
    Source,
    Text,
    at,
    micros,
    native_fields,
    text_at,
)

_SKU: Final = Text(("sku", "product_id", "id"))
_PRODUCT: Final[dict[str, Source]] = {
    "sku": _SKU,
    "quantity": Count(("quantity",)),
    "price": Amount(("price",)),
}
_LINE: Final[dict[str, Source]] = {
    "line_id": Text(("line_id", "sku", "product_id", "id")),
    "sku": _SKU,
    "quantity": Count(("quantity",)),
    "unit_price": Amount(("price",)),
    "discount": Amount(("discount",)),
    "unit_cost": Amount(("unit_cost", "cost")),
    "offer": Text(("offer",)),
}
_ORDER: Final[dict[str, Source]] = {
    "order_id": Text(("order_id",)),
    "currency": Text(("currency",)),
    "lines": Each(("products",), _LINE, keyed="line_id"),
    "discount": Amount(("discount",)),
    "shipping": Amount(("shipping",)),
    "tax": Amount(("tax",)),
    "code": Text(("coupon",)),
}
_REFUND: Final[dict[str, Source]] = {
    "refund_id": Text(("refund_id",)),
    "order_id": Text(("order_id",)),
    "currency": Text(("currency",)),
    "amount": Amount(("total",), minus=("shipping", "tax")),
    "lines": Each(
        ("products",),
        {"line_id": Text(("line_id", "sku", "product_id", "id")), "quantity": Count(("quantity",))},
        keyed="line_id",
    ),
}
_CART: Final = Rule("cart_updated", {"cart": Each(("products",), _PRODUCT)})
_PROMOTION: Final[dict[str, Source]] = {
    "offer": Text(("offer", "promotion_id", "name")),
    "variant": Text(("variant", "creative")),
    "experiment": Text(("experiment", "experiment_id")),
    "placement": Text(("position",)),
}
_OFFER: Final[dict[str, Source]] = {
    "offer": Text(("offer", "offer_id")),
    "variant": Text(("variant", "variation_id")),
    "experiment": Text(("experiment", "experiment_id")),
    "placement": Text(("placement", "position")),
}

EVENTS: Final[dict[str, Rule]] = {
    "Experiment Viewed": Rule(
        "exposure",
        {
            "experiment": Text(("experiment_id", "experiment_name")),
            "variant": Text(("variation_id", "variation_name")),
            "decision_id": Text(("decision_id",)),
        },
    ),
    "Promotion Viewed": Rule("offer_viewed", _PROMOTION),
    "Promotion Clicked": Rule("offer_clicked", _PROMOTION),
    "Offer Viewed": Rule("offer_viewed", _OFFER),
    "Offer Clicked": Rule("offer_clicked", _OFFER),
    "Offer Accepted": Rule("offer_accepted", _OFFER),
    "Offer Declined": Rule("offer_declined", {**_OFFER, "reason": Text(("reason",)), "text": Text(("text",))}),
    "Product Viewed": Rule("product_viewed", {"sku": _SKU}),
    "Product Added": Rule("cart_updated", {"added": Each(("products", "self"), _PRODUCT)}),
    "Product Removed": Rule("cart_updated", {"removed": Each(("products", "self"), _PRODUCT)}),
    "Cart Viewed": _CART,
    "Checkout Started": _CART,
    "Order Completed": Rule("order", _ORDER),
    "Order Updated": Rule("order", _ORDER, revises=True),
    "Order Refunded": Rule("refund", _REFUND),
    "Order Cancelled": Rule("order_cancelled", {"order_id": Text(("order_id",))}),
    "Product Reviewed": Rule("review", {"sku": _SKU, "rating": Measure(("rating",)), "text": Text(("review_body",))}),
    "Unsubscribed": Rule("unsubscribe", {"channel": Always("email")}),
    "Email Marked as Spam": Rule("complaint", {"text": Always("marked as spam")}),
}

IGNORED: Final = frozenset(
    (
        "Cart Shared",
        "Checkout Step Completed",
        "Checkout Step Viewed",
        "Coupon Applied",
        "Coupon Denied",
        "Coupon Entered",
        "Coupon Removed",
        "Email Bounced",
        "Email Delivered",
        "Email Link Clicked",
        "Email Opened",
        "Payment Info Entered",
        "Product Added to Wishlist",
        "Product Clicked",
        "Product List Filtered",
        "Product List Viewed",
        "Product Removed from Wishlist",
        "Product Shared",
        "Products Searched",
        "Wishlist Product Added to Cart",
    )
)
"""Standard names that mean nothing for an experiment: counted, not stored."""

SILENT: Final = frozenset(("page", "screen", "group"))
"""Calls that mean nothing for an experiment."""

TRAITS: Final[dict[str, Source]] = {
    "country": Text(("country", "address.country")),
    "region": Text(("region", "address.state")),
}
"""Attributes that hide inside other traits."""

PERSONAL_TRAITS: Final = frozenset(
    (
        "address",
        "avatar",
        "birthday",
        "email",
        "firstName",
        "first_name",
        "lastName",
        "last_name",
        "name",
        "phone",
        "username",
        "website",
    )
)
"""Traits that say who somebody is: never an attribute, they stay in the sealed payload."""

_VOLATILE: Final = frozenset(("sentAt", "receivedAt", "writeKey", "originalTimestamp", "_metadata"))
_NATIVE: Final = frozenset(get_args(EventType))
_BY_ITS_TIME: Final = object()


def arrival(raw: bytes, index: int, *, kind: str | None, sent_at: int | None, now: int) -> Arrival:
    """One message of Segment's protocol as a native event.

    Args:
        raw: the message.
        index: its place in the batch.
        kind: by the route (`track`, `identify`, …); None takes the message's own `type`.
        sent_at: the client's clock when the batch left, microseconds.
        now: ours when it came.
    """
    try:
        body = read_object(raw)
    except InvalidInput as error:
        return refused(index, error, raw, event_id=None, kind=None)
    call = kind or text_at(body, "type") or ""
    name = text_at(body, "event") if call == "track" else call
    message_id = text_at(body, "messageId")
    try:
        if call in SILENT or name in IGNORED or name in ga4.IGNORED:
            return Arrival(said=None, raw=raw)
        digest = digest_over(body, _VOLATILE)
        body.setdefault("messageId", f"segment:{digest.hex()}")
        fields = _said(call, name, body)
        if fields.get("revision") is _BY_ITS_TIME:
            fields["revision"] = _told_at(body, sent_at=sent_at, now=now)
        said = native_of({**fields, **_envelope(body, call, sent_at=sent_at, now=now)})
    except InvalidInput as error:
        return refused(index, error, raw, event_id=message_id, kind=name)
    off = sent_at is not None and abs(now - sent_at) > MAX_SKEW
    return Arrival(said=said, raw=raw, digest=digest, kept=True, clock_off=off)


def sent_at_of(body: Mapping[str, object]) -> int | None:
    """The client's clock when it sent, None where it does not say."""
    try:
        return micros(body.get("sentAt"))
    except InvalidInput:
        return None


class Unmapped(InvalidInput):
    """An event name that no table knows."""

    code = "unmapped"


def _said(call: str, name: str | None, body: Mapping[str, object]) -> dict[str, object]:
    match call:
        case "track":
            return _tracked(name, body)
        case "identify":
            return _identified(body)
        case "alias":
            previous = body.get("previousId")
            if previous is None:
                raise InvalidInput("alias names a previousId", field="previousId")
            return {"type": "profile", "anonymous_id": previous}
        case _:
            raise Unmapped(f"{call!r} is no call of this protocol", field="type")


def _tracked(name: str | None, body: Mapping[str, object]) -> dict[str, object]:
    properties = _object(body, "properties")
    rule = EVENTS.get(name or "") or ga4.EVENTS.get(name or "")
    if rule is not None:
        said = native_fields(rule, {**properties, "self": [properties]})
        if rule.type == "refund":
            said.setdefault("refund_id", text_at(body, "messageId"))
        if rule.revises:
            said["revision"] = _BY_ITS_TIME
        return said
    if name in _NATIVE:
        return {**properties, "type": name}
    raise Unmapped(f"no table says what {name!r} means", field="event")


def _identified(body: Mapping[str, object]) -> dict[str, object]:
    traits = _object(body, "traits")
    plain = {name: value for name, value in traits.items() if name not in PERSONAL_TRAITS and value is not None}
    hidden = native_fields(Rule("profile", TRAITS), traits)
    del hidden["type"]
    said: dict[str, object] = {"type": "profile", "attributes": {**hidden, **plain}}
    if text_at(body, "userId") is not None and text_at(body, "anonymousId") is not None:
        said["anonymous_id"] = at(body, "anonymousId")
    return said


def _object(body: Mapping[str, object], name: str) -> dict[str, object]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput(f"{name} is no object", field=name)
    return cast("dict[str, object]", value)


def _envelope(body: Mapping[str, object], call: str, *, sent_at: int | None, now: int) -> dict[str, object]:
    message_id = text_at(body, "messageId")
    if message_id is None or len(message_id) > MAX_EVENT_ID:
        raise InvalidInput(f"a messageId has 1 to {MAX_EVENT_ID} characters", field="messageId")
    customer = at(body, "userId")
    if customer is None or customer == "":
        customer = None if call == "alias" else at(body, "anonymousId")
    if not isinstance(customer, str | int) or isinstance(customer, bool):
        raise InvalidInput("userId or anonymousId is needed", field="customer_id")
    return {"id": message_id, "customer_id": customer, "occurred_at": iso(_happened(body, sent_at=sent_at, now=now))}


def _happened(body: Mapping[str, object], *, sent_at: int | None, now: int) -> int:
    """When it happened by our clock: the client's own clock is as wrong as it was when it sent."""
    try:
        stated = micros(body.get("timestamp"))
    except InvalidInput as error:
        raise InvalidInput(error.detail, field="occurred_at") from error
    if stated is None:
        return now
    return stated if sent_at is None else min(stated + now - sent_at, now)


def _told_at(body: Mapping[str, object], *, sent_at: int | None, now: int) -> int:
    """Which of several updates of an order is the later one: its time by the client's clock, which keeps its own order.

    A clock that was wrong by minutes when it sent is corrected like any other; none tells of the future, which would
    win for ever.
    """
    stated = micros(body.get("timestamp"))
    wrong = 0 if sent_at is None else now - sent_at
    if stated is None:
        return now
    return max(1, min(stated + (wrong if abs(wrong) > MAX_SKEW else 0), now))
