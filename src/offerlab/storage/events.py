"""Appending events: once for ever, whatever is sent twice, together with what they change about a customer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, Literal, cast

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Table, func, select

from offerlab.domain.customer import MOST_IDS, NOBODY, Assignment, CustomerState, Profile
from offerlab.domain.event import (
    Cancellation,
    Event,
    Exposure,
    Fact,
    Interaction,
    Order,
    Refund,
    Rejection,
    orphan_of,
)
from offerlab.domain.identity import Link
from offerlab.errors import Unavailable
from offerlab.intake.folding import fold
from offerlab.storage import bulk, contacts, customers, identity, sealing, timed_offers
from offerlab.storage.known import Known
from offerlab.storage.projects import Project
from offerlab.storage.tables import (
    events as register,
)
from offerlab.storage.tables import (
    exposure_skus,
    exposures,
    interactions,
    order_lines,
    orders,
    refund_lines,
    refunds,
)

Outcome = Literal["accepted", "duplicate", "conflict", "erased", "too_many_ids", "known"]
OBJECTIONS: Final[dict[Outcome, str]] = {
    "conflict": "this id came before with another body; the first one stays",
    "too_many_ids": f"one person has at most {MOST_IDS} ids; these two stay apart",
}
_CHUNK: Final = 500
Placed = tuple[int, Event, int]
"""An event with its place in the batch and its customer's number."""


class Appended(Struct, frozen=True):
    """What became of a batch.

    Attributes:
        outcomes: one for each event, in their order.
        states: by vault digest, the customers whose state changed, under every id of theirs.
        rejections: what stood against events that could be read.
    """

    outcomes: list[Outcome]
    states: dict[bytes, CustomerState] = {}
    rejections: tuple[Rejection, ...] = ()


def append(
    connection: Connection,
    project: Project,
    batch: Sequence[Event],
    *,
    new_number: Callable[[], int],
    now: int,
    known: Known | None = None,
) -> Appended:
    """Store events that were never seen, with everything that follows from them, in the caller's transaction.

    Args:
        connection: a writing one; nothing is on disk before the caller commits.
        project: whose events they are.
        batch: canonical events; ids may repeat within it.
        new_number: draws an internal number for a customer never seen.
        now: microseconds UTC; every event of the batch is received at this instant.
        known: what the caller's earlier transactions read and wrote; the caller sees to it that it still holds.
    """
    known = Known() if known is None else known
    digests = [customers.digest_of(project.secret, event.customer) for event in batch]
    others = _others(project, batch)
    gone = _erased(connection, project, batch, known)
    wanted = [digest for i, digest in enumerate(digests) if i not in gone] if gone else list(digests)
    wanted += [digest for i, digest in others.items() if i not in gone]
    numbers = customers.numbers_for(connection, project.id, wanted, new_number=new_number, now=now, known=known)
    if connection.dialect.name == "postgresql" and _erased(connection, project, batch, Known()) != gone:
        raise Unavailable("a customer of this batch was erased meanwhile; send it again")
    links = {i: (numbers[others[i]], numbers[digests[i]]) for i in others if i not in gone}
    shut: dict[int, Outcome] = dict.fromkeys(gone, "erased")
    shut.update(dict.fromkeys(_overfull(connection, project.id, links), "too_many_ids"))
    if any(map(_STRANGER, batch)):
        shut = _guessed_wrong(batch, [numbers.get(digest) for digest in digests], set(known.strangers)) | shut
    outcomes: list[Outcome] = (
        [shut.get(i, "accepted") for i in range(len(batch))] if shut else ["accepted"] * len(batch)
    )
    living = [(i, batch[i], numbers[digests[i]]) for i in range(len(batch)) if i not in shut]
    fresh = _register(connection, project.id, living, outcomes, now)
    found = [(event, number) for _, event, number in fresh]
    _project_facts(connection, project.id, found, now)
    eventful = found if _are_eventful(batch) else ()
    sealing.keep(connection, project.id, [(event.id, n, event.raw) for event, n in eventful if event.raw], now=now)
    _deliveries(connection, project.id, eventful, now)
    states = _fold(connection, project, found, now, known)
    made = [Link(event.occurred_at, event.id, *links[i]) for i, event, _ in fresh if i in links] if links else []
    made += _adopted(connection, project, eventful)
    moved = identity.link(connection, project.id, made, now=now)
    known.states.update(states)
    if made:
        known.unlinked.discard(project.id)
    told = {digests[i]: states[number] for i, _, number in fresh if number in states}
    if moved or (states and identity.has_links(connection, project.id, known)):
        told |= _united(connection, project.id, moved | set(states))
    return Appended(outcomes, told, tuple(_objections(batch, outcomes)))


def _guessed_wrong(
    batch: Sequence[Event], numbers: Sequence[int | None], strangers: set[int | None]
) -> dict[int, Outcome]:
    """Events that were made as of strangers, of customers who are none; most often there is no such event."""
    if strangers.issuperset(numbers):
        return {}
    return {i: "known" for i, event in enumerate(batch) if event.stranger and numbers[i] not in strangers}


def _deliveries(connection: Connection, project_id: int, fresh: Iterable[tuple[Event, int]], now: int) -> None:
    """How to reach customers, what they are to be offered later, and parcels that such offers wait for."""
    for event, number in fresh:
        if event.type not in _TOLD_ON and not event.planned:
            continue
        if event.contact or event.planned or event.type == "consent":
            reached = {contacts.CUSTOMER_ID: event.customer} if event.planned or event.type == "consent" else {}
            contacts.remember(connection, number, {**event.contact, **reached}, now=now)
        for planned in event.planned:
            timed_offers.plan(connection, project_id, number, planned, now=now)
        if event.type == "shipment" and isinstance(event.fact, Interaction):
            timed_offers.parcel_moved(
                connection,
                project_id,
                number,
                order_id=str(event.fact.data.get("order_id")),
                stage=str(event.fact.data.get("stage")),
                at=event.occurred_at,
                now=now,
            )


_TOLD_ON: Final = frozenset(("profile", "consent", "shipment"))
"""Events that say more than their fact; others do where they have an offer planned."""
_EVENTFUL: Final = _TOLD_ON | {"refund", "order_cancelled"}
_LINK, _TYPE, _RAW, _PLANNED, _STRANGER = map(attrgetter, ("link", "type", "raw", "planned", "stranger"))
"""Of a batch all at once: most hold nothing of the kind, and are not to pay for those that do."""


def _are_eventful(batch: Sequence[Event]) -> bool:
    """Whether more may follow from any of them than a fact and a profile."""
    return not _EVENTFUL.isdisjoint(map(_TYPE, batch)) or any(map(_RAW, batch)) or any(map(_PLANNED, batch))


def _others(project: Project, batch: Sequence[Event]) -> dict[int, bytes]:
    """Digests of the ids that events say are the same person, by place."""
    if not any(map(_LINK, batch)):
        return {}
    return {i: customers.digest_of(project.secret, event.link) for i, event in enumerate(batch) if event.link}


def _erased(connection: Connection, project: Project, batch: Sequence[Event], known: Known) -> set[int]:
    """Events of customers who were forgotten, or that would link somebody to one."""
    if not customers.has_erased(connection, project.id, known):
        return set()
    units = [(i, unit) for i, event in enumerate(batch) for unit in (event.customer, event.link) if unit]
    tombstones = {unit: customers.tombstone_of(project.secret, unit) for _, unit in units}
    gone = customers.erased_among(connection, project.id, sorted(set(tombstones.values())))
    return {i for i, unit in units if tombstones[unit] in gone}


def _overfull(connection: Connection, project_id: int, links: Mapping[int, tuple[int, int]]) -> list[int]:
    """Events whose link would give one person too many ids."""
    if not links:
        return []
    places = list(links)
    return [places[i] for i in sorted(identity.too_large(connection, project_id, list(links.values())))]


def _united(connection: Connection, project_id: int, numbers: set[int]) -> dict[bytes, CustomerState]:
    """What is now known of the persons behind these numbers, by every digest of theirs."""
    found: dict[bytes, CustomerState] = {}
    for root, members in identity.families(connection, project_id, numbers).items():
        states = customers.load_states(connection, [member.number for member in members])
        person = identity.united(root, list(states.values()))
        found.update((member.digest, person) for member in members)
    return found


def _adopted(connection: Connection, project: Project, fresh: Sequence[tuple[Event, int]]) -> list[Link]:
    """Links from refunds that named no customer to whose order it was, whichever of the two came first.

    Only shop systems tell refunds so, and their orders carry what was sent.
    """
    refunds_of = {
        event.fact.order_id: (event, number)
        for event, number in fresh
        if event.type in ("refund", "order_cancelled")
        and isinstance(event.fact, Refund | Cancellation)
        and event.customer == orphan_of(event.fact.order_id)
    }
    orders_of = {
        event.fact.order_id: (event, number) for event, number in fresh if event.raw and isinstance(event.fact, Order)
    }
    if not refunds_of and not orders_of:
        return []
    owners = owners_of(connection, project.id, list(refunds_of))
    made = [
        Link(event.occurred_at, event.id, number, owners[order_id])
        for order_id, (event, number) in refunds_of.items()
        if owners.get(order_id, number) != number
    ]
    waiting = {customers.digest_of(project.secret, orphan_of(order_id)): order_id for order_id in orders_of}
    for digest, orphan in customers.known_among(connection, project.id, list(waiting)).items():
        event, number = orders_of[waiting[digest]]
        if number != orphan and waiting[digest] not in refunds_of:
            made.append(Link(event.occurred_at, event.id, orphan, number))
    return made


def owners_of(connection: Connection, project_id: int, order_ids: Sequence[str]) -> dict[str, int]:
    """Whose these orders are."""
    found: dict[str, int] = {}
    for start in range(0, len(order_ids), _CHUNK):
        query = select(orders.c.order_id, orders.c.customer).where(
            orders.c.project_id == project_id, orders.c.order_id.in_(order_ids[start : start + _CHUNK])
        )
        found.update((row.order_id, row.customer) for row in connection.execute(query.order_by(orders.c.event_id)))
    return found


def _objections(batch: Sequence[Event], outcomes: Sequence[Outcome]) -> Iterable[Rejection]:
    if not any(name in outcomes for name in OBJECTIONS):
        return
    for event, outcome in zip(batch, outcomes, strict=True):
        if outcome in OBJECTIONS:
            yield Rejection(
                index=0,
                code=outcome,
                detail=OBJECTIONS[outcome],
                id=event.id,
                type=event.type,
                raw=event.raw,
                customer=event.customer,
            )


def _register(
    connection: Connection,
    project_id: int,
    living: Sequence[Placed],
    outcomes: list[Outcome],
    now: int,
) -> Sequence[Placed]:
    """Enter ids never seen into the register; those that are new, and in `outcomes` what the others are."""
    rows = [
        (project_id, event.id, event.type, number, event.occurred_at, now, bytearray(event.digest))
        for _, event, number in living
    ]
    firsts = {item[1].id: item for item in reversed(living)}
    if len(firsts) < len(rows):
        rows = [row for row, item in zip(rows, living, strict=True) if firsts[item[1].id] is item]
    if connection.dialect.name == "postgresql":
        rows.sort()  # replicas wait for each other in one order
    inserted = bulk.insert_new(connection, register, rows, "event_id")
    if inserted is None and len(rows) == len(living):
        return living
    inserted = firsts.keys() if inserted is None else inserted
    seen = _digests(connection, project_id, [name for name in firsts if name not in inserted])
    fresh: list[Placed] = []
    for item in living:
        i, event, _ = item
        if event.id in inserted and firsts[event.id] is item:
            fresh.append(item)
        else:
            first = seen.get(event.id, firsts[event.id][1].digest)
            outcomes[i] = "duplicate" if first == event.digest else "conflict"
    return fresh


_DIGEST_OF: Final = "SELECT event_id, digest FROM events WHERE project_id = ? AND event_id"


def _digests(connection: Connection, project_id: int, ids: Sequence[str]) -> dict[str, bytes]:
    rows = bulk.select_in(connection, _DIGEST_OF, ids, fixed=(project_id,))
    return {row[0]: bytes(row[1]) for row in rows}


def _project_facts(connection: Connection, project_id: int, fresh: Iterable[tuple[Event, int]], now: int) -> None:
    """One row, or a head with its lines, in the table of each event's kind; rows in the order of their columns."""
    by_kind: dict[type[Fact], list[tuple[Event, int]]] = {}
    for item in fresh:
        by_kind.setdefault(type(item[0].fact), []).append(item)
    rows: dict[Table, list[bulk.Row]] = {}
    for kind, items in by_kind.items():
        for table, found in _FACT_ROWS[kind](project_id, items, now).items():
            rows.setdefault(table, []).extend(found)
    for table, found in rows.items():
        bulk.insert(connection, table, found)


Fresh = Sequence[tuple[Event, int]]
Rows = dict[Table, list[bulk.Row]]
_JSON: Final = msgspec.json.Encoder()


def _exposure_rows(project_id: int, items: Fresh, now: int) -> Rows:
    rows: list[bulk.Row] = []
    picked: list[bulk.Row] = []
    for event, number in items:
        fact = cast("Exposure", event.fact)
        rows.append(
            (
                project_id,
                event.id,
                fact.experiment_id,
                number,
                fact.variant,
                fact.epoch,
                fact.segment,
                fact.bucket,
                fact.propensity,
                fact.suppressed,
                fact.offer,
                fact.template,
                fact.channel,
                fact.placement,
                fact.slot,
                fact.device,
                fact.agent,
                event.occurred_at,
                now,
            )
        )
        if fact.skus:
            picked += [(project_id, event.id, i, fact.experiment_id, sku) for i, sku in enumerate(fact.skus)]
    return {exposures: rows, exposure_skus: picked}


def _order_rows(project_id: int, items: Fresh, now: int) -> Rows:
    heads: list[bulk.Row] = []
    lines: list[bulk.Row] = []
    for event, number in items:
        name, fact = event.id, cast("Order", event.fact)
        heads.append(
            (
                project_id,
                name,
                fact.order_id,
                number,
                fact.currency,
                fact.net_minor,
                fact.shipping_minor,
                fact.tax_minor,
                len(fact.lines),
                fact.code,
                fact.revision,
                event.occurred_at,
                now,
            )
        )
        lines += [
            (
                project_id,
                name,
                i,
                line.line_id,
                line.sku,
                line.quantity,
                line.price_micro,
                line.net_minor,
                line.discount_minor,
                line.cost_minor,
                line.offer,
            )
            for i, line in enumerate(fact.lines)
        ]
    return {orders: heads, order_lines: lines}


def _refund_rows(project_id: int, items: Fresh, now: int) -> Rows:
    heads: list[bulk.Row] = []
    parts: list[bulk.Row] = []
    for event, number in items:
        fact = cast("Refund", event.fact)
        head = (project_id, event.id, fact.refund_id, fact.order_id, number, fact.currency, fact.amount_minor)
        heads.append((*head, len(fact.lines), event.occurred_at, now))
        parts += [
            (project_id, event.id, i, part.line_id, part.quantity, part.amount_minor)
            for i, part in enumerate(fact.lines)
        ]
    return {refunds: heads, refund_lines: parts}


def _cancellation_rows(project_id: int, items: Fresh, now: int) -> Rows:
    heads: list[bulk.Row] = []
    for event, number in items:
        fact = cast("Cancellation", event.fact)
        head = (project_id, event.id, None, fact.order_id, number, None, None)
        heads.append((*head, 0, event.occurred_at, now))
    return {refunds: heads}


def _interaction_rows(project_id: int, items: Fresh, now: int) -> Rows:
    rows: list[bulk.Row] = []
    for event, number in items:
        fact = cast("Interaction", event.fact)
        body = fact.data if fact.text is None else {**fact.data, "text": fact.text}
        rows.append(
            (
                project_id,
                event.id,
                event.type,
                number,
                fact.experiment_id,
                fact.variant,
                fact.offer,
                fact.sku,
                fact.number,
                _JSON.encode(body).decode() if body else None,
                event.occurred_at,
                now,
            )
        )
    return {interactions: rows}


_FACT_ROWS: Final[dict[type[Fact], Callable[[int, Fresh, int], Rows]]] = {
    Exposure: _exposure_rows,
    Order: _order_rows,
    Refund: _refund_rows,
    Cancellation: _cancellation_rows,
    Interaction: _interaction_rows,
}


def _fold(
    connection: Connection, project: Project, fresh: Sequence[tuple[Event, int]], now: int, known: Known
) -> dict[int, CustomerState]:
    """Profiles and assignments after the fresh events, stored: those that changed."""
    before = customers.load_states(connection, [number for _, number in fresh], known)
    after: dict[int, CustomerState] = {}
    changed: dict[int, Profile] = {}
    assigned: dict[tuple[int, int], Assignment] = {}
    currency = project.currency
    for event, number in fresh:
        state = after.get(number) or before.get(number, NOBODY)
        profile, assignments, fact = fold(state.profile, event, currency=currency), state.assignments, event.fact
        is_changed = profile is not state.profile
        if is_changed:
            changed[number] = profile
        if isinstance(fact, Exposure) and _is_first(assignments.get(fact.experiment_id), fact, event.occurred_at):
            first = _assignment(fact, event.occurred_at)
            assigned[number, fact.experiment_id] = first
            assignments, is_changed = {**assignments, fact.experiment_id: first}, True
        if is_changed:
            after[number] = CustomerState(number=number, profile=profile, assignments=assignments)
    customers.save_states(connection, project.id, changed, assigned, now=now)
    return after


def _assignment(exposure: Exposure, at: int) -> Assignment:
    return Assignment(
        exposure.experiment_id,
        exposure.variant,
        exposure.epoch,
        exposure.segment,
        exposure.bucket,
        exposure.propensity,
        at,
    )


def _is_first(known: Assignment | None, exposure: Exposure, at: int) -> bool:
    """The first exposure wins; a second arm is a crossover, which the report finds and the service ignores."""
    return known is None or (known.variant == exposure.variant and at < known.exposed_at)


def newest(connection: Connection) -> int:
    """The highest number of any project's events; 0 without."""
    return int(connection.execute(select(func.max(register.c.seq))).scalar() or 0)


_LATEST: Final = select(
    func.max(select(register.c.received_at).order_by(register.c.seq.desc()).limit(_CHUNK).subquery().c.received_at)
)


def last_received(connection: Connection) -> int:
    """The latest instant among the newest events of any project, microseconds UTC; 0 without events."""
    return int(connection.execute(_LATEST).scalar() or 0)
