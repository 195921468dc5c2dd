"""The marketer's own matching table, `product,cross_sell,upsell`, row by row into relations.

Several products in one cell stand apart by `;` or `|`; the order in the cell is the rank. Every row of the text is
accounted for: it becomes relations, or it stands among the bad rows with its line number and the reason.
"""

import csv
from collections.abc import Collection, Iterator
from io import StringIO
from typing import Final, Literal

from msgspec import Struct

from offerlab.domain.product import Relation, RelationKind

Problem = Literal[
    "missing_column",
    "no_product",
    "no_match",
    "unknown_product",
    "matches_itself",
    "named_twice",
    "too_many_cells",
    "unreadable",
]

_COLUMNS: Final[tuple[tuple[str, RelationKind], ...]] = (("cross_sell", "complement"), ("upsell", "upgrade"))


class BadRow(Struct, frozen=True):
    """A row that was not taken.

    Attributes:
        line: number of its first line in the text, 1 is the heading.
        problem: stable word; `value` is what caused it.
    """

    line: int
    problem: Problem
    value: str


class MatchingTable(Struct, frozen=True):
    """What the text says: one relation per product and match, and the rows that could not be taken."""

    relations: tuple[Relation, ...]
    bad_rows: tuple[BadRow, ...]


def read_matching_table(text: str, *, known: Collection[str] | None = None) -> MatchingTable:
    """Read the table.

    Args:
        text: CSV with a heading that names `product`, `cross_sell` and `upsell` in any order (case and blanks around a
            name do not matter, other columns are ignored); comma, semicolon or tab between columns, as the heading
            has it. Blank lines and a byte order mark are skipped.
        known: the catalogue's skus; None takes any.

    Returns:
        Relations in the order of the text. A row with one bad match is not taken at all; after one that is no CSV (a
        quote without its partner) nothing is.
    """
    text = text.removeprefix("\ufeff")
    relations: list[Relation] = []
    bad: list[BadRow] = []
    seen: set[str] = set()
    heading: list[str] | None = None
    for start, row in _rows(text):
        if isinstance(row, csv.Error):
            bad.append(BadRow(start, "unreadable", str(row)))
            break
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if heading is None:
            heading = [cell.casefold() for cell in cells]
            missing = [name for name in ("product", "cross_sell", "upsell") if name not in heading]
            if missing:
                return MatchingTable((), (BadRow(start, "missing_column", missing[0]),))
            continue
        found = _read_row(heading, cells, known, seen)
        if isinstance(found, list):
            relations += found
            seen.add(found[0].sku)
        else:
            bad.append(BadRow(start, *found))
    if heading is None and not bad:
        bad.append(BadRow(1, "missing_column", "product"))
    return MatchingTable(tuple(relations), tuple(bad))


def _rows(text: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Each row with the number of its first line; the error in place of one that can't be read, which is the last."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=_delimiter(text))
    start = 1
    try:
        for row in reader:
            yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        yield start, error


def _read_row(
    heading: list[str], cells: list[str], known: Collection[str] | None, seen: set[str]
) -> list[Relation] | tuple[Problem, str]:
    """The row's relations, or what is wrong with it."""
    if len(cells) > len(heading):
        return "too_many_cells", cells[len(heading)]
    row = dict(zip(heading, [*cells, *[""] * (len(heading) - len(cells))], strict=True))
    sku = row["product"]
    if not sku:
        return "no_product", ""
    if sku in seen:
        return "named_twice", sku
    found = [
        Relation(sku=sku, kind=kind, target=target, rank=place)
        for column, kind in _COLUMNS
        for place, target in enumerate(_split(row[column]), 1)
    ]
    targets = [(relation.kind, relation.target) for relation in found]
    if not found:
        return "no_match", sku
    if sku in (target for _, target in targets):
        return "matches_itself", sku
    if len(set(targets)) < len(targets):
        return "named_twice", next(target for i, (kind, target) in enumerate(targets) if (kind, target) in targets[:i])
    unknown = [name for name in (sku, *(target for _, target in targets)) if known is not None and name not in known]
    return ("unknown_product", unknown[0]) if unknown else found


def _split(cell: str) -> list[str]:
    return [part for part in (part.strip() for part in cell.replace("|", ";").split(";")) if part]


def _delimiter(text: str) -> str:
    """The first of tab, comma and semicolon that the heading has."""
    heading = next((line for line in text.splitlines() if line.strip()), "")
    return next((mark for mark in ("\t", ",", ";") if mark in heading), ",")
