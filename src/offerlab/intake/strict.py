"""What JSON decoders let pass and databases disagree about: a key twice in one object, NUL, numbers beyond 64 bits.

PostgreSQL refuses texts that SQLite stores, and of two equal keys every reader picks another one: such a body must not
get past the door.
"""

import json
import re
from typing import Any, Final

from offerlab.errors import InvalidInput

_INT64: Final = 2**63
_LONGEST_INT64: Final = 20
_SHOWN: Final = 100
_STRINGS: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?')
_SUSPICIOUS: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\d{19}")


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


def check_small(body: bytes) -> None:
    """As `check`, at a tenth of its cost where a glance shows that there is nothing to refuse.

    Raises:
        NotJson, InvalidInput: as `check`.
    """
    keys = [key for key, colon in _STRINGS.findall(body) if colon]
    if len(set(keys)) != len(keys) or _SUSPICIOUS.search(body):
        check(body)


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
