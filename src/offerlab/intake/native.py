"""OfferLab's own events: the shapes of the wire."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from offerlab.domain.naming import Key

MAX_LINES: Final = 1_000

Word = Annotated[str, Meta(min_length=1, max_length=200)]
Id = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=10_000)]
Moment = Annotated[datetime, Meta(tz=True)]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]


class _Native(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", gc=False):
    id: str
    customer_id: str | int | None
    occurred_at: Moment


class NativeExposure(_Native, frozen=True, kw_only=True, tag="exposure"):
    """An enrolled customer reached the moment; needs `decision_id` or `experiment`."""

    decision_id: str | None = None
    experiment: Key | None = None
    variant: Key | None = None
    device: Word | None = None
    slot: Word | None = None
    agent: Word | None = None


class _AboutOffer(_Native, frozen=True, kw_only=True):
    experiment: Key | None = None
    variant: Key | None = None
    offer: Key | None = None
    placement: Word | None = None
    slot: Word | None = None
    agent: Word | None = None


class NativeOfferViewed(_AboutOffer, frozen=True, kw_only=True, tag="offer_viewed"):
    """The offer was on screen."""


class NativeOfferClicked(_AboutOffer, frozen=True, kw_only=True, tag="offer_clicked"):
    """The customer followed the offer."""


class NativeOfferAccepted(_AboutOffer, frozen=True, kw_only=True, tag="offer_accepted"):
    """The customer said yes; decides acceptance only for `engagement` offers."""


class NativeOfferDeclined(_AboutOffer, frozen=True, kw_only=True, tag="offer_declined"):
    """The customer said no, perhaps why; `sku` says to which step of a ladder."""

    sku: Word | None = None
    reason: Word | None = None
    text: Text | None = None


class NativeLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One line; `discount` is for the whole line, `unit_price` and `discount` are without tax."""

    sku: Word
    unit_price: Decimal
    quantity: Quantity = 1
    line_id: Id | None = None
    discount: Decimal = Decimal(0)
    unit_cost: Decimal | None = None
    offer: Key | None = None


class NativeOrder(_Native, frozen=True, kw_only=True, tag="order"):
    """A purchase; `discount` comes on top of the lines' own and is spread over them by value.

    An order told anew (an edit) repeats its `order_id` and time with a higher `revision`; the highest one counts.
    """

    order_id: Id
    currency: str | None = None
    lines: Annotated[tuple[NativeLine, ...], Meta(max_length=MAX_LINES)] = ()
    discount: Decimal = Decimal(0)
    shipping: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    code: Word | None = None
    revision: Annotated[int, Meta(ge=0)] = 0


class NativeRefundLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What came back of one line."""

    line_id: Id
    quantity: Quantity | None = None
    amount: Decimal | None = None


class NativeRefund(_Native, frozen=True, kw_only=True, tag="refund"):
    """Money given back: by lines, or as one amount."""

    refund_id: Id
    order_id: Id
    currency: str | None = None
    lines: Annotated[tuple[NativeRefundLine, ...], Meta(max_length=MAX_LINES)] = ()
    amount: Decimal | None = None


class NativeCancellation(_Native, frozen=True, kw_only=True, tag="order_cancelled"):
    """The whole order is undone."""

    order_id: Id


class NativeProductViewed(_Native, frozen=True, kw_only=True, tag="product_viewed"):
    """A product page was seen."""

    sku: Word


class NativeCartItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One thing in the cart."""

    sku: Word
    quantity: Quantity = 1
    price: Decimal | None = None


class NativeCartUpdated(_Native, frozen=True, kw_only=True, tag="cart_updated"):
    """The whole cart as it is now, or what was put in and taken out."""

    cart: Annotated[tuple[NativeCartItem, ...], Meta(max_length=MAX_LINES)] = ()
    added: Annotated[tuple[NativeCartItem, ...], Meta(max_length=MAX_LINES)] = ()
    removed: Annotated[tuple[NativeCartItem, ...], Meta(max_length=MAX_LINES)] = ()


class NativeUnsubscribe(_Native, frozen=True, kw_only=True, tag="unsubscribe"):
    """No more messages on a channel (default email)."""

    channel: Word | None = None
    experiment: Key | None = None


class NativeComplaint(_Native, frozen=True, kw_only=True, tag="complaint"):
    """The customer complained."""

    experiment: Key | None = None
    text: Text | None = None


class NativeFeedback(_Native, frozen=True, kw_only=True, tag="feedback"):
    """A score (CSAT, NPS) or a free text."""

    experiment: Key | None = None
    offer: Key | None = None
    score: float | None = None
    text: Text | None = None


class NativeReview(_Native, frozen=True, kw_only=True, tag="review"):
    """A product review."""

    sku: Word
    rating: Annotated[float, Meta(ge=0, le=10)]
    text: Text | None = None


class NativeShipment(_Native, frozen=True, kw_only=True, tag="shipment"):
    """A parcel reached a stage."""

    order_id: Id
    stage: Literal["label_created", "in_transit", "out_for_delivery", "delivered", "exception", "returned"]


class NativeProfile(_Native, frozen=True, kw_only=True, tag="profile"):
    """Attributes of the customer; the latest value of each name counts.

    `anonymous_id` is the same person before they were known: from now on the two ids are one customer.
    """

    attributes: dict[Word, object] = {}
    anonymous_id: str | int | None = None


class NativeConsent(_Native, frozen=True, kw_only=True, tag="consent"):
    """A consent given or withdrawn for one channel and purpose."""

    channel: Word
    granted: bool
    purpose: Word = "marketing"
    text_version: Word | None = None
    source: Word | None = None


Native = (
    NativeExposure
    | NativeOfferViewed
    | NativeOfferClicked
    | NativeOfferAccepted
    | NativeOfferDeclined
    | NativeOrder
    | NativeRefund
    | NativeCancellation
    | NativeProductViewed
    | NativeCartUpdated
    | NativeUnsubscribe
    | NativeComplaint
    | NativeFeedback
    | NativeReview
    | NativeShipment
    | NativeProfile
    | NativeConsent
)
