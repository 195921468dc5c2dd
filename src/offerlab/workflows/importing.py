"""A file into the store: rows checked one by one, bad ones listed, and where it stopped it goes on.

Orders and customers become events like any other (an order once for ever by its id); how far an import has come is
stored in the transaction of what it has stored, so that a second run of the same file goes on behind it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from offerlab.domain.clock import iso
from offerlab.domain.event import Event
from offerlab.errors import InvalidInput
from offerlab.intake import sheets
from offerlab.intake.canonical import event_of, fact_of
from offerlab.intake.native import Native
from offerlab.intake.sheets import BadRow, Kind, Numbered
from offerlab.storage import events as store
from offerlab.storage.database import reading, writing
from offerlab.storage.tables import imports
from offerlab.workflows.defining import put_products, put_relations
from offerlab.workflows.desk import Desk

if TYPE_CHECKING:
    from offerlab.domain.product import Product

CHUNK: Final = 250
"""Orders or customers in one transaction: beside a running server none may hold the store for long."""

ROWS: Final = 65_536
_HEAD_LINES: Final = 2
Progress = Callable[[int, int], None]


class Imported(Struct, frozen=True, kw_only=True):
    """What became of a file.

    Attributes:
        rows: in the file. done: taken now. skipped: taken by an earlier run of the same file, or known already.
        bad: what was not taken, with its line.
    """

    rows: int
    done: int
    skipped: int
    bad: tuple[BadRow, ...]


def import_file(desk: Desk, kind: Kind, path: Path, mapping: Mapping[str, str], progress: Progress) -> Imported:
    """Take a CSV or Parquet file.

    Args:
        desk: who imports into which project.
        kind: of sheet.
        path: ends in .csv or .parquet.
        mapping: field -> column, where a column has another name than its field.
        progress: told (done, all) rows now and then.

    Raises:
        InvalidInput: the file can't be read, or a column is missing.
    """
    bad: list[BadRow] = []
    table = _table(path, bad)
    fields = sheets.mapped(kind, table.column_names, mapping)
    sheet = _Sheet(table, fields, frozenset(one.line for one in bad))
    if kind == "matching":
        return _matching(desk, sheet, bad, progress)
    if kind == "products":
        return _products(desk, sheet, bad, progress)
    digest = _digest(kind, path, mapping)
    made = _orders(sheet) if kind == "orders" else _customers(desk, sheet, digest, path)
    return _events(desk, kind, digest, made, table.num_rows, bad, progress)


def _table(path: Path, bad: list[BadRow]) -> Any:  # noqa: ANN401 - Arrow carries no types
    """The file's columns as text."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - carries no types; only an import reads files
    from pyarrow import csv, parquet  # noqa: PLC0415 - likewise

    def broken(row: Any) -> str:  # noqa: ANN401 - Arrow's own
        line = (row.number or 0) or len(bad) + _HEAD_LINES
        bad.append(BadRow(line, f"line {line}: {row.actual_columns} cells where the head has {row.expected_columns}"))
        return "skip"

    try:
        if path.suffix == ".parquet":
            table = parquet.read_table(path)
            return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
        with path.open("rb") as file:
            head = csv.read_csv(file, parse_options=csv.ParseOptions(invalid_row_handler=_skipped)).column_names
        kinds = dict.fromkeys(head, pa.string())
        return csv.read_csv(
            path,
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=csv.ParseOptions(newlines_in_values=False, invalid_row_handler=broken),
            convert_options=csv.ConvertOptions(column_types=kinds, strings_can_be_null=False),
        )
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InvalidInput(f"{path.name} can't be read: {error}", field="file") from error


def _skipped(_row: object) -> str:
    return "skip"


def _digest(kind: Kind, path: Path, mapping: Mapping[str, str]) -> bytes:
    found = hashlib.sha256(f"{kind} {sorted(mapping.items())}".encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.digest()


class _Sheet(Struct, frozen=True):
    """A file's columns, which of them feed which field, and the lines that could not be read at all."""

    table: Any
    fields: Mapping[str, str]
    broken: frozenset[int]


def _rows(sheet: _Sheet, *, more: Sequence[str] = ()) -> Iterator[Numbered]:
    """Cells by field (and of further columns by their name), empty ones left out."""
    table, fields = sheet.table, sheet.fields
    names = [*fields, *more]
    columns = [*fields.values(), *more]
    line = _HEAD_LINES - 1
    for batch in table.select(columns).to_batches(ROWS):
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            line += 1
            while line in sheet.broken:
                line += 1
            yield Numbered(line, {name: text.strip() for name, text in zip(names, values, strict=True) if text})


Made = Iterator[tuple[int, int, Callable[[], Native]]]
"""How many rows of the file stand behind the next event, the line of the first, and what makes it."""


def _orders(sheet: _Sheet) -> Made:
    """Orders in the order of their first line; their lines may stand anywhere in the file."""
    grouped: dict[str, list[Numbered]] = {}
    for row in _rows(sheet):
        grouped.setdefault(row.cells.get("order_id", ""), []).append(row)
    for order_id, rows in grouped.items():
        yield len(rows), rows[0].line, lambda order_id=order_id, rows=rows: _order(order_id, rows)  # type: ignore[misc]  # bound now


def _order(order_id: str, rows: list[Numbered]) -> Native:
    if not order_id:
        raise InvalidInput(f"line {rows[0].line}: order_id is empty", field="order_id")
    return sheets.order_of(order_id, rows)


def _customers(desk: Desk, sheet: _Sheet, digest: bytes, path: Path) -> Made:
    table, fields = sheet.table, sheet.fields
    more = [name for name in table.column_names if name not in fields.values() and sheets.is_attribute(name)]
    at = iso(min(path.stat().st_mtime_ns // 1000, desk.runtime.now()))
    for row in _rows(sheet, more=more):
        yield 1, row.line, lambda row=row: sheets.customer_of(row, batch=digest.hex()[:12], at=at)  # type: ignore[misc]  # bound now


def _events(
    desk: Desk, kind: Kind, digest: bytes, made: Made, rows: int, bad: list[BadRow], progress: Progress
) -> Imported:
    """Store events chunk by chunk, each with how far it has come."""
    snapshot = desk.runtime.snapshot(desk.project_id)
    before = _position(desk, digest)
    seen = done = skipped = 0
    chunk: list[Event] = []
    passed = 0
    for count, line, make in made:
        passed += count
        if passed <= before:
            skipped += count
            continue
        try:
            native = make()
            chunk.append(event_of(native, fact_of(native, snapshot.catalogue), now=desk.runtime.now()))
        except InvalidInput as error:
            bad.append(_bad(line, error.detail))
        if len(chunk) >= CHUNK:
            done += _stored(desk, kind, digest, chunk, passed, bad)
            seen += len(chunk)
            chunk = []
            progress(passed, rows)
    done += _stored(desk, kind, digest, chunk, passed, bad)
    seen += len(chunk)
    if done:
        with desk.change():
            pass  # a server beside reads these customers anew
    progress(rows, rows)
    return Imported(
        rows=rows, done=done, skipped=skipped + seen - done, bad=tuple(sorted(bad, key=lambda one: one.line))
    )


def _bad(line: int, detail: str) -> BadRow:
    """A bad row; a sentence that names its line already knows it better."""
    head, _, rest = detail.partition(": ")
    digits = head.removeprefix("line ")
    if rest and digits.isdecimal():
        return BadRow(int(digits), detail)
    return BadRow(line, f"line {line}: {detail}")


def _position(desk: Desk, digest: bytes) -> int:
    query = select(imports.c.rows).where(imports.c.project_id == desk.project_id, imports.c.digest == digest)
    with reading(desk.runtime.engine) as connection:
        return connection.execute(query).scalar_one_or_none() or 0


def _stored(desk: Desk, kind: Kind, digest: bytes, chunk: list[Event], passed: int, bad: list[BadRow]) -> int:
    """One transaction: the events, and that they are done. How many were new."""
    project = desk.runtime.snapshot(desk.project_id).project
    now = desk.runtime.now()
    with writing(desk.runtime.engine) as connection:
        appended = store.append(connection, project, chunk, new_number=desk.runtime.new_number, now=now)
        module = postgresql if connection.dialect.name == "postgresql" else sqlite
        state = {"rows": passed, "accepted": appended.outcomes.count("accepted"), "bad": len(bad), "updated_at": now}
        key = {"project_id": desk.project_id, "digest": digest, "kind": kind}
        statement = module.insert(imports).values(**key, **state)
        connection.execute(statement.on_conflict_do_update(index_elements=["project_id", "digest"], set_=state))
    for event, outcome in zip(chunk, appended.outcomes, strict=True):
        if outcome not in ("accepted", "duplicate"):
            bad.append(BadRow(0, f"{event.id}: {outcome}"))
    return appended.outcomes.count("accepted")


def _products(desk: Desk, sheet: _Sheet, bad: list[BadRow], progress: Progress) -> Imported:
    found: list[Product] = []
    for row in _rows(sheet):
        try:
            found.append(sheets.product_of(row))
        except InvalidInput as error:
            bad.append(BadRow(row.line, error.detail))
    if found:
        put_products(desk, found)
    progress(sheet.table.num_rows, sheet.table.num_rows)
    return Imported(rows=sheet.table.num_rows, done=len(found), skipped=0, bad=tuple(bad))


def _matching(desk: Desk, sheet: _Sheet, bad: list[BadRow], progress: Progress) -> Imported:
    """All of it replaces what was curated before; a pair of unknown products is a bad row."""
    known = desk.runtime.snapshot(desk.project_id).products
    found = []
    for line, relation in sheets.matches_of(_rows(sheet)):
        unknown = [sku for sku in (relation.sku, relation.target) if sku not in known]
        if unknown:
            bad.append(BadRow(line, f"line {line}: no product has the sku {unknown[0]!r}"))
        else:
            found.append(relation)
    put_relations(desk, found, source="curated")
    progress(sheet.table.num_rows, sheet.table.num_rows)
    return Imported(rows=sheet.table.num_rows, done=len(found), skipped=0, bad=tuple(bad))
