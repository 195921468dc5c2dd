"""Endpoints that a project's messages go to. A secret leaves this module only to sign."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, delete, func, insert, select, update

from offerlab.domain.webhook import Webhook
from offerlab.storage.tables import webhooks


class Endpoint(Struct, frozen=True, kw_only=True):
    """A webhook with what signs its messages."""

    webhook: Webhook
    secret: bytes
    old_secret: bytes | None = None
    old_until: int | None = None

    def secrets(self, now: int) -> tuple[bytes, ...]:
        """Secrets that sign at `now`; the one before the last rotation for a while longer."""
        if self.old_secret is None or self.old_until is None or self.old_until <= now:
            return (self.secret,)
        return self.secret, self.old_secret


def add(connection: Connection, project_id: int, webhook: Webhook, *, secret: bytes) -> Webhook:
    """Store a new endpoint; its number is given here."""
    done = connection.execute(
        insert(webhooks).values(
            project_id=project_id,
            url=webhook.url,
            types=list(webhook.types),
            description=webhook.description,
            secret=secret,
            enabled=webhook.enabled,
            reason=webhook.reason,
            created_at=webhook.created_at,
        )
    )
    number: int = done.inserted_primary_key[0] if done.inserted_primary_key else 0
    return structs.replace(webhook, id=number)


def save(connection: Connection, webhook: Webhook) -> None:
    """Store what a person may change of an endpoint."""
    connection.execute(
        update(webhooks)
        .where(webhooks.c.id == webhook.id)
        .values(
            url=webhook.url,
            types=list(webhook.types),
            description=webhook.description,
            enabled=webhook.enabled,
            reason=webhook.reason,
        )
    )


def rotate(connection: Connection, webhook_id: int, *, secret: bytes, old_until: int) -> None:
    """Sign with a new secret; the one until now signs as well until `old_until` (microseconds)."""
    connection.execute(
        update(webhooks)
        .where(webhooks.c.id == webhook_id)
        .values(secret=secret, old_secret=webhooks.c.secret, old_until=old_until)
    )


def switch_off(connection: Connection, webhook_id: int, *, reason: str) -> None:
    """Send nothing there until a person switches it on again."""
    connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(enabled=False, reason=reason))


def remove(connection: Connection, webhook_id: int) -> None:
    """Forget an endpoint and its secret."""
    connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))


def find(connection: Connection, project_id: int, webhook_id: int) -> Webhook | None:
    """One endpoint of a project."""
    row = connection.execute(
        select(webhooks).where(webhooks.c.project_id == project_id, webhooks.c.id == webhook_id)
    ).one_or_none()
    return None if row is None else _webhook(row)


def everything(connection: Connection, project_id: int) -> list[Webhook]:
    """All endpoints of a project, oldest first."""
    rows = connection.execute(select(webhooks).where(webhooks.c.project_id == project_id).order_by(webhooks.c.id))
    return [_webhook(row) for row in rows]


def count(connection: Connection, project_id: int) -> int:
    """How many endpoints a project has."""
    query = select(func.count()).select_from(webhooks).where(webhooks.c.project_id == project_id)
    found: int = connection.execute(query).scalar_one()
    return found


def endpoints(connection: Connection, ids: Sequence[int]) -> dict[int, Endpoint]:
    """Endpoints with their secrets, for who sends."""
    rows = connection.execute(select(webhooks).where(webhooks.c.id.in_(ids)))
    return {
        row.id: Endpoint(
            webhook=_webhook(row),
            secret=bytes(row.secret),
            old_secret=None if row.old_secret is None else bytes(row.old_secret),
            old_until=row.old_until,
        )
        for row in rows
    }


def _webhook(row: Any) -> Webhook:  # noqa: ANN401 - a row of `webhooks`
    return Webhook(
        id=row.id,
        url=row.url,
        types=tuple(row.types),
        description=row.description,
        enabled=row.enabled,
        reason=row.reason,
        created_at=row.created_at,
    )
