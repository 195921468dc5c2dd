"""Offers, every version of them: an exposure names what was shown, so nothing shown is ever overwritten."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select

from offerlab.domain.offer import Offer
from offerlab.storage.tables import offers


def find(connection: Connection, project_id: int, key: str) -> Offer | None:
    """The newest version of an offer."""
    row = connection.execute(
        select(offers.c.body)
        .where(offers.c.project_id == project_id, offers.c.key == key)
        .order_by(offers.c.version.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _offer(row.body)


def save(connection: Connection, project_id: int, offer: Offer, *, now: int) -> None:
    """Store one version of an offer."""
    body = msgspec.to_builtins(offer)
    connection.execute(
        insert(offers).values(
            project_id=project_id, key=offer.key, version=offer.version, kind=offer.kind, body=body, created_at=now
        )
    )


def everything(connection: Connection, project_id: int) -> dict[str, Offer]:
    """The newest version of every offer by key."""
    newest = (
        select(offers.c.key, func.max(offers.c.version).label("version"))
        .where(offers.c.project_id == project_id)
        .group_by(offers.c.key)
        .subquery()
    )
    rows = connection.execute(
        select(offers.c.body)
        .join(newest, (offers.c.key == newest.c.key) & (offers.c.version == newest.c.version))
        .where(offers.c.project_id == project_id)
        .order_by(offers.c.key)
    )
    found = (_offer(row.body) for row in rows)
    return {offer.key: offer for offer in found}


def in_force(connection: Connection, project_id: int, keys: Iterable[str], *, at: int) -> list[Offer]:
    """The version of each offer that stood at `at`; the first one of an offer that came later."""
    found: dict[str, Offer] = {}
    rows = connection.execute(
        select(offers.c.key, offers.c.body, offers.c.created_at)
        .where(offers.c.project_id == project_id, offers.c.key.in_(list(keys)))
        .order_by(offers.c.key, offers.c.version)
    )
    for row in rows:
        if row.key not in found or row.created_at <= at:
            found[row.key] = _offer(row.body)
    return list(found.values())


def _offer(body: Any) -> Offer:  # noqa: ANN401 - a stored document
    return msgspec.convert(body, Offer)
