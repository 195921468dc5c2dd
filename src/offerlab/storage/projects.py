"""Projects: the currency, the secret and the version that a decision goes by."""

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from offerlab.storage.tables import projects


class Project(Struct, frozen=True, kw_only=True):
    """One shop.

    Attributes:
        secret: 32 random bytes; keys the vault's HMAC and signs decision tokens.
        version: raised by whatever changes a decision.
    """

    id: int
    key: str
    name: str
    currency: str
    secret: bytes
    settings: dict[str, Any]
    version: int


def find(connection: Connection, key: str) -> Project | None:
    """The project with this key."""
    row = connection.execute(select(projects).where(projects.c.key == key)).one_or_none()
    return None if row is None else _project(row)


def load(connection: Connection, project_id: int) -> Project:
    """The project with this id; it must exist."""
    return _project(connection.execute(select(projects).where(projects.c.id == project_id)).one())


def add(connection: Connection, *, key: str, name: str, currency: str, secret: bytes, now: int) -> Project:
    """Store a new project at version 1."""
    connection.execute(
        insert(projects).values(
            key=key, name=name, currency=currency, secret=secret, settings={}, version=1, created_at=now
        )
    )
    found = find(connection, key)
    if found is None:
        raise AssertionError("a project just stored is found")
    return found


def version(connection: Connection, project_id: int) -> int:
    """The current version, one small read."""
    found: int = connection.execute(select(projects.c.version).where(projects.c.id == project_id)).scalar_one()
    return found


def hold(connection: Connection, project_id: int) -> None:
    """Until this transaction ends nobody else may change what decisions go by; who does already is waited for.

    What they commit is seen by the next statement. Events go on being written: they only need the project to exist. An
    embedded store has one writer anyway.
    """
    row = select(projects.c.id).where(projects.c.id == project_id)
    connection.execute(row.with_for_update(key_share=True)).scalar_one()


def raise_version(connection: Connection, project_id: int) -> int:
    """Tell every replica that decisions have changed; the new version."""
    connection.execute(update(projects).where(projects.c.id == project_id).values(version=projects.c.version + 1))
    return version(connection, project_id)


def save_settings(connection: Connection, project_id: int, settings: dict[str, Any]) -> None:
    """Replace the project's settings."""
    connection.execute(update(projects).where(projects.c.id == project_id).values(settings=settings))


def _project(row: Any) -> Project:  # noqa: ANN401 - a row of `projects`
    return Project(
        id=row.id,
        key=row.key,
        name=row.name,
        currency=row.currency,
        secret=row.secret,
        settings=row.settings,
        version=row.version,
    )
