"""What a storefront may send to be told an offer, for one customer or for a mailing.

What a shopper waits for is read by `decode_small`: these types omit defaults when they are written, and have none that
somebody would spell out.
"""

from decimal import Decimal
from typing import Annotated, Final

from msgspec import UNSET, Meta, Raw, UnsetType, field

from offerlab.api.requests import Body, CustomerId, Word


class Trigger(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What set the moment off."""

    sku: Word | None = None
    event: Word | None = None


class CartItem(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One thing in the cart."""

    sku: Word
    quantity: Annotated[int, Meta(ge=0, le=1_000_000, extra_json_schema={"default": 1})] | UnsetType = UNSET
    price: Decimal | None = None


class ContextBody(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The moment. What is absent matches every experiment; `slot`, `agent` are kept with the exposure only."""

    placement: Word | None = None
    channel: Word | None = None
    locale: Word | None = None
    slot: Word | None = None
    agent: Word | None = None
    trigger: Trigger | None = None
    cart: Annotated[tuple[CartItem, ...], Meta(max_length=1_000)] | None = None


class PreviewRequest(Body, frozen=True, kw_only=True):
    """Who looks at the offer, and when; nobody in particular without a customer."""

    customer_id: CustomerId = None
    attributes: dict[Word, object] = field(default_factory=dict)
    context: ContextBody = ContextBody()


class DecisionRequest(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Which variant for this customer, now?"""

    customer_id: CustomerId = None
    anonymous_id: CustomerId = None
    attributes: dict[str, object] = field(default_factory=dict)
    context: ContextBody = ContextBody()
    experiments: Annotated[tuple[str, ...], Meta(max_length=1_000)] | None = None
    expose: Annotated[bool, Meta(extra_json_schema={"default": False})] | UnsetType = UNSET


class BulkCustomer(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One customer of a mailing."""

    customer_id: CustomerId = None
    attributes: dict[str, object] = field(default_factory=dict)


MOST_CUSTOMERS: Final = 100_000


class BulkRequest(Body, frozen=True, kw_only=True):
    """Which variants for these customers, now?"""

    customers: Annotated[tuple[BulkCustomer, ...], Meta(max_length=MOST_CUSTOMERS)]
    context: ContextBody = ContextBody()
    experiments: Annotated[tuple[str, ...], Meta(max_length=1_000)] | None = None
    expose: bool = False


class BulkEnvelope(Body, frozen=True, kw_only=True):
    """A `BulkRequest` with its customers unread: they are read one by one, others are served in between."""

    customers: Raw
    context: ContextBody = ContextBody()
    experiments: Annotated[tuple[str, ...], Meta(max_length=1_000)] | None = None
    expose: bool = False
