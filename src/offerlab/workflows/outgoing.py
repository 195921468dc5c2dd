"""What waits, what went, and what was held back: for people who look."""

from offerlab.storage import outbox, timed_offers
from offerlab.storage.database import reading
from offerlab.storage.outbox import Message
from offerlab.storage.timed_offers import TimedOffer
from offerlab.workflows.runtime import Runtime

__all__ = ["Message", "TimedOffer", "mails", "timed"]


def timed(runtime: Runtime, project_id: int, *, status: str | None, before: int | None, limit: int) -> list[TimedOffer]:
    """Offers that the service delivers, newest first."""
    with reading(runtime.engine) as connection:
        return timed_offers.page(connection, project_id, status=status, before=before, limit=limit)


def mails(runtime: Runtime, project_id: int, *, status: str | None, before: int | None, limit: int) -> list[Message]:
    """E-mails, newest first."""
    with reading(runtime.engine) as connection:
        return outbox.of_emails(connection, project_id, status=status, before=before, limit=limit)
