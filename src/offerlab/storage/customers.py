"""The vault and what is known of a customer.

Only this module turns an id as sent into the internal number. The vault keeps HMAC-SHA256(project secret, id), never
the id: what remains after a row is deleted belongs to nobody.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects import postgresql, sqlite

from offerlab.domain.customer import NOBODY, Assignment, CustomerState, Profile
from offerlab.storage.mac import mac
from offerlab.storage.tables import assignments, erased, profiles, vault

_PROFILES: Final = msgspec.msgpack.Decoder(Profile)
_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")
_CHUNK: Final = 500
_T = TypeVar("_T")


def digest_of(secret: bytes, unit: str) -> bytes:
    """What the vault knows of an id: 16 bytes that nobody can turn back without the project's secret."""
    return mac(secret, b"vault:" + unit.encode("utf-8", "surrogatepass"))[:16]


def tombstone_of(secret: bytes, unit: str) -> bytes:
    """What stays of an erased id, so that its late events stay out."""
    return tombstone_over(secret, digest_of(secret, unit))


def tombstone_over(secret: bytes, digest: bytes) -> bytes:
    """The tombstone over a row of the vault: a person's other ids, which nobody knows, are kept out too."""
    return hashlib.blake2b(digest, key=secret[:32], person=b"erased").digest()[:32]


def load_states(connection: Connection, numbers: Sequence[int]) -> dict[int, CustomerState]:
    """States by customer number; a customer without profile and assignments has an empty one."""
    known: dict[int, Profile] = {}
    found: dict[int, dict[int, Assignment]] = defaultdict(dict)
    for part in _chunks(numbers):
        for row in connection.execute(
            select(profiles.c.customer, profiles.c.body).where(profiles.c.customer.in_(part))
        ):
            known[row.customer] = _PROFILES.decode(row.body)
        for row in connection.execute(select(assignments).where(assignments.c.customer.in_(part))):
            found[row.customer][row.experiment_id] = Assignment(
                row.experiment_id, row.variant, row.epoch, row.segment, row.bucket, row.propensity, row.exposed_at
            )
    return {
        number: CustomerState(number=number, profile=known.get(number, NOBODY.profile), assignments=found[number])
        for number in numbers
    }


def save_states(
    connection: Connection,
    project_id: int,
    before: dict[int, CustomerState],
    after: dict[int, CustomerState],
    *,
    now: int,
) -> None:
    """Store what changed between `before` and `after`."""
    bodies = [
        {"customer": n, "project_id": project_id, "body": _ENCODER.encode(state.profile), "updated_at": now}
        for n, state in after.items()
        if state.profile is not before[n].profile
    ]
    if bodies:
        _upsert(connection, profiles, bodies, ["customer"])
    rows = [
        _assignment_row(n, assignment)
        for n, state in after.items()
        if state.assignments is not before[n].assignments
        for assignment in state.assignments.values()
        if before[n].assignments.get(assignment.experiment) is not assignment
    ]
    if rows:
        _upsert(connection, assignments, rows, ["customer", "experiment_id"])


def numbers_for(
    connection: Connection,
    project_id: int,
    digests: Iterable[bytes],
    *,
    new_number: Callable[[], int],
    now: int,
) -> dict[bytes, int]:
    """The numbers of customers, new ones given where there are none; on PostgreSQL their rows stay locked.

    The lock makes read-fold-write of a profile safe between replicas; sorted, so that no two of them wait in a ring.
    """
    wanted = sorted(set(digests))
    found = _numbers(connection, project_id, wanted)
    missing = [d for d in wanted if d not in found]
    if missing:
        rows = [_vault_row(project_id, digest, new_number(), now) for digest in missing]
        module = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(module.insert(vault).on_conflict_do_nothing(), rows)
        found.update(_numbers(connection, project_id, missing))
    return found


def _vault_row(project_id: int, digest: bytes, number: int, now: int) -> dict[str, object]:
    return {"project_id": project_id, "digest": digest, "customer": number, "root": number, "created_at": now}


def _numbers(connection: Connection, project_id: int, digests: Sequence[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for part in _chunks(digests):
        query = (
            select(vault.c.digest, vault.c.customer)
            .where(vault.c.project_id == project_id, vault.c.digest.in_(part))
            .order_by(vault.c.digest)
        )
        if connection.dialect.name == "postgresql":
            query = query.with_for_update()
        found.update((bytes(row.digest), row.customer) for row in connection.execute(query))
    return found


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


def has_erased(connection: Connection, project_id: int) -> bool:
    """Whether anybody was ever erased: until then no event needs the look-up."""
    return (
        connection.execute(select(erased.c.digest).where(erased.c.project_id == project_id).limit(1)).first()
        is not None
    )


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

    module = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [{"project_id": project_id, "digest": tombstone, "erased_at": now} for tombstone in tombstones]
    connection.execute(module.insert(erased).on_conflict_do_nothing(), rows)
    for digest in digests:
        connection.execute(delete(rejected).where(rejected.c.project_id == project_id, rejected.c.digest == digest))
    if numbers:
        connection.execute(delete(vault).where(vault.c.project_id == project_id, vault.c.customer.in_(numbers)))
        for table in (profiles, contact_keys, contacts, payloads, timed_offers, outbox):
            connection.execute(delete(table).where(table.c.customer.in_(numbers)))


def _assignment_row(number: int, assignment: Assignment) -> dict[str, object]:
    return {
        "customer": number,
        "experiment_id": assignment.experiment,
        "variant": assignment.variant,
        "epoch": assignment.epoch,
        "segment": assignment.segment,
        "bucket": assignment.bucket,
        "propensity": assignment.propensity,
        "exposed_at": assignment.exposed_at,
    }


def _upsert(connection: Connection, table: Any, rows: list[dict[str, Any]], key: list[str]) -> None:  # noqa: ANN401 - a table
    module = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = module.insert(table)
    update = {name: statement.excluded[name] for name in rows[0] if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=update), rows)


def _chunks(items: Sequence[_T]) -> list[Sequence[_T]]:
    return [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
