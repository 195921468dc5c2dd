"""Which version of the schema a store has, and how it gets to ours."""

from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from offerlab.errors import Misconfigured
from offerlab.storage.database import reading, writing

_PACKED: Final = Path(__file__).parents[1] / "_migrations"
_IN_REPOSITORY: Final = Path(__file__).parents[3] / "migrations"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    folder = _PACKED if _PACKED.is_dir() else _IN_REPOSITORY
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def head() -> str:
    """The newest revision that this code knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise Misconfigured("this installation carries no migrations")
    return revision


@cache
def _known() -> frozenset[str]:
    """All revisions that this code knows."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def current(engine: Engine) -> str | None:
    """The revision of the store, None when it is empty."""
    with reading(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine) -> None:
    """Bring the store to our revision; does nothing when it is there.

    Raises:
        Misconfigured: the store is newer than this code.
    """
    found = current(engine)
    check_not_newer(found)
    if found != head():
        with writing(engine) as connection:
            command.upgrade(_config(connection), "head")


def check_not_newer(found: str | None) -> None:
    """Refuse a store written by a later release.

    Raises:
        Misconfigured: its revision is not one of ours.
    """
    if found is None:
        return
    if found not in _known():
        raise Misconfigured(f"the store has schema {found}, which is newer than this release (it knows {head()})")


def check_current(engine: Engine) -> None:
    """Refuse a store that is not at our revision.

    Raises:
        Misconfigured: it is newer, or `offerlab migrate` has not run.
    """
    found = current(engine)
    check_not_newer(found)
    if found != head():
        raise Misconfigured(
            f"the store has schema {found or 'none'}, this release needs {head()}: run `offerlab migrate`"
        )
