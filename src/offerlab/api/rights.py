"""Who may call: every route declares a right, every key has some, and a route without one stops the start."""

import base64
import binascii
from functools import lru_cache
from typing import Any, Final, Literal

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from offerlab.errors import Forbidden, Unauthenticated
from offerlab.workflows.access import KeyKind, StoredKey, digest
from offerlab.workflows.runtime import Runtime

Right = Literal[
    "open", "define", "decide", "decide_many", "send", "write_key", "signed", "read", "customers", "inspect", "page"
]

_KEYS: Final[dict[Right, frozenset[KeyKind]]] = {
    "define": frozenset(("admin",)),
    "decide": frozenset(("admin", "server", "client")),
    "decide_many": frozenset(("admin", "server")),
    "send": frozenset(("admin", "server", "client")),
    "write_key": frozenset(("admin", "server", "client")),
    "read": frozenset(("admin", "read")),
    "customers": frozenset(("admin", "server")),
    "inspect": frozenset(("admin", "read")),
}
_BEARER: Final = b"Bearer "
_LOOPBACK: Final = frozenset(("127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost"))


class Caller(Struct, frozen=True):
    """Who calls, and for which project."""

    key: StoredKey

    @property
    def project_id(self) -> int:
        """The project that the key belongs to."""
        return self.key.project_id

    @property
    def actor(self) -> str:
        """How the audit log names the caller."""
        return f"key:{self.key.id} {self.key.prefix}… ({self.key.kind})"


def secret_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The key sent with a request: Bearer, X-API-Key, or the Basic user name."""
    authorization, api_key = connection.headers.get("authorization", ""), connection.headers.get("x-api-key", "")
    return _secret_in(authorization.encode("latin-1"), api_key.encode("latin-1"))


def _secret_in(authorization: bytes, api_key: bytes) -> str | None:
    """The key in these two headers."""
    if api_key:
        return api_key.decode("latin-1")
    if authorization.startswith(_BEARER):
        return authorization[len(_BEARER) :].decode("latin-1").strip() or None
    scheme, _, rest = authorization.partition(b" ")
    scheme, rest = scheme.lower(), rest.strip()
    if scheme == b"bearer":
        return rest.decode("latin-1") or None
    if scheme == b"basic":
        try:
            user = base64.b64decode(rest, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return None
        return user or None
    return None


def identify(runtime: Runtime, secret: str | None) -> Caller:
    """The caller behind a key.

    Raises:
        Unauthenticated: no key, an unknown, expired or revoked one.
    """
    return identify_by_digest(runtime, None if secret is None else _digest(secret))


def identify_by_digest(runtime: Runtime, digested: bytes | None) -> Caller:
    """As `identify`, by the digest of a key.

    Raises:
        Unauthenticated: as `identify`.
    """
    if digested is None:
        raise Unauthenticated("send an API key as Authorization: Bearer, X-API-Key or the Basic user name")
    key = runtime.key(digested)
    if key is None:
        raise Unauthenticated("this API key is unknown, expired or revoked")
    return Caller(key)


@lru_cache(maxsize=256)
def digest_in(authorization: bytes, api_key: bytes) -> bytes | None:
    """The digest of the key in these two headers; shops have a handful, and send one with every request."""
    secret = _secret_in(authorization, api_key)
    return None if secret is None else _digest(secret)


def _digest(secret: str) -> bytes:
    return digest(secret) if secret.isascii() else b""


def allow(caller: Caller, right: Right) -> None:
    """Let a caller with this right pass.

    Raises:
        Forbidden: the key is of another kind.
    """
    if caller.key.kind not in _KEYS[right]:
        raise Forbidden(f"a {caller.key.kind} key may not do this", extra={"right": right})


def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar's guard: authenticate and authorise by the route's declared right."""
    right: Right = handler.opt["right"]
    if right in ("open", "page", "write_key", "signed"):
        return  # a write key may stand in the body, a signature is over it: the handler reads it, and refuses
    if right == "inspect" and connection.client is not None and connection.client.host in _LOOPBACK:
        return
    runtime: Runtime = connection.app.state.runtime
    caller = identify(runtime, secret_of(connection))
    allow(caller, right)
    connection.scope["user"] = caller


def may(kind: KeyKind | None, right: Right) -> bool:
    """Whether a key of this kind (None: no key) has the right; the tests' matrix and the docs are made from this."""
    if right in ("open", "page", "signed"):
        return True
    return kind is not None and kind in _KEYS[right]
