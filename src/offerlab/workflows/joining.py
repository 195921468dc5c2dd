"""Ids that are one person: events join them, a person takes that back."""

from offerlab.domain.naming import unit_of
from offerlab.errors import InvalidInput, NotFound
from offerlab.storage import identity
from offerlab.storage.customers import digest_of, find_number, tombstone_over
from offerlab.workflows.desk import Desk


def separate(desk: Desk, given: str) -> list[str]:
    """Take back every link by which an id is another name of somebody.

    Args:
        desk: who decides this; it stands in the audit log.
        given: the id, as sent.

    Returns:
        The events whose links were taken back; none when nothing linked it.

    Raises:
        InvalidInput: it names nobody.
        NotFound: nobody was ever seen under it.
    """
    unit = unit_of(given)
    if unit is None:
        raise InvalidInput(f"{given!r} names no customer", field="customer_id")
    secret = desk.runtime.snapshot(desk.project_id).project.secret
    digest = digest_of(secret, unit)
    with desk.change() as connection:
        number = find_number(connection, desk.project_id, digest)
        if number is None:
            raise NotFound("no such customer")
        before = identity.family(connection, desk.project_id, digest)
        events = identity.undo(connection, desk.project_id, number, now=desk.runtime.now())
        name = f"customer:{tombstone_over(secret, digest).hex()[:16]}"
        desk.log(connection, "separate", name, after={"links": len(events)})
    for member in before:
        desk.runtime.memory.forget(desk.project_id, member.digest)
    return events
