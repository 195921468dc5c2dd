"""Rules as bytes: on disk for a start without a database, and over the wire for who decides without a service.

JSON, so that other languages can read it beside `docs/assignment.md`. Fields that a reader does not know are passed
over; another `format` is refused.
"""

from typing import Final

import msgspec
from msgspec import Struct, structs

from offerlab.assignment.ruleset import Rules
from offerlab.errors import InvalidInput

FORMAT: Final = 1


class Document(Struct, frozen=True, kw_only=True):
    """Rules with the number of the form they are written in."""

    format: int = FORMAT
    rules: Rules


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Document)


def encode(rules: Rules) -> bytes:
    """Rules as a JSON document."""
    return _ENCODER.encode(Document(rules=rules))


def decode(document: bytes) -> Rules:
    """The rules in a document.

    Raises:
        InvalidInput: it is no such document, or of another format.
    """
    try:
        found = _DECODER.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"this is no ruleset: {error}") from error
    if found.format != FORMAT:
        raise InvalidInput(f"this ruleset has format {found.format}, here {FORMAT} is known", field="format")
    return found.rules


def published(rules: Rules) -> Rules:
    """What may leave for a server that decides by itself: no drafts, no costs, no registry, no notes."""
    return structs.replace(
        rules,
        settings=structs.replace(rules.settings, attributes={}),
        experiments=tuple(
            structs.replace(one, halts=(), authors=(), proposal=None)
            for one in rules.experiments
            if one.status != "draft"
        ),
        products=tuple(structs.replace(product, unit_cost_micro=None) for product in rules.products),
        offers=tuple(structs.replace(offer, delivery_cost_micro=0) for offer in rules.offers),
    )
