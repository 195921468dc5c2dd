"""Names that travel: keys of definitions, ids of customers and events.

Written once, because a second opinion about what "the same customer" means would break every running experiment.
"""

import unicodedata
from typing import Annotated, Final

from msgspec import Meta

from offerlab.errors import InvalidInput

Key = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._-]{1,100}\Z", description="1 to 100 of A-Z a-z 0-9 . _ -")]
"""Key of an experiment, variant, offer or segment: goes unescaped into URLs of third-party clients."""

MAX_UNIT: Final = 1024
MAX_EVENT_ID: Final = 255
_INT64: Final = 2**63
_FIRST_PRINTABLE: Final = 0x20
_DELETE: Final = 0x7F
_LAST_C1: Final = 0x9F

JUNK_UNITS: Final = frozenset(("", "null", "undefined", "None", "NaN", "0", "guest", "anonymous", "[object Object]"))
"""What broken storefronts send for "nobody": one shared id would put everybody into one arm."""


def has_control(text: str) -> bool:
    """Whether `text` holds a control character (C0, DEL, C1) or a lone surrogate."""
    return any(
        ord(c) < _FIRST_PRINTABLE or _DELETE <= ord(c) <= _LAST_C1 or 0xD800 <= ord(c) <= 0xDFFF  # noqa: PLR2004 - the surrogate block
        for c in text
    )


def unit_of(customer_id: object) -> str | None:
    """The randomisation unit for a customer id as sent, or None when it names nobody.

    A string is NFC-normalised and otherwise untouched; an integer within int64 is its decimal string.

    Raises:
        InvalidInput: another type, a control character, or more than 1,024 characters.
    """
    if not isinstance(customer_id, str):
        if customer_id is None:
            return None
        if not isinstance(customer_id, int) or isinstance(customer_id, bool):
            raise InvalidInput("a customer id is a string or an integer", field="customer_id")
        if not -_INT64 <= customer_id < _INT64:
            raise InvalidInput("an integer customer id must fit into 64 bits", field="customer_id")
        customer_id = str(customer_id)
    if not customer_id.isascii():
        customer_id = unicodedata.normalize("NFC", customer_id)
    if len(customer_id) > MAX_UNIT:
        raise InvalidInput(f"a customer id has at most {MAX_UNIT} characters", field="customer_id")
    if customer_id.strip() in JUNK_UNITS:
        return None
    if not customer_id.isprintable() and has_control(customer_id):
        raise InvalidInput("a customer id has no control characters", field="customer_id")
    return customer_id


def check_event_id(event_id: object) -> str:
    """Return an event id of 1 to 255 characters.

    Raises:
        InvalidInput: another type or length, or a control character.
    """
    if not isinstance(event_id, str) or not 1 <= len(event_id) <= MAX_EVENT_ID:
        raise InvalidInput(f"an event id is a string of 1 to {MAX_EVENT_ID} characters", field="id")
    if not event_id.isprintable() and has_control(event_id):
        raise InvalidInput("an event id has no control characters", field="id")
    return event_id
