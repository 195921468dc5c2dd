"""From OfferLab's own events to canonical ones."""

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from offerlab.domain.clock import SECOND, to_micros
from offerlab.domain.customer import PROFILING
from offerlab.domain.event import Cancellation, Event, EventType, Fact, Interaction, Rejection
from offerlab.domain.naming import check_event_id, unit_of
from offerlab.errors import InvalidInput
from offerlab.intake import strict
from offerlab.intake.arrival import Arrival
from offerlab.intake.native import (
    Native,
    NativeCancellation,
    NativeCartUpdated,
    NativeComplaint,
    NativeConsent,
    NativeExposure,
    NativeFeedback,
    NativeOfferAccepted,
    NativeOfferClicked,
    NativeOfferDeclined,
    NativeOfferViewed,
    NativeOrder,
    NativeProductViewed,
    NativeProfile,
    NativeRefund,
    NativeReview,
    NativeShipment,
    NativeUnsubscribe,
)
from offerlab.intake.purchases import Catalogue, order_of, refund_of

CONTACT: Final = ("email", "phone")
"""Attributes that say how to reach somebody: kept sealed, no rule and no message sees them."""

_REACHABLE: Final = {
    "email": re.compile(
        r"[^\s@<>(),;:\\\"\[\]\x00-\x1f]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)*[A-Za-z0-9-]{1,63}\Z"
    ),
    "phone": re.compile(r"\+?[0-9][0-9 ().-]{4,30}\Z"),
}
_BUNDLE: Final = re.compile(r"[,;|+&/*]|\b(?:all|any|both|every)\b", re.IGNORECASE)

MAX_SKEW: Final = 300 * SECOND
"""How far a client's clock may run ahead before its time is replaced by ours."""


class _Envelope(Struct, frozen=True, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


class _Batch(Struct, frozen=True, forbid_unknown_fields=True):
    events: list[Native]


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_BATCH: Final = msgspec.json.Decoder(_Batch)
_DECODER: Final = msgspec.json.Decoder(Native)
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_HEAD: Final = msgspec.json.Decoder(dict[str, object])
_TYPES: Final = frozenset(get_args(EventType))
_TAGS: Final[dict[type, EventType]] = {kind: kind.__struct_config__.tag for kind in get_args(Native)}


def decode(raw: bytes, index: int) -> Native | Rejection:
    """One event as sent, or why it can't be read."""
    try:
        native: Native = _DECODER.decode(raw)
        strict.quick_check(raw)
    except msgspec.ValidationError as error:
        return _refused(raw, index, str(error))
    except InvalidInput as error:
        return _refused(raw, index, error.detail, error.code)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        return Rejection(index=index, code="malformed", detail=str(error) or "not JSON")
    return native


def decode_all(body: bytes) -> list[Arrival]:
    """A native batch, each event on its own; read at one go where nothing in it is wrong.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: the envelope can't be read.
    """
    raws = _ENVELOPE.decode(body).events
    try:
        natives = _BATCH.decode(body).events
        strict.quick_check(body)
    except (msgspec.MsgspecError, InvalidInput, UnicodeError, RecursionError, ValueError):
        return [Arrival(said=decode(raw, i), raw=raw) for i, raw in enumerate(map(bytes, raws))]
    return [Arrival(said=native, raw=raw) for native, raw in zip(natives, map(bytes, raws), strict=True)]


def _refused(raw: bytes, index: int, message: str, found: str = "") -> Rejection:
    try:
        head = _HEAD.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        head = {}
    event_type, event_id = head.get("type"), head.get("id")
    code = "invalid"
    if found in (strict.DuplicateKey.code, strict.NotJson.code):
        code = found
    elif not head:
        code = "invalid"
    elif "unknown field" in message:
        code = "unknown_field"
    elif not isinstance(event_type, str) or event_type not in _TYPES:
        code = "unknown_type"
    elif "customer_id" in message:
        code = "invalid_customer_id"
    return Rejection(
        index=index,
        code=code,
        detail=message,
        id=event_id if isinstance(event_id, str) else None,
        type=event_type if isinstance(event_type, str) else None,
    )


def type_of(native: Native) -> EventType:
    """The event's type as on the wire."""
    return _TAGS[type(native)]


def digest_of(native: Native) -> bytes:
    """16 bytes over what was said: equal for equal bodies, whatever their spacing and key order."""
    return blake2b(_ENCODER.encode(native), digest_size=16).digest()


def occurred(native: Native, *, now: int) -> int:
    """When it happened, microseconds; a clock running ahead by more than five minutes is set to ours.

    Raises:
        InvalidInput: outside 1990..2200.
    """
    at = to_micros(native.occurred_at)
    return now if at > now + MAX_SKEW else at


def is_ahead(native: Native, *, now: int) -> bool:
    """Whether its time was replaced by ours, because the sender's clock runs ahead.

    Raises:
        InvalidInput: as `occurred`.
    """
    return to_micros(native.occurred_at) > now + MAX_SKEW


def customer_of(native: Native) -> str:
    """The unit.

    Raises:
        InvalidInput: the id names nobody, or is no id.
    """
    unit = unit_of(native.customer_id)
    if unit is None:
        raise InvalidInput(f"{native.customer_id!r} names no customer", field="customer_id")
    return unit


def event_of(native: Native, fact: Fact, *, now: int) -> Event:
    """The canonical event around a fact.

    Raises:
        InvalidInput: an id or time that can't be taken.
    """
    event = Event(
        id=check_event_id(native.id),
        type=_TAGS[type(native)],
        customer=customer_of(native),
        occurred_at=occurred(native, now=now),
        digest=digest_of(native),
        fact=fact,
    )
    if isinstance(native, NativeProfile):
        return msgspec.structs.replace(event, link=_linked(native), contact=contact_of(native))
    return event


def contact_of(native: NativeProfile) -> dict[str, str]:
    """How to reach the customer, where the event tells it; an empty text forgets.

    Raises:
        InvalidInput: no address that a message could go to.
    """
    found: dict[str, str] = {}
    for name in CONTACT:
        if name in native.attributes:
            value = native.attributes[name]
            told = "" if value is None else value.strip() if isinstance(value, str) else None
            if told is None or (told and not _REACHABLE[name].match(told)):
                raise InvalidInput(f"nobody can be reached there as {name}", field=f"attributes.{name}")
            found[name] = told
    return found


def _bundled(channel: str, purpose: str) -> bool:
    """Whether one consent speaks for several channels or purposes; an objection to profiling is for all channels."""
    both = f"{channel} {purpose}" if purpose != PROFILING else purpose
    return _BUNDLE.search(both) is not None


def _linked(native: NativeProfile) -> str | None:
    if native.anonymous_id is None:
        return None
    unit = unit_of(native.anonymous_id)
    if unit is None:
        raise InvalidInput(f"{native.anonymous_id!r} names nobody", field="anonymous_id")
    return None if unit == unit_of(native.customer_id) else unit


def fact_of(native: Native, catalogue: Catalogue) -> Fact:
    """What a native event says; exposures are resolved by the workflow, because they need a decision.

    Raises:
        InvalidInput: an amount, currency or reference that can't be taken.
    """
    return _FACTS[type(native)](native, catalogue)


def _cancelled(native: NativeCancellation, _catalogue: Catalogue) -> Cancellation:
    return Cancellation(order_id=native.order_id)


def _unresolved(_native: NativeExposure, _catalogue: Catalogue) -> Fact:
    raise InvalidInput("an exposure is resolved by a decision", field="type")


def _viewed(native: NativeProductViewed, _catalogue: Catalogue) -> Interaction:
    return Interaction(sku=native.sku)


def _cart(native: NativeCartUpdated, _catalogue: Catalogue) -> Interaction:
    if not native.added and not native.removed:
        return Interaction(data={"skus": [item.sku for item in native.cart]})
    if native.cart:
        raise InvalidInput("a cart is told whole, or by what changed", field="cart")
    skus = {"added": [item.sku for item in native.added], "removed": [item.sku for item in native.removed]}
    return Interaction(data={name: found for name, found in skus.items() if found})


def _reviewed(native: NativeReview, _catalogue: Catalogue) -> Interaction:
    return Interaction(sku=native.sku, number=native.rating, text=native.text)


def _shipped(native: NativeShipment, _catalogue: Catalogue) -> Interaction:
    return Interaction(data={"order_id": native.order_id, "stage": native.stage})


def _profile(native: NativeProfile, _catalogue: Catalogue) -> Interaction:
    return Interaction(data={name: value for name, value in native.attributes.items() if name not in CONTACT})


def _consent(native: NativeConsent, _catalogue: Catalogue) -> Interaction:
    if _bundled(native.channel, native.purpose):
        raise InvalidInput("each channel and each purpose is consented to on its own", field="channel")
    data = {"channel": native.channel, "purpose": native.purpose, "granted": native.granted}
    extra = {"text_version": native.text_version, "source": native.source}
    return Interaction(data={**data, **{name: value for name, value in extra.items() if value is not None}})


def _unsubscribed(native: NativeUnsubscribe, catalogue: Catalogue) -> Interaction:
    experiment_id = _experiment(native.experiment, catalogue)
    return Interaction(experiment_id=experiment_id, data={"channel": native.channel or "email"})


def _complaint(native: NativeComplaint, catalogue: Catalogue) -> Interaction:
    return Interaction(experiment_id=_experiment(native.experiment, catalogue), text=native.text)


def _feedback(native: NativeFeedback, catalogue: Catalogue) -> Interaction:
    return Interaction(
        experiment_id=_experiment(native.experiment, catalogue),
        offer=native.offer,
        number=native.score,
        text=native.text,
    )


def _about_offer(
    native: NativeOfferViewed | NativeOfferClicked | NativeOfferAccepted | NativeOfferDeclined, catalogue: Catalogue
) -> Interaction:
    variant: int | None = None
    if native.experiment is not None and native.variant is not None:
        found = catalogue.experiment(native.experiment)
        if found is not None and native.variant not in found[1]:
            raise InvalidInput(f"{native.experiment!r} has no variant {native.variant!r}", field="variant")
        variant = None if found is None else found[1].index(native.variant)
    sku = reason = text = None
    if isinstance(native, NativeOfferDeclined):
        sku, reason, text = native.sku, native.reason, native.text
        if sku is None and native.offer is not None:
            sku = catalogue.offered(native.offer)
    more = {"reason": reason, "placement": native.placement, "slot": native.slot, "agent": native.agent}
    return Interaction(
        experiment_id=_experiment(native.experiment, catalogue),
        variant=variant,
        offer=native.offer,
        sku=sku,
        text=text,
        data={name: value for name, value in more.items() if value is not None},
    )


def _experiment(key: str | None, catalogue: Catalogue) -> int | None:
    if key is None:
        return None
    found = catalogue.experiment(key)
    if found is None:
        raise InvalidInput(f"no experiment has the key {key!r}", field="experiment")
    return found[0]


_FACTS: Final[dict[type, Callable[[Any, Catalogue], Fact]]] = {
    NativeExposure: _unresolved,
    NativeOfferViewed: _about_offer,
    NativeOfferClicked: _about_offer,
    NativeOfferAccepted: _about_offer,
    NativeOfferDeclined: _about_offer,
    NativeOrder: order_of,
    NativeRefund: refund_of,
    NativeCancellation: _cancelled,
    NativeProductViewed: _viewed,
    NativeCartUpdated: _cart,
    NativeUnsubscribe: _unsubscribed,
    NativeComplaint: _complaint,
    NativeFeedback: _feedback,
    NativeReview: _reviewed,
    NativeShipment: _shipped,
    NativeProfile: _profile,
    NativeConsent: _consent,
}
