"""Rows of a sheet (CSV, Parquet) -> orders, customers, products and matches. Pure: reading files is the caller's.

Each kind has fields of its own; a mapping says which column feeds which. What can't be taken is a `BadRow` with its
line; the other rows go on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

import msgspec
from msgspec import Struct

from offerlab.domain.money import to_micro
from offerlab.domain.product import Product, Relation
from offerlab.errors import InvalidInput
from offerlab.intake.arrival import native_of
from offerlab.intake.native import Native
from offerlab.intake.segment import PERSONAL_TRAITS

Kind = Literal["orders", "customers", "products", "matching"]
Cells = Mapping[str, str]

FIELDS: Final[dict[Kind, tuple[str, ...]]] = {
    "orders": (
        "order_id",
        "customer_id",
        "occurred_at",
        "sku",
        "quantity",
        "unit_price",
        "discount",
        "unit_cost",
        "currency",
        "line_id",
    ),
    "customers": ("customer_id", "occurred_at"),
    "products": ("sku", "name", "price", "category", "unit_cost", "stock", "kind"),
    "matching": ("product", "cross_sell", "upsell"),
}
"""What a sheet may say; a column of that name feeds it unless the mapping names another one."""

NEEDED: Final[dict[Kind, frozenset[str]]] = {
    "orders": frozenset(("order_id", "customer_id", "occurred_at", "sku", "unit_price")),
    "customers": frozenset(("customer_id",)),
    "products": frozenset(("sku", "name", "price")),
    "matching": frozenset(("product",)),
}
SEPARATORS: Final = ";|,"
"""Between several products in one cell of a matching table."""
_DIGITS: Final = 18


class BadRow(Struct, frozen=True):
    """A row that was not taken: its line in the file (the head is line 1) and why."""

    line: int
    detail: str


class Numbered(Struct, frozen=True):
    """One row's cells by field, empty ones left out, and its line in the file."""

    line: int
    cells: Cells


def mapped(kind: Kind, columns: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Field -> column of the file.

    Args:
        kind: of sheet.
        columns: of the file.
        mapping: what a person said: field -> column.

    Raises:
        InvalidInput: a field that this kind does not have, a column that the file does not have, or none for a field
            that is needed; names it.
    """
    for field, column in mapping.items():
        if field not in FIELDS[kind]:
            raise InvalidInput(f"{kind} have no {field!r}; they have {', '.join(FIELDS[kind])}", field=field)
        if column not in columns:
            raise InvalidInput(f"the file has no column {column!r}; it has {', '.join(columns)}", field=field)
    found = {field: mapping.get(field, field) for field in FIELDS[kind]}
    known = {field: column for field, column in found.items() if column in columns}
    missing = sorted(NEEDED[kind] - set(known))
    if missing:
        raise InvalidInput(f"no column feeds {', '.join(missing)}; name one with --map field=column", field=missing[0])
    return known


def order_of(order_id: str, rows: Sequence[Numbered]) -> Native:
    """An order from its lines; customer, time and currency are those of the first.

    Raises:
        InvalidInput: a cell that can't be taken; the sentence names the line.
    """
    first = rows[0].cells
    lines = [_line(row, place) for place, row in enumerate(rows)]
    if len({line["line_id"] for line in lines}) < len(lines):
        raise InvalidInput(f"line {rows[0].line}: two lines of order {order_id} share a line_id", field="line_id")
    said: dict[str, object] = {
        "type": "order",
        "id": f"import:order:{order_id}",
        "order_id": order_id,
        "customer_id": first.get("customer_id", ""),
        "occurred_at": moment(first.get("occurred_at", ""), rows[0].line),
        "lines": lines,
    }
    if "currency" in first:
        said["currency"] = first["currency"]
    return _native(said, rows[0].line)


def _line(row: Numbered, place: int) -> dict[str, object]:
    found: dict[str, object] = {
        name: row.cells[name] for name in ("sku", "unit_price", "discount", "unit_cost") if name in row.cells
    }
    found["line_id"] = row.cells.get("line_id", str(place + 1))
    if "quantity" in row.cells:
        found["quantity"] = whole(row.cells["quantity"], "quantity", row.line)
    return found


def customer_of(row: Numbered, *, batch: str, at: str) -> Native:
    """A customer's attributes: every column that is no field of its own and names no person.

    Args:
        row: cells by field, and further ones by column.
        batch: names this import, so that the same file counts once.
        at: when the sheet was true, for rows without `occurred_at`.

    Raises:
        InvalidInput: a cell that can't be taken.
    """
    unit = row.cells.get("customer_id", "")
    told = row.cells.get("occurred_at")
    attributes = {name: value_of(text) for name, text in row.cells.items() if is_attribute(name)}
    said: dict[str, object] = {
        "type": "profile",
        "id": f"import:customer:{batch}:{row.line}",
        "customer_id": unit,
        "occurred_at": at if told is None else moment(told, row.line),
        "attributes": attributes,
    }
    return _native(said, row.line)


def is_attribute(column: str) -> bool:
    """Whether a column of a customers' sheet becomes an attribute: names and addresses do not."""
    return column not in FIELDS["customers"] and column not in PERSONAL_TRAITS


def product_of(row: Numbered) -> Product:
    """A product.

    Raises:
        InvalidInput: a cell that can't be taken.
    """
    cells = row.cells
    for name in sorted(NEEDED["products"]):
        if name not in cells:
            raise InvalidInput(f"line {row.line}: {name} is empty", field=name)
    kind = cells.get("kind", "good")
    if kind not in ("good", "service"):
        raise InvalidInput(f"line {row.line}: a product is a good or a service, not {kind!r}", field="kind")
    stock = whole(cells["stock"], "stock", row.line) if "stock" in cells else None
    if stock is not None and stock < 0:
        raise InvalidInput(f"line {row.line}: stock must not be negative", field="stock")
    return Product(
        sku=cells["sku"][:200],
        name=cells["name"],
        price_micro=_micro(cells["price"], "price", row.line),
        category=cells.get("category"),
        unit_cost_micro=_micro(cells["unit_cost"], "unit_cost", row.line) if "unit_cost" in cells else None,
        stock=stock,
        kind="service" if kind == "service" else "good",
    )


def matches_of(rows: Iterable[Numbered]) -> Iterator[tuple[int, Relation]]:
    """Relations of a matching table, many products in a cell, each with its line; the first of a cell ranks first."""
    for row in rows:
        sku = row.cells.get("product", "").strip()
        for field, kind in (("cross_sell", "complement"), ("upsell", "upgrade")):
            for rank, target in enumerate(_split(row.cells.get(field, ""))):
                if sku:
                    yield (
                        row.line,
                        msgspec.convert({"sku": sku, "kind": kind, "target": target, "rank": rank}, Relation),
                    )


def _split(cell: str) -> list[str]:
    for separator in SEPARATORS:
        cell = cell.replace(separator, "\n")
    return [part.strip() for part in cell.split("\n") if part.strip()]


def moment(text: str, line: int) -> datetime:
    """A time: ISO 8601; UTC without a zone.

    Raises:
        InvalidInput: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"line {line}: {text!r} is no time; write 2026-11-22T10:00:00Z", field="occurred_at"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def whole(text: str, field: str, line: int) -> int:
    """A whole number.

    Raises:
        InvalidInput: it is none.
    """
    try:
        found = Decimal(text)
    except InvalidOperation as error:
        raise InvalidInput(f"line {line}: {field} {text!r} is no number", field=field) from error
    if not found.is_finite() or found.adjusted() > _DIGITS or found != found.to_integral_value():
        raise InvalidInput(f"line {line}: {field} {text!r} is no whole number", field=field)
    return int(found)


def value_of(text: str) -> object:
    """A cell as an attribute: true, false, a number, else text; digits with a leading zero are text."""
    if text in ("true", "false"):
        return text == "true"
    if text[:1].isdigit() or text[:1] == "-":
        if text.lstrip("-").startswith("0") and text.lstrip("-")[1:2].isdigit():
            return text
        try:
            return msgspec.json.decode(text, type=int | float)
        except (msgspec.DecodeError, ValueError):
            return text
    return text


def _micro(text: str, field: str, line: int) -> int:
    try:
        return to_micro(Decimal(text), field=field)
    except (InvalidOperation, InvalidInput) as error:
        raise InvalidInput(f"line {line}: {field} {text!r} is no amount", field=field) from error


def _native(said: Mapping[str, object], line: int) -> Native:
    try:
        return native_of(said)
    except InvalidInput as error:
        raise InvalidInput(f"line {line}: {error.detail}", field=error.field) from error
