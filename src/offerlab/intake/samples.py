"""A sample of a payload for people to look at: its shape and what went wrong, not whom it is about."""

from collections.abc import Mapping
from typing import Final, cast

import msgspec

PERSONAL: Final = frozenset(
    (
        "address",
        "address1",
        "address2",
        "anonymousId",
        "anonymous_id",
        "attributes",
        "avatar",
        "billing",
        "billing_address",
        "browser_ip",
        "city",
        "client_details",
        "company",
        "context",
        "customer",
        "customer_id",
        "customer_note",
        "customer_ip_address",
        "customer_user_agent",
        "default_address",
        "email",
        "first_name",
        "firstName",
        "ip",
        "last_name",
        "lastName",
        "name",
        "note",
        "phone",
        "postcode",
        "previousId",
        "review_body",
        "shipping_address",
        "text",
        "token",
        "traits",
        "userId",
        "username",
        "writeKey",
        "zip",
    )
)
"""Fields whose value is masked wherever they stand."""

LONGEST: Final = 2_000
_DEEPEST: Final = 20


def sample_of(raw: bytes) -> str | None:
    """The payload with every personal field masked, cut to `LONGEST` characters; None when it is no JSON."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return msgspec.json.encode(_masked(value, 0)).decode()[:LONGEST]


def _masked(value: object, depth: int) -> object:
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        return {name: "***" if name in PERSONAL else _masked(item, depth + 1) for name, item in fields.items()}
    if isinstance(value, list):
        return [_masked(item, depth + 1) for item in cast("list[object]", value)]
    return value
