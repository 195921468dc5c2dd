"""What JSON decoders let pass and databases disagree about: a key twice in one object, NUL, numbers beyond 64 bits.

PostgreSQL refuses texts that SQLite stores, and of two equal keys every reader picks another one: such a body must not
get past the door.
"""

import json
from typing import Any, Final

import msgspec

from offerlab.errors import InvalidInput

_INT64: Final = 2**63
_LONGEST_INT64: Final = 20
_SHOWN: Final = 100
_LONG_NUMBER: Final = b"0" * 19
_BACKSLASH: Final = ord("\\")
_ZEROS: Final = bytes(ord("0") if chr(byte).isascii() and chr(byte).isdigit() else byte for byte in range(256))
_ANYTHING: Final = msgspec.json.Decoder()
_PLAIN: Final = msgspec.json.Encoder()


class NotJson(InvalidInput):
    """No JSON after all: a constant such as NaN, or nested beyond any reader."""

    code = "malformed"


class DuplicateKey(InvalidInput):
    """The same key twice in one object."""

    code = "duplicate_key"


def check(body: bytes) -> None:
    """Refuse a body that readers disagree about.

    Raises:
        NotJson: no JSON after all, or nested too deeply.
        InvalidInput: names the key.
    """
    try:
        json.loads(body, object_pairs_hook=_checked, parse_int=_integer, parse_constant=_constant)
    except RecursionError as error:
        raise NotJson("the body is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise NotJson("the body is not UTF-8") from error


def quick_check(body: bytes) -> None:
    """As `check` of a body that a decoder has read, at a fraction of its cost where a glance shows nothing to refuse.

    Where no text without escapes stands twice, be it a key or a value, no key does.

    Raises:
        InvalidInput: as `check`.
    """
    texts = body.split(b'"')[1::2]
    differ = len(set(texts)) == len(texts)
    if _has_oddities(body) or not (differ or _keeps_quotes(body)):
        check(body)


def check_read(body: bytes, value: object) -> None:
    """As `quick_check` of a body that a typed decoder has read, faster still where its value has as many colons.

    A colon follows every key, and others stand in texts. Where a key stands twice, its first value is lost, and nothing
    comes in its place: a value written again has fewer of either, but never more.

    Args:
        body: JSON; keys that the type does not know were refused.
        value: what was made of it, of a type that leaves out what it was not sent when it is written.

    Raises:
        InvalidInput: as `check`.
    """
    if _has_oddities(body) or body.count(b":") != _PLAIN.encode(value).count(b":"):
        quick_check(body)


def _has_oddities(body: bytes) -> bool:
    """Whether it has an escape, or digits in a row that may be too many for 64 bits.

    Not `in` with bytes on its left: Python takes them for a number first, and words the error that they are none.
    """
    return _BACKSLASH in body or body.translate(_ZEROS).find(_LONG_NUMBER) >= 0


def _keeps_quotes(body: bytes) -> bool:
    """Whether a body that is read and written again has as many quotes as before.

    Without escapes every text has two of them: where a key stands twice in an object, its first value is lost, and the
    quotes of the key with it.
    """
    try:
        return _PLAIN.encode(_ANYTHING.decode(body)).count(b'"') == body.count(b'"')
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def _checked(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen:
            raise DuplicateKey(f"the key {name[:_SHOWN]!r} stands here twice", field=name[:_SHOWN])
        seen.add(name)
        for item in (name, *(value if isinstance(value, list) else (value,))):
            if isinstance(item, str) and _is_broken(item):
                raise InvalidInput("a text has no NUL and no lone surrogate", field=name[:_SHOWN])


def _is_broken(text: str) -> bool:
    if "\0" in text:
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INT64 or not -_INT64 <= int(digits) < _INT64:
        raise InvalidInput("an integer must fit into 64 bits")
    return int(digits)


def _constant(word: str) -> float:
    raise NotJson(f"{word} is no JSON")
