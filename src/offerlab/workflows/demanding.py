"""What the law lets customers demand, as shop systems pass it on: entered with its deadline, done where it can be."""

from typing import Final

from offerlab.domain.clock import DAY
from offerlab.domain.naming import unit_of
from offerlab.errors import InvalidInput
from offerlab.intake.arrival import read_object
from offerlab.intake.mapping import Body, text_at
from offerlab.storage import identity, subjects
from offerlab.storage.customers import digest_of, tombstone_of
from offerlab.storage.database import reading, writing
from offerlab.storage.events import owners_of
from offerlab.storage.subjects import Request
from offerlab.workflows.desk import Desk
from offerlab.workflows.privacy import erase_digest

PRIVACY_TOPICS: Final = frozenset(("customers/data_request", "customers/redact", "shop/redact"))


def demand(desk: Desk, topic: str, name: str, raw: bytes) -> bool:
    """Enter a demand; a customer's erasure is done at once, the others wait for a person, with a deadline.

    Args:
        desk: the shop system's.
        topic: one of `PRIVACY_TOPICS`.
        name: of the delivery: told again it is the same demand.
        raw: the body.

    Returns:
        Whether it is a new one.

    Raises:
        InvalidInput: the body is no object, or names nobody.
    """
    body = read_object(raw)
    secret = desk.runtime.snapshot(desk.project_id).project.secret
    units = _units(body)
    if topic != "shop/redact" and not units:
        raise InvalidInput("the request names no customer", field="customer")
    with reading(desk.runtime.engine) as connection:
        if subjects.has_request(connection, desk.project_id, name):
            return False
        buyers = owners_of(connection, desk.project_id, _orders(body)) if topic == "customers/redact" else {}
        families = identity.families(connection, desk.project_id, buyers.values())
    if topic == "customers/redact":
        digests = {digest_of(secret, unit) for unit in units} | {members[0].digest for members in families.values()}
        for digest in sorted(digests):
            erase_digest(desk, digest)
    now = desk.runtime.now()
    due = now + desk.runtime.snapshot(desk.project_id).ruleset.settings.retention.deadline * DAY
    done = now if topic == "customers/redact" else None
    with writing(desk.runtime.engine) as connection:
        entered = Request(id=0, request_id=name, kind=topic, received_at=now, due_at=due, done_at=done)
        who = tombstone_of(secret, units[0]) if units else None
        subjects.note_request(connection, desk.project_id, who, entered)
    return True


def _units(body: Body) -> list[str]:
    sent = [text_at(body, "customer.id"), text_at(body, "customer.email")]
    found = [unit_of(one.strip().lower()) for one in sent if one]
    return [unit for unit in found if unit is not None]


def _orders(body: Body) -> list[str]:
    sent = body.get("orders_to_redact")
    return [str(one) for one in sent if isinstance(one, int | str)] if isinstance(sent, list) else []
