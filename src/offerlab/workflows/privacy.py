"""A person's rights, kept by the service: to see, to take along, to be forgotten; and data that end with their purpose.

Every look, export and erasure stands in the audit log, under the tombstone's head and never under the id.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection

from offerlab.assignment.profile import attributes_of, by_category
from offerlab.domain.attribute import withheld
from offerlab.domain.clock import DAY, iso
from offerlab.domain.customer import CustomerState
from offerlab.domain.experiment import days_open
from offerlab.domain.naming import unit_of
from offerlab.errors import InvalidInput, NotFound
from offerlab.storage import customers, identity, profiles, subjects
from offerlab.storage.audit import Deed, append
from offerlab.storage.customers import digest_of, tombstone_of, tombstone_over
from offerlab.storage.database import reading, sweep, writing
from offerlab.storage.subjects import Request
from offerlab.workflows.desk import Desk
from offerlab.workflows.runtime import Runtime

_LATEST: Final = 20
_BATCH: Final = 1_000
_TIMES: Final = frozenset(("occurred_at", "received_at", "exposed_at"))


class Seen(Struct, frozen=True, kw_only=True):
    """What the desk sees of a customer.

    Attributes:
        attributes: told and folded; the sensitive ones that the desk does not see are named in `withheld`.
        segments: that the customer belongs to now, in order of priority.
        consents: by channel and purpose. exposures, orders: the latest, newest first.
        shown_ever: exposures that carried an offer, over the customer's whole life.
    """

    customer_id: str
    attributes: dict[str, object]
    withheld: list[str]
    segments: list[str]
    consents: dict[str, bool]
    assignments: list[dict[str, Any]]
    exposures: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    exposed_ever: int
    shown_ever: int


class Erased(Struct, frozen=True, kw_only=True):
    """What became of a request to be forgotten.

    Attributes:
        known: whether the customer was known at all; the id stays out from now on either way.
        ids: names of the person that stay out.
        wiped: interactions that lost their texts and attributes.
        kept: rows that stay and belong to nobody, by what they are.
    """

    known: bool
    ids: int
    wiped: int
    kept: dict[str, int]


def read_customer(desk: Desk, unit: str) -> Seen:
    """What the desk sees; the look is logged.

    Raises:
        NotFound: nobody of this id, or an erased one.
    """
    unit = _unit(unit)
    runtime, project_id = desk.runtime, desk.project_id
    state, facts = _facts(desk, unit)
    _log(desk, "look", unit)
    snapshot, now = runtime.snapshot(project_id), runtime.now()
    settings = snapshot.ruleset.settings
    found = dict(attributes_of(state, {}, now=now, currency=settings.currency, folded=True, products=snapshot.products))
    hidden = withheld(found, settings.attributes)
    rules = sorted(snapshot.segments.values(), key=lambda one: (one.priority, one.key))
    holds = dict(zip((one.key for one in rules), snapshot.ruleset.holds, strict=False))
    return Seen(
        customer_id=unit,
        attributes={name: value for name, value in sorted(found.items()) if name not in hidden},
        withheld=sorted(hidden),
        segments=[one.key for one in rules if holds[one.key](found, now)],
        consents={key: granted for key, (_, granted) in sorted(state.profile.consents.items())},
        assignments=facts["assignments"],
        exposures=facts["exposures"][: -_LATEST - 1 : -1],
        orders=facts["orders"][: -_LATEST - 1 : -1],
        exposed_ever=len(facts["exposures"]),
        shown_ever=sum(one["offer"] is not None and one["suppressed"] is None for one in facts["exposures"]),
    )


def export_customer(desk: Desk, unit: str, *, sensitive: bool = True) -> dict[str, Any]:
    """Everything kept about a person, in a form that another service can read (PIPA 35, GDPR 15 and 20).

    Args:
        desk: who asks where; the export is logged and entered among the requests, done.
        unit: the id as sent.
        sensitive: false leaves out attributes that are sensitive by the shop's registry.

    Raises:
        NotFound: nobody of this id, or an erased one.
    """
    unit = _unit(unit)
    state, facts = _facts(desk, unit)
    snapshot, now = desk.runtime.snapshot(desk.project_id), desk.runtime.now()
    profile = state.profile
    hidden = frozenset[str]() if sensitive else withheld(profile.attributes, snapshot.ruleset.settings.attributes)
    _log(desk, "export", unit, request="export")
    told = {name: {"at": iso(at), "value": value} for name, (at, value) in profile.attributes.items()}
    return {
        "format": 1,
        "customer_id": unit,
        "exported_at": iso(now),
        "attributes": {name: value for name, value in sorted(told.items()) if name not in hidden},
        "profile": {
            "viewed": _times(profile.viewed),
            "owned": _times(profile.owned),
            "cart": list(profile.cart_skus),
            "ratings": {sku: {"at": iso(at), "mark": mark} for sku, (at, mark) in sorted(profile.ratings.items())},
            "declined": _times(profile.declined),
            "categories": by_category(profile, snapshot.products),
        },
        "consents": [
            {"channel": key.partition(":")[0], "purpose": key.partition(":")[2], "granted": granted, "at": iso(at)}
            for key, (at, granted) in sorted(profile.consents.items())
        ],
        **facts,
    }


def erase_customer(desk: Desk, unit: str) -> Erased:
    """Forget a person: identity, profile, contact data and texts go; counts stay and belong to nobody.

    It can't be taken back. The id is refused from now on; erasing it again changes nothing.
    """
    secret = desk.runtime.snapshot(desk.project_id).project.secret
    return erase_digest(desk, digest_of(secret, _unit(unit)))


def erase_digest(desk: Desk, own: bytes) -> Erased:
    """As `erase_customer`, for somebody whom only the vault can name."""
    project = desk.runtime.snapshot(desk.project_id).project
    kept: dict[str, int] = {}
    wiped = 0
    with desk.change() as connection:
        customers.lock_vault(connection)
        now = desk.runtime.now()
        members = identity.family(connection, desk.project_id, own)
        digests = sorted({own, *(one.digest for one in members)})
        numbers = [one.number for one in members]
        if members:
            kept = {name: len(rows) for name, rows in subjects.facts_of(connection, desk.project_id, numbers).items()}
            wiped = subjects.wipe(connection, desk.project_id, numbers)
        tombstones = [tombstone_over(project.secret, digest) for digest in digests]
        customers.erase(connection, desk.project_id, digests=digests, numbers=numbers, tombstones=tombstones, now=now)
        own_tombstone = tombstone_over(project.secret, own)
        _enter(desk, connection, "erase", own_tombstone)
        after = {"ids": len(digests), "wiped": wiped, "kept": kept}
        desk.log(connection, "erase", f"customer:{own_tombstone.hex()[:16]}", after=after)
    for digest in digests:
        desk.runtime.memory.forget(desk.project_id, digest)
    sweep(desk.runtime.engine)
    return Erased(known=bool(members), ids=len(digests), wiped=wiped, kept=kept)


def suppress(desk: Desk, units: list[str]) -> int:
    """Keep these ids out for ever, known or not: each is erased.

    Returns:
        How many of them were known.
    """
    return sum(erase_customer(desk, unit).known for unit in units)


def is_suppressed(runtime: Runtime, project_id: int, unit: str) -> bool:
    """Whether an id stands on the suppression list, which holds no ids: only who knows one can ask."""
    tombstone = tombstone_of(runtime.snapshot(project_id).project.secret, _unit(unit))
    with reading(runtime.engine) as connection:
        return bool(customers.erased_among(connection, project_id, [tombstone]))


def requests_of(runtime: Runtime, project_id: int, *, after: int, limit: int) -> list[Request]:
    """Persons' requests with their deadlines, in the order in which they came."""
    with reading(runtime.engine) as connection:
        return subjects.requests_after(connection, project_id, after=after, limit=limit)


def purge(desk: Desk) -> dict[str, int]:
    """Delete what is older than the project's retention; the proof is a line of the audit log.

    Payloads go when no report can need them any more: when every window of the project's experiments is closed.
    """
    snapshot = desk.runtime.snapshot(desk.project_id)
    now = desk.runtime.now()
    days: dict[str, int | None] = asdict(snapshot.ruleset.settings.retention)
    del days["deadline"]
    closed = days_open(snapshot.experiments.values())
    days["payloads"] = min(closed, closed if days["payloads"] is None else days["payloads"])
    before = {name: now - value * DAY for name, value in days.items() if value is not None}
    trimmed = _trim(desk, looked=before.get("behaviour", 0), bought=before.get("contracts", 0))
    with desk.change() as connection:
        done = {**subjects.purge(connection, desk.project_id, before), "profiles": trimmed}
        cutoffs = {name: iso(at) for name, at in before.items()}
        desk.log(connection, "purge", "retention", after={"before": cutoffs, "rows": done})
    return done


def _trim(desk: Desk, *, looked: int, bought: int) -> int:
    """Take old views and purchases out of stored profiles, a batch in each transaction; how many lost something."""
    trimmed, after = 0, -1
    while True:
        with writing(desk.runtime.engine) as connection:
            last, some = profiles.trim(
                connection, desk.project_id, looked=looked, bought=bought, after=after, limit=_BATCH
            )
        trimmed += some
        if last is None:
            return trimmed
        after = last


def _unit(given: str) -> str:
    unit = unit_of(given)
    if unit is None:
        raise InvalidInput(f"{given!r} names no customer", field="customer_id")
    return unit


def _facts(desk: Desk, unit: str) -> tuple[CustomerState, dict[str, list[dict[str, Any]]]]:
    project = desk.runtime.snapshot(desk.project_id).project
    with reading(desk.runtime.engine) as connection:
        members = identity.family(connection, desk.project_id, digest_of(project.secret, unit))
        if not members:
            gone = customers.erased_among(connection, desk.project_id, [tombstone_of(project.secret, unit)])
            raise NotFound(f"no customer is known as {unit!r}", extra={"erased": True} if gone else None)
        numbers = [one.number for one in members]
        state = identity.united(members[0].root, list(customers.load_states(connection, numbers).values()))
        facts = subjects.facts_of(connection, desk.project_id, numbers)
    plain = {name: [_readable(row) for row in rows] for name, rows in facts.items()}
    return state, plain


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    return {name: iso(value) if name in _TIMES and value is not None else value for name, value in row.items()}


def _times(known: dict[str, int]) -> dict[str, str]:
    return {name: iso(at) for name, at in sorted(known.items())}


def note_look(desk: Desk, unit: str) -> None:
    """Somebody looked at what came from a person; it stands in the audit log."""
    _log(desk, "look", unit)


def _log(desk: Desk, action: str, unit: str, *, request: str | None = None) -> None:
    """One line of the audit log that changes no decision, and a request that was done at once."""
    tombstone = tombstone_of(desk.runtime.snapshot(desk.project_id).project.secret, unit)
    with writing(desk.runtime.engine) as connection:
        now = desk.runtime.now()
        deed = Deed(at=now, actor=desk.actor, action=action, object=f"customer:{tombstone.hex()[:16]}")
        append(connection, desk.project_id, deed)
        if request is not None:
            _enter(desk, connection, request, tombstone)


def _enter(desk: Desk, connection: Connection, kind: str, tombstone: bytes) -> None:
    """A request that is done as soon as it is asked."""
    now = desk.runtime.now()
    due = now + desk.runtime.snapshot(desk.project_id).ruleset.settings.retention.deadline * DAY
    name = desk.runtime.new_salt()
    request = Request(id=0, request_id=name, kind=kind, received_at=now, due_at=due, done_at=now)
    subjects.note_request(connection, desk.project_id, tombstone, request)


def as_json(export: dict[str, Any]) -> str:
    """An export as a person reads it."""
    return msgspec.json.format(msgspec.json.encode(export), indent=2).decode()
