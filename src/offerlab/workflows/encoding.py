"""Decisions as the bytes that leave. What does not depend on the customer is encoded once per ruleset.

A decision's JSON and its entry in the token are a few fixed pieces around what changes: the bucket, the exposure, the
offer. An offer's words, prices and products are rendered once per language and product that gave rise to it, unless
they speak of the customer. `Answers` and `Content` stay the truth about the shape: tests decode with them.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, get_args

import msgspec
from msgspec import Struct

from offerlab.assignment.hashing import slot
from offerlab.domain.clock import SECOND, iso
from offerlab.domain.decision import Context, Decided, Decision, Outcome, Suppression
from offerlab.domain.offer import Offer
from offerlab.messaging.message import depends_on_customer, depends_on_trigger
from offerlab.messaging.render import Unrendered
from offerlab.workflows.presenting import code_of, discount_of, present, trigger_of
from offerlab.workflows.snapshot import Snapshot
from offerlab.workflows.token import ENTRY_FIELDS, seal

KEPT: Final = 4_096
"""Renderings and flags kept of one ruleset; beyond it (locales are the caller's words) the memory starts anew."""

_log: Final = logging.getLogger(__name__)
_JSON: Final = msgspec.json.Encoder()
_PACK: Final = msgspec.msgpack.Encoder()
_SLOT: Final = b"\xce"
"""msgpack: an unsigned integer in the four bytes that follow."""
_WHY: Final = b',"suppressed":'
_PIECES: Final = 3
"""What an entry of the token is joined from."""

_WHYS: Final[tuple[str | None, ...]] = (None, *get_args(Suppression))

Attributes = Callable[[], Mapping[str, object]]


class Plate(Struct, frozen=True, gc=False):
    """One outcome's fixed pieces.

    Attributes:
        head: JSON up to `exposed`; middle: from there to `offer`; bare: whole, without exposure, offer, suppression.
        entry: the token's entry up to the bucket's four bytes; ending: what follows it, by suppression.
    """

    head: bytes
    middle: bytes
    bare: bytes
    entry: bytes
    ending: dict[str | None, bytes]


class Rendering(Struct, frozen=True, gc=False):
    """One offer's fixed pieces.

    Attributes:
        before: JSON up to the discount; discount: None where the code is the customer's own; timing: up to the expiry;
            after: the rest.
        lasts: microseconds from the decision to the expiry; None without one.
    """

    before: bytes
    discount: bytes | None
    timing: bytes
    after: bytes
    lasts: int | None


class Nature(Struct, frozen=True, gc=False):
    """Whether an offer's words are the customer's own, and whether they follow the product that gave rise to it."""

    personal: bool
    follows: bool


class Told(Struct, frozen=True, gc=False):
    """What is shown for one decision: encoded, or why not."""

    offer: bytes | None
    suppressed: str | None


BARE: Final = Told(None, None)


class Asking(Struct, frozen=True, kw_only=True):
    """What an offer's words may depend on besides the ruleset; `attributes` are put together only when asked for."""

    unit: str
    attributes: Attributes
    context: Context
    now: int


class Encoding:
    """One snapshot's decisions as bytes.

    Attributes:
        snapshot: whose decisions are encoded.
        flags, notes: encoded flags by outcome and lists of keys, for whoever speaks OFREP: made there, kept here with
            the ruleset.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.flags: dict[int, bytes] = {}
        self.notes: dict[str, tuple[str, ...]] = {}
        self._plates: dict[int, Plate] = {}
        self._renderings: dict[tuple[object, ...], Told | Rendering | Unrendered] = {}
        self._natures: dict[str, Nature] = {}
        self._begin = b"\x96" + _PACK.encode(snapshot.project.version) + b"\xcf"

    def told(self, decision: Decision, asking: Asking) -> Told:
        """What is shown for a decision."""
        offer = decision.offer
        if offer is None:
            return BARE if decision.withheld is None else Told(None, decision.suppressed)
        rendering = self._rendering(decision, offer, asking)
        if isinstance(rendering, Told):
            return rendering
        if isinstance(rendering, Unrendered):
            _log.warning("offer %s has no words here: %s", offer.key, rendering.detail)
            return Told(None, "no_match" if decision.enrolled else None)
        discount = rendering.discount
        if discount is None:
            code = code_of(self.snapshot.project.secret, offer, asking.unit)
            discount = _JSON.encode(discount_of(offer, code))
        expiry = b"null" if rendering.lasts is None else f'"{iso(asking.now + rendering.lasts)}"'.encode()
        return Told(b"".join((rendering.before, discount, rendering.timing, expiry, rendering.after)), None)

    def decisions(self, decided: Decided, told: Sequence[Told], exposed: set[int]) -> bytes:
        """The JSON list of all decisions.

        Args:
            decided: the decisions.
            told: what is shown for each.
            exposed: experiments whose exposure is on disk.
        """
        parts: list[bytes] = []
        for decision, one in zip(decided.decisions, told, strict=True):
            outcome = decision.outcome
            plate = self._plates.get(outcome.index) or self.plate(outcome)
            if one is BARE and outcome.experiment_id not in exposed:
                parts.append(plate.bare)
                continue
            seen = outcome.experiment_id in exposed and outcome.reason == "SPLIT"
            why = b"null" if one.suppressed is None else f'"{one.suppressed}"'.encode()
            parts += (plate.head, b"true" if seen else b"false", plate.middle, one.offer or b"null", _WHY, why, b"},")
        return b"[" + b"".join(parts)[:-1] + b"]"

    def token(self, decided: Decided, told: Sequence[Told], *, digest: bytes | None, context: Context, now: int) -> str:
        """The decision's signed token."""
        entries: list[bytes] = []
        for decision, one in zip(decided.decisions, told, strict=True):
            if decision.outcome.reason == "SPLIT":
                self._enter(entries, decision, one.suppressed)
        for decision in decided.holdouts:
            self._enter(entries, decision, None)
        count = len(entries) // _PIECES
        who = _PACK.encode(digest or b"")
        begin = (self._begin, now.to_bytes(8, "big"), who, b"\xdd", count.to_bytes(4, "big"))
        end = _PACK.encode((context.channel, context.placement))[1:]
        return seal(self.snapshot.project.secret, b"".join((*begin, *entries, end)))

    def _enter(self, entries: list[bytes], decision: Decision, suppressed: str | None) -> None:
        outcome, draw = decision.outcome, decision.draw
        plate = self._plates.get(outcome.index) or self.plate(outcome)
        bucket = slot(draw) if isinstance(draw, bytes) else draw or 0
        entries += (plate.entry, bucket.to_bytes(4, "big"), plate.ending[suppressed])

    def plate(self, outcome: Outcome) -> Plate:
        """The fixed pieces of an outcome; kept, unless it is one made on the spot."""
        made = _plate(self.snapshot, outcome)
        if outcome.index >= 0:
            self._plates[outcome.index] = made
        return made

    def _rendering(self, decision: Decision, offer: Offer, asking: Asking) -> Told | Rendering | Unrendered:
        key = self._key(decision, offer, asking.context)
        known = None if key is None else self._renderings.get(key)
        if known is None:
            known = _rendered(self.snapshot, decision, offer, asking)
            if key is not None:
                if len(self._renderings) >= KEPT:
                    self._renderings.clear()
                self._renderings[key] = known
        return known

    def _key(self, decision: Decision, offer: Offer, context: Context) -> tuple[object, ...] | None:
        """All that the offer's pieces depend on; None where they depend on the customer."""
        nature = self._natures.get(offer.key)
        if nature is None:
            nature = self._natures[offer.key] = _nature(self.snapshot, offer)
        if nature.personal:
            return None
        trigger = trigger_of(self.snapshot, offer, context) if nature.follows else None
        channel = context.channel if offer.channel is None else None
        return offer.key, decision.picked, context.locale, None if trigger is None else trigger.sku, channel


def _nature(snapshot: Snapshot, offer: Offer) -> Nature:
    message = snapshot.messages.get(offer.key)
    if message is None:
        return Nature(personal=False, follows=False)
    return Nature(
        personal=depends_on_customer(message),
        follows=depends_on_trigger(message) or ("offer", "features") in message.names,
    )


def _rendered(snapshot: Snapshot, decision: Decision, offer: Offer, asking: Asking) -> Told | Rendering | Unrendered:
    shown = present(
        snapshot,
        decision,
        unit=asking.unit,
        attributes=asking.attributes(),
        context=asking.context,
        now=asking.now,
    )
    if shown is None or isinstance(shown, Unrendered):
        return shown or Unrendered("no_text", "offer", "the decision shows no offer")
    what = {"key": shown.key, "kind": shown.kind, "products": shown.products, "message": shown.message}
    when = {"trigger": shown.timing.trigger, "delay_seconds": shown.timing.delay_seconds}
    how = {"channel": shown.channel, "version": shown.version}
    lasts = offer.timing.expires_after_seconds
    if lasts is None and offer.discount.code != "unique":
        return Told(_JSON.encode(shown), None)
    return Rendering(
        before=_JSON.encode(what)[:-1] + b',"discount":',
        discount=None if offer.discount.code == "unique" else _JSON.encode(shown.discount),
        timing=b',"timing":' + _JSON.encode(when)[:-1] + b',"expires_at":',
        after=b"}," + _JSON.encode(how)[1:],
        lasts=None if lasts is None else (offer.timing.delay_seconds + lasts) * SECOND,
    )


def _plate(snapshot: Snapshot, outcome: Outcome) -> Plate:
    said = {
        "experiment": outcome.experiment,
        "variant": outcome.variant_key,
        "enrolled": outcome.reason == "SPLIT",
        "exposed": False,
    }
    head = _JSON.encode(said)[: -len(b"false}")]
    facts = {
        "reason": outcome.reason,
        "segment": outcome.segment,
        "propensity": outcome.propensity,
        "epoch": outcome.epoch,
        "offer": None,
    }
    middle = b"," + _JSON.encode(facts)[1 : -len(b"null}")]
    offer = outcome.offer
    message = None if offer is None else snapshot.messages.get(offer.key)
    first = (outcome.experiment_id, outcome.variant, outcome.segment, outcome.epoch)
    last = (None if offer is None else offer.key, None if message is None else message.hash)
    return Plate(
        head=head,
        middle=middle,
        bare=head + b"false" + middle + b'null,"suppressed":null},',
        entry=bytes([0x90 | ENTRY_FIELDS]) + _PACK.encode(first)[1:] + _SLOT,
        ending={why: _PACK.encode((outcome.propensity, why, *last))[1:] for why in _WHYS},
    )
