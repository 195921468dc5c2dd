"""The demo's shop: real products, customers, orders and cancellations, packaged in `data/` (see ATTRIBUTION.txt there).

Real are the ids, descriptions, prices, quantities, times and cancellations of 1,033 customers of a British gift
wholesaler, December 2010 to December 2011. Ours, and to be said wherever they are shown:

- a product's `unit_cost` is 55 % of its price: the shop published no costs;
- a product's `category` is guessed from its name: the shop published none;
- times carry no zone in the source and are read as UTC;
- a cancellation names no order and is matched to one (`cancellations.py`).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from importlib import resources
from operator import itemgetter
from statistics import median_low
from string import capwords
from typing import Final

from msgspec import Struct

from offerlab.demo.cancellations import Cancellation, Line, Order, Refund, match_cancellations
from offerlab.demo.categories import guess_category

CURRENCY: Final = "GBP"
COST_SHARE: Final = Decimal("0.55")
"""Unit cost over price: an assumption, the same for every product."""

_DATA: Final = "online_retail_quarter.parquet"
_PENNY: Final = Decimal("0.01")
_GOODS: Final = re.compile(r"\d{5}")
_POSTAGE: Final = frozenset(("POST", "C2", "DOT"))


class DemoProduct(Struct, frozen=True):
    """One product: `price` is the middle of the prices charged, `unit_cost` an assumption; both in pounds."""

    sku: str
    name: str
    category: str
    price: Decimal
    unit_cost: Decimal


class DemoCustomer(Struct, frozen=True):
    """One customer and the country of the first order."""

    customer_id: str
    country: str


class Shop(Struct, frozen=True):
    """Everything the demo knows before its experiment.

    Attributes:
        products, customers: by sku and by id.
        orders, refunds: by time; every refund's order is among the orders.
        left_out: lines of the source that are in none of the above, by reason.
    """

    products: tuple[DemoProduct, ...]
    customers: tuple[DemoCustomer, ...]
    orders: tuple[Order, ...]
    refunds: tuple[Refund, ...]
    left_out: dict[str, int]


class _Row(Struct, frozen=True):
    """One line of the source."""

    invoice: str
    code: str
    name: str
    quantity: int
    at: datetime
    price: Decimal
    customer: str
    country: str


def load() -> Shop:
    """Read the packaged data; a second or two, no network."""
    rows: dict[str, list[_Row]] = defaultdict(list)
    for row in _read():
        rows[_kind(row)].append(row)
    orders = tuple(_orders(rows["sold"], rows["postage"]))
    credits_ = [Cancellation(r.invoice, r.customer, r.at, r.code, -r.quantity, r.price) for r in rows["cancelled"]]
    refunds, unmatched = match_cancellations(orders, credits_)
    without_goods = {row.invoice for row in rows["postage"]} - {order.order_id for order in orders}
    return Shop(
        products=tuple(_products(rows["sold"])),
        customers=tuple(_customers(rows["sold"])),
        orders=orders,
        refunds=refunds,
        left_out={
            "fee": len(rows["fee"]),
            "no_price": len(rows["no_price"]),
            "postage_alone": sum(row.invoice in without_goods for row in rows["postage"]),
            "cancellation_unmatched": unmatched,
        },
    )


def _read() -> Iterator[_Row]:
    """The source's lines by time; those of one invoice in their own order."""
    # Half a second of import that only the demo needs; pyarrow brings no types.
    import pyarrow.parquet as pq  # type: ignore[import-untyped] # noqa: PLC0415

    with resources.as_file(resources.files("offerlab.demo.data").joinpath(_DATA)) as path:
        columns = pq.ParquetFile(path).read().to_pydict()  # `read_table` imports pandas
    lines = zip(
        *(columns[name] for name in ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate")),
        *(columns[name] for name in ("UnitPrice", "CustomerID", "Country")),
        strict=True,
    )
    exact = {price: Decimal(str(price)) for price in set(columns["UnitPrice"])}
    for invoice, code, name, quantity, at, price, customer, country in sorted(lines, key=itemgetter(4)):
        yield _Row(invoice, code, name, quantity, at.replace(tzinfo=UTC), exact[price], str(customer), country)


def _kind(row: _Row) -> str:
    """What a line of the source is: sold, cancelled, postage, or the reason why it is left out."""
    if row.code in _POSTAGE and row.quantity > 0:
        return "postage"
    if not _GOODS.match(row.code):
        return "fee"
    if row.price <= 0:
        return "no_price"
    return "sold" if row.quantity > 0 else "cancelled"


def _orders(sold: list[_Row], postage: list[_Row]) -> Iterator[Order]:
    shipping: dict[str, Decimal] = defaultdict(Decimal)
    for row in postage:
        shipping[row.invoice] += row.quantity * row.price
    invoices: dict[str, list[_Row]] = defaultdict(list)
    for row in sold:
        invoices[row.invoice].append(row)
    for invoice, rows in invoices.items():
        lines = tuple(Line(f"{invoice}-{i}", r.code, r.quantity, r.price) for i, r in enumerate(rows, 1))
        yield Order(invoice, rows[0].customer, rows[0].at, lines, shipping[invoice])


def _products(sold: list[_Row]) -> Iterator[DemoProduct]:
    prices: dict[str, list[Decimal]] = defaultdict(list)
    names: dict[str, Counter[str]] = defaultdict(Counter)
    for row in sold:
        prices[row.code].append(row.price)
        names[row.code][row.name] += 1
    for sku in sorted(prices):
        name = capwords(min(names[sku], key=lambda name: (-names[sku][name], name)))
        price = max(_PENNY, median_low(prices[sku]).quantize(_PENNY, ROUND_HALF_EVEN))
        cost = (price * COST_SHARE).quantize(_PENNY, ROUND_HALF_EVEN)
        yield DemoProduct(sku, name, guess_category(name), price, cost)


def _customers(sold: list[_Row]) -> Iterator[DemoCustomer]:
    countries: dict[str, str] = {}
    for row in sold:
        countries.setdefault(row.customer, row.country)
    return (DemoCustomer(customer, countries[customer]) for customer in sorted(countries))
