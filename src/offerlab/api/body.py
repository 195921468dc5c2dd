"""Reading a JSON body: bounded, strictly UTF-8, without duplicate keys, every refusal naming its field."""

import re
from typing import Any, Final, Protocol, TypeVar

import msgspec
from litestar import Request

from offerlab.api.problems import Malformed
from offerlab.errors import InvalidInput, TooLarge
from offerlab.intake import strict
from offerlab.workflows.room import Claim

T = TypeVar("T")


class Envelope(Protocol):
    """A body around a long list."""

    @property
    def customers(self) -> msgspec.Raw:
        """The list, unread."""
        ...


E = TypeVar("E", bound=Envelope)

DEFINITION_LIMIT: Final = 1_048_576
DECISION_LIMIT: Final = 64_000
BATCH_LIMIT: Final = 10_485_760
_AT: Final = re.compile(r" - at `(?:key` in `)?\$?\.?(.*?)`$", re.DOTALL)
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_NAMED: Final = re.compile(r"field `(.+?)`")


async def bounded(request: Request[Any, Any, Any], limit: int, *, claim: Claim | None = None) -> bytes:
    """The raw body, at most `limit` bytes of it ever in memory.

    Args:
        request: not read yet.
        limit: bytes.
        claim: what takes room for it, where many large ones may come at once.

    Raises:
        TooLarge: the body is longer, whatever its length header says.
        Unavailable: no room for it.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise TooLarge(f"the body may have at most {limit} bytes")
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if claim is not None:
            claim.take(len(chunk))
        if len(chunks) > limit:
            raise TooLarge(f"the body may have at most {limit} bytes")
    return bytes(chunks)


def decode(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """A body as the decoder's type, checked for what decoders let pass.

    Raises:
        Malformed: it is no JSON.
        InvalidInput: a field is missing, unknown or of another type, or readers would disagree about the body.
    """
    value = _decode(body, decoder)
    _check(body)
    return value


def decode_small(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """As `decode`, at a fraction of the cost of its checks where a glance shows that there is nothing to refuse.

    Args:
        body: JSON.
        decoder: of a type that leaves out what it was not sent when it is written (`check_read`).

    Raises:
        Malformed, InvalidInput: as `decode`.
    """
    value = _decode(body, decoder)
    try:
        strict.check_read(body, value)
    except strict.NotJson as error:
        raise Malformed(error.detail) from error
    return value


def decode_around(body: bytes, decoder: "msgspec.json.Decoder[E]") -> tuple[E, list[msgspec.Raw]]:
    """As `decode`, but for the long list of customers inside: its items are cut apart and left for the caller to read.

    Raises:
        Malformed, InvalidInput: as `decode`.
    """
    around = _decode(body, decoder)
    inside = bytes(around.customers)
    try:
        items = _decode(inside, _ITEMS)
    except InvalidInput as error:
        raise InvalidInput(error.detail, field="customers") from error
    _check(body.replace(inside, b"[]", 1))
    return around, items


def _decode(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"the body is no JSON: {error}") from error
    except RecursionError as error:
        raise Malformed("the body is nested too deeply") from error


def _check(body: bytes) -> None:
    try:
        strict.check(body)
    except strict.NotJson as error:
        raise Malformed(error.detail) from error


def invalid(error: msgspec.ValidationError) -> InvalidInput:
    """A decoder's refusal with the field's path."""
    message = str(error)
    at = _AT.search(message)
    path = at.group(1) if at else ""
    text = _AT.sub("", message)
    named = _NAMED.search(text)
    if named:
        path = f"{path}.{named.group(1)}" if path else named.group(1)
    return InvalidInput(text, field=path or None)
