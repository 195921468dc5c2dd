"""Segments: who. One small tree of conditions, read for one customer (a closure) or for millions (columns).

No regular expressions and no code in rules: a rule from outside must not be able to cost more than its size.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, cast, get_args

from msgspec import Struct

from offerlab.errors import InvalidDefinition

Operator = Literal[
    "eq", "ne", "lt", "lte", "gt", "gte", "in", "not_in", "exists", "contains", "starts_with", "within_days"
]
Scalar = str | int | float | bool | None
Operand = str | int | float | bool | tuple[Scalar, ...] | None

OPERATORS: Final = frozenset(get_args(Operator))
MAX_DEPTH: Final = 16
MAX_CONDITIONS: Final = 500
MAX_VALUES: Final = 10_000
MAX_TEXT: Final = 1_000

FOLDED: Final = (
    "orders_count",
    "spend_total",
    "aov",
    "days_since_first_order",
    "days_since_last_order",
    "viewed_skus",
    "cart_skus",
    "owned_skus",
    "tags",
    "orders_per_year",
    "days_since_last_view",
    "owned_categories",
    "viewed_categories",
    "rating_mean",
)
"""Attributes that the service folds from events; a request's own attributes are merged over them."""

BY_CATEGORY: Final = frozenset(("owned_categories", "viewed_categories"))
"""Folded attributes that need the catalogue."""

RATING_OF: Final = "rating_mean:"
"""Before the name of a category: the mean of the customer's own ratings there."""

VIEW_OF: Final = "days_since_view:"
"""Before a sku: days since the customer last looked at that product; missing where they never did."""

_NAMED: Final = (RATING_OF, VIEW_OF)


def is_folded(attribute: str) -> bool:
    """Whether the service itself knows this attribute from events."""
    return attribute in FOLDED or attribute.startswith(_NAMED)


def needs_catalogue(attribute: str) -> bool:
    """Whether this attribute speaks of products one by one, or of their categories: folded only where a rule asks."""
    return attribute in BY_CATEGORY or attribute.startswith(_NAMED)


class Condition(Struct, frozen=True, tag="condition"):
    """One comparison of an attribute. A missing attribute fails all of them but `exists: false`."""

    attribute: str
    op: Operator
    value: Operand


class All(Struct, frozen=True, tag="all"):
    """Every child holds (an empty list always holds)."""

    children: "tuple[Rule, ...]"


class AnyOf(Struct, frozen=True, tag="any"):
    """At least one child holds (an empty list never holds)."""

    children: "tuple[Rule, ...]"


Rule = Condition | All | AnyOf


class Segment(Struct, frozen=True, kw_only=True):
    """A named rule. A customer in several segments belongs to the first by (priority, key), lower first."""

    key: str
    rule: Rule
    name: str = ""
    priority: int = 100


def parse_rule(raw: object, *, field: str = "rule") -> Rule:
    """The tree behind its JSON form `{"all":[…]}`, `{"any":[…]}` or `{"attribute","op","value"}`.

    Raises:
        InvalidDefinition: an unknown shape, operator or operand type, or a tree above the written limits.
    """
    return _parse(raw, field, 1, _Budget())


class _Budget:
    """Counts conditions over the whole tree."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, field: str) -> None:
        self.used += 1
        if self.used > MAX_CONDITIONS:
            raise InvalidDefinition(f"a rule has at most {MAX_CONDITIONS} conditions", field=field)


def _parse(raw: object, field: str, depth: int, budget: _Budget) -> Rule:
    if depth > MAX_DEPTH:
        raise InvalidDefinition(f"a rule is at most {MAX_DEPTH} levels deep", field=field)
    if not isinstance(raw, Mapping):
        raise InvalidDefinition("a rule is an object", field=field)
    node = cast("Mapping[str, object]", raw)
    for word, make in (("all", All), ("any", AnyOf)):
        if word in node:
            children = node[word]
            if len(node) != 1 or not isinstance(children, list):
                raise InvalidDefinition(f"{word!r} stands alone and holds a list", field=field)
            items = cast("list[object]", children)
            return make(tuple(_parse(item, f"{field}.{word}[{i}]", depth + 1, budget) for i, item in enumerate(items)))
    budget.take(field)
    return _condition(node, field)


def _condition(node: Mapping[str, object], field: str) -> Condition:
    unknown = sorted(set(node) - {"attribute", "op", "value"})
    if unknown:
        raise InvalidDefinition(f"unknown field {unknown[0]!r} in a condition", field=f"{field}.{unknown[0]}")
    attribute, op = node.get("attribute"), node.get("op")
    if not isinstance(attribute, str) or not 1 <= len(attribute) <= MAX_TEXT:
        raise InvalidDefinition("a condition names an attribute", field=f"{field}.attribute")
    if not isinstance(op, str) or op not in OPERATORS:
        raise InvalidDefinition(f"{op!r} is none of {', '.join(sorted(OPERATORS))}", field=f"{field}.op")
    return Condition(attribute, cast("Operator", op), _operand(op, node.get("value"), f"{field}.value"))


def _operand(op: str, value: object, field: str) -> Operand:
    if op in ("in", "not_in"):
        if not isinstance(value, list):
            raise InvalidDefinition(f"{op!r} compares with a list", field=field)
        values = cast("list[object]", value)
        if len(values) > MAX_VALUES:
            raise InvalidDefinition(f"a list has at most {MAX_VALUES} values", field=field)
        return tuple(_scalar(item, field) for item in values)
    if op == "exists":
        if value is not None and not isinstance(value, bool):
            raise InvalidDefinition("'exists' compares with true or false", field=field)
        return value is not False
    if op in ("lt", "lte", "gt", "gte", "within_days"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidDefinition(f"{op!r} compares with a number", field=field)
        return value
    if op == "starts_with" and not isinstance(value, str):
        raise InvalidDefinition("'starts_with' compares with a text", field=field)
    return _scalar(value, field)


def _scalar(value: object, field: str) -> Scalar:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value:
        return value
    raise InvalidDefinition(f"a value is a number, true, false or a text of at most {MAX_TEXT} characters", field=field)


def to_raw(rule: Rule) -> dict[str, object]:
    """The JSON form of a tree; `parse_rule(to_raw(rule)) == rule`."""
    if isinstance(rule, Condition):
        value = list(rule.value) if isinstance(rule.value, tuple) else rule.value
        return {"attribute": rule.attribute, "op": rule.op, "value": value}
    word = "all" if isinstance(rule, All) else "any"
    return {word: [to_raw(child) for child in rule.children]}


def conditions(rule: Rule) -> Iterator[Condition]:
    """Every condition of the tree, left to right."""
    if isinstance(rule, Condition):
        yield rule
    else:
        for child in rule.children:
            yield from conditions(child)
