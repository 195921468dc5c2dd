"""Attributes: typed, and the sensitive ones off until their purpose is recorded."""

import pytest

from offerlab.domain.attribute import Attribute, check_attribute, check_rule, withheld
from offerlab.domain.segment import Rule, parse_rule
from offerlab.errors import InvalidDefinition


def rule(attribute: str, op: str = "gte", value: object = 4) -> Rule:
    """A rule of one condition."""
    return parse_rule({"attribute": attribute, "op": op, "value": value})


def test_a_sensitive_attribute_is_off_until_it_has_a_purpose() -> None:
    """Age asks for a purpose before any rule may look at it; what is not sensitive asks for nothing."""
    with pytest.raises(InvalidDefinition, match="'age' is sensitive and off until"):
        check_rule(rule("age"), {})
    with pytest.raises(InvalidDefinition, match="say what it is used for"):
        check_attribute(Attribute(name="age"))
    registered = Attribute(name="age", type="number", purpose="gifts for parents")
    check_attribute(registered)
    check_rule(rule("age"), {"age": registered})
    check_rule(rule("favourite_colour", "eq", "blue"), {})


def test_any_attribute_may_be_marked_sensitive() -> None:
    """What the shop marks is as sensitive as what everybody knows to be."""
    with pytest.raises(InvalidDefinition, match="sensitive"):
        check_rule(rule("debt"), {"debt": Attribute(name="debt", sensitive=True)})


def test_special_categories_need_explicit_consent_besides() -> None:
    """Health is refused with a purpose alone; consent of its own lets it in."""
    with pytest.raises(InvalidDefinition, match="explicit consent") as refused:
        check_attribute(Attribute(name="health", purpose="diet offers"))
    assert refused.value.field == "explicit_consent"
    check_attribute(Attribute(name="health", purpose="diet offers", explicit_consent=True))


def test_a_folded_attribute_is_nobodys_to_register() -> None:
    """Order counts come from events."""
    with pytest.raises(InvalidDefinition, match="folded from events"):
        check_attribute(Attribute(name="orders_count"))


@pytest.mark.parametrize(
    ("kind", "op", "value", "fits"),
    [
        ("number", "gte", 4, True),
        ("number", "in", [1, 2], True),
        ("number", "eq", "4", False),
        ("number", "contains", 4, False),
        ("text", "starts_with", "0", True),
        ("text", "gte", 4, False),
        ("text", "eq", True, False),
        ("boolean", "eq", True, True),
        ("boolean", "eq", 1, False),
        ("date", "within_days", 30, True),
        ("date", "gte", 4, False),
        ("list", "contains", "vip", True),
        ("list", "eq", "vip", False),
        ("number", "exists", False, True),
    ],
)
def test_a_type_says_what_may_be_asked(kind: str, op: str, value: object, fits: bool) -> None:  # noqa: FBT001 - expected
    """A number is compared, a text begins, a list contains; anything else is refused when the rule is saved."""
    registered = {"x": Attribute(name="x", type=kind)}  # type: ignore[arg-type]  # one of the types
    if fits:
        check_rule(rule("x", op, value), registered)
    else:
        with pytest.raises(InvalidDefinition):
            check_rule(rule("x", op, value), registered)


def test_what_nobody_at_the_desk_sees() -> None:
    """Sensitive without a purpose, and what the shop keeps from the desk."""
    registered = {
        "age": Attribute(name="age", purpose="gifts"),
        "note": Attribute(name="note", shown=False),
    }
    assert withheld(["age", "income", "note", "country"], registered) == {"income", "note"}
