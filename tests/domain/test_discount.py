"""Prices after a discount: what a till can charge."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.domain.offer import Discount

WON, PENNY = 1_000_000, 10_000


@pytest.mark.parametrize(
    ("discount", "together", "after"),
    [
        (Discount(type="percent", value=Decimal(15)), False, [13_603, 14_453]),
        (Discount(type="percent", value=Decimal(15)), True, [13_603, 14_452]),
        (Discount(type="amount", value=Decimal(1000)), True, [15_518, 16_488]),
        (Discount(type="amount", value=Decimal(99_000)), False, [0, 0]),
        (Discount(type="gift"), False, [0, 0]),
        (Discount(type="free_shipping"), True, [16_003, 17_003]),
    ],
)
def test_prices_come_in_the_smallest_unit(discount: Discount, *, together: bool, after: list[int]) -> None:
    """Each price is rounded alone; a set's price is, and its saving is spread: 28,055.10 won, not 28,056."""
    prices = [16_003 * WON, 17_003 * WON]
    assert [price / WON for price in discount.prices_after(prices, WON, together=together)] == after


@given(
    prices=st.lists(st.integers(0, 10**6).map(lambda pennies: pennies * PENNY), min_size=1, max_size=5),
    percent=st.decimals(0, 100, places=2),
)
def test_a_set_costs_what_its_message_says(prices: list[int], percent: Decimal) -> None:
    """The parts of a set are whole pennies, none dearer than before, and add up to the set's rounded price."""
    discount = Discount(type="percent", value=percent)
    after = discount.prices_after(prices, PENNY, together=True)
    assert all(price % PENNY == 0 and 0 <= price <= old for price, old in zip(after, prices, strict=True))
    assert abs(sum(after) - discount.price_after(sum(prices))) * 2 <= PENNY
