"""The packaged shop is the quarter of the real data that it says it is."""

import hashlib
from collections import Counter
from decimal import Decimal
from importlib import resources

import pandas as pd
import pytest

from offerlab.demo.shop import Shop, load
from realdata import shared_file

DATA = resources.files("offerlab.demo.data").joinpath("online_retail_quarter.parquet")


@pytest.fixture(scope="module")
def shop() -> Shop:
    """The packaged shop, read once."""
    return load()


def test_package_is_small() -> None:
    """The data add less than a megabyte to the wheel."""
    assert len(DATA.read_bytes()) < 1_000_000


def test_attribution_names_author_source_licence_and_change() -> None:
    """CC BY 4.0 asks for author, source, licence and what was changed."""
    text = resources.files("offerlab.demo.data").joinpath("ATTRIBUTION.txt").read_text(encoding="utf-8")
    missing = [
        word for word in ("Chen", "10.24432/C5BW33", "CC BY 4.0", "What was changed", "1,033") if word not in text
    ]
    assert missing == []


def test_quarter_holds_whole_histories() -> None:
    """The packaged lines are exactly the published lines of the customers whose hash falls into the quarter."""
    source = pd.read_parquet(shared_file("online_retail_2011.parquet")).dropna(subset=["CustomerID"])
    ids = source["CustomerID"].unique()
    chosen = [i for i in ids if hashlib.sha256(str(int(i)).encode()).digest()[0] < 64]
    expected = source[source["CustomerID"].isin(chosen)].reset_index(drop=True)
    with resources.as_file(DATA) as path:
        actual = pd.read_parquet(path)
    pd.testing.assert_frame_equal(expected, actual, check_dtype=False)


def test_every_line_is_accounted_for(shop: Shop) -> None:
    """Goods sold by code and price in the file equal the orders' lines (judge: pandas)."""
    with resources.as_file(DATA) as path:
        lines = pd.read_parquet(path)
    goods = lines[lines["StockCode"].str.match(r"\d{5}") & (lines["UnitPrice"] > 0) & (lines["Quantity"] > 0)]
    value = round(float((goods["Quantity"] * goods["UnitPrice"]).sum()), 2)
    ours = sum((line.quantity * line.unit_price for order in shop.orders for line in order.lines), Decimal(0))
    assert (len(goods), value) == (sum(len(order.lines) for order in shop.orders), float(ours))


def test_refunds_take_back_real_lines(shop: Shop) -> None:
    """No line gives back more pieces or money than it had, and none before it was bought."""
    bought = {line.line_id: line for order in shop.orders for line in order.lines}
    placed = {order.order_id: order.occurred_at for order in shop.orders}
    pieces: Counter[str] = Counter()
    for refund in shop.refunds:
        assert placed[refund.order_id] <= refund.occurred_at
        for line in refund.lines:
            pieces[line.line_id] += line.quantity
            assert line.amount <= line.quantity * bought[line.line_id].unit_price
    assert [i for i, n in pieces.items() if n > bought[i].quantity] == []


def test_giant_order_is_wholly_taken_back(shop: Shop) -> None:
    """Customer 12346 bought 74,215 jars and cancelled them 16 minutes later: the two meet."""
    (refund,) = [r for r in shop.refunds if r.customer_id == "12346"]
    assert (refund.order_id, refund.lines[0].quantity) == ("541431", 74_215)


def test_products_carry_stated_assumptions(shop: Shop) -> None:
    """Every product has a name, a price and a cost of 55 % of it, to the penny."""
    off = [
        p.sku for p in shop.products if not p.name or abs(p.unit_cost - p.price * Decimal("0.55")) > Decimal("0.005")
    ]
    assert off == []


def test_fees_are_no_products(shop: Shop) -> None:
    """Postage, bank charges, manual entries and discounts are not for sale; postage stands as shipping."""
    assert [p.sku for p in shop.products if not p.sku[:5].isdigit()] == []
    assert sum(order.shipping for order in shop.orders) > 0


def test_most_products_find_a_category(shop: Shop) -> None:
    """The guess from the name leaves fewer than one product in ten without a category."""
    assert sum(p.category == "other" for p in shop.products) < len(shop.products) / 10
