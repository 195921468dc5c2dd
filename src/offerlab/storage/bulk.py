"""Many rows at once, straight through the driver: what the writer does for every event.

SQLAlchemy spends more on a row than SQLite does. Here statements are text made once per table, rows are tuples in the
order of their columns, and the connection is the transaction's own: SQLite takes `executemany`; PostgreSQL takes COPY
where nothing can be in the way, else one INSERT over arrays.
"""

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Double, LargeBinary, String, Table, Text

from offerlab.errors import Unavailable

Row = tuple[Any, ...]
_SIZES: Final = (1, 10, 100, 500)
_MISSING: Final = None


def insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, each with a value for every column of `table` but a serial one, in the table's order."""
    if not rows:
        return
    names = columns_of(table)
    with _driver(connection) as cursor:
        if _is_sqlite(connection):
            cursor.executemany(_insert_text(table.name, names, "", ()), rows)
        else:
            with cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], returning: str) -> set[Any] | None:
    """Insert rows of which some may be there already.

    Returns:
        The column `returning` of those inserted; None where nobody else writes, so that it was all of them.
    """
    if not rows:
        return set()
    names = columns_of(table)
    with _driver(connection) as cursor:
        if _is_sqlite(connection):
            cursor.executemany(_insert_text(table.name, names, "", ()), rows)
            return None
        statement = f"{_arrays_text(table)} ON CONFLICT DO NOTHING RETURNING {returning}"
        cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])
        return {row[0] for row in cursor.fetchall()}


def upsert(connection: Connection, table: Table, rows: Sequence[Row], key: tuple[str, ...]) -> None:
    """Insert rows, or put them in the place of those with the same key."""
    if not rows:
        return
    names = columns_of(table)
    with _driver(connection) as cursor:
        if _is_sqlite(connection):
            cursor.executemany(_insert_text(table.name, names, "upsert", key), rows)
        else:
            statement = _arrays_text(table) + _on_conflict(names, key)
            cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def select_in(
    connection: Connection, head: str, values: Sequence[Any], *, fixed: Sequence[Any] = (), tail: str = ""
) -> Iterable[Row]:
    """Rows of `head` … IN (values), with `?` for the values of `fixed` that come before.

    Statements have one of four lengths, so that the driver prepares each once.
    """
    with _driver(connection) as cursor:
        if not _is_sqlite(connection):
            statement = f"{head.replace('?', '%s')} = ANY(%s) {tail}"
            cursor.execute(statement, [*fixed, list(values)])
            return list(cursor.fetchall())
        found: list[Row] = []
        for start in range(0, len(values), _SIZES[-1]):
            part = values[start : start + _SIZES[-1]]
            size = next(size for size in _SIZES if size >= len(part))
            padding = (part[0],) * (size - len(part))
            found += cursor.execute(_in_text(head, size), (*fixed, *part, *padding)).fetchall()
        return found


def exists(connection: Connection, statement: str, fixed: Sequence[Any]) -> bool:
    """Whether a statement (with `?` for its values) finds anything."""
    with _driver(connection) as cursor:
        text = statement if _is_sqlite(connection) else statement.replace("?", "%s")
        cursor.execute(text, list(fixed))
        return cursor.fetchone() is not None


@cache
def columns_of(table: Table) -> tuple[str, ...]:
    """The columns that a row has, in order: all but a serial key."""
    serial = table.autoincrement_column
    return tuple(column.name for column in table.columns if column is not serial)


@contextmanager
def _driver(connection: Connection) -> Generator[Any]:
    """A cursor of the driver inside the transaction, its "not now" turned into ours.

    Raises:
        Unavailable: the store is full, busy or away.
    """
    if not connection.in_transaction():
        connection.begin()
    raw: Any = connection.connection.driver_connection
    cursor = raw.cursor()
    try:
        yield cursor
    except sqlite3.OperationalError as error:
        raise Unavailable("the store can't be written now") from error
    except Exception as error:
        if not _is_sqlite(connection) and isinstance(error, connection.dialect.loaded_dbapi.OperationalError):
            raise Unavailable("the store can't be written now") from error
        raise
    finally:
        cursor.close()


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


@cache
def _insert_text(table: str, names: tuple[str, ...], kind: str, key: tuple[str, ...]) -> str:
    text = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - our own names
    return text + (_on_conflict(names, key) if kind == "upsert" else "")


def _on_conflict(names: tuple[str, ...], key: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    return f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


@cache
def _arrays_text(table: Table) -> str:
    names = columns_of(table)
    arrays = ", ".join(f"%s::{_array_type(table.columns[name].type)}[]" for name in names)
    return f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM unnest({arrays})"  # noqa: S608 - our own names


def _array_type(kind: object) -> str:
    if isinstance(kind, LargeBinary):
        return "bytea"
    if isinstance(kind, Double):
        return "float8"
    return "text" if isinstance(kind, Text | String) else "bigint"


@cache
def _in_text(head: str, size: int) -> str:
    return f"{head} IN ({', '.join('?' * size)})"
