"""Many rows at once, straight through the driver: what the writer does for every event.

SQLAlchemy spends more on a row than SQLite does. Here statements are text made once per table, rows are tuples in the
order of their columns, and the connection is the transaction's own: SQLite takes `executemany`; PostgreSQL takes one
INSERT over arrays, which needs one answer from the server where COPY into a temporary table needs four.
"""

import sqlite3
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Double, LargeBinary, String, Table, Text

from offerlab.errors import Unavailable
from offerlab.storage.columns import Document

Row = tuple[Any, ...]
_SIZES: Final = (1, 10, 100, 500)
_KINDS: Final[dict[type, str]] = {int: "bigint", str: "text", bytes: "bytea"}


def insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, each with a value for every column of `table` but a serial one, in the table's order."""
    if not rows:
        return
    with _driver(connection) as cursor:
        if _is_sqlite(connection):
            _execute_many(cursor, table, rows, "")
        else:
            cursor.execute(_arrays_text(table), _arrays(table, rows))


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], returning: str) -> Collection[Any] | None:
    """Insert rows of which some may be there already, in one statement.

    Returns:
        The column `returning` of those inserted; None if it was all of them.
    """
    if not rows:
        return None
    with _driver(connection) as cursor:
        if _is_sqlite(connection):
            return _insert_new_embedded(cursor, table, rows, returning)
        statement = f"{_arrays_text(table)} ON CONFLICT DO NOTHING RETURNING {returning}"
        cursor.execute(statement, _arrays(table, rows))
        return None if cursor.rowcount == len(rows) else {row[0] for row in cursor.fetchall()}


def insert_missing(connection: Connection, table: Table, rows: Sequence[Row]) -> bool:
    """Insert on SQLite the rows that are not there yet; whether that was all of them."""
    with _driver(connection) as cursor:
        _execute_many(cursor, table, rows, " ON CONFLICT DO NOTHING")
        return bool(cursor.rowcount == len(rows))


def _insert_new_embedded(cursor: Any, table: Table, rows: Sequence[Row], returning: str) -> set[Any] | None:  # noqa: ANN401 - the driver's own
    """The same on SQLite, where nobody else writes meanwhile: the new rows have the last serial numbers."""
    _execute_many(cursor, table, rows, " ON CONFLICT DO NOTHING")
    count = cursor.rowcount
    if count == len(rows):
        return None
    serial = table.autoincrement_column
    if serial is None:
        raise AssertionError("without a serial number nobody can tell which rows are new")
    newest = f"{serial.name} > last_insert_rowid() - ?"
    found = cursor.execute(f"SELECT {returning} FROM {table.name} WHERE {newest}", (count,)) if count else ()  # noqa: S608 - our own names
    return {row[0] for row in found}


def upsert(connection: Connection, table: Table, rows: Sequence[Row], key: tuple[str, ...]) -> None:
    """Insert rows, or put them in the place of those with the same key."""
    if not rows:
        return
    with _driver(connection) as cursor:
        ending = _on_conflict(columns_of(table), key)
        if _is_sqlite(connection):
            _execute_many(cursor, table, rows, ending)
        else:
            cursor.execute(_arrays_text(table) + ending, _arrays(table, rows))


def select_in(
    connection: Connection, head: str, values: Sequence[Any], *, fixed: Sequence[Any] = (), tail: str = ""
) -> Iterable[Row]:
    """Rows of `head` … IN (values), with `?` for the values of `fixed` that come before.

    Statements have one of four lengths, so that the driver prepares each once.
    """
    if not values:
        return ()
    with _driver(connection) as cursor:
        if not _is_sqlite(connection):
            kind = _KINDS[type(values[0])]
            statement = f"{head.replace('?', '%s')} = ANY(%s::{kind}[]) {tail}"
            cursor.execute(statement, [*fixed, _array(values, kind)])
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


def _execute_many(cursor: Any, table: Table, rows: Sequence[Row], ending: str) -> None:  # noqa: ANN401 - the driver's own
    """Insert on SQLite what says something.

    For every NULL and every `bytes` the driver looks for an adapter first, which costs as much as four numbers: columns
    that are empty in all rows are left out of the statement, and bytes go in as what the driver knows.
    """
    nullable, binary = _kinds(table)
    columns: list[Any] = list(zip(*rows, strict=True))
    empty = {i for i in nullable if columns[i].count(None) == len(rows)}
    for i in binary:
        if i not in empty:
            columns[i] = [None if value is None else bytearray(value) for value in columns[i]]
    kept = tuple(i for i in range(len(columns)) if i not in empty)
    cursor.executemany(_insert_text(table, kept) + ending, zip(*(columns[i] for i in kept), strict=True))


@cache
def _kinds(table: Table) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Places of a row that may be NULL, and those that hold bytes."""
    columns = [table.columns[name] for name in columns_of(table)]
    nullable = tuple(i for i, column in enumerate(columns) if column.nullable)
    return nullable, tuple(i for i, column in enumerate(columns) if isinstance(column.type, LargeBinary))


@cache
def _insert_text(table: Table, kept: tuple[int, ...]) -> str:
    names = [columns_of(table)[i] for i in kept]
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - our own names


@cache
def _on_conflict(names: tuple[str, ...], key: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    return f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


@cache
def _arrays_text(table: Table) -> str:
    names = columns_of(table)
    arrays = ", ".join(f"%s::{kind}[]" for kind in _array_types(table))
    return f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM unnest({arrays})"  # noqa: S608 - our own names


@cache
def _array_types(table: Table) -> tuple[str, ...]:
    return tuple(_array_type(table.columns[name].type) for name in columns_of(table))


def _arrays(table: Table, rows: Sequence[Row]) -> list[str]:
    """The columns of rows as PostgreSQL writes arrays: the driver looks at every item three times to do that."""
    columns = zip(*rows, strict=True)
    return [_array(column, kind) for column, kind in zip(columns, _array_types(table), strict=True)]


def _array(values: Sequence[Any], kind: str) -> str:
    if kind == "bytea":
        items = ["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]
    elif kind == "text":
        items = ["NULL" if value is None else _quoted(value) for value in values]
    else:
        items = ["NULL" if value is None else repr(value) for value in values]
    return "{" + ",".join(items) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _array_type(kind: object) -> str:
    if isinstance(kind, LargeBinary):
        return "bytea"
    if isinstance(kind, Double):
        return "float8"
    return "text" if isinstance(kind, Text | String | Document) else "bigint"


@cache
def _in_text(head: str, size: int) -> str:
    return f"{head} IN ({', '.join('?' * size)})"
