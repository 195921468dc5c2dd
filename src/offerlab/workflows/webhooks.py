"""Endpoints that hear what happens: make, change, try, remove; and what was sent to them."""

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from offerlab.delivery.signing import secret_text
from offerlab.domain.clock import DAY, iso
from offerlab.domain.webhook import MAX_WEBHOOKS, MessageType, Webhook
from offerlab.errors import Conflict, NotFound
from offerlab.storage import outbox, webhooks
from offerlab.storage.database import reading
from offerlab.storage.outbox import Message
from offerlab.workflows.desk import Desk
from offerlab.workflows.runtime import Runtime

__all__ = [
    "Message",
    "announce",
    "change",
    "create",
    "deliveries",
    "everything",
    "one",
    "remove",
    "replay",
    "rotate",
    "try_out",
]

SECRET_BYTES: Final = 32
LARGEST: Final = 2**63 - 1
"""No row has a higher number."""

OVERLAP: Final = DAY
"""How long the old secret signs beside a new one."""


class Envelope(Struct, frozen=True):
    """What a receiver reads: Standard Webhooks' body."""

    type: MessageType
    timestamp: str
    data: dict[str, object]


def create(desk: Desk, webhook: Webhook) -> tuple[Webhook, str]:
    """Store an endpoint whose URL was checked.

    Returns:
        The endpoint, and the secret that signs what it gets: shown once.

    Raises:
        Conflict: the project has as many as it may.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    with desk.change() as connection:
        if webhooks.count(connection, desk.project_id) >= MAX_WEBHOOKS:
            raise Conflict(f"a project has at most {MAX_WEBHOOKS} webhooks")
        webhook = replace(webhook, created_at=desk.runtime.now())
        stored = webhooks.add(connection, desk.project_id, webhook, secret=secret)
        desk.log(connection, "define", f"webhook:{stored.id}", after=stored)
    return stored, secret_text(secret)


def change(desk: Desk, webhook: Webhook) -> Webhook:
    """Store what was changed of an endpoint; switching it on forgets why it was off.

    Raises:
        NotFound: no such endpoint.
    """
    with desk.change() as connection:
        known = find(connection, desk.project_id, webhook.id)
        fresh = replace(webhook, created_at=known.created_at, reason=None if webhook.enabled else known.reason)
        webhooks.save(connection, fresh)
        desk.log(connection, "change", f"webhook:{known.id}", before=known, after=fresh)
    return fresh


def rotate(desk: Desk, webhook_id: int) -> tuple[Webhook, str]:
    """Give an endpoint a new secret; the old one signs beside it for a day.

    Raises:
        NotFound: no such endpoint.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    with desk.change() as connection:
        known = find(connection, desk.project_id, webhook_id)
        webhooks.rotate(connection, webhook_id, secret=secret, old_until=desk.runtime.now() + OVERLAP)
        desk.log(connection, "rotate_secret", f"webhook:{webhook_id}")
    return known, secret_text(secret)


def remove(desk: Desk, webhook_id: int) -> Webhook:
    """Forget an endpoint; what waited for it is cancelled.

    Raises:
        NotFound: no such endpoint.
    """
    with desk.change() as connection:
        known = find(connection, desk.project_id, webhook_id)
        outbox.cancel_webhook(connection, webhook_id, now=desk.runtime.now(), reason="the webhook was deleted")
        webhooks.remove(connection, webhook_id)
        desk.log(connection, "delete", f"webhook:{webhook_id}", before=known)
    return known


def try_out(desk: Desk, webhook_id: int) -> str:
    """Put a test message on its way; its id.

    Raises:
        NotFound: no such endpoint.
        Conflict: it is switched off.
    """
    with desk.change() as connection:
        known = find(connection, desk.project_id, webhook_id)
        if not known.enabled:
            raise Conflict(f"webhook {webhook_id} is switched off: {known.reason or 'by a person'}")
        message = message_for(desk.runtime, desk.project_id, known, "webhook.test", {"webhook": webhook_id})
        outbox.put(connection, [message])
        desk.log(connection, "test", f"webhook:{webhook_id}")
    return message.message_id


def announce(desk: Desk, connection: Connection, kind: MessageType, data: dict[str, object]) -> None:
    """Tell every endpoint that wants to know, in the transaction of what is told."""
    message_id = desk.runtime.new_message_id()
    outbox.put(
        connection,
        [
            message_for(desk.runtime, desk.project_id, webhook, kind, data, message_id=message_id)
            for webhook in webhooks.everything(connection, desk.project_id)
            if webhook.wants(kind)
        ],
    )


def message_for(
    runtime: Runtime,
    project_id: int,
    webhook: Webhook,
    kind: MessageType,
    data: dict[str, object],
    *,
    message_id: str | None = None,
) -> Message:
    """A message for one endpoint, due now."""
    now = runtime.now()
    return Message(
        id=0,
        project_id=project_id,
        message_id=message_id or runtime.new_message_id(),
        target=f"webhook:{webhook.id}",
        webhook_id=webhook.id,
        type=kind,
        body=msgspec.json.encode(Envelope(kind, iso(now), data)),
        next_at=now,
        created_at=now,
    )


def replay(desk: Desk, webhook_id: int, message_ids: Sequence[int]) -> int:
    """Send delivered or dead messages of an endpoint once more, under the ids they had; how many that were.

    Raises:
        NotFound: no such endpoint, or a message that is not its own.
    """
    with desk.change() as connection:
        find(connection, desk.project_id, webhook_id)
        own = outbox.own(connection, desk.project_id, webhook_id, message_ids)
        for number in message_ids:
            if number not in own:
                raise NotFound(f"webhook {webhook_id} has no delivery {number}")
        count = outbox.replay(connection, desk.project_id, message_ids, now=desk.runtime.now())
        desk.log(connection, "replay", f"webhook:{webhook_id}", after={"deliveries": list(message_ids)})
    return count


def deliveries(
    runtime: Runtime, project_id: int, webhook_id: int, *, status: str | None, before: int | None, limit: int
) -> list[Message]:
    """What was sent to an endpoint, newest first.

    Raises:
        NotFound: no such endpoint.
    """
    with reading(runtime.engine) as connection:
        find(connection, project_id, webhook_id)
        return outbox.of_webhook(connection, project_id, webhook_id, status=status, before=before, limit=limit)


def everything(runtime: Runtime, project_id: int) -> list[Webhook]:
    """All endpoints of a project, oldest first."""
    with reading(runtime.engine) as connection:
        return webhooks.everything(connection, project_id)


def one(runtime: Runtime, project_id: int, webhook_id: int) -> Webhook:
    """One endpoint.

    Raises:
        NotFound: no such endpoint.
    """
    with reading(runtime.engine) as connection:
        return find(connection, project_id, webhook_id)


def find(connection: Connection, project_id: int, webhook_id: int) -> Webhook:
    """One endpoint of a project, within a transaction.

    Raises:
        NotFound: no such endpoint.
    """
    known = webhooks.find(connection, project_id, webhook_id) if 0 < webhook_id <= LARGEST else None
    if known is None:
        raise NotFound(f"no webhook has the id {webhook_id}")
    return known
