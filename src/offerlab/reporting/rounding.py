"""Twelve significant digits: below that, engines and machines may differ; above it, a report is the same everywhere."""

from typing import Any, TypeVar

import msgspec

DIGITS = 12
T = TypeVar("T", bound=msgspec.Struct)


def rounded(value: T) -> T:
    """The same struct with every float rounded; minus zero becomes zero.

    Raises:
        ValueError: a float that is no number (a report never carries one).
    """
    return msgspec.convert(_plain(msgspec.to_builtins(value)), type(value))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return significant(value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def significant(value: float) -> float:
    """`value` with 12 significant digits.

    Raises:
        ValueError: not a finite number.
    """
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - the test for NaN
        raise ValueError(f"{value} would leave a report")
    return float(f"{value:.{DIGITS - 1}e}") + 0.0
