"""What happened: canonical events, immutable. Every source is translated into these before anything is stored.

`customer` is the unit as sent; only the vault in `storage` turns it into the internal number.
"""

from typing import Final, Literal

from msgspec import Struct

from offerlab.domain.offer import Delivery

EventType = Literal[
    "exposure",
    "offer_viewed",
    "offer_clicked",
    "offer_accepted",
    "offer_declined",
    "order",
    "refund",
    "order_cancelled",
    "product_viewed",
    "cart_updated",
    "unsubscribe",
    "complaint",
    "feedback",
    "review",
    "shipment",
    "profile",
    "consent",
]

CLIENT_MAY_SEND: Final = frozenset(
    ("exposure", "offer_viewed", "offer_clicked", "offer_declined", "feedback", "product_viewed", "cart_updated")
)
"""A publishable key sits in every browser: it must not be able to invent revenue."""


class Exposure(Struct, frozen=True, kw_only=True, gc=False):
    """An enrolled customer reached the experiment's moment, whether or not an offer was shown.

    Attributes:
        skus: products that the offer's match picked for this customer; None: the offer's own.
    """

    experiment_id: int
    variant: int
    epoch: int
    bucket: int
    propensity: float
    segment: str | None = None
    suppressed: str | None = None
    template: str | None = None
    offer: str | None = None
    skus: tuple[str, ...] | None = None
    channel: str | None = None
    placement: str | None = None
    slot: str | None = None
    device: str | None = None
    agent: str | None = None


class OrderLine(Struct, frozen=True, kw_only=True, gc=False):
    """One line of an order.

    Attributes:
        price_micro: unit price without tax, millionths. net_minor: line total after all discounts, minor units.
        discount_minor: what was taken off this line, its share of the order's discount included.
        cost_minor: cost of goods of the whole line, None when unknown.
        offer: key of the offer that put it here (order bump), if the source says so.
    """

    line_id: str
    sku: str
    quantity: int
    price_micro: int
    net_minor: int
    discount_minor: int = 0
    cost_minor: int | None = None
    offer: str | None = None


class Order(Struct, frozen=True, kw_only=True, gc=False):
    """A purchase. `net_minor` is the sum of its lines: without tax and shipping, before refunds."""

    order_id: str
    currency: str
    lines: tuple[OrderLine, ...] = ()
    net_minor: int = 0
    shipping_minor: int = 0
    tax_minor: int = 0
    code: str | None = None
    revision: int = 0


class RefundLine(Struct, frozen=True, kw_only=True, gc=False):
    """What came back of one line. `amount_minor` None means the line's own value for that quantity."""

    line_id: str
    quantity: int | None = None
    amount_minor: int | None = None


class Refund(Struct, frozen=True, kw_only=True, gc=False):
    """Money given back for (part of) an order; may arrive before it."""

    refund_id: str
    order_id: str
    currency: str
    lines: tuple[RefundLine, ...] = ()
    amount_minor: int | None = None


class Cancellation(Struct, frozen=True, kw_only=True, gc=False):
    """The whole order is undone."""

    order_id: str


def orphan_of(order_id: str) -> str:
    """The unit of a refund whose source names no customer: of its order, until the order says whose it is."""
    return f"offerlab:refund-of-order:{order_id}"[:1_024]


class Interaction(Struct, frozen=True, kw_only=True, gc=False):
    """Anything else a customer did or said; `experiment_id` and `offer` where it was about one."""

    experiment_id: int | None = None
    variant: int | None = None
    offer: str | None = None
    sku: str | None = None
    text: str | None = None
    number: float | None = None
    data: dict[str, object] = {}


Fact = Exposure | Order | Refund | Cancellation | Interaction


class Planned(Struct, frozen=True, kw_only=True):
    """An offer that the service itself delivers later: what is kept of it until then.

    Attributes:
        order_id, stage: the parcel and the stage it waits for; without a stage it counts from its trigger.
        context: moment of the trigger, plain values: placement, locale, trigger, cart, picked.
        triggered_at: microseconds UTC. delay: after the trigger or the stage. lasts: after it fell due; None: a week.
    """

    offer: str
    offer_version: int
    experiment_id: int
    variant: int
    channel: str
    delivery: Delivery
    context: dict[str, object]
    triggered_at: int
    order_id: str | None = None
    stage: str | None = None
    delay: int = 0
    lasts: int | None = None


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One accepted event.

    Attributes:
        occurred_at: microseconds UTC; windows go by it. The store adds `received_at`, by which `as_of` goes.
        digest: 16 bytes over the body as sent; the same id with another digest is a conflict.
        link: another id of the same person (before they were known), None for none.
        raw: the payload of a foreign source, kept sealed until the experiments' windows close; empty for none.
        contact: how to reach the customer, kept sealed and nowhere else.
        planned: offers that the service delivers because of it.
        stranger: whether it was made as of somebody whom the vault does not know; void if it does.
    """

    id: str
    type: EventType
    customer: str
    occurred_at: int
    digest: bytes
    fact: Fact
    link: str | None = None
    raw: bytes = b""
    contact: dict[str, str] = {}
    planned: tuple[Planned, ...] = ()
    stranger: bool = False


class Rejection(Struct, frozen=True, kw_only=True):
    """An event that could not be taken, and why. Kept, so that nothing is swallowed.

    Attributes:
        source: how `raw` is to be read again. raw: as sent; only its sealed form is stored.
        sample: the same with what is personal masked, for people to look at.
        customer: the unit, where one could be read.
    """

    index: int
    code: str
    detail: str
    id: str | None = None
    type: str | None = None
    raw: bytes = b""
    source: str = "native"
    sample: str | None = None
    customer: str | None = None
