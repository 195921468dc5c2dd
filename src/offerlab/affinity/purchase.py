"""A line of an order as mining sees it: for those who read orders and mine none."""

from msgspec import Struct


class Purchase(Struct, frozen=True):
    """One line of one order.

    Attributes:
        basket: the order.
        quantity: pieces; negative takes back pieces bought in the same basket.
        customer: None where the shop does not know.
        day: proleptic ordinal of the order's day (`date.toordinal()`); lines of one basket share it.
    """

    basket: str
    sku: str
    quantity: int = 1
    customer: str | None = None
    day: int = 0
