"""Ids that are one person: the log of links, and the number that each id counts under.

The log (`merges`) is the truth and is only added to; `vault.root` is what follows from it, kept so that a decision
finds a whole person by one key. Profiles and assignments stay with the id they came by, so that a link can be undone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, CompoundSelect, Connection, bindparam, insert, select, union_all, update

from offerlab.domain.customer import MOST_IDS, Assignment, CustomerState
from offerlab.domain.identity import Link, roots, standing
from offerlab.intake.folding import unite
from offerlab.storage import bulk
from offerlab.storage.known import Known
from offerlab.storage.tables import merges, vault

_CHUNK: Final = 500


class Member(Struct, frozen=True):
    """One id of a person."""

    digest: bytes
    number: int
    root: int


def united(root: int, states: Sequence[CustomerState]) -> CustomerState:
    """One person's state from the states of their ids: the first assignment of each experiment wins."""
    if len(states) == 1:
        return replace(states[0], number=root)
    ordered = sorted(states, key=lambda state: state.number or 0)
    assignments: dict[int, Assignment] = {}
    for state in ordered:
        for experiment, assignment in state.assignments.items():
            first = assignments.get(experiment)
            if first is None or assignment.exposed_at < first.exposed_at:
                assignments[experiment] = assignment
    return CustomerState(number=root, profile=unite([state.profile for state in ordered]), assignments=assignments)


def family(connection: Connection, project_id: int, digest: bytes) -> list[Member]:
    """All ids of the person that this id belongs to, itself included; empty for a stranger."""
    mine = select(vault.c.root).where(vault.c.project_id == project_id, vault.c.digest == digest)
    return _members(connection, project_id, connection.execute(mine).scalars().all())


def families(connection: Connection, project_id: int, numbers: Iterable[int]) -> dict[int, list[Member]]:
    """The persons that these numbers belong to, each whole, by root."""
    found: dict[int, list[Member]] = defaultdict(list)
    for part in _chunks(sorted(set(numbers))):
        mine = select(vault.c.root).where(within(project_id), vault.c.customer.in_(part))
        for member in _members(connection, project_id, sorted(set(connection.execute(mine).scalars()))):
            found[member.root].append(member)
    return {root: sorted(set(members), key=lambda one: one.number) for root, members in found.items()}


def _members(connection: Connection, project_id: int, found: Sequence[int]) -> list[Member]:
    query = counting_under(project_id, found)
    return [Member(bytes(row.digest), row.customer, row.root) for row in connection.execute(query)]


def within(project_id: int) -> ColumnElement[bool]:
    """A project's ids, where numbers find them: left to itself SQLite reads all of the project, by the vault's key."""
    return vault.c.project_id + 0 == project_id


def counting_under(project_id: int, found: Sequence[int]) -> CompoundSelect[Any, Any, Any, Any]:
    """Ids that count under one of these numbers: the number's own, and those that were linked, each by its index."""
    mine = select(vault.c.digest, vault.c.customer, vault.c.root, vault.c.created_at).where(within(project_id))
    return union_all(
        mine.where(vault.c.customer.in_(found), vault.c.root == vault.c.customer),
        mine.where(vault.c.root.in_(found), vault.c.root != vault.c.customer),
    )


def has_links(connection: Connection, project_id: int, known: Known | None = None) -> bool:
    """Whether any two ids were ever linked: until then nobody looks for families."""
    if known is not None and project_id in known.unlinked:
        return False
    found = bulk.exists(connection, "SELECT 1 FROM merges WHERE project_id = ? LIMIT 1", (project_id,))
    if known is not None and not found:
        known.unlinked.add(project_id)
    return found


def too_large(connection: Connection, project_id: int, links: Sequence[tuple[int, int]]) -> set[int]:
    """Which of these links (customer, into), taken in their order, would give one person more than `MOST_IDS` ids."""
    known = families(connection, project_id, {number for pair in links for number in pair})
    root_of = {member.number: root for root, members in known.items() for member in members}
    size = Counter({root: len(members) for root, members in known.items()})
    refused: set[int] = set()
    for place, (customer, into) in enumerate(links):
        one, other = _find(root_of, customer), _find(root_of, into)
        if one == other:
            continue
        if size[one] + size[other] > MOST_IDS:
            refused.add(place)
            continue
        root_of[one] = other
        size[other] += size[one]
    return refused


def _find(root_of: dict[int, int], number: int) -> int:
    here = number
    while root_of.get(here, here) != here:
        here = root_of[here]
    return here


def link(connection: Connection, project_id: int, links: Sequence[Link], *, now: int) -> set[int]:
    """Log links and let every id count under its new number.

    Returns:
        The numbers of everybody whose family changed or might have.
    """
    if not links:
        return set()
    rows = [
        {
            "project_id": project_id,
            "event_id": one.event_id,
            "customer": one.customer,
            "into_customer": one.into,
            "linked_at": one.at,
            "merged_at": now,
        }
        for one in links
    ]
    connection.execute(insert(merges), rows)
    return settle(connection, project_id, {number for one in links for number in (one.customer, one.into)})


def undo(connection: Connection, project_id: int, number: int, *, now: int) -> list[str]:
    """Take back every link by which this number counts under another; the events that said so.

    A report as of an earlier instant still sees them.
    """
    mine = (merges.c.project_id == project_id, merges.c.customer == number, merges.c.undone_at.is_(None))
    events = sorted(connection.execute(select(merges.c.event_id).where(*mine)).scalars())
    if events:
        before = settle(connection, project_id, {number})
        connection.execute(update(merges).where(*mine).values(undone_at=now))
        settle(connection, project_id, before)
    return events


def settle(connection: Connection, project_id: int, numbers: set[int]) -> set[int]:
    """Bring `vault.root` up to the log for the families of these numbers; all their members."""
    members = [one for found in families(connection, project_id, numbers).values() for one in found]
    found = standing(links_of(connection, project_id, [one.number for one in members]))
    now_under = roots([one.number for one in members], found)
    moved = [{"of": one.number, "under": now_under[one.number]} for one in members if now_under[one.number] != one.root]
    if moved:
        statement = update(vault).where(within(project_id), vault.c.customer == bindparam("of"))
        connection.execute(statement.values(root=bindparam("under")), moved)
    return {one.number for one in members}


def links_of(connection: Connection, project_id: int, numbers: Sequence[int]) -> list[Link]:
    """Every link that stands or could, of these numbers."""
    found: list[Link] = []
    for part in _chunks(numbers):
        query = select(merges).where(
            merges.c.project_id == project_id, merges.c.customer.in_(part), merges.c.undone_at.is_(None)
        )
        found += [
            Link(row.linked_at, row.event_id, row.customer, row.into_customer) for row in connection.execute(query)
        ]
    return found


def _chunks(items: Sequence[int]) -> list[Sequence[int]]:
    return [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
