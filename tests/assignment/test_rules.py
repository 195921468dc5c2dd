"""Rules: what each operator means, and that both readers, one customer and millions, agree."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offerlab.assignment.columns import Values, select
from offerlab.assignment.profile import attributes_of
from offerlab.assignment.rules import compile_rule, moment_of, reads
from offerlab.domain.clock import DAY, iso
from offerlab.domain.customer import NOBODY, UNREAD, CustomerState, Profile
from offerlab.domain.segment import All, AnyOf, Condition, Operator, Rule, parse_rule

from .laboratory import NOW


def holds(rule: object, attributes: dict[str, object]) -> bool:
    """Whether a rule as it goes over the wire holds for these attributes."""
    return compile_rule(parse_rule(rule))(attributes, NOW)


@pytest.mark.parametrize(
    ("value", "op", "operand", "expected"),
    [
        ("KR", "eq", "KR", True),
        ("kr", "eq", "KR", False),
        (1, "eq", 1.0, True),
        (1, "eq", True, False),
        (True, "eq", 1, False),
        (True, "eq", True, True),
        ("1", "eq", 1, False),
        (None, "eq", None, False),
        ("KR", "ne", "US", True),
        (1, "ne", "1", True),
        (None, "ne", "US", False),
        (3, "gte", 3, True),
        (2.5, "gt", 2, True),
        ("3", "gte", 3, False),
        (True, "gte", 0, False),
        (3, "lt", 3, False),
        (3, "lte", 3, True),
        ("KR", "in", ["KR", "JP"], True),
        ("US", "in", ["KR", "JP"], False),
        (["vip", "b2b"], "in", ["vip"], True),
        ([], "in", ["vip"], False),
        (True, "in", [1], False),
        ("US", "not_in", ["KR"], True),
        (["vip"], "not_in", ["vip"], False),
        (None, "not_in", ["KR"], False),
        (0, "exists", True, True),
        (None, "exists", True, False),
        (None, "exists", False, True),
        ("", "exists", False, False),
        (["vip"], "contains", "vip", True),
        (["vipx"], "contains", "vip", False),
        ("a vip", "contains", "vip", True),
        (5, "contains", 5, False),
        ("capsules", "starts_with", "cap", True),
        (["cap"], "starts_with", "cap", False),
        (7, "within_days", 7, True),
        (7.5, "within_days", 7, False),
        (-1, "within_days", 7, False),
        (iso(NOW - 7 * DAY), "within_days", 7, True),
        (iso(NOW - 7 * DAY - 1), "within_days", 7, False),
        (iso(NOW + 1), "within_days", 7, False),
        ("yesterday", "within_days", 7, False),
    ],
)
def test_an_operator_means(value: object, op: str, operand: object, expected: bool) -> None:  # noqa: FBT001 - expected
    """The table of meanings, one line each."""
    attributes = {} if value is None else {"a": value}
    assert holds({"attribute": "a", "op": op, "value": operand}, attributes) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22", "2026-11-22T00:00:00Z"),
        ("2026-11-22T10:00:00", "2026-11-22T10:00:00Z"),
        ("2026-11-22T10:00:00+09:00", "2026-11-22T01:00:00Z"),
        ("22.11.2026", None),
    ],
)
def test_times_in_attributes(text: str, expected: str | None) -> None:
    """A time without a zone is UTC; what is no time is none."""
    found = moment_of(text)
    assert (None if found is None else iso(found)) == expected


def test_trees_combine() -> None:
    """All, any and their empty forms."""
    tree = {
        "all": [{"attribute": "n", "op": "gte", "value": 2}, {"any": [{"attribute": "c", "op": "eq", "value": "x"}]}]
    }
    assert [holds(tree, {"n": 2, "c": "x"}), holds(tree, {"n": 2, "c": "y"}), holds(tree, {"c": "x"})] == [
        True,
        False,
        False,
    ]
    assert [holds({"all": []}, {}), holds({"any": []}, {})] == [True, False]


def test_a_tree_knows_what_it_reads() -> None:
    """The attributes of all conditions, each once."""
    rule = All((Condition("a", "eq", 1), AnyOf((Condition("b", "eq", 1), Condition("a", "eq", 2)))))
    assert reads(rule) == {"a", "b"}


ORDERS = (("o1", NOW - 10 * DAY, 1500), ("o2", NOW - 2 * DAY, 500), ("later", NOW + 1, 9999))


class TestFolding:
    """Attributes folded from a profile."""

    profile = Profile(
        orders={name: (at, net, 0, at) for name, at, net in ORDERS},
        viewed={"mug": NOW},
        owned={"machine": NOW - DAY},
        cart=(NOW, ("tea",)),
        attributes={"country": (NOW, "KR"), "tags": (NOW, ["vip"])},
    )

    def test_orders_become_numbers(self) -> None:
        """Counts, money in major units and days, as of now: an order of later does not count."""
        found = attributes_of(CustomerState(profile=self.profile), {}, now=NOW, currency="USD", folded=True)
        assert found == {
            "orders_count": 2,
            "spend_total": 20.0,
            "aov": 10.0,
            "days_since_first_order": 10.0,
            "days_since_last_order": 2.0,
            "orders_per_year": pytest.approx(2 * 365 / 30),
            "days_since_last_view": 0.0,
            "viewed_skus": ("mug",),
            "owned_skus": ("machine",),
            "cart_skus": ("tea",),
            "country": "KR",
            "tags": ["vip"],
        }

    def test_money_follows_the_currency(self) -> None:
        """A currency without decimals keeps its whole units."""
        found = attributes_of(CustomerState(profile=self.profile), {}, now=NOW, currency="KRW", folded=True)
        assert found["spend_total"] == 2000.0

    def test_a_stranger_has_no_orders(self) -> None:
        """Nobody known has ordered nothing: that is a number. Averages are missing."""
        found = attributes_of(NOBODY, {}, now=NOW, currency="USD", folded=True)
        assert (found["orders_count"], "aov" in found) == (0, False)

    def test_an_unread_customer_has_only_what_was_told(self) -> None:
        """When the store did not answer, no order count is made up."""
        assert attributes_of(UNREAD, {"country": "KR"}, now=NOW, currency="USD", folded=True) == {"country": "KR"}

    def test_the_request_wins(self) -> None:
        """What the request says is newer than what was folded."""
        state = CustomerState(profile=self.profile)
        found = attributes_of(state, {"country": "JP", "orders_count": 7}, now=NOW, currency="USD", folded=True)
        assert (found["country"], found["orders_count"]) == ("JP", 7)


NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**64, -(2**70), 10**400]),
    st.floats(allow_nan=False),
    st.sampled_from([0.5, -0.5, 2.0, float(2**53), float(2**63)]),
)
TEXTS = st.sampled_from(["", "a", "ab", "b", "KR", "캡슐", "a\0", iso(NOW - DAY), iso(NOW + DAY), "2026-09-01"])
SCALARS = st.one_of(NUMBERS, TEXTS, st.booleans())
COLUMNS = ("whole", "double", "text", "wide", "truth", "mixed", "nowhere")


@st.composite
def operands(draw: st.DrawFn) -> Condition:
    """A condition as `parse_rule` would let it through."""
    op: Operator = draw(st.sampled_from(get_args(Operator)))
    name = draw(st.sampled_from(COLUMNS))
    if op in {"in", "not_in"}:
        return Condition(name, op, tuple(draw(st.lists(SCALARS, max_size=4))))
    if op == "exists":
        return Condition(name, op, draw(st.booleans()))
    if op in {"lt", "lte", "gt", "gte", "within_days"}:
        return Condition(name, op, draw(NUMBERS))
    if op == "starts_with":
        return Condition(name, op, draw(TEXTS))
    return Condition(name, op, draw(st.one_of(SCALARS, st.none())))


RULES: st.SearchStrategy[Rule] = st.recursive(
    operands(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda some: All(tuple(some))),
        st.lists(inner, max_size=3).map(lambda some: AnyOf(tuple(some))),
    ),
    max_leaves=6,
)

ROW = st.fixed_dictionaries(
    {
        "whole": st.one_of(st.integers(-5, 5), st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63)])),
        "double": st.floats(allow_nan=False),
        "text": TEXTS.filter(lambda text: not text.endswith("\0")),
        "wide": TEXTS,
        "truth": st.booleans(),
        "mixed": st.one_of(SCALARS, st.none(), st.lists(SCALARS, max_size=3)),
    }
)
KINDS: dict[str, Any] = {
    "whole": np.int64,
    "double": np.float64,
    "text": np.str_,
    "wide": np.dtypes.StringDType(),
    "truth": np.bool_,
}


def column(name: str, rows: list[dict[str, object]], present: list[bool]) -> Values:
    """The column of an attribute; what is missing has any value beneath its mask."""
    if name == "mixed":
        values = np.empty(len(rows), dtype=object)
        values[:] = [row[name] for row in rows]
        return Values(values, np.array(present, dtype=np.bool_))
    return Values(np.array([row[name] for row in rows], dtype=KINDS[name]), np.array(present, dtype=np.bool_))


@settings(max_examples=200, deadline=None)
@given(RULES, st.lists(st.tuples(ROW, st.lists(st.booleans(), min_size=6, max_size=6)), min_size=1, max_size=6))
def test_both_readers_agree(rule: Rule, drawn: list[tuple[dict[str, object], list[bool]]]) -> None:
    """For every rule and every customer the closure and the columns say the same."""
    names = COLUMNS[:-1]
    rows = [row for row, _ in drawn]
    columns = {name: column(name, rows, [there[i] for _, there in drawn]) for i, name in enumerate(names)}
    one = compile_rule(rule)
    expected = [one({name: row[name] for i, name in enumerate(names) if there[i]}, NOW) for row, there in drawn]
    assert select(rule, columns, customers=len(rows), now=NOW).tolist() == expected


def test_a_column_without_gaps_needs_no_mask() -> None:
    """Without a mask everybody has the attribute."""
    columns = {"n": Values(np.array([1, 2, 3]))}
    assert select(Condition("n", "gte", 2), columns, customers=3, now=NOW).tolist() == [False, True, True]
    assert select(Condition("n", "exists", value=True), columns, customers=3, now=NOW).all()
