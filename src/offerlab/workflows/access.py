"""Keys, projects, and the first start."""

import secrets
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from sqlalchemy import Engine

from offerlab.domain.money import check_currency
from offerlab.errors import Misconfigured
from offerlab.storage import keys, projects
from offerlab.storage.database import reading, writing
from offerlab.storage.keys import KeyKind, StoredKey, digest
from offerlab.storage.projects import Project
from offerlab.workflows.desk import Desk
from offerlab.workflows.runtime import Runtime

__all__ = [
    "FirstStart",
    "KeyKind",
    "StoredKey",
    "create_key",
    "digest",
    "keys_of",
    "new_secret",
    "prepare",
    "revoke_key",
]

DEFAULT: Final = "default"
NEW_CURRENCY: Final = "USD"
"""Of a project that starts without saying one."""


class FirstStart(Struct, frozen=True):
    """What preparing the store found or made; `admin_key` only when one was made now."""

    project: Project
    admin_key: str | None


def new_secret(kind: KeyKind) -> str:
    """A key nobody can guess: 256 random bits behind a prefix that secret scanners find."""
    return f"ol_{kind}_{secrets.token_urlsafe(32)}"


def prepare(engine: Engine, *, currency: str | None, admin_key: str | None, now: Callable[[], int]) -> FirstStart:
    """Make sure that the project `default` and an admin key of it exist.

    Args:
        engine: a store at our schema.
        currency: of the project, fixed by the first start; None takes it as it is.
        admin_key: one to be valid from now on, None for a random one at the first start.
        now: the clock.

    Raises:
        Misconfigured: the project has another currency.
    """
    wanted = NEW_CURRENCY if currency is None else currency
    check_currency(wanted)
    with writing(engine) as connection:
        project = projects.find(connection, DEFAULT)
        made: str | None = None
        if project is None:
            project = projects.add(
                connection, key=DEFAULT, name="Default", currency=wanted, secret=secrets.token_bytes(32), now=now()
            )
            if admin_key is None:
                made = new_secret("admin")
                keys.add(connection, project_id=project.id, kind="admin", name="first start", secret=made, now=now())
        if currency is not None and project.currency != currency:
            raise Misconfigured(
                f"this project counts in {project.currency} since its first start; it can't be opened with {currency}"
            )
        if admin_key is not None and keys.find(connection, keys.digest(admin_key)) is None:
            keys.add(
                connection, project_id=project.id, kind="admin", name="OFFERLAB_ADMIN_KEY", secret=admin_key, now=now()
            )
    return FirstStart(project, made)


def create_key(desk: Desk, *, kind: KeyKind, name: str) -> tuple[StoredKey, str]:
    """Make a key.

    Returns:
        The key as stored, and its secret, which is shown once.
    """
    secret = new_secret(kind)
    with desk.change() as connection:
        stored = keys.add(
            connection, project_id=desk.project_id, kind=kind, name=name, secret=secret, now=desk.runtime.now()
        )
        desk.log(connection, "create_key", f"key:{stored.id}", after={"kind": kind, "name": name})
    return stored, secret


def revoke_key(desk: Desk, key_id: int) -> StoredKey | None:
    """Revoke a key; None when the project has no such key."""
    with desk.change() as connection:
        if not keys.revoke(connection, desk.project_id, key_id, now=desk.runtime.now()):
            return None
        desk.log(connection, "revoke_key", f"key:{key_id}")
        return next(key for key in keys.everything(connection, desk.project_id) if key.id == key_id)


def keys_of(runtime: Runtime, project_id: int) -> list[StoredKey]:
    """All keys of a project, oldest first."""
    with reading(runtime.engine) as connection:
        return keys.everything(connection, project_id)
