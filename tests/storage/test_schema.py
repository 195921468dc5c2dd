"""The schema: one chain of migrations that builds exactly the tables, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from offerlab.errors import Misconfigured
from offerlab.storage import schema
from offerlab.storage.database import open_engine, reading, writing
from offerlab.storage.tables import metadata


def test_migrating_from_empty_gives_the_tables(empty_database_url: str) -> None:
    """Up from nothing, Alembic finds no difference between the store and `storage.tables`."""
    engine = open_engine(empty_database_url)
    assert schema.current(engine) is None
    schema.upgrade(engine)
    assert schema.current(engine) == schema.head()
    with reading(engine) as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
        names = set(inspect(connection).get_table_names())
    engine.dispose()
    assert differences == []
    assert set(metadata.tables) <= names


def test_migrating_twice_changes_nothing(empty_database_url: str) -> None:
    """A store at our revision is left alone."""
    engine = open_engine(empty_database_url)
    schema.upgrade(engine)
    schema.upgrade(engine)
    schema.check_current(engine)
    assert schema.current(engine) == schema.head()
    engine.dispose()


def test_a_newer_store_is_refused(empty_database_url: str) -> None:
    """A store written by a later release is neither served nor migrated."""
    engine = open_engine(empty_database_url)
    schema.upgrade(engine)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match="newer"):
        schema.upgrade(engine)
    with pytest.raises(Misconfigured, match="newer"):
        schema.check_current(engine)
    engine.dispose()


def test_a_store_without_migration_is_refused(empty_database_url: str) -> None:
    """A server's store is migrated by `offerlab migrate`, not by whoever happens to start first."""
    engine = open_engine(empty_database_url)
    with pytest.raises(Misconfigured, match="offerlab migrate"):
        schema.check_current(engine)
    engine.dispose()
