"""What waits, what went, and what was held back: for people who look, and for who knows what became of a mail."""

from collections.abc import Mapping

from offerlab.storage import outbox, timed_offers
from offerlab.storage.database import reading, writing
from offerlab.storage.outbox import Fate, Message, Settled
from offerlab.storage.timed_offers import TimedOffer
from offerlab.workflows.desk import Desk
from offerlab.workflows.runtime import Runtime

__all__ = ["Fate", "Message", "Settled", "TimedOffer", "mails", "settle", "timed"]


def timed(runtime: Runtime, project_id: int, *, status: str | None, before: int | None, limit: int) -> list[TimedOffer]:
    """Offers that the service delivers, newest first."""
    with reading(runtime.engine) as connection:
        return timed_offers.page(connection, project_id, status=status, before=before, limit=limit)


def mails(runtime: Runtime, project_id: int, *, status: str | None, before: int | None, limit: int) -> list[Message]:
    """E-mails, newest first."""
    with reading(runtime.engine) as connection:
        return outbox.of_emails(connection, project_id, status=status, before=before, limit=limit)


def settle(desk: Desk, fates: Mapping[str, Fate]) -> dict[str, Settled]:
    """Take the word of the mail server's log, or of its provider, for mails in doubt.

    Args:
        desk: of whoever says so.
        fates: by Message-ID as the mail carries it, with or without brackets and host.

    Returns:
        What came of each, under the id that was sent.
    """
    with writing(desk.runtime.engine) as connection:  # no decision changes with it
        now = desk.runtime.now()
        done: dict[str, Settled] = {
            told: outbox.settle(connection, desk.project_id, _own_id(told), fate, now=now)
            for told, fate in fates.items()
        }
        desk.log(connection, "settle", "mails", after=done)
    return done


def _own_id(told: str) -> str:
    return told.strip("<>").partition("@")[0]
