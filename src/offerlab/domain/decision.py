"""What a decision looks at besides the customer, and what comes out of it."""

import struct
from typing import Final, Literal

from msgspec import Struct

from offerlab.domain.experiment import SLOTS
from offerlab.domain.offer import Offer

Reason = Literal[
    "SPLIT",
    "FORCED",
    "SHIPPED",
    "HOLDOUT",
    "NOT_IN_SEGMENT",
    "NOT_IN_TRAFFIC",
    "EXCLUDED_BY_LAYER",
    "PREREQUISITE",
    "NOT_RUNNING",
    "NO_CONTEXT_MATCH",
    "NO_UNIT",
]
Suppression = Literal[
    "no_match", "cap", "consent", "quiet_hours", "owned", "in_cart", "out_of_stock", "low_affinity", "cooling_down"
]


class Context(Struct, frozen=True, kw_only=True):
    """What the request states about the moment. None matches every experiment; an empty cart is a stated one.

    `slot` is the place on a page that has several, `agent` whoever speaks to the customer: both are kept with the
    exposure and decide nothing.
    """

    placement: str | None = None
    channel: str | None = None
    locale: str | None = None
    trigger_sku: str | None = None
    trigger_event: str | None = None
    cart: tuple[str, ...] | None = None
    slot: str | None = None
    agent: str | None = None


ANYWHERE: Final = Context()
"""Nothing stated."""

_head: Final = struct.Struct(">Q").unpack_from


class Request(Struct, frozen=True, kw_only=True):
    """One customer's question.

    Attributes:
        unit: the customer id as `naming.unit_of` left it, None for nobody.
        anonymous: the anonymous id, likewise; only experiments that bucket by it look at it.
        attributes: merged over those folded from events.
        experiments: keys asked for; None asks for everything that runs or serves.
    """

    unit: str | None
    anonymous: str | None = None
    attributes: dict[str, object] = {}
    context: Context = ANYWHERE
    experiments: tuple[str, ...] | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """All that a decision says and that does not depend on the customer: made once per ruleset.

    Attributes:
        index: its number in the ruleset, so that a caller may keep what it rendered in a list;
            -1 for the rare outcome made on the spot.
        variant: index of the arm whose content is served.
        segment, propensity, epoch: set exactly when `reason` is SPLIT.
        offer: what the arm shows, None in a bare arm or outside the experiment.
    """

    index: int
    experiment_id: int
    experiment: str
    variant: int
    variant_key: str
    reason: Reason
    value: object = None
    segment: str | None = None
    propensity: float | None = None
    epoch: int | None = None
    offer: Offer | None = None


class Decision(Struct, frozen=True, gc=False):
    """One experiment's answer for one customer.

    Light on purpose: thousands are made per second, so what is common to many customers stands in `outcome`.

    Attributes:
        draw: digest of the arm's hash, or the bucket itself of one already exposed; None outside SPLIT.
        withheld: why the arm's offer is not shown.
        picked: skus chosen for this customer by the offer's match; None means the offer's own products.
    """

    outcome: Outcome
    draw: bytes | int | None = None
    withheld: Suppression | None = None
    picked: tuple[str, ...] | None = None

    @property
    def experiment_id(self) -> int:
        """The machine's number of the experiment."""
        return self.outcome.experiment_id

    @property
    def experiment(self) -> str:
        """Key of the experiment."""
        return self.outcome.experiment

    @property
    def variant(self) -> int:
        """Index of the arm whose content is served."""
        return self.outcome.variant

    @property
    def variant_key(self) -> str:
        """Key of that arm."""
        return self.outcome.variant_key

    @property
    def reason(self) -> Reason:
        """Why this arm."""
        return self.outcome.reason

    @property
    def value(self) -> object:
        """What a flag client gets."""
        return self.outcome.value

    @property
    def segment(self) -> str | None:
        """The customer's segment at first exposure, or now; None outside SPLIT or without segments."""
        return self.outcome.segment

    @property
    def propensity(self) -> float | None:
        """Probability that this customer got this arm, given enrolment."""
        return self.outcome.propensity

    @property
    def epoch(self) -> int | None:
        """The period of constant weights this assignment belongs to."""
        return self.outcome.epoch

    @property
    def enrolled(self) -> bool:
        """Whether the customer is in the experiment."""
        return self.outcome.reason == "SPLIT"

    @property
    def bucket(self) -> int | None:
        """Slot of the arm's hash, 0 <= bucket < SLOTS; None outside SPLIT."""
        draw = self.draw
        if isinstance(draw, bytes):
            head: int = _head(draw)[0]
            return head * SLOTS >> 64
        return draw

    @property
    def offer(self) -> Offer | None:
        """What to show: None in a bare arm, outside the experiment, or when it is withheld."""
        return None if self.withheld is not None else self.outcome.offer

    @property
    def products(self) -> tuple[str, ...]:
        """Skus of the offer to show; empty without one."""
        offer = self.offer
        if offer is None:
            return ()
        return offer.products if self.picked is None else self.picked

    @property
    def suppressed(self) -> Suppression | None:
        """Why an enrolled customer is not shown the arm's offer."""
        return self.withheld if self.outcome.reason == "SPLIT" else None


class Decided(Struct, frozen=True, gc=False):
    """Everything one request is answered with.

    Attributes:
        decisions: in the order asked for, else by the experiments' numbers.
        unknown: keys asked for that do not exist or are drafts.
        holdouts: SPLIT decisions of holdouts nobody asked for whose moment came with an experiment they cover: they
            are exposed together with it, and not part of the answer.
    """

    decisions: list[Decision]
    unknown: list[str]
    holdouts: list[Decision]
