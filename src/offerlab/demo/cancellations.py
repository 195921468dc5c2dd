"""Which order a cancellation takes back, where the shop's notes do not say.

The rule: of the same customer's earlier lines with the same sku that still have pieces left, the latest of exactly
the cancelled quantity; else the latest ones until the quantity is used up. What finds no line was bought before the
data begin, and is counted, not guessed.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct


class Line(Struct, frozen=True):
    """One line of an order: `quantity` pieces of `sku` at `unit_price` pounds each."""

    line_id: str
    sku: str
    quantity: int
    unit_price: Decimal


class Order(Struct, frozen=True):
    """One order, as placed; `shipping` is the postage charged, in pounds."""

    order_id: str
    customer_id: str
    occurred_at: datetime
    lines: tuple[Line, ...]
    shipping: Decimal = Decimal(0)


class Cancellation(Struct, frozen=True):
    """One line of a credit note, which names no order."""

    note: str
    customer_id: str
    occurred_at: datetime
    sku: str
    quantity: int
    unit_price: Decimal


class RefundLine(Struct, frozen=True):
    """`quantity` pieces of an order's line given back for `amount` pounds."""

    line_id: str
    quantity: int
    amount: Decimal


class Refund(Struct, frozen=True):
    """What one credit note takes back from one order; `refund_id` is `note-order`."""

    refund_id: str
    order_id: str
    customer_id: str
    occurred_at: datetime
    lines: tuple[RefundLine, ...]


class _Open(Struct):
    """An order line and the pieces of it that nobody has taken back yet."""

    order_id: str
    occurred_at: datetime
    line: Line
    left: int


def match_cancellations(
    orders: Iterable[Order], cancellations: Iterable[Cancellation]
) -> tuple[tuple[Refund, ...], int]:
    """Refunds by time, and the number of cancelled lines of which not every piece found its order.

    Args:
        orders: any order; ties in time keep it.
        cancellations: any order; earlier notes choose first.
    """
    lines: dict[tuple[str, str], list[_Open]] = defaultdict(list)
    for order in sorted(orders, key=lambda order: order.occurred_at):
        for line in order.lines:
            lines[order.customer_id, line.sku].append(_Open(order.order_id, order.occurred_at, line, line.quantity))
    refunds: dict[tuple[str, str], list[RefundLine]] = defaultdict(list)
    notes: dict[str, Cancellation] = {}
    unmatched = 0
    for item in sorted(cancellations, key=lambda item: item.occurred_at):
        earlier = [o for o in lines[item.customer_id, item.sku] if o.left and o.occurred_at <= item.occurred_at]
        left = item.quantity
        for chosen in _in_order_of_choice(earlier, item.quantity):
            taken = min(left, chosen.left)
            if taken:
                chosen.left -= taken
                left -= taken
                price = min(item.unit_price, chosen.line.unit_price)
                refunds[item.note, chosen.order_id].append(RefundLine(chosen.line.line_id, taken, taken * price))
        notes[item.note] = item
        unmatched += left > 0
    return tuple(_refund(notes[note], order_id, tuple(taken)) for (note, order_id), taken in refunds.items()), unmatched


def _in_order_of_choice(earlier: list[_Open], quantity: int) -> list[_Open]:
    """Latest first, those of exactly this quantity before the others."""
    latest_first = earlier[::-1]
    return [o for o in latest_first if o.left == quantity] + [o for o in latest_first if o.left != quantity]


def _refund(note: Cancellation, order_id: str, lines: tuple[RefundLine, ...]) -> Refund:
    return Refund(f"{note.note}-{order_id}", order_id, note.customer_id, note.occurred_at, _one_per_line(lines))


def _one_per_line(lines: tuple[RefundLine, ...]) -> tuple[RefundLine, ...]:
    """A credit note may name the same order line twice; the refund names it once."""
    merged: dict[str, RefundLine] = {}
    for line in lines:
        known = merged.get(line.line_id)
        merged[line.line_id] = (
            line
            if known is None
            else RefundLine(line.line_id, known.quantity + line.quantity, known.amount + line.amount)
        )
    return tuple(merged.values())
