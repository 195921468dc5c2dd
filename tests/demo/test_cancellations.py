"""A cancellation finds the order that it takes back."""

from datetime import UTC, datetime
from decimal import Decimal

from offerlab.demo.cancellations import Cancellation, Line, Order, RefundLine, match_cancellations


def order(number: int, *lines: tuple[str, int, str], day: int | None = None) -> Order:
    """Order `number` of customer c on that day of January."""
    rows = tuple(Line(f"{number}-{i}", sku, n, Decimal(price)) for i, (sku, n, price) in enumerate(lines, 1))
    return Order(str(number), "c", datetime(2011, 1, day or number, tzinfo=UTC), rows)


def cancellation(sku: str, quantity: int, price: str = "1", *, day: int = 20) -> Cancellation:
    """One line of the credit note C1."""
    return Cancellation("C1", "c", datetime(2011, 1, day, tzinfo=UTC), sku, quantity, Decimal(price))


def test_same_quantity_wins_over_later_order() -> None:
    """Of two earlier orders, the one with exactly the cancelled quantity is taken back."""
    orders = [order(1, ("mug", 6, "1")), order(2, ("mug", 12, "1"))]
    (refund,), unmatched = match_cancellations(orders, [cancellation("mug", 6)])
    assert ("1", (RefundLine("1-1", 6, Decimal(6)),), 0) == (refund.order_id, refund.lines, unmatched)


def test_latest_order_wins_among_equals() -> None:
    """Two orders of the same quantity: the later one is taken back."""
    orders = [order(1, ("mug", 6, "1")), order(2, ("mug", 6, "1"))]
    (refund,), _ = match_cancellations(orders, [cancellation("mug", 6)])
    assert refund.order_id == "2"


def test_later_order_is_not_taken_back() -> None:
    """An order placed after the credit note can't be its cause; the cancellation is counted as unmatched."""
    assert match_cancellations([order(9, ("mug", 6, "1"))], [cancellation("mug", 6, day=5)]) == ((), 1)


def test_a_piece_is_given_back_once() -> None:
    """Two credit lines over the same pieces refund them once and leave one cancellation unmatched."""
    refunds, unmatched = match_cancellations(
        [order(1, ("mug", 6, "1"))], [cancellation("mug", 6), cancellation("mug", 6)]
    )
    assert ([line.quantity for refund in refunds for line in refund.lines], unmatched) == ([6], 1)


def test_large_cancellation_spreads_over_orders() -> None:
    """A quantity that no single order has is taken from the latest orders first."""
    orders = [order(1, ("mug", 6, "1")), order(2, ("mug", 4, "1"))]
    refunds, unmatched = match_cancellations(orders, [cancellation("mug", 9)])
    assert ({r.order_id: r.lines[0].quantity for r in refunds}, unmatched) == ({"2": 4, "1": 5}, 0)


def test_refund_is_never_above_what_was_paid() -> None:
    """A credit at a higher price gives back the price that was paid."""
    (refund,), _ = match_cancellations([order(1, ("mug", 2, "1.50"))], [cancellation("mug", 2, "9")])
    assert refund.lines == (RefundLine("1-1", 2, Decimal("3.00")),)
