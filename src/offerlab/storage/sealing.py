"""What was sent, kept unreadable: AES-256-GCM, under the customer's own key or, for what names nobody, the project's.

Destroying a customer's key is erasing every payload of theirs, in backups too.
"""

import hmac
import os
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from offerlab.storage.tables import contact_keys, payloads

_NONCE: Final = 12
_CHUNK: Final = 500


def seal(key: bytes, content: bytes) -> bytes:
    """`content` under a 32-byte key: nonce, then ciphertext."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content, None)


def unseal(key: bytes, sealed: bytes) -> bytes | None:
    """What was sealed, None under another key."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
    except InvalidTag:
        return None


def project_key(secret: bytes, purpose: str) -> bytes:
    """A 32-byte key of the project for one purpose."""
    return hmac.digest(secret, b"seal:" + purpose.encode(), "sha256")


def keys_for(connection: Connection, customers: Iterable[int]) -> dict[int, bytes]:
    """The keys of customers, new ones made where there are none."""
    wanted = sorted(set(customers))
    found = _keys(connection, wanted)
    missing = [number for number in wanted if number not in found]
    if missing:
        module = postgresql if connection.dialect.name == "postgresql" else sqlite
        rows = [{"customer": number, "secret": os.urandom(32)} for number in missing]
        connection.execute(module.insert(contact_keys).on_conflict_do_nothing(), rows)
        found.update(_keys(connection, missing))
    return found


def _keys(connection: Connection, customers: list[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for start in range(0, len(customers), _CHUNK):
        part = customers[start : start + _CHUNK]
        query = select(contact_keys).where(contact_keys.c.customer.in_(part))
        found.update((row.customer, bytes(row.secret)) for row in connection.execute(query))
    return found


def keep(connection: Connection, project_id: int, items: Iterable[tuple[str, int, bytes]], *, now: int) -> None:
    """Keep payloads (event id, customer, as sent), sealed."""
    wanted = list(items)
    if not wanted:
        return
    keys = keys_for(connection, (customer for _, customer, _ in wanted))
    rows = [
        {
            "project_id": project_id,
            "event_id": event_id,
            "customer": customer,
            "received_at": now,
            "sealed": seal(keys[customer], raw),
        }
        for event_id, customer, raw in wanted
    ]
    connection.execute(insert(payloads), rows)


def purge(connection: Connection, project_id: int, *, before: int) -> int:
    """Drop payloads received before an instant; how many."""
    done = connection.execute(
        delete(payloads).where(payloads.c.project_id == project_id, payloads.c.received_at < before)
    )
    return done.rowcount
