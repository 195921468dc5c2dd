"""Consents as they were given and withdrawn, and those that grow old."""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Text, select, type_coerce

from offerlab.domain.customer import PROFILING, Profile
from offerlab.storage.identity import counting_under
from offerlab.storage.tables import interactions, profiles, vault

_CHUNK: Final = 500
_PROFILES: Final = msgspec.msgpack.Decoder(Profile)


class Word(Struct, frozen=True, kw_only=True):
    """One word of a customer about one channel and purpose.

    Attributes:
        event_id: of the event that told it; the receipt goes by it.
        at, received_at: microseconds UTC.
        text_version: what the customer was shown. source: where.
    """

    event_id: str
    channel: str
    purpose: str
    granted: bool
    at: int
    received_at: int
    text_version: str | None
    source: str | None


class Standing(Struct, frozen=True, kw_only=True):
    """A consent that stands: whose, for what, since when (microseconds UTC)."""

    customer: int
    channel: str
    purpose: str
    given_at: int


def history(connection: Connection, project_id: int, customers: list[int]) -> list[Word]:
    """Every word of a person, oldest first."""
    rows = connection.execute(
        select(interactions)
        .where(
            interactions.c.project_id == project_id,
            interactions.c.customer.in_(customers),
            interactions.c.type.in_(("consent", "unsubscribe")),
        )
        .order_by(interactions.c.occurred_at, interactions.c.event_id)
    )
    return [
        Word(
            event_id=row.event_id,
            channel=str(row.body.get("channel")),
            purpose=str(row.body.get("purpose") or "marketing"),
            granted=row.type == "consent" and row.body.get("granted") is True,
            at=row.occurred_at,
            received_at=row.received_at,
            text_version=row.body.get("text_version"),
            source=row.body.get("source"),
        )
        for row in rows
        if row.body is not None
    ]


def standing(connection: Connection, project_id: int, *, before: int) -> Iterator[Standing]:
    """Consents that stand since before an instant: their customers are to be asked again."""
    rows = connection.execute(
        select(profiles.c.customer, profiles.c.body)
        .where(profiles.c.project_id == project_id)
        .order_by(profiles.c.customer)
        .execution_options(yield_per=1_000)
    )
    for row in rows:
        for key, (at, granted) in _PROFILES.decode(row.body).consents.items():
            if granted and at < before:
                channel, _, purpose = key.partition(":")
                yield Standing(customer=row.customer, channel=channel, purpose=purpose, given_at=at)


def objecting(connection: Connection, project_id: int) -> frozenset[int]:
    """Whoever objects to being profiled, under every number of theirs; of two words at one instant a refusal counts."""
    told = connection.execute(
        select(vault.c.root, interactions.c.occurred_at, interactions.c.body)
        .join(vault, (vault.c.project_id == project_id) & (vault.c.customer == interactions.c.customer))
        .where(
            interactions.c.project_id == project_id,
            interactions.c.type == "consent",
            type_coerce(interactions.c.body, Text).contains(PROFILING),
        )
    )
    latest: dict[int, tuple[int, bool]] = {}
    for root, at, body in told:
        if body.get("purpose") == PROFILING:
            word = at, body.get("granted") is not True
            latest[root] = max(word, latest.get(root, word))
    refused = [root for root, (_, refuses) in latest.items() if refuses]
    found: set[int] = set(refused)
    for start in range(0, len(refused), _CHUNK):
        mine = counting_under(project_id, refused[start : start + _CHUNK])
        found.update(row.customer for row in connection.execute(mine))
    return frozenset(found)
