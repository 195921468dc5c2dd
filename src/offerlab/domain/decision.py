"""What a decision looks at besides the customer, and what comes out of it."""

from typing import Literal

from msgspec import Struct

from offerlab.domain.offer import Offer

Reason = Literal[
    "SPLIT",
    "FORCED",
    "SHIPPED",
    "HOLDOUT",
    "NOT_IN_SEGMENT",
    "NOT_IN_TRAFFIC",
    "EXCLUDED_BY_LAYER",
    "NOT_RUNNING",
    "NO_CONTEXT_MATCH",
    "NO_UNIT",
]
Suppression = Literal[
    "no_match", "cap", "consent", "quiet_hours", "owned", "in_cart", "out_of_stock", "low_affinity", "cooling_down"
]


class Context(Struct, frozen=True, kw_only=True):
    """What the request states about the moment. None (or no cart) matches every experiment."""

    placement: str | None = None
    channel: str | None = None
    locale: str | None = None
    trigger_sku: str | None = None
    trigger_event: str | None = None
    cart: tuple[str, ...] | None = None


class Decision(Struct, frozen=True, kw_only=True):
    """One experiment's answer for one customer.

    Attributes:
        variant: index of the arm whose content is served.
        segment, propensity, epoch, bucket: set exactly when `reason` is SPLIT.
        offer: what to show, None in a bare arm, outside the experiment, or when `suppressed` says why.
    """

    experiment_id: int
    experiment: str
    variant: int
    variant_key: str
    reason: Reason
    value: object = None
    segment: str | None = None
    propensity: float | None = None
    epoch: int | None = None
    bucket: int | None = None
    offer: Offer | None = None
    suppressed: Suppression | None = None

    @property
    def enrolled(self) -> bool:
        """Whether the customer is in the experiment."""
        return self.reason == "SPLIT"
