"""Many rows at once, straight through the driver: what the writer does for every event.

SQLAlchemy spends more on a row than SQLite does. Here statements are text made once per table, rows are tuples in the
order of their columns, and the connection is the transaction's own: SQLite takes `executemany`; PostgreSQL takes one
INSERT over arrays, which needs one answer from the server where COPY into a temporary table needs four.
"""

import sqlite3
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from operator import itemgetter
from types import NoneType
from typing import Any, Final, cast

from sqlalchemy import Connection, Double, LargeBinary, String, Table, Text

from offerlab.errors import Unavailable
from offerlab.storage.columns import Document
from offerlab.storage.database import driver_of

Row = tuple[Any, ...]
Kinds = tuple[type, ...]
_SIZES: Final = (1, 10, 100, 500)
_KINDS: Final[dict[type, str]] = {int: "bigint", str: "text", bytes: "bytea"}


def insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, each with a value for every column of `table` but a serial one, in the table's order."""
    if not rows:
        return
    embedded = _embedded(connection)
    if embedded is not None:
        _execute_many(embedded, table, rows, "")
        return
    with _server(connection) as cursor:
        cursor.execute(_arrays_text(table), _arrays(table, rows))


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], returning: str) -> Collection[Any] | None:
    """Insert rows of which some may be there already, in one statement.

    Returns:
        The column `returning` of those inserted; None if it was all of them.
    """
    if not rows:
        return None
    embedded = _embedded(connection)
    if embedded is not None:
        return _insert_new_embedded(embedded, table, rows, returning)
    with _server(connection) as cursor:
        statement = f"{_arrays_text(table)} ON CONFLICT DO NOTHING RETURNING {returning}"
        cursor.execute(statement, _arrays(table, rows))
        return None if cursor.rowcount == len(rows) else {row[0] for row in cursor.fetchall()}


def insert_missing(connection: Connection, table: Table, rows: Sequence[Row]) -> bool:
    """Insert on SQLite the rows that are not there yet; whether that was all of them."""
    embedded = _embedded(connection)
    if embedded is None:
        raise AssertionError("a server is asked which rows are new")
    return _execute_many(embedded, table, rows, " ON CONFLICT DO NOTHING") == len(rows)


def _insert_new_embedded(
    embedded: sqlite3.Connection, table: Table, rows: Sequence[Row], returning: str
) -> set[Any] | None:
    """The same on SQLite, where nobody else writes meanwhile: the new rows have the last serial numbers."""
    count = _execute_many(embedded, table, rows, " ON CONFLICT DO NOTHING")
    if count == len(rows):
        return None
    serial = table.autoincrement_column
    if serial is None:
        raise AssertionError("without a serial number nobody can tell which rows are new")
    newest = f"{serial.name} > last_insert_rowid() - ?"
    found = embedded.execute(f"SELECT {returning} FROM {table.name} WHERE {newest}", (count,)) if count else ()  # noqa: S608 - our own names
    return {row[0] for row in found}


def upsert(connection: Connection, table: Table, rows: Sequence[Row], key: tuple[str, ...]) -> None:
    """Insert rows, or put them in the place of those with the same key."""
    if not rows:
        return
    ending = _on_conflict(table, key)
    embedded = _embedded(connection)
    if embedded is not None:
        _execute_many(embedded, table, rows, ending)
        return
    with _server(connection) as cursor:
        cursor.execute(_arrays_text(table) + ending, _arrays(table, rows))


def select_in(
    connection: Connection, head: str, values: Sequence[Any], *, fixed: Sequence[Any] = (), tail: str = ""
) -> Iterable[Row]:
    """Rows of `head` … IN (values), with `?` for the values of `fixed` that come before.

    Statements have one of four lengths, so that the driver prepares each once.
    """
    if not values:
        return ()
    embedded = _embedded(connection)
    if embedded is None:
        kind = _KINDS[type(values[0])]
        statement = f"{head.replace('?', '%s')} = ANY(%s::{kind}[]) {tail}"
        with _server(connection) as cursor:
            cursor.execute(statement, [*fixed, _array(values, kind)])
            return list(cursor.fetchall())
    found: list[Row] = []
    for start in range(0, len(values), _SIZES[-1]):
        part = values[start : start + _SIZES[-1]]
        size = next(size for size in _SIZES if size >= len(part))
        padding = (part[0],) * (size - len(part))
        found += embedded.execute(_in_text(head, size), (*fixed, *part, *padding)).fetchall()
    return found


def exists(connection: Connection, statement: str, fixed: Sequence[Any]) -> bool:
    """Whether a statement (with `?` for its values) finds anything."""
    embedded = _embedded(connection)
    if embedded is not None:
        return embedded.execute(statement, tuple(fixed)).fetchone() is not None
    with _server(connection) as cursor:
        cursor.execute(statement.replace("?", "%s"), list(fixed))
        return cursor.fetchone() is not None


@cache
def columns_of(table: Table) -> tuple[str, ...]:
    """The columns that a row has, in order: all but a serial key."""
    serial = table.autoincrement_column
    return tuple(column.name for column in table.columns if column is not serial)


def _embedded(connection: Connection) -> sqlite3.Connection | None:
    """The driver's own connection inside the transaction; None where the store is a server.

    What it can't do now it says as `sqlite3.OperationalError`, which every transaction of ours translates.
    """
    if connection.dialect.name != "sqlite":
        return None
    return cast("sqlite3.Connection", _begun(connection))


@contextmanager
def _server(connection: Connection) -> Generator[Any]:
    """A cursor of a server's driver inside the transaction, its "not now" turned into ours.

    Raises:
        Unavailable: the store is full, busy or away.
    """
    cursor = _begun(connection).cursor()
    try:
        yield cursor
    except connection.dialect.loaded_dbapi.OperationalError as error:
        raise Unavailable("the store can't be written now") from error
    finally:
        cursor.close()


def _begun(connection: Connection) -> Any:  # noqa: ANN401 - the driver's own
    if not connection.in_transaction():
        connection.begin()
    return driver_of(connection)


def _execute_many(embedded: sqlite3.Connection, table: Table, rows: Sequence[Row], ending: str) -> int:
    """Insert on SQLite what says something; how many rows that changed.

    For every NULL the driver looks for an adapter first, which costs as much as four numbers (so it does for `bytes`:
    hand it `bytearray`): rows that leave the same columns empty go together, by a statement without these.
    """
    changed = 0
    for kinds, found in _alike(table, rows).items():
        statement, filled = _insertion(table, kinds, ending)
        changed += embedded.executemany(statement, found if filled is None else map(filled, found)).rowcount
    return changed


def _alike(table: Table, rows: Sequence[Row]) -> Mapping[Kinds, Sequence[Row]]:
    """The rows by the types of what may be missing in them; where nothing may be, all of them.

    Finding a type is the cheapest question that can be asked of a value.
    """
    optional = _optional(table)
    if optional is None:
        return {(): rows}
    found: dict[Kinds, list[Row]] = {}
    for row in rows:
        kinds = tuple(map(type, optional(row)))
        if kinds in found:
            found[kinds].append(row)
        else:
            found[kinds] = [row]
    return found


def _may_be_empty(table: Table) -> list[int]:
    """Places of a row's values that may be missing."""
    return [i for i, name in enumerate(columns_of(table)) if table.columns[name].nullable]


@cache
def _optional(table: Table) -> Callable[[Row], Row] | None:
    """Takes the values that may be missing out of a row; None where none may be."""
    places = _may_be_empty(table)
    if len(places) == 1:
        return itemgetter(slice(places[0], places[0] + 1))
    return itemgetter(*places) if places else None


@lru_cache(maxsize=4_096)
def _insertion(table: Table, kinds: Kinds, ending: str) -> tuple[str, Callable[[Row], Row] | None]:
    """The statement for rows of such values, and what takes those that are there out of a row; None: all are.

    Args:
        table: its rows have a value for each column.
        kinds: types of those that may be missing, in order.
        ending: of the statement.
    """
    missing = {i for i, kind in zip(_may_be_empty(table), kinds, strict=True) if kind is NoneType}
    kept = [i for i in range(len(columns_of(table))) if i not in missing]
    names = [columns_of(table)[i] for i in kept]
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}){ending}"  # noqa: S608 - our own names
    return statement, None if len(kept) == len(columns_of(table)) else itemgetter(*kept)


@cache
def _on_conflict(table: Table, key: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns_of(table) if name not in key)
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
