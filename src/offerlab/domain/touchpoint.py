"""Places where an offer meets a customer, in the order of a purchase, each with the channel that it speaks through."""

from typing import Final

from offerlab.domain.offer import Channel

TOUCHPOINTS: Final[dict[str, Channel | None]] = {
    "product_page": "web",
    "cart": "web",
    "pre_purchase": "web",
    "checkout": "web",
    "order_confirmation": "web",
    "tracking_page": "web",
    "tracking_email": "email",
    "wismo": None,
    "remarketing_email": "email",
    "push": "push",
    "sms": "sms",
    "agent": "agent",
}
"""Known touchpoints; None speaks through whatever channel the question came by. A shop may name others of its own."""

TRIGGERS: Final = (
    "product_viewed",
    "cart_updated",
    "order_placed",
    "shipment_label_created",
    "shipment_in_transit",
    "shipment_out_for_delivery",
    "shipment_delivered",
    "shipment_exception",
    "shipment_returned",
)
"""What an event sets off by itself: where an experiment delivers through us, its moment comes with these."""

SENT: Final[frozenset[str]] = frozenset(("email", "sms", "push"))
"""Channels that reach into somebody's pocket: consent and quiet hours bind them."""

SENT_PLACEMENTS: Final = frozenset(name for name, channel in TOUCHPOINTS.items() if channel in SENT)


def channel_at(offer: str | None, stated: str | None, placement: str | None) -> str:
    """The channel an offer goes through: its own, the one stated, the touchpoint's, else the web."""
    return offer or stated or (placement is not None and TOUCHPOINTS.get(placement)) or "web"
