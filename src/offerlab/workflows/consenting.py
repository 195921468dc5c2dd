"""What customers consented to: every word of one, with its receipt; and who is to be asked again."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from offerlab.domain.clock import DAY
from offerlab.domain.naming import unit_of
from offerlab.errors import NotFound
from offerlab.storage import consents, contacts, customers, identity
from offerlab.storage.consents import Standing, Word
from offerlab.storage.customers import digest_of
from offerlab.storage.database import reading
from offerlab.workflows.runtime import Runtime

__all__ = ["RECEIPT", "RECONFIRM", "Standing", "Word", "due", "history"]

RECONFIRM: Final = 730 * DAY
"""After two years a consent to advertisements is to be confirmed (Network Act 50(8))."""

RECEIPT: Final = 14 * DAY
"""Within so long a customer is to be told what became of their word (Network Act 50(7))."""


def history(runtime: Runtime, project_id: int, customer: str) -> list[Word]:
    """Every word of a customer, under all of their ids, oldest first.

    Raises:
        NotFound: nobody has this id here.
    """
    unit = unit_of(customer)
    digest = digest_of(runtime.snapshot(project_id).project.secret, unit or "")
    with reading(runtime.engine) as connection:
        number = customers.find_number(connection, project_id, digest)
        if number is None:
            raise NotFound("no such customer")
        families = identity.families(connection, project_id, {number})
        numbers = [member.number for members in families.values() for member in members] or [number]
        return consents.history(connection, project_id, numbers)


def due(runtime: Runtime, project_id: int, *, limit: int) -> Sequence[tuple[Standing, str | None]]:
    """Consents older than two years, each with the id of its customer where that was kept; at most `limit`."""
    with reading(runtime.engine) as connection:
        found = list(islice(consents.standing(connection, project_id, before=runtime.now() - RECONFIRM), limit))
        return [(one, contacts.recall(connection, one.customer).get(contacts.CUSTOMER_ID)) for one in found]
