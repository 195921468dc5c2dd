"""Sessions of the dashboard: a key opens one, the browser keeps a token, the store keeps the token's hash."""

import secrets
from typing import Final

from msgspec import Struct

from offerlab.domain.clock import DAY
from offerlab.errors import Forbidden, Unauthenticated
from offerlab.storage import keys
from offerlab.storage.database import reading, writing
from offerlab.storage.keys import KeyKind
from offerlab.workflows.runtime import Runtime

SESSION: Final = 7 * DAY
"""How long a session lasts, microseconds."""

_MAY_LOOK: Final = ("admin", "read")


class Visitor(Struct, frozen=True):
    """Who looks at the dashboard: the key that opened the session."""

    key_id: int
    project_id: int
    kind: KeyKind
    prefix: str

    @property
    def actor(self) -> str:
        """How the audit log names the visitor."""
        return f"key:{self.key_id} {self.prefix}… ({self.kind}, dashboard)"


def sign_in(runtime: Runtime, secret: str) -> str:
    """Open a session for the holder of a key.

    Returns:
        The session's token; only its hash is stored.

    Raises:
        Unauthenticated: the key is unknown, expired or revoked.
        Forbidden: a key of a storefront or server; it may not read.
    """
    secret = secret.strip()
    key = runtime.key(keys.digest(secret)) if secret.isascii() else None
    if key is None:
        raise Unauthenticated("this key is unknown, expired or revoked")
    if key.kind not in _MAY_LOOK:
        raise Forbidden(f"a {key.kind} key opens no dashboard")
    token = secrets.token_urlsafe(32)
    now = runtime.now()
    with writing(runtime.engine) as connection:
        keys.open_session(connection, key_id=key.id, token=token, now=now, expires_at=now + SESSION)
    return token


def visitor(runtime: Runtime, token: str | None) -> Visitor | None:
    """Who is behind a session; None when it has ended or never was."""
    if not token or not token.isascii():
        return None
    with reading(runtime.engine) as connection:
        key = keys.session_key(connection, token, now=runtime.now())
    if key is None or (key.expires_at is not None and key.expires_at <= runtime.now()):
        return None
    return Visitor(key.id, key.project_id, key.kind, key.prefix)


def sign_out(runtime: Runtime, token: str) -> None:
    """End a session."""
    with writing(runtime.engine) as connection:
        keys.close_session(connection, token)
