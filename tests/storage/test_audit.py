"""The audit log is one chain, whoever writes at the same time."""

import threading
import time

import pytest
from sqlalchemy import text

from offerlab.storage import audit, schema
from offerlab.storage.audit import Deed
from offerlab.storage.database import open_engine, reading, writing

PATIENCE_S = 30.0
WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


def deed(name: str) -> Deed:
    """Something somebody did."""
    return Deed(at=1, actor="test", action="define", object=name)


@pytest.mark.postgres
def test_deeds_at_the_same_moment_stand_one_behind_the_other(postgres_url: str) -> None:
    """A second transaction waits for the end of the first before it looks what to stand behind."""
    engine = open_engine(postgres_url)
    schema.upgrade(engine)
    done = threading.Event()

    def second() -> None:
        with writing(engine) as connection:
            audit.append(connection, 1, deed("second"))
        done.set()

    with writing(engine) as connection:
        audit.append(connection, 1, deed("first"))
        other = threading.Thread(target=second, daemon=True)
        other.start()
        patience = time.monotonic() + PATIENCE_S
        waits = False
        while not (waits or done.is_set()) and time.monotonic() < patience:
            with reading(engine) as look:
                waits = bool(look.execute(WAITING).scalar_one())
    other.join(PATIENCE_S)
    with reading(engine) as connection:
        assert audit.first_broken(connection, 1) is None
        assert [each.object for _, each in audit.newest(connection, 1, limit=2)] == ["second", "first"]
    engine.dispose()
    assert waits
