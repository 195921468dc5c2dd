"""One thing that a source sent, read: the native event that it says, or why it says none."""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from offerlab.domain.event import Rejection
from offerlab.errors import InvalidInput
from offerlab.intake import strict
from offerlab.intake.native import Native

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_DECODER: Final = msgspec.json.Decoder(dict[str, object])


class Arrival(Struct, frozen=True, kw_only=True, gc=False):
    """What came of one item.

    Attributes:
        said: the native event, why there is none, or None when the item means nothing here and that is all right.
        raw: the item as sent.
        digest: 16 bytes over what was said, where the native event is not it (its time is corrected by a clock that
            moves with every retry); None for the native event's own.
        kept: whether the raw payload says more than the native event, so that it is worth keeping for a while.
        clock_off: whether the sender's clock was wrong by more than five minutes, and the time corrected for it.
    """

    said: Native | Rejection | None
    raw: bytes
    digest: bytes | None = None
    kept: bool = False
    clock_off: bool = False


def read_object(raw: bytes) -> dict[str, object]:
    """A JSON object that every reader understands alike.

    Raises:
        InvalidInput: no JSON, no object, or one that readers disagree about.
    """
    try:
        body = _DECODER.decode(raw)
        strict.quick_check(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise strict.NotJson(str(error) or "not JSON") from error
    return body


def native_of(fields: Mapping[str, object]) -> Native:
    """The native event with these fields.

    Raises:
        InvalidInput: a field is missing or can't be taken.
    """
    try:
        native: Native = msgspec.convert(fields, Native)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error)) from error
    return native


def digest_over(body: Mapping[str, object], volatile: frozenset[str]) -> bytes:
    """16 bytes over a payload, what changes from one delivery to the next left out."""
    stable = {name: value for name, value in body.items() if name not in volatile}
    return hashlib.blake2b(_ENCODER.encode(stable), digest_size=16).digest()


def refused(index: int, error: InvalidInput, raw: bytes, *, event_id: str | None, kind: str | None) -> Arrival:
    """The arrival of something that can't be taken."""
    said = Rejection(index=index, code=code_of(error), detail=error.detail, id=event_id, type=kind)
    return Arrival(said=said, raw=raw)


def code_of(error: InvalidInput) -> str:
    """The item's code: of the error where it is more special than `invalid`, else by the field at fault."""
    if error.code not in ("invalid", "invalid_input"):
        return error.code
    if error.field in ("customer_id", "anonymous_id"):
        return "invalid_customer_id"
    if error.field == "occurred_at":
        return "invalid_time"
    return "unknown_experiment" if error.field == "experiment" else "invalid"
