"""Replies kept under an `Idempotency-Key`, in the transaction that they report."""

from msgspec import Struct
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from offerlab.storage.tables import replies


class Reply(Struct, frozen=True):
    """What the first request with a key was answered; `digest` is over its method, path and body."""

    digest: bytes
    status: int
    body: bytes


def reserve(connection: Connection, project_id: int, caller: str, key: str, *, digest: bytes, now: int) -> Reply | None:
    """Take a key for this transaction, or return what was answered under it.

    A concurrent transaction with the same key is waited for.
    """
    module = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {
        "project_id": project_id,
        "caller": caller,
        "idempotency_key": key,
        "digest": digest,
        "status": 0,
        "body": b"",
        "created_at": now,
    }
    statement = module.insert(replies).values(row).on_conflict_do_nothing()
    done = connection.execute(statement, execution_options={"preserve_rowcount": True})
    if done.rowcount == 1:
        return None
    found = connection.execute(
        select(replies).where(
            replies.c.project_id == project_id, replies.c.caller == caller, replies.c.idempotency_key == key
        )
    ).one()
    return Reply(bytes(found.digest), found.status, bytes(found.body))


def release(connection: Connection, project_id: int, caller: str, key: str) -> None:
    """Give back a key that `reserve` took: nothing was answered that would hold for a second request."""
    connection.execute(
        delete(replies).where(
            replies.c.project_id == project_id, replies.c.caller == caller, replies.c.idempotency_key == key
        )
    )


def keep(connection: Connection, project_id: int, caller: str, key: str, *, status: int, body: bytes) -> None:
    """Store the answer under the key that `reserve` took."""
    connection.execute(
        update(replies)
        .where(replies.c.project_id == project_id, replies.c.caller == caller, replies.c.idempotency_key == key)
        .values(status=status, body=body)
    )
