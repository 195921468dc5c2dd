"""Segment rules compiled into closures, read for one customer. `columns.py` reads the same tree for millions.

What every comparison means (both readers obey it):
- a missing attribute, or null, fails everything but `exists: false`;
- true and false are no numbers, and a number is never equal to a text;
- `lt lte gt gte` look at numbers only;
- a list is `in` when any of its elements is, `not_in` when none is; it `contains` its elements;
- a text `contains` its parts; it `starts_with` its beginning;
- `within_days: n`: a number of days from 0 to n, or a time (ISO 8601, UTC where no zone is said) from n days ago to
  now.
"""

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, cast

from offerlab.domain.clock import DAY
from offerlab.domain.segment import All, Condition, Operand, Rule, Scalar

Attributes = Mapping[str, object]
Holds = Callable[[Attributes, int], bool]
"""(attributes, now in microseconds UTC) -> whether the rule holds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ORDER: Final[dict[str, Callable[[float, float], bool]]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


def compile_rule(rule: Rule) -> Holds:
    """One closure for the whole tree."""
    if isinstance(rule, Condition):
        return _condition(rule)
    children = [compile_rule(child) for child in rule.children]
    if len(children) == 1:
        return children[0]
    return _all(children) if isinstance(rule, All) else _any(children)


def never(_attributes: Attributes, _now: int) -> bool:
    """The rule of a segment that no longer exists."""
    return False


def reads(rule: Rule) -> frozenset[str]:
    """Attributes that the rule looks at."""
    if isinstance(rule, Condition):
        return frozenset((rule.attribute,))
    return frozenset[str]().union(*(reads(child) for child in rule.children))


def _all(children: list[Holds]) -> Holds:
    if len(children) == 2:  # noqa: PLR2004 - the common case, without a loop
        first, second = children
        return lambda attributes, now: first(attributes, now) and second(attributes, now)

    def every(attributes: Attributes, now: int) -> bool:
        return all(child(attributes, now) for child in children)

    return every


def _any(children: list[Holds]) -> Holds:
    if len(children) == 2:  # noqa: PLR2004 - the common case, without a loop
        first, second = children
        return lambda attributes, now: first(attributes, now) or second(attributes, now)

    def some(attributes: Attributes, now: int) -> bool:
        return any(child(attributes, now) for child in children)

    return some


def _condition(condition: Condition) -> Holds:
    name, op, operand = condition.attribute, condition.op, condition.value
    if op == "exists":
        wanted = bool(operand)
        return lambda attributes, _now: (attributes.get(name) is not None) is wanted
    if op == "within_days":
        return _within(name, _number(operand))
    if op in _ORDER:
        return _ordered(name, _ORDER[op], _number(operand))
    if op == "eq" and isinstance(operand, str):
        return lambda attributes, _now: attributes.get(name) == operand
    compare = _comparison(op, operand)

    def holds(attributes: Attributes, _now: int) -> bool:
        value = attributes.get(name)
        return value is not None and compare(value)

    return holds


def _ordered(name: str, compare: Callable[[float, float], bool], bound: float) -> Holds:
    def holds(attributes: Attributes, _now: int) -> bool:
        value = attributes.get(name)
        kind = type(value)
        return (kind is int or kind is float) and compare(cast("float", value), bound)

    return holds


def _comparison(op: str, operand: Operand) -> Callable[[object], bool]:
    match op:
        case "eq":
            return _equals(cast("Scalar", operand))
        case "ne":
            equals = _equals(cast("Scalar", operand))
            return lambda value: not equals(value)
        case "in":
            return _among(cast("tuple[Scalar, ...]", operand))
        case "not_in":
            among = _among(cast("tuple[Scalar, ...]", operand))
            return lambda value: not among(value)
        case "contains":
            return _contains(cast("Scalar", operand))
        case _:
            start = cast("str", operand)
            return lambda value: isinstance(value, str) and value.startswith(start)


def is_number(value: object) -> bool:
    """Whether a value counts as a number: int or float, never a truth value."""
    kind = type(value)
    return kind is int or kind is float


def _number(operand: Operand) -> float:
    return cast("float", operand)


def _equals(operand: Scalar) -> Callable[[object], bool]:
    if isinstance(operand, bool) or operand is None:
        return lambda value: value is operand
    if isinstance(operand, str):
        return lambda value: value == operand
    return lambda value: is_number(value) and value == operand


def _among(operands: tuple[Scalar, ...]) -> Callable[[object], bool]:
    texts = frozenset(item for item in operands if isinstance(item, str))
    numbers = frozenset(item for item in operands if is_number(item))
    truths = frozenset(item for item in operands if isinstance(item, bool))

    def one(value: object) -> bool:
        if isinstance(value, str):
            return value in texts
        if isinstance(value, bool):
            return value in truths
        return is_number(value) and value in numbers

    def among(value: object) -> bool:
        if type(value) is str:
            return value in texts
        if isinstance(value, list | tuple | set | frozenset):
            return any(one(item) for item in cast("list[object]", value))
        return one(value)

    return among


def _contains(operand: Scalar) -> Callable[[object], bool]:
    equals = _equals(operand)

    def contains(value: object) -> bool:
        if isinstance(value, str):
            return isinstance(operand, str) and operand in value
        if isinstance(value, list | tuple | set | frozenset):
            return any(equals(item) for item in cast("list[object]", value))
        return False

    return contains


def _within(name: str, days: float) -> Holds:
    span = days * DAY

    def within(attributes: Attributes, now: int) -> bool:
        value = attributes.get(name)
        if isinstance(value, str):
            at = moment_of(value)
            return at is not None and 0 <= now - at <= span
        return is_number(value) and 0 <= cast("float", value) <= days

    return within


def moment_of(text: str) -> int | None:
    """An ISO 8601 date or time as microseconds UTC (a time without zone is UTC); None when it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    span = at - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
