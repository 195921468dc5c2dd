"""Decisions as the bytes that leave. What does not depend on the customer is encoded once per ruleset.

A decision's JSON and its entry in the token are a few fixed pieces around what changes: the bucket, the exposure, the
offer. An offer's words, prices and products are rendered once per language and product that gave rise to it, unless
they speak of the customer. `Answers` and `Content` stay the truth about the shape: tests decode with them.
"""

import logging
from collections.abc import Collection, Sequence
from typing import Final, get_args

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from offerlab.assignment.hashing import HEAD, cut
from offerlab.domain.clock import SECOND, iso
from offerlab.domain.customer import CustomerState
from offerlab.domain.decision import Context, Decision, Outcome, Request, Suppression
from offerlab.domain.offer import Offer
from offerlab.messaging.message import depends_on_customer, depends_on_trigger
from offerlab.messaging.render import Unrendered
from offerlab.workflows.presenting import attributes_for, code_of, discount_of, present, trigger_of
from offerlab.workflows.snapshot import Snapshot
from offerlab.workflows.token import Entry, begun, pack, seal

KEPT: Final = 4_096
"""Renderings and flags kept of one ruleset; beyond it (locales are the caller's words) the memory starts anew."""

_log: Final = logging.getLogger(__name__)
_JSON: Final = msgspec.json.Encoder()
_PACK: Final = msgspec.msgpack.Encoder()
_SEEN: Final = b"true"
_UNSEEN: Final = b"false"
_WHY: Final = b',"suppressed":'

_WHYS: Final[tuple[str | None, ...]] = (None, *get_args(Suppression))


class Told(Struct, frozen=True, gc=False):
    """One decision as it leaves.

    Attributes:
        json: not exposed. exposed: the same, exposed.
        entry: its entry in the token; None outside SPLIT.
        suppressed: why an enrolled customer is shown nothing.
    """

    json: bytes
    exposed: bytes
    entry: Raw | None = None
    suppressed: str | None = None


Said = tuple[Decision, Told]


class Plate(Struct, frozen=True, gc=False):
    """One outcome's fixed pieces.

    Attributes:
        head: JSON up to `exposed`; middle: from there to `offer`.
        entries: its entry in the token, by suppression; none outside SPLIT.
    """

    head: bytes
    middle: bytes
    entries: dict[str | None, Raw]

    def told(self, offer: bytes | None, suppressed: str | None) -> Told:
        """The decision with this offer, or without one for this reason."""
        why = b"null" if suppressed is None else f'"{suppressed}"'.encode()
        rest = b"".join((self.middle, offer or b"null", _WHY, why, b"}"))
        return Told(self.head + _UNSEEN + rest, self.head + _SEEN + rest, self.entries.get(suppressed), suppressed)


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


class Asking(Struct, frozen=True):
    """What an offer's words may depend on besides the ruleset."""

    request: Request
    state: CustomerState
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
        self._signature = begun(snapshot.project.secret)
        self.flags: dict[int, bytes] = {}
        self.notes: dict[str, tuple[str, ...]] = {}
        self._plates: dict[int, Plate] = {}
        self._sheets: dict[tuple[str | None, str | None], dict[int, Told]] = {}
        self._renderings: dict[tuple[object, ...], bytes | Rendering | Unrendered] = {}
        self._natures: dict[str, Nature] = {}
        self._kept = 0

    def said(self, decisions: Sequence[Decision], asking: Asking) -> list[Said]:
        """Each decision with what it says; from memory where neither customer, product nor time has a say in it."""
        context = asking.request.context
        sheet = self._sheets.get((context.locale, context.channel))
        if sheet is None:
            sheet = self._sheet(context)
        said: list[Said] = []
        for decision in decisions:
            known = None
            if decision.withheld is None and decision.picked is None:
                known = sheet.get(decision.outcome.index)
            said.append((decision, known or self._told(decision, asking, sheet)))
        return said

    def _sheet(self, context: Context) -> dict[int, Told]:
        self._count()
        sheet = self._sheets[context.locale, context.channel] = {}
        return sheet

    def _told(self, decision: Decision, asking: Asking, sheet: dict[int, Told]) -> Told:
        outcome, offer = decision.outcome, decision.offer
        plate = self._plate(outcome)
        if offer is None:
            told = plate.told(None, decision.suppressed)
            lasting = decision.withheld is None
        else:
            rendering = self._rendering(decision, offer, asking)
            told = self._shown(plate, rendering, decision, offer, asking)
            nature = self._natures[offer.key]
            lasting = (
                isinstance(rendering, bytes) and decision.picked is None and not (nature.personal or nature.follows)
            )
        if lasting and outcome.index >= 0:
            self._count()
            sheet[outcome.index] = told
        return told

    def _shown(
        self, plate: Plate, rendering: bytes | Rendering | Unrendered, decision: Decision, offer: Offer, asking: Asking
    ) -> Told:
        if isinstance(rendering, bytes):
            return plate.told(rendering, None)
        if isinstance(rendering, Unrendered):
            _log.warning("offer %s has no words here: %s", offer.key, rendering.detail)
            return plate.told(None, "no_match" if decision.enrolled else None)
        discount = rendering.discount
        if discount is None:
            code = code_of(self.snapshot.project.secret, offer, asking.request.unit or "")
            discount = _JSON.encode(discount_of(offer, code))
        expiry = b"null" if rendering.lasts is None else f'"{iso(asking.now + rendering.lasts)}"'.encode()
        return plate.told(b"".join((rendering.before, discount, rendering.timing, expiry, rendering.after)), None)

    def _count(self) -> None:
        """One more is kept; where they are too many, all sheets are thrown away."""
        if self._kept >= KEPT:
            self._kept = 0
            self._sheets.clear()
        self._kept += 1

    def along(self, holdouts: Sequence[Decision]) -> list[Said]:
        """Holdouts that nobody asked for: they are no part of the answer, only of its token and of what is exposed."""
        return [(one, self._plate(one.outcome).told(None, None)) for one in holdouts]

    def decisions(self, said: Sequence[Said], exposed: Collection[int]) -> bytes:
        """The JSON list of all decisions.

        Args:
            said: the decisions, with what they say.
            exposed: experiments whose exposure is on disk.
        """
        if not exposed:
            return b"[" + b",".join([told.json for _, told in said]) + b"]"
        parts = [
            told.exposed if told.entry is not None and decision.outcome.experiment_id in exposed else told.json
            for decision, told in said
        ]
        return b"[" + b",".join(parts) + b"]"

    def token(self, said: Sequence[Said], *, digest: bytes | None, context: Context, now: int) -> bytes:
        """The decision's signed token: of the shape of `Content`, its entries encoded already."""
        entries: list[Raw] = []
        draws: list[bytes] = []
        picks: list[tuple[int, tuple[str, ...]]] = []
        for decision, told in said:
            if told.entry is not None:
                if decision.picked is not None and told.suppressed is None:
                    picks.append((len(draws), decision.picked))
                entries.append(told.entry)
                draw = decision.draw
                draws.append(draw[:HEAD] if isinstance(draw, bytes) else cut(draw or 0))
        content = (
            self.snapshot.project.version,
            now,
            digest or b"",
            entries,
            pack(draws),
            context.channel,
            context.placement,
            picks,
            context.agent,
            context.slot,
        )
        return seal(self._signature, _PACK.encode(content))

    def _plate(self, outcome: Outcome) -> Plate:
        """The fixed pieces of an outcome; kept, unless it is one made on the spot."""
        plate = self._plates.get(outcome.index)
        if plate is None:
            plate = _plate(self.snapshot, outcome)
            if outcome.index >= 0:
                self._plates[outcome.index] = plate
        return plate

    def _rendering(self, decision: Decision, offer: Offer, asking: Asking) -> bytes | Rendering | Unrendered:
        key = self._key(decision, offer, asking.request.context)
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


def _rendered(snapshot: Snapshot, decision: Decision, offer: Offer, asking: Asking) -> bytes | Rendering | Unrendered:
    request = asking.request
    shown = present(
        snapshot,
        decision,
        unit=request.unit or "",
        attributes=attributes_for(asking.state, request.attributes),
        context=request.context,
        now=asking.now,
    )
    if shown is None or isinstance(shown, Unrendered):
        return shown or Unrendered("no_text", "offer", "the decision shows no offer")
    what = {"key": shown.key, "kind": shown.kind, "products": shown.products, "message": shown.message}
    when = {"trigger": shown.timing.trigger, "delay_seconds": shown.timing.delay_seconds}
    how = {"channel": shown.channel, "version": shown.version}
    lasts = offer.timing.expires_after_seconds
    if lasts is None and offer.discount.code != "unique":
        return _JSON.encode(shown)
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
    if outcome.reason != "SPLIT" or outcome.epoch is None or outcome.propensity is None:
        return Plate(head, middle, {})
    offer = outcome.offer
    message = None if offer is None else snapshot.messages.get(offer.key)
    entry = Entry(
        experiment=outcome.experiment_id,
        variant=outcome.variant,
        segment=outcome.segment,
        epoch=outcome.epoch,
        propensity=outcome.propensity,
        offer=None if offer is None else offer.key,
        template=None if message is None else message.hash,
    )
    return Plate(head, middle, {why: Raw(_PACK.encode(replace(entry, suppressed=why))) for why in _WHYS})
