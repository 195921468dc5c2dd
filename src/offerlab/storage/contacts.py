"""How to reach a customer: the id as sent, addresses, and messages on their way; sealed under a key of their own.

Whoever is erased loses the key, and with it every copy of what it sealed, wherever a backup or an old page keeps it.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from offerlab.storage import sealing
from offerlab.storage.tables import contact_keys, contacts

CUSTOMER_ID: Final = "id"
"""The name under which the id as sent is kept."""

_FIELDS: Final = msgspec.msgpack.Decoder(dict[str, str])


def remember(connection: Connection, number: int, fields: Mapping[str, str], *, now: int) -> None:
    """Keep what is told of a customer over what is known; an empty text forgets a field."""
    known = recall(connection, number)
    fresh = {name: text for name, text in {**known, **fields}.items() if text}
    if fresh == known:
        return
    sealed = seal(connection, number, msgspec.msgpack.encode(fresh))
    module = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = module.insert(contacts).values(customer=number, sealed=sealed, updated_at=now)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["customer"], set_={"sealed": sealed, "updated_at": now})
    )


def recall(connection: Connection, number: int) -> dict[str, str]:
    """What is known of how to reach a customer; nothing of one who is unknown or erased."""
    sealed = connection.execute(select(contacts.c.sealed).where(contacts.c.customer == number)).scalar_one_or_none()
    opened = None if sealed is None else unseal(connection, number, bytes(sealed))
    return {} if opened is None else _FIELDS.decode(opened)


def seal(connection: Connection, number: int, raw: bytes) -> bytes:
    """`raw` under the customer's key, which is made when there is none."""
    return sealing.seal(sealing.keys_for(connection, [number])[number], raw)


def unseal(connection: Connection, number: int, sealed: bytes) -> bytes | None:
    """What was sealed; None when the key is gone."""
    secret = connection.execute(
        select(contact_keys.c.secret).where(contact_keys.c.customer == number)
    ).scalar_one_or_none()
    return None if secret is None else sealing.unseal(bytes(secret), sealed)
