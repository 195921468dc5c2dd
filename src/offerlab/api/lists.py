"""Lists: pages in order of their keys, the next one behind an opaque cursor."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from litestar import Request
from msgspec import Struct

from offerlab.api.routing import Parameter
from offerlab.errors import InvalidInput

PAGE: Final = 50
_DIGITS: Final = len(str(2**63))
LARGEST: Final = 1_000
QUERY: Final = (
    Parameter("cursor", str | None, "from `next` of the page before"),
    Parameter("limit", int | None, f"items on a page, 1 to {LARGEST}; {PAGE} without"),
)
T = TypeVar("T")


class Page(Struct, frozen=True):
    """One page; `next` is null on the last one."""

    items: list[Any]
    next: str | None


def page_of(request: Request[Any, Any, Any], items: Mapping[str, T], view: Callable[[T], object]) -> Page:
    """The page of `items` that the request asks for, in order of their keys.

    Raises:
        InvalidInput: the limit or the cursor can't be used.
    """
    limit, after = limit_of(request), cursor_of(request)
    keys = sorted(key for key in items if after is None or key > after)
    shown = keys[:limit]
    more = len(keys) > limit
    return Page([view(items[key]) for key in shown], cursor(shown[-1]) if more else None)


def limit_of(request: Request[Any, Any, Any]) -> int:
    """How many items a page may have.

    Raises:
        InvalidInput: no number between 1 and the largest page.
    """
    sent = request.query_params.get("limit")
    if sent is None:
        return PAGE
    if not (sent.isascii() and sent.isdecimal() and len(sent) < len(str(LARGEST)) + 1 and 1 <= int(sent) <= LARGEST):
        raise InvalidInput(f"a limit is a number from 1 to {LARGEST}", field="limit")
    return int(sent)


def cursor_of(request: Request[Any, Any, Any]) -> str | None:
    """The key behind which the page starts.

    Raises:
        InvalidInput: this is no cursor of ours.
    """
    sent = request.query_params.get("cursor")
    if sent is None:
        return None
    try:
        return base64.urlsafe_b64decode(sent.encode("ascii") + b"==").decode()
    except (binascii.Error, UnicodeError) as error:
        raise InvalidInput("this is no cursor of ours", field="cursor") from error


def cursor(key: str) -> str:
    """The opaque form of a key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def before_of(request: Request[Any, Any, Any]) -> int | None:
    """The number before which a page starts.

    Raises:
        InvalidInput: this is no cursor of ours.
    """
    text = cursor_of(request)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < _DIGITS):
        raise InvalidInput("this is no cursor of ours", field="cursor")
    return int(text)
