"""From a URL to an engine whose commits are on disk, and the two kinds of transaction.

SQLite runs with WAL and `synchronous=FULL`: an acknowledged commit survives power loss. Writers begin IMMEDIATE, so
that a transaction never finds out half-way that another one was first.
"""

import sqlite3
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneFree

from offerlab.errors import Unavailable

BUSY_TIMEOUT_MS: Final = 5_000
CONNECT_TIMEOUT_S: Final = 5
STATEMENT_TIMEOUT_MS: Final = 60_000
SILENCE_MS: Final = 5_000
SPARING_KIB: Final = 8_192
"""Pages kept by a connection that commits often: an eighth of what others keep."""

_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    f"busy_timeout = {BUSY_TIMEOUT_MS}",
    "foreign_keys = ON",
    "secure_delete = ON",
    "temp_store = MEMORY",
    "cache_size = -65536",
    "wal_autocheckpoint = 8000",  # 32 MB: pages written again and again go back into the file once
)


def open_engine(url: str) -> Engine:
    """An engine for `url` (SQLite or PostgreSQL); opens no connection yet."""
    if url.startswith("sqlite"):
        return _sqlite(url)
    return create_engine(
        url,
        pool_size=8,
        max_overflow=4,
        pool_timeout=1,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "tcp_user_timeout": SILENCE_MS,  # a network that swallows everything must not hold a thread for minutes
            "keepalives_idle": 2,
            "keepalives_interval": 1,
            "keepalives_count": 3,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout=5000 -c timezone=UTC",
        },
    )


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
        connection.isolation_level = None  # SQLAlchemy begins, not the driver
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("offerlab_begun", False):  # `own.OwnConnection` begins by itself
            driver_of(connection).execute("BEGIN IMMEDIATE" if options.get("offerlab_write", False) else "BEGIN")

    return engine


@contextmanager
def reading(engine: Engine) -> Generator[Connection]:
    """One consistent view of the store.

    Raises:
        Unavailable: the store can't be reached.
    """
    with translated(), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901 - the same one
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine) -> Generator[Connection]:
    """One transaction: all of it is on disk when the block ends, or none.

    Raises:
        Unavailable: the store can't be reached, or stayed locked.
    """
    with translated(), engine.connect().execution_options(offerlab_write=True) as connection, connection.begin():
        yield connection


def driver_of(connection: Connection) -> Any:  # noqa: ANN401 - the driver's own
    """The driver's connection under an open one."""
    driver = connection.connection.driver_connection
    if driver is None:
        raise AssertionError("an open connection has one of the driver")
    return driver


def be_patient(connection: Connection, wait_ms: int) -> None:
    """How long this connection to an embedded store waits for a lock; outside a transaction."""
    driver_of(connection).execute(f"PRAGMA busy_timeout = {wait_ms}")


def be_sparing(connection: Connection) -> None:
    """Have this connection to an embedded store, which commits often, keep few pages.

    Once a page was split in the middle, SQLite looks at the commit through all pages that it keeps (it had given one of
    them a number beyond the file's end): with 64 MB of them that costs several times the rest of a small commit.
    """
    driver_of(connection).execute(f"PRAGMA cache_size = -{SPARING_KIB}")


def sweep(engine: Engine) -> None:
    """Leave nothing of what was deleted beside the embedded store's file.

    The write-ahead log keeps the pages of before until it is written over; here they go back and it is emptied. While
    somebody reads an older view it can't be: then the next one does it, or the log's own limit.
    """
    if engine.dialect.name != "sqlite":
        return
    with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.fetchall()


_NOT_NOW: Final = (OperationalError, sqlite3.OperationalError, NoneFree)


class _Translation:
    """Around each transaction: a generator would take several times as long."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        if isinstance(error, _NOT_NOW):
            raise Unavailable("the store can't be reached or is busy") from error
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise Unavailable("the connection to the store broke") from error


_TRANSLATION: Final = _Translation()


def translated() -> AbstractContextManager[None]:
    """Turn the driver's "not now" into ours; errors of the program pass as they are."""
    return _TRANSLATION
