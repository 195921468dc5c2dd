"""Frequent itemsets and rules, against the published numbers and a plain loop; bundles made of them."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.affinity.bundles import bundles
from offerlab.affinity.itemsets import Itemset, frequent_itemsets, rules
from offerlab.errors import InvalidInput

from .shops import baskets_of, groceries


@pytest.fixture(scope="module")
def many() -> tuple[Itemset, ...]:
    """All itemsets of Groceries in at least 1 of 1,000 baskets."""
    return frequent_itemsets(groceries(), support=0.001)


def test_groceries_hold_333_itemsets() -> None:
    """At support .01 there are 88 single items, 213 pairs and 32 triples (arules' published numbers)."""
    found = frequent_itemsets(groceries(), support=0.01)
    assert [sum(len(itemset.items) == size for itemset in found) for size in (1, 2, 3, 4)] == [88, 213, 32, 0]


@pytest.mark.parametrize(
    ("support", "confidence", "expected"), [(0.006, 0.25, 463), (0.001, 0.8, 410), (0.001, 0.5, 5668)]
)
def test_groceries_hold_the_published_rules(
    many: tuple[Itemset, ...], support: float, confidence: float, expected: int
) -> None:
    """463, 410 and 5,668 rules at the settings of the textbooks."""
    frequent = tuple(itemset for itemset in many if itemset.support >= support)
    assert len(rules(frequent, confidence=confidence)) == expected


def test_a_rule_has_its_figures(many: tuple[Itemset, ...]) -> None:
    """Herbs lead to root vegetables with the published support, confidence and lift."""
    (rule,) = [r for r in rules(many, confidence=0.4) if (r.given, r.then) == (("herbs",), "root vegetables")]
    assert (round(rule.support, 6), rule.confidence, round(rule.lift, 4)) == (0.007016, 0.43125, 3.9565)


@given(st.lists(st.sets(st.sampled_from("abcde"), min_size=1), min_size=1, max_size=12), st.integers(1, 4))
def test_itemsets_are_those_of_a_plain_loop(held: list[set[str]], fewest: int) -> None:
    """Every set of items in enough baskets is found, and no other (judge: a loop over all subsets)."""
    support = min(1.0, fewest / len(held))
    expected = {
        items: n
        for size in range(1, 6)
        for items in combinations("abcde", size)
        if (n := sum(set(items) <= skus for skus in held)) >= support * len(held) - 1e-9 and n
    }
    assert {
        itemset.items: itemset.baskets for itemset in frequent_itemsets(baskets_of(*held), support=support)
    } == expected


@pytest.mark.parametrize("support", [0.0, -0.1, 1.1])
def test_a_share_is_asked_for(support: float) -> None:
    """A support outside (0, 1] is refused."""
    with pytest.raises(InvalidInput):
        frequent_itemsets(baskets_of("ab"), support=support)


def test_a_full_shop_is_looked_at_within_limits() -> None:
    """Up to so many items, as all of them cut there; and of more itemsets than asked for none, before time is spent."""
    crowded = baskets_of(*["abcdef"] * 8, *["abc"] * 4, *["x"] * 4)
    everything = frequent_itemsets(crowded, support=0.2)
    some = frequent_itemsets(crowded, support=0.2, largest=2)
    assert some == tuple(one for one in everything if len(one.items) <= 2)
    assert frequent_itemsets(crowded, support=0.2, most=len(everything)) == everything
    with pytest.raises(InvalidInput, match="more than 63 itemsets"):
        frequent_itemsets(crowded, support=0.2, most=len(everything) - 1)
    endless = baskets_of(*["".join(chr(97 + i) for i in range(26))] * 3)
    with pytest.raises(InvalidInput, match="more than 1000"):
        frequent_itemsets(endless, support=0.5, most=1_000)


def test_a_bundle_needs_synergy_in_every_part() -> None:
    """Coffee machine and capsules go together; a bag that everyone takes makes no bundle with them."""
    held = [*["mc"] * 20, *["mcb"] * 20, *["b"] * 30, *["x"] * 30]
    found = bundles(frequent_itemsets(baskets_of(*held), support=0.1), synergy=1.1)
    assert [bundle.items for bundle in found] == [("c", "m")]


def test_synergy_is_the_weakest_split() -> None:
    """Of 10 baskets 4 hold a, b and c together; the weakest cut separates c, which one more basket holds."""
    held = [*["abc"] * 4, "c", *["x"] * 5]
    (bundle,) = [b for b in bundles(frequent_itemsets(baskets_of(*held), support=0.1)) if len(b.items) == 3]
    assert bundle.synergy == pytest.approx(0.4 / (0.4 * 0.5))


def test_reviews_decide_between_equal_bundles() -> None:
    """Of two pairs bought alike, the better reviewed comes first; a product kept out by its reviews is in no bundle."""
    itemsets = frequent_itemsets(baskets_of(*["ab"] * 5, *["cd"] * 5, *["ef"] * 5), support=0.1)
    found = bundles(itemsets, appeal={"c": 1.2, "f": 0.0})
    assert [bundle.items for bundle in found] == [("c", "d"), ("a", "b")]


def test_size_of_bundles_is_asked_for() -> None:
    """Only bundles of the wanted number of items are proposed."""
    itemsets = frequent_itemsets(baskets_of(*["abcd"] * 5, *["x"] * 5), support=0.1)
    assert {len(bundle.items) for bundle in bundles(itemsets, smallest=3, largest=3)} == {3}
