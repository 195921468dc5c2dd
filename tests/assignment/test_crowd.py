"""A whole shop in columns says of every customer what the one-by-one attributes say."""

from typing import get_args

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from offerlab.assignment.columns import select
from offerlab.assignment.crowd import crowd_of
from offerlab.assignment.profile import attributes_of
from offerlab.assignment.rules import compile_rule
from offerlab.domain.clock import DAY
from offerlab.domain.customer import CustomerState, Profile
from offerlab.domain.product import Product
from offerlab.domain.segment import FOLDED, Condition, Operator

from .laboratory import NOW

SKUS = ("machine", "mug", "tea", "unlisted")
PRODUCTS = {
    sku: Product(sku=sku, name=sku, price_micro=1, category=category)
    for sku, category in (("machine", "coffee"), ("mug", "coffee"), ("tea", "drinks"))
}
NAMES = (
    *FOLDED,
    "rating_mean:coffee",
    "rating_mean:drinks",
    "days_since_view:mug",
    "country",
    "age_band",
    "mixed",
    "nowhere",
)
MOMENTS = st.integers(NOW - 400 * DAY, NOW + DAY)
PROFILES = st.builds(
    Profile,
    orders=st.dictionaries(
        st.sampled_from("abcd"), st.tuples(MOMENTS, st.integers(0, 10**9), st.just(0), MOMENTS), max_size=3
    ),
    viewed=st.dictionaries(st.sampled_from(SKUS), MOMENTS, max_size=3),
    owned=st.dictionaries(st.sampled_from(SKUS), MOMENTS, max_size=3),
    ratings=st.dictionaries(st.sampled_from(SKUS), st.tuples(MOMENTS, st.floats(0, 10)), max_size=3),
    cart=st.tuples(MOMENTS, st.lists(st.sampled_from(SKUS), max_size=2).map(tuple)),
    consents=st.dictionaries(
        st.sampled_from(("email:marketing", "sms:ads")), st.tuples(MOMENTS, st.booleans()), max_size=2
    ),
    attributes=st.fixed_dictionaries(
        {},
        optional={
            "country": st.tuples(MOMENTS, st.sampled_from(("KR", "JP", None))),
            "age_band": st.tuples(MOMENTS, st.integers(2, 7)),
            "mixed": st.tuples(MOMENTS, st.one_of(st.booleans(), st.integers(-2, 2), st.just(["vip"]))),
            "tags": st.tuples(MOMENTS, st.just(["vip"])),
            "orders_count": st.tuples(MOMENTS, st.one_of(st.none(), st.integers(0, 3))),
            "owned_skus": st.tuples(MOMENTS, st.just(["mug"])),
        },
    ),
)
VALUES = st.one_of(st.integers(-2, 400), st.floats(0, 400), st.sampled_from((*SKUS, "coffee", "KR", "vip", "")))


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    """A condition over any of the attributes."""
    op: Operator = draw(st.sampled_from(get_args(Operator)))
    name = draw(st.sampled_from(NAMES))
    if op in {"in", "not_in"}:
        return Condition(name, op, tuple(draw(st.lists(VALUES, max_size=3))))
    if op == "exists":
        return Condition(name, op, draw(st.booleans()))
    if op in {"lt", "lte", "gt", "gte", "within_days"}:
        return Condition(name, op, draw(st.one_of(st.integers(-2, 400), st.floats(0, 400))))
    return Condition(name, op, draw(VALUES if op != "starts_with" else st.sampled_from(("K", "KR", ""))))


@settings(max_examples=200, deadline=None)
@given(st.lists(PROFILES, max_size=5), conditions())
def test_columns_say_of_everybody_what_is_said_of_one(profiles: list[Profile], rule: Condition) -> None:
    """For any profiles and any condition, the columns hold for exactly whom the decision's closure holds."""
    crowd = crowd_of(profiles, NAMES, now=NOW, currency="USD", products=PRODUCTS)
    one = compile_rule(rule)
    expected = [
        one(
            attributes_of(CustomerState(profile=profile), {}, now=NOW, currency="USD", folded=True, products=PRODUCTS),
            NOW,
        )
        for profile in profiles
    ]
    assert select(rule, crowd.columns, customers=crowd.customers, now=NOW).tolist() == expected


def test_numbers_of_the_crowd_by_hand() -> None:
    """Orders until now, their value, the window's part, and who may be written to."""
    told = (("old", NOW - 40 * DAY, 1000), ("new", NOW - DAY, 500), ("later", NOW + 1, 9))
    orders = {name: (at, net, 0, at) for name, at, net in told}
    buyer = Profile(
        orders=orders,
        viewed={"tea": NOW - 5},
        owned={"machine": NOW - DAY, "mug": NOW - 40 * DAY},
        consents={"email:marketing": (1, True), "sms:marketing": (1, False)},
    )
    crowd = crowd_of([Profile(), buyer], ["orders_count"], now=NOW, currency="USD")
    assert (crowd.orders.tolist(), crowd.spend.tolist()) == ([0, 2], [0, 1500])
    assert (crowd.bought.tolist(), crowd.paid.tolist()) == ([0, 1], [0, 500])
    assert crowd.seen.tolist() == [-1, NOW - 5]
    assert [crowd.skus[i] for i in crowd.owned_items[crowd.owned[1] : crowd.owned[2]]] == ["machine", "mug"]
    assert {channel: told.tolist() for channel, told in crowd.reach.items()} == {"email": [False, True]}
    assert list(crowd.columns) == ["orders_count"]


def test_a_texts_column_is_no_list_of_objects() -> None:
    """Texts and numbers that customers told stand in typed columns, which is what makes a million of them quick."""
    told = [
        Profile(attributes={"country": (1, "KR"), "level": (1, 2)}),
        Profile(attributes={"country": (1, "대한민국")}),
    ]
    crowd = crowd_of(told, ["country", "level"], now=NOW, currency="USD")
    assert crowd.columns["country"].values.dtype.kind == "T"
    assert (crowd.columns["level"].values.dtype, crowd.columns["level"].present) is not None
    assert np.array_equal(crowd.columns["level"].present, [True, False])  # type: ignore[arg-type]  # a mask is there
