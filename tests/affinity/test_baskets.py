"""What counts as a basket, and as an item of it."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.affinity.baskets import (
    UNKNOWN,
    BasketRules,
    Baskets,
    between,
    collect,
    from_columns,
    in_terms_of,
)
from offerlab.affinity.purchase import Purchase
from offerlab.errors import InvalidInput

from .shops import baskets_of


def held(baskets: Baskets) -> list[set[str]]:
    """What each basket holds, in order."""
    return [{baskets.items[i] for i in np.flatnonzero(row)} for row in baskets.table.toarray()]


def test_an_item_counts_once_per_basket() -> None:
    """Two lines of the same product in one order are one item of one basket."""
    assert held(collect([Purchase("1", "mug", 2), Purchase("1", "mug", 6), Purchase("1", "tea")])) == [{"mug", "tea"}]


def test_what_was_taken_back_is_not_in_the_basket() -> None:
    """A line whose pieces were all cancelled drops out; one that keeps some pieces stays."""
    lines = [Purchase("1", "mug", 6), Purchase("1", "mug", -6), Purchase("1", "tea", 6), Purchase("1", "tea", -2)]
    assert held(collect(lines)) == [{"tea"}]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (BasketRules(is_product=lambda sku: re.match(r"\d", sku) is not None), [{"1", "2", "3"}, {"1", "2"}, {"1"}]),
        (BasketRules(excluded=frozenset({"POST", "3"})), [{"1", "2"}, {"1", "2"}, {"1", "GIFT"}]),
        (BasketRules(largest=2), [{"1", "GIFT"}]),
        (BasketRules(fewest_baskets=2), [{"1", "2", "POST"}, {"1", "2", "POST"}, {"1"}]),
        (BasketRules(since=11), [{"1", "2", "POST"}, {"1", "GIFT"}]),
        (BasketRules(until=11), [{"1", "2", "3", "POST"}]),
    ],
    ids=["only products", "excluded", "no wholesale", "no rare items", "since", "until"],
)
def test_rules_decide_what_counts(rules: BasketRules, expected: list[set[str]]) -> None:
    """Postage, gift cards, wholesale baskets, rare items and other periods are left out where the rules say so."""
    baskets = {"a": ("1", "2", "3", "POST"), "b": ("1", "2", "POST"), "c": ("1", "GIFT")}
    lines = [Purchase(n, sku, day=10 + i) for i, (n, skus) in enumerate(baskets.items()) for sku in skus]
    assert held(collect(lines, rules)) == expected


def test_wholesale_counts_products_only() -> None:
    """A basket is measured after fees are gone: two products and a fee are a basket of two."""
    lines = [Purchase("1", sku) for sku in ("1", "2", "POST")]
    assert held(collect(lines, BasketRules(excluded=frozenset({"POST"}), largest=2))) == [{"1", "2"}]


def test_a_basket_belongs_to_the_customer_and_day_of_its_first_line() -> None:
    """Customers are numbered by name, an unknown one is `UNKNOWN`; days come along."""
    lines = [Purchase("2", "a", customer="zoe", day=5), Purchase("1", "a", customer="amy", day=4), Purchase("3", "a")]
    baskets = collect(lines)
    assert (baskets.customers.tolist(), baskets.days.tolist()) == ([0, 1, UNKNOWN], [4, 5, 0])


def test_a_basket_without_items_is_none() -> None:
    """An order of postage alone leaves no basket behind."""
    assert collect([Purchase("1", "POST")], BasketRules(excluded=frozenset({"POST"}))).count == 0


def test_no_lines_no_baskets() -> None:
    """Nothing bought is a table without rows, not an error."""
    assert (collect([]).count, collect([]).items) == (0, ())


@given(st.permutations([("1", "a"), ("1", "b"), ("2", "a"), ("3", "c"), ("3", "a")]))
def test_order_of_lines_does_not_matter(lines: list[tuple[str, str]]) -> None:
    """The same lines in any order give the same baskets."""
    assert held(collect(Purchase(*line) for line in lines)) == [{"a", "b"}, {"a"}, {"a", "c"}]


def test_other_columns_keep_what_is_known() -> None:
    """In terms of other items, unknown ones drop out, and with them baskets that held nothing else."""
    baskets = in_terms_of(baskets_of("ab", "b", "bc"), ("a", "c", "d"))
    assert (baskets.items, held(baskets)) == (("a", "c", "d"), [{"a"}, {"c"}])


def test_periods_are_half_open() -> None:
    """A basket of the last day belongs to the next period."""
    assert between(baskets_of("a", "b", "c", days=(1, 2, 3)), 1, 3).days.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("items", "item"),
    [(("b", "a"), [0]), (("a", "a"), [0]), (("a",), [1]), (("a",), [-1])],
    ids=["unsorted", "twice", "beyond", "below"],
)
def test_columns_must_make_sense(items: tuple[str, ...], item: list[int]) -> None:
    """Skus out of order and numbers without a sku are refused."""
    with pytest.raises(InvalidInput):
        from_columns([0], item, items=items)
