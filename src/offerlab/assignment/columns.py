"""The same rule tree for millions of customers: columns in, one truth value per customer out.

Previews and sizing read rules here; serving reads them in `rules.py`. A law of the tests holds the two together.
Rejected: handing rules to a data frame library, whose comparisons of missing, mixed and whole numbers differ between
libraries and versions; what is not a plain column of numbers, texts or truths is read by the closure itself.
"""

from collections.abc import Mapping
from math import ceil, floor, inf
from typing import Final, cast

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.assignment.rules import compile_rule, is_number
from offerlab.domain.segment import All, AnyOf, Condition, Operand, Rule, Scalar

Truths = NDArray[np.bool_]

_INT64: Final = 2**63


class Values(Struct, frozen=True):
    """One attribute of all customers.

    Attributes:
        values: int64, float64, bool, fixed-width or variable-width text, or objects (lists, dates, mixed).
        present: False where the customer has no such attribute; None means everybody has it.
    """

    values: NDArray[np.generic]
    present: Truths | None = None


def select(rule: Rule, columns: Mapping[str, Values], *, customers: int, now: int) -> Truths:
    """Whether the rule holds, for every customer.

    Args:
        rule: the tree.
        columns: by attribute, each as long as there are customers; an attribute without a column is missing for all.
        customers: how many there are.
        now: microseconds UTC.
    """
    if isinstance(rule, All):
        return _fold(rule.children, columns, customers, now, every=True)
    if isinstance(rule, AnyOf):
        return _fold(rule.children, columns, customers, now, every=False)
    return _condition(rule, columns.get(rule.attribute), customers, now)


def _fold(
    children: tuple[Rule, ...], columns: Mapping[str, Values], customers: int, now: int, *, every: bool
) -> Truths:
    held = np.full(customers, every)
    for child in children:
        found = select(child, columns, customers=customers, now=now)
        held = held & found if every else held | found
    return held


def _condition(condition: Condition, column: Values | None, customers: int, now: int) -> Truths:
    if column is None:
        return np.full(customers, condition.op == "exists" and condition.value is False)
    kind = column.values.dtype.kind
    if kind == "O" or _has_nul(condition.value):
        return _one_by_one(condition, column, now)
    present = np.ones(customers, dtype=np.bool_) if column.present is None else column.present
    if condition.op == "exists":
        return present.copy() if condition.value else ~present
    return present & _holds(condition.op, condition.value, column.values, kind, now)


def _has_nul(operand: Operand) -> bool:
    """Whether a text of the operand holds NUL, which fixed-width columns would silently drop."""
    texts = operand if isinstance(operand, tuple) else (operand,)
    return any(isinstance(text, str) and "\0" in text for text in texts)


def _one_by_one(condition: Condition, column: Values, now: int) -> Truths:
    """Objects, through the closure that serves one customer."""
    holds, name = compile_rule(condition), condition.attribute
    present = column.present
    found = [
        holds({name: value} if present is None or present[i] else {}, now)
        for i, value in enumerate(column.values.tolist())
    ]
    return np.array(found, dtype=np.bool_).reshape(len(found))


def _holds(op: str, operand: Operand, values: NDArray[np.generic], kind: str, now: int) -> Truths:
    match op:
        case "eq":
            return _equal(cast("Scalar", operand), values, kind)
        case "ne":
            return ~_equal(cast("Scalar", operand), values, kind)
        case "in":
            return _among(cast("tuple[Scalar, ...]", operand), values, kind)
        case "not_in":
            return ~_among(cast("tuple[Scalar, ...]", operand), values, kind)
        case "contains":
            return _text(operand, values, kind, whole=False)
        case "starts_with":
            return _text(operand, values, kind, whole=True)
        case "within_days":
            return _within(cast("float", operand), values, kind, now)
        case _:
            return _ordered(op, cast("float", operand), values, kind)


def _nobody(values: NDArray[np.generic]) -> Truths:
    return np.zeros(len(values), dtype=np.bool_)


def _equal(operand: Scalar, values: NDArray[np.generic], kind: str) -> Truths:
    if isinstance(operand, bool):
        return cast("Truths", values == operand) if kind == "b" else _nobody(values)
    if isinstance(operand, str):
        return cast("Truths", values == operand) if kind in "UT" else _nobody(values)
    if operand is None or kind not in "if":
        return _nobody(values)
    if kind == "i":
        whole = operand if isinstance(operand, int) else int(operand) if float(operand).is_integer() else None
        return values == whole if whole is not None and -_INT64 <= whole < _INT64 else _nobody(values)
    near = _as_float(operand)
    return values == near if near == operand else _nobody(values)


def _among(operands: tuple[Scalar, ...], values: NDArray[np.generic], kind: str) -> Truths:
    if kind in "UT":
        texts = [item for item in operands if isinstance(item, str)]
        if not texts:
            return _nobody(values)
        return np.isin(values, np.array(texts, dtype=values.dtype if kind == "T" else np.str_))
    found = _nobody(values)
    for item in operands:
        if not isinstance(item, str):
            found |= _equal(item, values, kind)
    return found


def _text(operand: Operand, values: NDArray[np.generic], kind: str, *, whole: bool) -> Truths:
    if kind not in "UT" or not isinstance(operand, str):
        return _nobody(values)
    texts = cast("NDArray[np.str_]", values)
    if whole:
        return np.strings.startswith(texts, operand)
    return np.strings.find(texts, operand) >= 0


def _within(days: float, values: NDArray[np.generic], kind: str, now: int) -> Truths:
    if kind in "UT":
        return _one_by_one(Condition("at", "within_days", days), Values(values), now)
    if kind not in "if":
        return _nobody(values)
    return _ordered("gte", 0, values, kind) & _ordered("lte", days, values, kind)


def _ordered(op: str, bound: float, values: NDArray[np.generic], kind: str) -> Truths:
    """Exactly as Python compares whole numbers and doubles: never by rounding one to the other."""
    if kind not in "if" or not is_number(bound) or bound != bound:  # noqa: PLR0124 - not a number
        return _nobody(values)
    numbers = cast("NDArray[np.float64]", values)
    if kind == "i":
        return _ordered_whole(op, bound, numbers)
    near = _as_float(bound)
    if near > bound:
        op = {"lte": "lt", "gt": "gte"}.get(op, op)
    elif near < bound:
        op = {"lt": "lte", "gte": "gt"}.get(op, op)
    return _compare(op, near, numbers)


def _ordered_whole(op: str, bound: float, numbers: NDArray[np.float64]) -> Truths:
    if abs(bound) == inf:
        return np.full(len(numbers), (op in ("lt", "lte")) == (bound > 0))
    limit = ceil(bound) if op in ("lt", "gte") else floor(bound)
    if not -_INT64 <= limit < _INT64:
        return np.full(len(numbers), (op in ("lt", "lte")) == (limit > 0))
    return _compare(op, limit, numbers)


def _compare(op: str, bound: float, numbers: NDArray[np.float64]) -> Truths:
    match op:
        case "lt":
            return numbers < bound
        case "lte":
            return numbers <= bound
        case "gt":
            return numbers > bound
        case _:
            return numbers >= bound


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
