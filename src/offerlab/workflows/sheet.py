"""A file of rows, read page by page: CSV or Parquet, never whole in memory.

A CSV is read as often as it is needed: a pass over one column of a million lines takes a third of a second, keeping
them takes half a gigabyte.
"""

from array import array
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct

from offerlab.errors import InvalidInput
from offerlab.intake.sheets import BadRow, Numbered

PAGE: Final = 8_192
_BLOCK: Final = 1 << 20
_HEAD_LINES: Final = 2


class Runs(Struct, frozen=True):
    """Neighbouring rows with the same text in one column, run by run.

    Attributes:
        rows: of the file.
        whole: whether no other run has this text. last: whether no later one has.
    """

    rows: int
    whole: Sequence[bool]
    last: Sequence[bool]


class Sheet:
    """One file.

    Args:
        path: ends in .csv or .parquet.

    Attributes:
        names: of its columns.
        broken: lines that could not be read at all, as far as the file was read.

    Raises:
        InvalidInput: no such file, or not of its kind.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.broken: dict[int, BadRow] = {}
        with self._readable():
            self.names: list[str] = self._head()

    def rows(self, fields: Mapping[str, str], *, more: Sequence[str] = ()) -> Iterator[Numbered]:
        """Cells by field (and of further columns by their name), empty ones left out.

        Args:
            fields: field -> column.
            more: further columns.

        Raises:
            InvalidInput: from here on the file can't be read.
        """
        names = [*fields, *more]
        line = _HEAD_LINES - 1
        for columns in self._pages([*fields.values(), *more]):
            for values in zip(*columns, strict=True):
                line += 1
                while line in self.broken:
                    line += 1
                yield Numbered(line, {name: text.strip() for name, text in zip(names, values, strict=True) if text})

    def count(self) -> int:
        """How many rows can be read.

        Raises:
            InvalidInput: as `rows`.
        """
        return sum(len(columns[0]) for columns in self._pages(self.names[:1]))

    def runs(self, column: str) -> Runs:
        """Where the same text stands together in a column, and where again; a few bytes are kept of each run.

        Raises:
            InvalidInput: as `rows`.
        """
        rows = 0
        texts = ((text or "").strip() for columns in self._pages([column]) for text in columns[0])
        marks = array("Q")
        for text, run in groupby(texts):
            rows += sum(1 for _ in run)
            marks.append(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big"))
        found = np.frombuffer(marks, np.uint64) if marks else np.empty(0, np.uint64)
        first, last = np.zeros(len(found), bool), np.zeros(len(found), bool)
        first[np.unique(found, return_index=True)[1]] = True
        last[len(found) - 1 - np.unique(found[::-1], return_index=True)[1]] = True
        return Runs(rows, (first & last).tolist(), last.tolist())

    def _pages(self, columns: Sequence[str]) -> Iterator[list[list[str | None]]]:
        """The columns as text, some thousand rows at a time."""
        with self._readable():
            for batch in self._batches(columns):
                for start in range(0, batch.num_rows, PAGE):
                    page = batch.slice(start, PAGE)
                    yield [page.column(name).to_pylist() for name in columns]

    def _batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """Arrow's own pages; it carries no types."""
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - carries no types; only an import reads files
        from pyarrow import csv, parquet  # noqa: PLC0415 - likewise

        kinds = {name: pa.string() for name in columns}
        if self._path.suffix == ".parquet":
            with parquet.ParquetFile(self._path, pre_buffer=False) as file:
                for batch in file.iter_batches(PAGE, columns=list(kinds)):
                    yield batch.select(list(kinds)).cast(pa.schema(kinds))
            return
        with csv.open_csv(
            self._path,
            read_options=csv.ReadOptions(use_threads=False, block_size=_BLOCK),
            parse_options=csv.ParseOptions(newlines_in_values=False, invalid_row_handler=self._skip),
            convert_options=csv.ConvertOptions(
                column_types=kinds, strings_can_be_null=False, include_columns=list(kinds)
            ),
        ) as reader:
            yield from reader

    def _head(self) -> list[str]:
        from pyarrow import csv, parquet  # noqa: PLC0415 - likewise

        if self._path.suffix == ".parquet":
            return list(parquet.read_schema(self._path).names)
        options = csv.ParseOptions(invalid_row_handler=self._skip)
        numbered = csv.ReadOptions(use_threads=False, block_size=_BLOCK)
        with csv.open_csv(self._path, read_options=numbered, parse_options=options) as reader:
            return list(reader.schema.names)

    def _skip(self, row: Any) -> str:  # noqa: ANN401 - Arrow's own
        line = int(row.number)
        self.broken[line] = BadRow(
            line, f"line {line}: {row.actual_columns} cells where the head has {row.expected_columns}"
        )
        return "skip"

    @contextmanager
    def _readable(self) -> Generator[None]:
        """Arrow's errors as ours."""
        import pyarrow as pa  # noqa: PLC0415 - only an import reads files

        try:
            yield
        except (OSError, pa.ArrowException, ValueError) as error:
            raise InvalidInput(f"{self._path.name} can't be read: {error}", field="file") from error
