"""Complement or substitute; and what reviews add."""

import numpy as np
import pytest
from msgspec.structs import replace

from offerlab.affinity.counting import count
from offerlab.affinity.evidence import Evidence, Floor, examine, explain
from offerlab.affinity.kinship import kinship, likeness
from offerlab.affinity.ratings import Rating, shrunk, weights
from offerlab.domain.product import Product
from offerlab.errors import InvalidInput

from .shops import baskets_of

MACHINE = Product(sku="machine", name="Espresso machine", price_micro=129_000_000, category="machines")
ARABICA = Product(sku="arabica", name="Arabica capsules", price_micro=18_000_000, category="coffee")
ROBUSTA = Product(sku="robusta", name="Robusta capsules", price_micro=17_000_000, category="coffee")
FILTER = Product(sku="filter", name="Paper filter", price_micro=2_000_000, category="coffee")


def evidence(a: Product, b: Product, both: int, left: int, right: int, neither: int) -> Evidence:
    """What baskets with both, only a, only b, and neither say."""
    baskets = baskets_of(*[(a.sku, b.sku)] * both, *[(a.sku,)] * left, *[(b.sku,)] * right, *[("z",)] * neither)
    return explain(examine(count(baskets), Floor(fewest_together=1)), a.sku, b.sku)


@pytest.mark.parametrize(
    ("a", "b", "counts", "expected"),
    [
        (MACHINE, ARABICA, (40, 20, 60, 400), ("complement", "bought_together")),
        (ARABICA, FILTER, (40, 20, 60, 400), ("complement", "bought_together")),
        (ARABICA, FILTER, (2, 120, 120, 200), ("substitute", "bought_instead")),
        (ARABICA, ROBUSTA, (10, 60, 60, 400), ("substitute", "alike")),
        (ARABICA, ROBUSTA, (40, 20, 20, 400), ("unclear", "both")),
        (MACHINE, ARABICA, (2, 120, 120, 200), ("unrelated", "no_evidence")),
        (MACHINE, ARABICA, (10, 60, 60, 400), ("unrelated", "no_evidence")),
    ],
    ids=["other category", "unlike", "instead", "alike", "alike and together", "apart", "chance"],
)
def test_two_witnesses_tell_substitutes_from_complements(
    a: Product, b: Product, counts: tuple[int, int, int, int], expected: tuple[str, str]
) -> None:
    """Catalogue and baskets together decide; where they contradict each other, nobody does."""
    found = kinship(a, b, evidence(a, b, *counts))
    assert (found.kind, found.reason) == expected


def test_likeness_by_hand() -> None:
    """One of three words in common and prices of 17 to 18: the mean of 1/3 and 17/18."""
    assert likeness(ARABICA, ROBUSTA) == pytest.approx((1 / 3 + 17 / 18) / 2)


def test_likeness_counts_attributes_where_both_have_them() -> None:
    """One attribute of two in common weighs like names and price."""
    a, b = (replace(p, attributes={"roast": "dark", "size": n}) for n, p in enumerate((ARABICA, ROBUSTA)))
    assert likeness(a, b) == pytest.approx((1 / 3 + 17 / 18 + 1 / 3) / 3)


def test_nothing_is_like_a_product_of_another_category() -> None:
    """Across categories, and without one, likeness is zero: the baskets must speak."""
    assert likeness(MACHINE, ARABICA) == 0
    assert likeness(replace(ARABICA, category=None), replace(ROBUSTA, category=None)) == 0


def test_few_reviews_are_drawn_to_the_mean() -> None:
    """Each product starts with ten reviews of the mean of all, so that one enthusiast weighs little."""
    overall = (5 * 1 + 4.5 * 200) / 201
    means = shrunk({"one": Rating(5, 1), "many": Rating(4.5, 200)})
    assert means == pytest.approx({"one": (5 + 10 * overall) / 11, "many": (900 + 10 * overall) / 210})


def test_weights_follow_reviews() -> None:
    """Without reviews a product weighs 1, a disliked one less, one below the lowest mark nothing."""
    ratings = {"good": Rating(4.5, 100), "poor": Rating(3.5, 100), "bad": Rating(1.5, 100)}
    found = weights(("bad", "good", "new", "poor"), ratings, lowest=2.0)
    assert found[[0, 2]].tolist() == [0, 1]
    assert found[1] > 1
    assert found[3] == pytest.approx((3.5 * 100 + 10 * 9.5 / 3) / 110 / (9.5 / 3))


@pytest.mark.parametrize("ratings", [{}, {"a": Rating(4.0, 0)}], ids=["none", "no reviews"])
def test_without_reviews_every_weight_is_one(ratings: dict[str, Rating]) -> None:
    """A shop without reviews ranks by baskets alone."""
    np.testing.assert_array_equal(weights(("a", "b"), ratings), [1, 1])


@pytest.mark.parametrize("rating", [Rating(0, 5), Rating(-1, 5), Rating(4, -1), Rating(float("nan"), 5)])
def test_an_impossible_rating_is_refused(rating: Rating) -> None:
    """A mean that is not above zero, or fewer than no reviews, is refused and named."""
    with pytest.raises(InvalidInput) as refused:
        shrunk({"mug": rating})
    assert refused.value.field == "ratings.mug"
