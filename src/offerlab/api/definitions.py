"""What the routes of all definitions share: the rules in force, merge patches, one key in path and body."""

from typing import Any, Final, TypeVar

import msgspec
from litestar import Request

from offerlab.api.body import decode
from offerlab.api.changes import caller_of, runtime_of
from offerlab.errors import InvalidInput, NotFound
from offerlab.workflows.snapshot import Snapshot

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]

_PATCH: Final[msgspec.json.Decoder[dict[str, object]]] = msgspec.json.Decoder(dict[str, object])


def snapshot_of(request: AnyRequest) -> Snapshot:
    """The rules of the caller's project."""
    return runtime_of(request).snapshot(caller_of(request).project_id)


def patched(body: bytes, view: object) -> bytes:
    """A stored object with a JSON merge patch's top-level fields over it, as JSON.

    Raises:
        Malformed, InvalidInput: the patch is no JSON object.
    """
    plain: dict[str, object] = msgspec.to_builtins(view)
    changes: dict[str, object] = decode(body, _PATCH)
    return msgspec.json.encode({**plain, **changes})


def same_key(sent: str, path: str, field: str) -> None:
    """Refuse a body that speaks of another object than its path.

    Raises:
        InvalidInput: names the field.
    """
    if sent != path:
        raise InvalidInput(f"the path says {path!r}, the body {sent!r}", field=field)


def found(item: T | None, what: str, key: str) -> T:
    """The object that was asked for.

    Raises:
        NotFound: there is none.
    """
    if item is None:
        raise NotFound(f"no {what} has the key {key!r}")
    return item
