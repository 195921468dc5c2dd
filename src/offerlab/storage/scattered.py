"""Lines of orders that stand apart in a file, kept on disk until the last of them was read.

A temporary store of SQLite's own: it has no name, its pages go to the disk when there are many, and it is gone with the
process, however that ends.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Final

import msgspec
from msgspec import Struct

_CELLS: Final = msgspec.json.Decoder(dict[str, str])


class Line(Struct, frozen=True):
    """A line of the file and its cells by field."""

    line: int
    cells: Mapping[str, str]


class Scattered:
    """Lines by order; to be closed."""

    def __init__(self) -> None:
        self._store = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -16384"):
            self._store.execute(f"PRAGMA {pragma}")
        self._store.execute(
            "CREATE TABLE lines (order_id TEXT, line INTEGER, cells BLOB, PRIMARY KEY (order_id, line)) WITHOUT ROWID"
        )
        self._store.execute("BEGIN")

    def close(self) -> None:
        """Forget everything."""
        self._store.close()

    def add(self, order_id: str, lines: Sequence[tuple[int, Mapping[str, str]]]) -> None:
        """Keep some lines of an order."""
        rows = [(order_id, line, msgspec.json.encode(cells)) for line, cells in lines]
        self._store.executemany("INSERT INTO lines VALUES (?, ?, ?)", rows)

    def take(self, order_id: str) -> list[Line]:
        """All lines kept of an order, in the order of the file; they are kept no longer."""
        with closing(
            self._store.execute("SELECT line, cells FROM lines WHERE order_id = ? ORDER BY line", (order_id,))
        ) as found:
            lines = [Line(line, _CELLS.decode(cells)) for line, cells in found]
        self._store.execute("DELETE FROM lines WHERE order_id = ?", (order_id,))
        return lines

    def rest(self) -> Iterator[tuple[str, list[Line]]]:
        """Orders of which lines are kept still, by their first line."""
        found = self._store.execute("SELECT order_id FROM lines GROUP BY order_id ORDER BY MIN(line)").fetchall()
        for (order_id,) in found:
            yield order_id, self.take(order_id)
