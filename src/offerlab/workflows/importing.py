"""A file into the store: rows checked one by one, bad ones listed, and where it stopped it goes on.

Orders and customers become events like any other (an order once for ever by its id); how far an import has come is
stored in the transaction of what it has stored, so that a second run of the same file goes on behind it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
from offerlab.storage.scattered import Line, Scattered
from offerlab.storage.tables import imports
from offerlab.workflows.defining import put_products, put_relations
from offerlab.workflows.desk import Desk
from offerlab.workflows.sheet import Runs, Sheet

if TYPE_CHECKING:
    from offerlab.domain.product import Product, Relation

CHUNK: Final = 250
"""Orders or customers in one transaction: beside a running server none may hold the store for long."""

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
    sheet = Sheet(path)
    fields = sheets.mapped(kind, sheet.names, mapping)
    if kind == "matching":
        return _matching(desk, sheet.rows(fields), sheet, progress)
    if kind == "products":
        return _products(desk, sheet.rows(fields), sheet, progress)
    digest = _digest(kind, path, mapping)
    if kind == "orders":
        runs = sheet.runs(fields["order_id"])
        return _events(desk, kind, digest, _orders(sheet.rows(fields), runs), runs.rows, sheet, progress)
    made = _customers(desk, sheet, fields, digest, path)
    return _events(desk, kind, digest, made, sheet.count(), sheet, progress)


def _digest(kind: Kind, path: Path, mapping: Mapping[str, str]) -> bytes:
    found = hashlib.sha256(f"{kind} {sorted(mapping.items())}".encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.digest()


Made = Iterator[tuple[int, int, Callable[[], Native]]]
"""How many rows of the file stand behind the next event, the line of the first, and what makes it."""


def _orders(rows: Iterator[Numbered], runs: Runs) -> Made:
    """Orders in the order of their last line; their lines may stand anywhere in the file."""
    with closing(Scattered()) as waiting:
        for i, (order_id, run) in enumerate(groupby(rows, key=_order_id)):
            lines = list(run)
            if not order_id:
                for row in lines:
                    yield _made("", [row])
            elif runs.whole[i]:
                yield _made(order_id, lines)
            else:
                waiting.add(order_id, [(row.line, row.cells) for row in lines])
                if runs.last[i]:
                    yield _kept(order_id, waiting.take(order_id))
        for order_id, kept in waiting.rest():  # two ids may have one mark
            yield _kept(order_id, kept)


def _order_id(row: Numbered) -> str:
    return row.cells.get("order_id", "")


def _kept(order_id: str, lines: Sequence[Line]) -> tuple[int, int, Callable[[], Native]]:
    return _made(order_id, [Numbered(one.line, one.cells) for one in lines])


def _made(order_id: str, rows: list[Numbered]) -> tuple[int, int, Callable[[], Native]]:
    return len(rows), rows[0].line, lambda: _order(order_id, rows)


def _order(order_id: str, rows: list[Numbered]) -> Native:
    if not order_id:
        raise InvalidInput(f"line {rows[0].line}: order_id is empty", field="order_id")
    return sheets.order_of(order_id, rows)


def _customers(desk: Desk, sheet: Sheet, fields: Mapping[str, str], digest: bytes, path: Path) -> Made:
    more = [name for name in sheet.names if name not in fields.values() and sheets.is_attribute(name)]
    at = iso(min(path.stat().st_mtime_ns // 1000, desk.runtime.now()))
    for row in sheet.rows(fields, more=more):
        yield 1, row.line, lambda row=row: sheets.customer_of(row, batch=digest.hex()[:12], at=at)  # type: ignore[misc]  # bound now


def _events(desk: Desk, kind: Kind, digest: bytes, made: Made, rows: int, sheet: Sheet, progress: Progress) -> Imported:
    """Store events chunk by chunk, each with how far it has come."""
    snapshot = desk.runtime.snapshot(desk.project_id)
    before = _position(desk, digest)
    bad: list[BadRow] = []
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
    return Imported(rows=rows, done=done, skipped=skipped + seen - done, bad=_by_line(sheet, bad))


def _by_line(sheet: Sheet, bad: Iterable[BadRow]) -> tuple[BadRow, ...]:
    return tuple(sorted((*sheet.broken.values(), *bad), key=lambda one: one.line))


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
        appended = store.append(connection, project, chunk, new_number=desk.runtime.new_customer, now=now)
        module = postgresql if connection.dialect.name == "postgresql" else sqlite
        state = {"rows": passed, "accepted": appended.outcomes.count("accepted"), "bad": len(bad), "updated_at": now}
        key = {"project_id": desk.project_id, "digest": digest, "kind": kind}
        statement = module.insert(imports).values(**key, **state)
        connection.execute(statement.on_conflict_do_update(index_elements=["project_id", "digest"], set_=state))
    for event, outcome in zip(chunk, appended.outcomes, strict=True):
        if outcome not in ("accepted", "duplicate"):
            bad.append(BadRow(0, f"{event.id}: {outcome}"))
    return appended.outcomes.count("accepted")


def _products(desk: Desk, rows: Iterator[Numbered], sheet: Sheet, progress: Progress) -> Imported:
    """All of them at once; the same file twice changes nothing."""
    found: list[Product] = []
    bad: list[BadRow] = []
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - the last one is how many
        try:
            found.append(sheets.product_of(row))
        except InvalidInput as error:
            bad.append(BadRow(row.line, error.detail))
    if found:
        put_products(desk, found)
    progress(count, count)
    return Imported(rows=count, done=len(found), skipped=0, bad=_by_line(sheet, bad))


def _matching(desk: Desk, rows: Iterator[Numbered], sheet: Sheet, progress: Progress) -> Imported:
    """All of it replaces what was curated before; a pair of unknown products is a bad row."""
    known = desk.runtime.snapshot(desk.project_id).products
    table = list(rows)
    found: list[Relation] = []
    bad: list[BadRow] = []
    for line, relation in sheets.matches_of(table):
        unknown = [sku for sku in (relation.sku, relation.target) if sku not in known]
        if unknown:
            bad.append(BadRow(line, f"line {line}: no product has the sku {unknown[0]!r}"))
        else:
            found.append(relation)
    put_relations(desk, found, source="curated")
    progress(len(table), len(table))
    return Imported(rows=len(table), done=len(found), skipped=0, bad=_by_line(sheet, bad))
