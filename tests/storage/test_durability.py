"""What an acknowledged commit rests on."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

from offerlab.errors import Misconfigured, Unavailable
from offerlab.storage import lock
from offerlab.storage.database import open_engine, reading, sweep, writing


def test_sqlite_syncs_every_commit(tmp_path: Path) -> None:
    """The embedded store runs with WAL and synchronous=FULL, and wipes what is deleted."""
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with reading(engine) as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_what_was_deleted_is_in_no_file(tmp_path: Path) -> None:
    """A key that was deleted stands in the write-ahead log until it is swept, and then nowhere."""
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    secret = b"the key of somebody who wants to be forgotten"

    def found() -> bool:
        return any(secret in file.read_bytes() for file in tmp_path.iterdir())

    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE contact_keys (customer INTEGER PRIMARY KEY, secret BLOB)")
        connection.exec_driver_sql("INSERT INTO contact_keys VALUES (1, ?)", (secret,))
    with writing(engine) as connection:
        connection.exec_driver_sql("DELETE FROM contact_keys")
    assert found()
    sweep(engine)
    assert not found()
    engine.dispose()


def test_one_process_holds_a_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second holder waits, then refuses and says who holds the folder; a freed lock is free at once."""
    monkeypatch.setattr(lock, "PATIENCE_S", 0.1)
    with lock.held(tmp_path), pytest.raises(Misconfigured, match="in use by process"), lock.held(tmp_path):
        pass
    with lock.held(tmp_path):
        assert (tmp_path / "lock").read_text().isdecimal()


def test_a_store_whose_connections_are_all_taken_is_busy() -> None:
    """Whoever finds none in time is told to come again, like at a store that can't be reached."""
    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0)
    with reading(engine), pytest.raises(Unavailable), reading(engine):
        pass
    engine.dispose()
