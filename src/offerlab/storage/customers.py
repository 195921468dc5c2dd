"""The vault and what is known of a customer.

Only this module turns an id as sent into the internal number. The vault keeps HMAC-SHA256(project secret, id), never
the id: what remains after a row is deleted belongs to nobody.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeVar

import msgspec
from msgspec.structs import astuple
from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects import postgresql, sqlite

from offerlab.domain.customer import NOBODY, Assignment, CustomerState, Profile
from offerlab.storage import bulk
from offerlab.storage.known import Known
from offerlab.storage.mac import mac
from offerlab.storage.tables import assignments, erased, profiles, vault

_PROFILES: Final = msgspec.msgpack.Decoder(Profile)
_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")
_CHUNK: Final = 500
REMEMBERED: Final = 20_000
"""Of so many customers the digest is remembered, in memory alone and until anybody is erased."""
_T = TypeVar("_T")


@lru_cache(maxsize=REMEMBERED)
def digest_of(secret: bytes, unit: str) -> bytes:
    """What the vault knows of an id: 16 bytes that nobody can turn back without the project's secret.

    A decision asks for it, and soon after the writer that keeps its exposure.
    """
    return mac(secret, b"vault:" + unit.encode("utf-8", "surrogatepass"))[:16]


def tombstone_of(secret: bytes, unit: str) -> bytes:
    """What stays of an erased id, so that its late events stay out."""
    return tombstone_over(secret, digest_of(secret, unit))


def tombstone_over(secret: bytes, digest: bytes) -> bytes:
    """The tombstone over a row of the vault: a person's other ids, which nobody knows, are kept out too."""
    return hashlib.blake2b(digest, key=secret[:32], person=b"erased").digest()[:32]


_PROFILE_OF: Final = "SELECT customer, body FROM profiles WHERE customer"
_ASSIGNED: Final = (
    "SELECT customer, experiment_id, variant, epoch, segment, bucket, propensity, exposed_at"
    " FROM assignments WHERE customer"
)
_NUMBER_OF: Final = "SELECT digest, customer FROM vault WHERE project_id = ? AND digest"


def load_states(
    connection: Connection, numbers: Collection[int], known: Known | None = None
) -> Mapping[int, CustomerState]:
    """States of these customers (and of whoever else is known), by number.

    A customer without profile and assignments has an empty one; a stranger of this moment has none.
    """
    if known is None:
        return _read_states(connection, sorted(numbers))
    states = known.states
    missing = {number for number in numbers if number not in states}.difference(known.strangers)
    if missing:
        states.update(_read_states(connection, sorted(missing)))
    return states


def _read_states(connection: Connection, numbers: Sequence[int]) -> dict[int, CustomerState]:
    known = {row[0]: _PROFILES.decode(row[1]) for row in bulk.select_in(connection, _PROFILE_OF, numbers)}
    found: dict[int, dict[int, Assignment]] = {}
    for row in bulk.select_in(connection, _ASSIGNED, numbers):
        found.setdefault(row[0], {})[row[1]] = Assignment(*row[1:])
    return {
        number: CustomerState(
            number=number, profile=known.get(number, NOBODY.profile), assignments=found.get(number, {})
        )
        for number in numbers
    }


def save_states(
    connection: Connection,
    project_id: int,
    changed: Mapping[int, Profile],
    assigned: Mapping[tuple[int, int], Assignment],
    *,
    now: int,
) -> None:
    """Store profiles by customer, and assignments by customer and experiment."""
    bodies = [(number, project_id, bytearray(_ENCODER.encode(profile)), now) for number, profile in changed.items()]
    bulk.upsert(connection, profiles, bodies, ("customer",))
    rows = [(number, *astuple(assignment)) for (number, _), assignment in assigned.items()]
    bulk.upsert(connection, assignments, rows, ("customer", "experiment_id"))


def numbers_for(
    connection: Connection,
    project_id: int,
    digests: Iterable[bytes],
    *,
    new_number: Callable[[], int],
    now: int,
    known: Known,
) -> Mapping[bytes, int]:
    """The numbers of these customers and perhaps of others, new ones given where there are none.

    On PostgreSQL their rows stay locked.

    The lock makes read-fold-write of a profile safe between replicas; sorted, so that no two of them wait in a ring.
    """
    numbers = known.numbers(project_id)
    missing = set(digests).difference(numbers)
    known.strangers = ()
    if missing:
        given = _given if connection.dialect.name == "postgresql" else _given_embedded
        found, strangers = given(connection, project_id, sorted(missing), new_number, now)
        numbers.update(found)
        known.strangers = strangers
    return numbers


Given = tuple[dict[bytes, int], Iterable[int]]
"""Numbers by digest, and those of them that were never given before: nothing is stored under them."""


def _given(
    connection: Connection, project_id: int, wanted: Sequence[bytes], new_number: Callable[[], int], now: int
) -> Given:
    found = _numbers(connection, project_id, wanted)
    missing = [digest for digest in wanted if digest not in found]
    rows = [(project_id, digest, number, number, now) for digest in missing for number in (new_number(),)]
    if bulk.insert_new(connection, vault, rows, "digest") is not None:  # another replica was faster
        return found | _numbers(connection, project_id, missing), ()
    fresh = {row[1]: row[2] for row in rows}
    return found | fresh, fresh.values()


def _given_embedded(
    connection: Connection, project_id: int, wanted: Sequence[bytes], new_number: Callable[[], int], now: int
) -> Given:
    """On SQLite, where nobody else writes meanwhile: who is not remembered is a stranger more often than not."""
    fresh = {digest: new_number() for digest in wanted}
    rows = [(project_id, bytearray(digest), number, number, now) for digest, number in fresh.items()]
    if bulk.insert_missing(connection, vault, rows):
        return fresh, fresh.values()
    found = _numbers(connection, project_id, wanted)
    return found, [number for digest, number in found.items() if fresh[digest] == number]


def _numbers(connection: Connection, project_id: int, digests: Sequence[bytes]) -> dict[bytes, int]:
    rows = bulk.select_in(connection, _NUMBER_OF, digests, fixed=(project_id,), tail="ORDER BY digest FOR UPDATE")
    return {bytes(row[0]): row[1] for row in rows}


def known_among(connection: Connection, project_id: int, digests: Sequence[bytes]) -> dict[bytes, int]:
    """The numbers of those that are known."""
    found: dict[bytes, int] = {}
    for part in _chunks(digests):
        query = select(vault.c.digest, vault.c.customer).where(
            vault.c.project_id == project_id, vault.c.digest.in_(part)
        )
        found.update((bytes(row.digest), row.customer) for row in connection.execute(query))
    return found


def find_number(connection: Connection, project_id: int, digest: bytes) -> int | None:
    """The number of a known customer."""
    return connection.execute(
        select(vault.c.customer).where(vault.c.project_id == project_id, vault.c.digest == digest)
    ).scalar_one_or_none()


def erased_among(connection: Connection, project_id: int, tombstones: Sequence[bytes]) -> set[bytes]:
    """Which of these tombstones stand: their customers asked to be forgotten."""
    found: set[bytes] = set()
    for part in _chunks(tombstones):
        query = select(erased.c.digest).where(erased.c.project_id == project_id, erased.c.digest.in_(part))
        found.update(bytes(row.digest) for row in connection.execute(query))
    return found


def has_erased(connection: Connection, project_id: int, known: Known) -> bool:
    """Whether anybody was ever erased: until then no event needs the look-up."""
    if project_id in known.unerased:
        return False
    found = bulk.exists(connection, "SELECT 1 FROM erased WHERE project_id = ? LIMIT 1", (project_id,))
    if not found:
        known.unerased.add(project_id)
    return found


def lock_vault(connection: Connection) -> None:
    """Wait for whoever is giving out numbers, and keep others from it until this transaction ends.

    Without it an event under way could give a number back to somebody who is being erased. On SQLite there is one
    writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE vault IN EXCLUSIVE MODE"))


def erase(
    connection: Connection,
    project_id: int,
    *,
    digests: Sequence[bytes],
    numbers: Sequence[int],
    tombstones: Sequence[bytes],
    now: int,
) -> None:
    """Forget a person: mappings, profiles, keys, contacts, payloads and what waits for them go, tombstones stay."""
    from offerlab.storage.tables import (  # noqa: PLC0415 - only erasing touches them
        contact_keys,
        contacts,
        outbox,
        payloads,
        rejected,
        timed_offers,
    )

    digest_of.cache_clear()
    module = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [{"project_id": project_id, "digest": tombstone, "erased_at": now} for tombstone in tombstones]
    connection.execute(module.insert(erased).on_conflict_do_nothing(), rows)
    for digest in digests:
        connection.execute(delete(rejected).where(rejected.c.project_id == project_id, rejected.c.digest == digest))
    if numbers:
        connection.execute(delete(vault).where(vault.c.project_id + 0 == project_id, vault.c.customer.in_(numbers)))
        for table in (profiles, contact_keys, contacts, payloads, timed_offers, outbox):
            connection.execute(delete(table).where(table.c.customer.in_(numbers)))


def _chunks(items: Sequence[_T]) -> list[Sequence[_T]]:
    return [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
