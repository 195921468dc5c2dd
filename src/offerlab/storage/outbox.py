"""Messages on their way. A row is written in the transaction that gives rise to it, and leaves no other way.

A row that somebody sends is leased to them: `attempts` is the fence, so that who lost the lease changes nothing any
more. A webhook whose sender died is sent again under the same message id. An e-mail is different: between the dot that
ends it and hearing that it was taken nobody can know whether it went. Such a row becomes `ambiguous`; it is listed and
sent again only when somebody who can see the mail server's log says that it was not taken (`settle`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from offerlab.domain.clock import SECOND
from offerlab.storage.tables import outbox

Status = Literal["pending", "sending", "handed_over", "delivered", "dead", "ambiguous", "cancelled"]
EMAIL: Final = "email"
Fate = Literal["delivered", "bounced", "not_taken"]
Settled = Literal["delivered", "bounced", "sent_again", "too_early", "unknown"]
SETTLING: Final = 600 * SECOND
"""How long a server may take to log a mail whose sender died: as long as a client waits (RFC 5321, 4.5.3.2.6)."""


class Message(Struct, frozen=True, kw_only=True):
    """One message to one target.

    Attributes:
        message_id: the same for every attempt and every target.
        target: `email` or `webhook:<id>`.
        body: sealed under the customer's key where `customer` is set.
        attempts: how many were begun, this one included while it is sent. failures: how many of them came back without
            success; what a dying sender cut short is none.
        next_at, lease_until, created_at, done_at: microseconds UTC; of an ambiguous mail `next_at` is when the
            server's log is sure to tell.
        answer: HTTP status or SMTP reply of the last attempt. error: why it failed.
    """

    id: int
    project_id: int
    message_id: str
    target: str
    type: str
    body: bytes
    webhook_id: int | None = None
    timed_offer_id: int | None = None
    customer: int | None = None
    status: Status = "pending"
    attempts: int = 0
    failures: int = 0
    next_at: int = 0
    lease_until: int | None = None
    created_at: int = 0
    done_at: int | None = None
    answer: int | None = None
    error: str | None = None


def put(connection: Connection, messages: Iterable[Message]) -> None:
    """Store messages; one that stands there under the same id and target stays as it is."""
    rows = [
        {
            "project_id": one.project_id,
            "message_id": one.message_id,
            "target": one.target,
            "webhook_id": one.webhook_id,
            "timed_offer_id": one.timed_offer_id,
            "customer": one.customer,
            "type": one.type,
            "body": one.body,
            "status": one.status,
            "attempts": 0,
            "failures": 0,
            "next_at": one.next_at,
            "created_at": one.created_at,
        }
        for one in messages
    ]
    if rows:
        module = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(module.insert(outbox).on_conflict_do_nothing(), rows)


_DUE: Final = (
    select(outbox.c.id)
    .where(
        or_(
            and_(outbox.c.status == "pending", outbox.c.next_at <= bindparam("now")),
            and_(outbox.c.status.in_(("sending", "handed_over")), outbox.c.lease_until <= bindparam("now")),
        )
    )
    .limit(1)
)
"""Made once: it is asked twice a second for ever, and to make it costs more than to ask it."""


def is_due(connection: Connection, *, now: int) -> bool:
    """Whether anything is to be sent, or was abandoned: one look without a lock."""
    return connection.execute(_DUE, {"now": now}).first() is not None


def claim(
    connection: Connection,
    *,
    now: int,
    lease: int,
    limit: int,
    busy: Collection[int] = (),
    each: int = 1_000,
    email: bool = True,
) -> list[Message]:
    """Take due messages for sending; two callers never get the same one.

    Args:
        connection: a writing one.
        now: microseconds UTC.
        lease: microseconds after which they count as abandoned.
        limit: at most so many.
        busy: endpoints that have enough under way.
        each: at most so many for one endpoint.
        email: whether e-mails are wanted.
    """
    _settle_abandoned(connection, now)
    query = select(outbox).where(outbox.c.status == "pending", outbox.c.next_at <= now)
    if busy:
        query = query.where(or_(outbox.c.webhook_id.is_(None), outbox.c.webhook_id.not_in(busy)))
    if not email:
        query = query.where(outbox.c.target != EMAIL)
    query = query.order_by(outbox.c.next_at, outbox.c.id).limit(limit)
    taken: list[Message] = []
    counts: Counter[int | None] = Counter()
    for row in connection.execute(_locked(connection, query)):
        counts[row.webhook_id] += 1
        if row.webhook_id is None or counts[row.webhook_id] <= each:
            taken.append(_message(row))
    if taken:
        connection.execute(
            update(outbox)
            .where(outbox.c.id.in_([one.id for one in taken]))
            .values(status="sending", attempts=outbox.c.attempts + 1, lease_until=now + lease)
        )
    return [_begun(one, now + lease) for one in taken]


def _begun(message: Message, lease_until: int) -> Message:
    return replace(message, status="sending", attempts=message.attempts + 1, lease_until=lease_until)


def _settle_abandoned(connection: Connection, now: int) -> None:
    """What a dead sender left: sent again where that is safe, else listed as ambiguous."""
    over = outbox.c.lease_until <= now
    connection.execute(
        update(outbox).where(outbox.c.status == "sending", over).values(status="pending", next_at=now, lease_until=None)
    )
    connection.execute(
        update(outbox)
        .where(outbox.c.status == "handed_over", over)
        .values(
            status="ambiguous",
            lease_until=None,
            done_at=now,
            next_at=now + SETTLING,
            error="nobody heard whether it was taken",
        )
    )


def free_leases(connection: Connection, *, now: int) -> None:
    """End every lease: this process holds the store alone, whoever held them is dead."""
    connection.execute(update(outbox).where(outbox.c.status.in_(("sending", "handed_over"))).values(lease_until=now))
    _settle_abandoned(connection, now)


def hand_over(connection: Connection, message: Message) -> bool:
    """Note that from here on nobody can take the message back; False when the lease was lost."""
    done = connection.execute(update(outbox).where(_mine(message, "sending")).values(status="handed_over"))
    return done.rowcount == 1


def finish(  # noqa: PLR0913 - one argument per fact of the attempt
    connection: Connection,
    message: Message,
    *,
    status: Status,
    now: int,
    next_at: int | None = None,
    answer: int | None = None,
    error: str | None = None,
    spent: bool = True,
) -> bool:
    """Say what came of an attempt; False when the lease was lost meanwhile.

    Args:
        connection: a writing one.
        message: as claimed.
        status: `pending` with `next_at` for another attempt.
        now: microseconds.
        next_at: when it may be tried again.
        answer: status of this attempt.
        error: why it failed.
        spent: whether it counts as an attempt.
    """
    done = connection.execute(
        update(outbox)
        .where(or_(_mine(message, "sending", "handed_over"), _mine_in_doubt(message)))
        .values(
            status=status,
            attempts=message.attempts if spent else message.attempts - 1,
            failures=message.failures + int(spent and status == "pending"),
            next_at=message.next_at if next_at is None else next_at,
            lease_until=None,
            done_at=None if status == "pending" else now,
            answer=answer,
            error=error,
        )
    )
    return done.rowcount == 1


def _mine(message: Message, *statuses: str) -> ColumnElement[bool]:
    return and_(
        outbox.c.id == message.id,
        outbox.c.attempts == message.attempts,
        outbox.c.status.in_(statuses),
        outbox.c.lease_until.is_not(None),
    )


def _mine_in_doubt(message: Message) -> ColumnElement[bool]:
    """A mail whose sender was taken for dead, and yet comes back with the answer."""
    return and_(outbox.c.id == message.id, outbox.c.attempts == message.attempts, outbox.c.status == "ambiguous")


def settle(connection: Connection, project_id: int, message_id: str, fate: Fate, *, now: int) -> Settled:
    """Take the word of somebody who knows what became of a mail.

    Args:
        connection: a writing one.
        project_id: whose mail it is.
        message_id: of the mail.
        fate: `not_taken` counts for an ambiguous mail alone, and only after `SETTLING`: before, the server may still be
            taking it.
        now: microseconds UTC.
    """
    mail = and_(outbox.c.project_id == project_id, outbox.c.message_id == message_id, outbox.c.target == EMAIL)
    if fate == "not_taken":
        again = update(outbox).where(mail, outbox.c.status == "ambiguous", outbox.c.next_at <= now)
        if connection.execute(again.values(status="pending", next_at=now, done_at=None)).rowcount:
            return "sent_again"
        early = select(outbox.c.id).where(mail, outbox.c.status.in_(("handed_over", "ambiguous")))
        return "unknown" if connection.execute(early).first() is None else "too_early"
    status, error = ("delivered", None) if fate == "delivered" else ("dead", "the mail bounced")
    known = update(outbox).where(mail, outbox.c.status.in_(("handed_over", "ambiguous")))
    done = connection.execute(known.values(status=status, error=error, lease_until=None, done_at=now))
    return fate if done.rowcount else "unknown"


def replay(connection: Connection, project_id: int, message_ids: Sequence[int], *, now: int) -> int:
    """Send once more what was delivered, died or was cancelled to a webhook; how many that were.

    E-mails are not among them: at most one goes to a customer for an offer.
    """
    done = connection.execute(
        update(outbox)
        .where(
            outbox.c.project_id == project_id,
            outbox.c.id.in_(message_ids),
            outbox.c.webhook_id.is_not(None),
            outbox.c.status.in_(("delivered", "dead")),
        )
        .values(status="pending", attempts=0, failures=0, next_at=now, lease_until=None, done_at=None, error=None)
    )
    return done.rowcount


def own(connection: Connection, project_id: int, webhook_id: int, message_ids: Sequence[int]) -> set[int]:
    """Which of these rows belong to an endpoint."""
    query = select(outbox.c.id).where(
        outbox.c.project_id == project_id, outbox.c.webhook_id == webhook_id, outbox.c.id.in_(message_ids)
    )
    return set(connection.execute(query).scalars())


def of_webhook(
    connection: Connection, project_id: int, webhook_id: int, *, status: str | None, before: int | None, limit: int
) -> list[Message]:
    """What was sent to an endpoint, newest first."""
    query = select(outbox).where(outbox.c.project_id == project_id, outbox.c.webhook_id == webhook_id)
    return _newest(connection, query, status, before, limit)


def of_emails(
    connection: Connection, project_id: int, *, status: str | None, before: int | None, limit: int
) -> list[Message]:
    """E-mails, newest first."""
    query = select(outbox).where(outbox.c.project_id == project_id, outbox.c.target == EMAIL)
    return _newest(connection, query, status, before, limit)


def _newest(
    connection: Connection, query: Select[Any], status: str | None, before: int | None, limit: int
) -> list[Message]:
    if status is not None:
        query = query.where(outbox.c.status == status)
    if before is not None:
        query = query.where(outbox.c.id < before)
    return [_message(row) for row in connection.execute(query.order_by(outbox.c.id.desc()).limit(limit))]


def cancel_webhook(connection: Connection, webhook_id: int, *, now: int, reason: str) -> None:
    """Send nothing more of what waits for an endpoint."""
    connection.execute(
        update(outbox)
        .where(outbox.c.webhook_id == webhook_id, outbox.c.status.in_(("pending", "sending")))
        .values(status="cancelled", done_at=now, lease_until=None, error=reason)
    )


def _locked(connection: Connection, query: Select[Any]) -> Select[Any]:
    return query.with_for_update(skip_locked=True) if connection.dialect.name == "postgresql" else query


def _message(row: Any) -> Message:  # noqa: ANN401 - a row of `outbox`
    return Message(
        id=row.id,
        project_id=row.project_id,
        message_id=row.message_id,
        target=row.target,
        type=row.type,
        body=bytes(row.body),
        webhook_id=row.webhook_id,
        timed_offer_id=row.timed_offer_id,
        customer=row.customer,
        status=row.status,
        attempts=row.attempts,
        failures=row.failures,
        next_at=row.next_at,
        lease_until=row.lease_until,
        created_at=row.created_at,
        done_at=row.done_at,
        answer=row.answer,
        error=row.error,
    )
