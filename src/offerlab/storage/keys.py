"""API keys: stored as SHA-256 of random 192 bits or more, found by that hash in one look-up."""

import hashlib
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from offerlab.storage.tables import keys, sessions

KeyKind = Literal["admin", "server", "client", "read"]


class StoredKey(Struct, frozen=True, kw_only=True):
    """A key as we know it: everything but the secret itself."""

    id: int
    project_id: int
    kind: KeyKind
    name: str
    prefix: str
    created_at: int
    last_used_at: int | None = None
    expires_at: int | None = None
    revoked_at: int | None = None


def digest(secret: str) -> bytes:
    """What is stored of a secret: a fast hash will do, because the secret is random and long."""
    return hashlib.sha256(secret.encode()).digest()


def add(connection: Connection, *, project_id: int, kind: KeyKind, name: str, secret: str, now: int) -> StoredKey:
    """Store a new key; the caller shows the secret once and forgets it."""
    hashed = digest(secret)
    connection.execute(
        insert(keys).values(
            project_id=project_id, kind=kind, name=name, prefix=secret[:14], digest=hashed, created_at=now
        )
    )
    return _key(connection.execute(select(keys).where(keys.c.digest == hashed)).one())


def find(connection: Connection, hashed: bytes) -> StoredKey | None:
    """The key with this hash, revoked and expired ones included."""
    row = connection.execute(select(keys).where(keys.c.digest == hashed)).one_or_none()
    return None if row is None else _key(row)


def everything(connection: Connection, project_id: int) -> list[StoredKey]:
    """All keys of a project, oldest first."""
    rows = connection.execute(select(keys).where(keys.c.project_id == project_id).order_by(keys.c.id))
    return [_key(row) for row in rows]


def live(connection: Connection) -> dict[bytes, StoredKey]:
    """Every key that is not revoked, by hash: what serving holds in memory."""
    rows = connection.execute(select(keys).where(keys.c.revoked_at.is_(None)))
    return {row.digest: _key(row) for row in rows}


def revoke(connection: Connection, project_id: int, key_id: int, *, now: int) -> bool:
    """Revoke a key; False when there is none."""
    done = connection.execute(
        update(keys).where(keys.c.project_id == project_id, keys.c.id == key_id).values(revoked_at=now)
    )
    return done.rowcount == 1


def open_session(connection: Connection, *, key_id: int, token: str, now: int, expires_at: int) -> None:
    """Remember a dashboard session; the cookie carries the token, the table only its hash."""
    connection.execute(
        insert(sessions).values(digest=digest(token), key_id=key_id, created_at=now, expires_at=expires_at)
    )


def session_key(connection: Connection, token: str, *, now: int) -> StoredKey | None:
    """The key behind a session that has not ended."""
    row = connection.execute(
        select(keys)
        .join(sessions, sessions.c.key_id == keys.c.id)
        .where(sessions.c.digest == digest(token), sessions.c.expires_at > now, keys.c.revoked_at.is_(None))
    ).one_or_none()
    return None if row is None else _key(row)


def close_session(connection: Connection, token: str) -> None:
    """Forget a session."""
    connection.execute(sessions.delete().where(sessions.c.digest == digest(token)))


def _key(row: Any) -> StoredKey:  # noqa: ANN401 - a row of `keys`
    return StoredKey(
        id=row.id,
        project_id=row.project_id,
        kind=row.kind,
        name=row.name,
        prefix=row.prefix,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
