"""Orders and refunds: amounts as sent -> exact minor units, discounts on the lines they belong to, costs looked up."""

from collections.abc import Callable

from msgspec import Struct

from offerlab.domain.event import Order, OrderLine, Refund, RefundLine
from offerlab.domain.money import MICRO, check_currency, exponent, round_ratio, spread, to_micro, to_minor
from offerlab.errors import InvalidInput
from offerlab.intake.native import NativeLine, NativeOrder, NativeRefund


class Catalogue(Struct, frozen=True):
    """What translating an event needs to know of the project.

    Attributes:
        currency: the project's.
        cost_of: unit cost of a sku in millionths, None when unknown.
        experiment: key -> (id, variant keys), None when there is no such experiment.
        offered: the one product of an offer by its key; None where there are several, or a match picks.
    """

    currency: str
    cost_of: Callable[[str], int | None]
    experiment: Callable[[str], tuple[int, tuple[str, ...]] | None]
    offered: Callable[[str], str | None] = lambda _: None


def order_of(native: NativeOrder, catalogue: Catalogue) -> Order:
    """The canonical order: discounts allocated to lines, costs looked up, totals in minor units.

    Raises:
        InvalidInput: a negative or too large amount, an unknown currency code, a discount above its value,
            two lines with one id.
    """
    currency = check_currency(native.currency or catalogue.currency)
    priced = [_priced(line, i, currency) for i, line in enumerate(native.lines)]
    left = [value - off for _, value, off in priced]
    extra = to_minor(native.discount, currency, field="discount")
    if extra > sum(left):
        raise InvalidInput(f"a discount of {native.discount} exceeds the order", field="discount")
    shares = spread(extra, left) if extra else [0] * len(left)
    ids = [line.line_id or str(i + 1) for i, line in enumerate(native.lines)]
    if len(set(ids)) != len(ids):
        raise InvalidInput("two lines share a line_id", field="lines.line_id")
    known = catalogue.cost_of if currency == catalogue.currency else _unknown
    lines = tuple(
        OrderLine(
            line_id=ids[i],
            sku=line.sku,
            quantity=line.quantity,
            price_micro=priced[i][0],
            net_minor=left[i] - shares[i],
            discount_minor=priced[i][2] + shares[i],
            cost_minor=_cost(line, i, currency, known),
            offer=line.offer,
        )
        for i, line in enumerate(native.lines)
    )
    return Order(
        order_id=native.order_id,
        currency=currency,
        lines=lines,
        net_minor=sum(left) - extra,
        shipping_minor=to_minor(native.shipping, currency, field="shipping"),
        tax_minor=to_minor(native.tax, currency, field="tax"),
        code=native.code,
        revision=native.revision,
    )


def _priced(line: NativeLine, i: int, currency: str) -> tuple[int, int, int]:
    """Unit price in millionths, value and own discount of a line in minor units."""
    price = to_micro(line.unit_price, field=f"lines[{i}].unit_price")
    value = line_total(price, line.quantity, currency)
    off = to_minor(line.discount, currency, field=f"lines[{i}].discount")
    if off > value:
        raise InvalidInput(f"a discount of {line.discount} exceeds its line", field=f"lines[{i}].discount")
    return price, value, off


def line_total(price_micro: int, quantity: int, currency: str) -> int:
    """Value of a line in minor units, rounded half-even.

    Raises:
        InvalidInput: it does not fit into 64 bits with room to add up.
    """
    total = round_ratio(price_micro * quantity, MICRO // 10 ** exponent(currency))
    if total >= 2**53:
        raise InvalidInput("a line is worth more than can be added up exactly", field="lines.quantity")
    return total


def _cost(line: NativeLine, i: int, currency: str, known: Callable[[str], int | None]) -> int | None:
    unit = known(line.sku) if line.unit_cost is None else to_micro(line.unit_cost, field=f"lines[{i}].unit_cost")
    return None if unit is None else line_total(unit, line.quantity, currency)


def _unknown(_sku: str) -> None:
    """No cost: the catalogue's are in another currency."""


def refund_of(native: NativeRefund, catalogue: Catalogue) -> Refund:
    """The canonical refund.

    Raises:
        InvalidInput: neither lines nor an amount, or an amount that can't be taken.
    """
    currency = check_currency(native.currency or catalogue.currency)
    if not native.lines and native.amount is None:
        raise InvalidInput("a refund names its lines or its amount", field="amount")
    lines = tuple(
        RefundLine(
            line_id=part.line_id,
            quantity=part.quantity,
            amount_minor=None if part.amount is None else to_minor(part.amount, currency, field=f"lines[{i}].amount"),
        )
        for i, part in enumerate(native.lines)
    )
    amount = None if native.amount is None else to_minor(native.amount, currency, field="amount")
    return Refund(
        refund_id=native.refund_id, order_id=native.order_id, currency=currency, lines=lines, amount_minor=amount
    )
