"""When data were seen by somebody who should not have: whom that concerns, and what of theirs (GDPR 33, 34; PIPA 34).

Two cases. The store itself was copied: everybody is concerned who was in it by then. A key, or somebody at the desk,
was abused: those whom it looked at, or took along, within a period; the audit log has every such look. That the list
was made stands in the audit log too.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TextIO

from msgspec import Struct

from offerlab.domain.clock import iso
from offerlab.reporting.spreadsheet import plain_cell
from offerlab.storage import concerned, customers
from offerlab.storage.customers import digest_of, tombstone_over
from offerlab.storage.database import reading, writing
from offerlab.workflows.desk import Desk

LOOKS: Final = ("look", "export")
CLASSES: Final = ("exposures", "orders", "refunds", "interactions", "payloads", "timed_offers")
_BATCH: Final = 500


class Concerned(Struct, frozen=True, kw_only=True):
    """One person whom a breach concerns.

    Attributes:
        customer_id: as sent; empty where we don't keep it and it was not among the ids that were given.
        pseudonym: the name of one of their ids in the audit log.
        contact: ways to reach them that were stored. attributes: names of what was told about them.
        stored: rows by class.
    """

    customer_id: str
    pseudonym: str
    contact: tuple[str, ...]
    attributes: tuple[str, ...]
    stored: dict[str, int]


class Breach(Struct, frozen=True, kw_only=True):
    """What happened.

    Attributes:
        since, until: microseconds UTC, `[since, until)`.
        actor: whose looks count, as the audit log names them; None: the whole store was copied at `until`.
        ids: that the shop knows: the vault holds none, and can only be asked.
    """

    since: int
    until: int
    actor: str | None = None
    ids: Sequence[str] = ()


def list_concerned(desk: Desk, breach: Breach) -> Iterator[Concerned]:
    """Persons whom a breach concerns, one by one; the store is never held whole in memory."""
    project = desk.runtime.snapshot(desk.project_id).project
    names = {digest_of(project.secret, unit): unit for unit in breach.ids}
    with reading(desk.runtime.engine) as connection:
        seen = None
        if breach.actor is not None:
            seen = concerned.looked_at(
                connection, project.id, breach.actor, LOOKS, since=breach.since, until=breach.until
            )
        after = -1
        while found := concerned.persons(connection, project.id, until=breach.until, after=after, limit=_BATCH):
            after = max(found)
            marks = {
                root: [tombstone_over(project.secret, digest).hex()[:16] for digest, _ in ids]
                for root, ids in found.items()
            }
            kept = {
                root: ids
                for root, ids in found.items()
                if ids and (seen is None or any(f"customer:{mark}" in seen for mark in marks[root]))
            }
            numbers = [number for ids in kept.values() for _, number in ids]
            counts = concerned.counts(connection, project.id, numbers, until=breach.until)
            states = customers.load_states(connection, numbers)
            for root, ids in kept.items():
                own = [number for _, number in ids]
                stored = _sum(counts[number] for number in own)
                name, contact = concerned.contact_of(connection, own)
                given = next((names[digest] for digest, _ in ids if digest in names), "")
                yield Concerned(
                    customer_id=name or given,
                    pseudonym=marks[root][0],
                    contact=tuple(contact),
                    attributes=tuple(sorted({key for number in own for key in states[number].profile.attributes})),
                    stored=stored,
                )


def note_listed(desk: Desk, breach: Breach, *, listed: int) -> int:
    """Take down in the audit log that the list was made.

    Returns:
        How many ids were erased since the breach began: they can't be named any more.
    """
    with writing(desk.runtime.engine) as connection:
        gone = concerned.erased_since(connection, desk.project_id, breach.since)
        told = {"since": iso(breach.since), "until": iso(breach.until), "actor": breach.actor, "listed": listed}
        desk.log(connection, "list_breach", "customers", after={**told, "erased_since": gone})
    return gone


def write_csv(persons: Iterable[Concerned], sink: TextIO) -> int:
    """One line for each person; texts can't be taken for formulas. How many there were."""
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("customer_id", "pseudonym", "contact", "attributes", *CLASSES))
    listed = 0
    for listed, one in enumerate(persons, start=1):  # noqa: B007 - the last number is how many there were
        names = (one.customer_id, one.pseudonym, " ".join(one.contact), " ".join(one.attributes))
        writer.writerow((*map(plain_cell, names), *(one.stored.get(name, 0) for name in CLASSES)))
    return listed


def _sum(parts: Iterator[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total
