"""Amounts: exact integers, a currency beside them, never a float.

Two grains. A *total* is in the currency's minor unit (`_minor`: 1999 is 19.99 USD, 18000 is 18,000 KRW).
A *unit price* may be finer than that (3 for 10.00), so it is kept in millionths of the major unit (`_micro`).
Currencies are never added up: no function here takes two.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from offerlab.errors import InvalidInput

MICRO: Final = 1_000_000
"""Unit prices count millionths of the major unit."""

LIMIT: Final = Decimal(10) ** 12
"""Largest amount taken, in major units: keeps every sum of micros within int64."""

_NO_DECIMALS: Final = frozenset(
    (
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    )
)
_THREE_DECIMALS: Final = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))
_CODE_LENGTH: Final = 3


def exponent(currency: str) -> int:
    """Digits after the decimal point of `currency` (ISO 4217): 2 for USD, 0 for KRW, 3 for KWD."""
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def check_currency(code: str, *, field: str = "currency") -> str:
    """Return `code` if it looks like an ISO 4217 code.

    Raises:
        InvalidInput: it is not three capital letters.
    """
    if len(code) != _CODE_LENGTH or not (code.isascii() and code.isalpha() and code.isupper()):
        raise InvalidInput(f"{code!r} is not a currency code of three capital letters", field=field)
    return code


def to_micro(amount: Decimal, *, field: str, negative: bool = False) -> int:
    """`amount` in major units as millionths.

    Args:
        amount: finite, at most `LIMIT` in size; digits finer than a millionth only if they are zeros.
        field: named in the error.
        negative: whether amounts below zero make sense here.

    Raises:
        InvalidInput: not finite, too large, too fine or negative where that makes no sense.
    """
    if not amount:
        return 0
    if not amount.is_finite():
        raise InvalidInput(f"{amount} is not an amount", field=field)
    if amount.adjusted() > LIMIT.adjusted() or abs(amount) > LIMIT:  # the power first: arithmetic has its own limit
        raise InvalidInput(f"an amount above the limit of {LIMIT:.0E} can't be taken", field=field)
    if amount < 0 and not negative:
        raise InvalidInput(f"{amount} must not be negative", field=field)
    scaled = amount * MICRO
    micro = int(scaled)
    if micro != scaled:
        raise InvalidInput(f"{amount} is finer than a millionth", field=field)
    return micro


def to_minor(amount: Decimal, currency: str, *, field: str, negative: bool = False) -> int:
    """`amount` in major units as minor units, rounded half-even where it is finer.

    Raises:
        InvalidInput: as `to_micro`.
    """
    micro = to_micro(amount, field=field, negative=negative)
    return micro_to_minor(micro, currency) if micro else 0


def micro_to_minor(micro: int, currency: str) -> int:
    """Millionths of the major unit as minor units, rounded half-even."""
    return round_ratio(micro, micro_per_minor(currency))


def micro_per_minor(currency: str) -> int:
    """How many millionths of the major unit make the smallest amount of a currency."""
    per_minor: int = MICRO // 10 ** exponent(currency)
    return per_minor


def round_ratio(numerator: int, denominator: int) -> int:
    """`numerator / denominator` as an integer, halves to even; exact at any size (denominator > 0)."""
    whole, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole % 2):
        whole += 1
    return whole


def from_minor(minor: int, currency: str) -> Decimal:
    """Minor units as an exact amount in major units, with the currency's digits."""
    return Decimal(minor).scaleb(-exponent(currency))


def from_micro(micro: int, currency: str) -> Decimal:
    """Millionths as an exact amount with at least the currency's digits and no useless zeros beyond them."""
    amount = Decimal(micro).scaleb(-6)
    quantum = Decimal(1).scaleb(-exponent(currency))
    rounded = amount.quantize(quantum, rounding=ROUND_HALF_EVEN)
    return rounded if rounded == amount else amount.normalize()


def text(amount: Decimal) -> str:
    """The decimal string that goes over the wire: never in scientific notation."""
    return f"{amount:f}"


def spread(total: int, weights: list[int]) -> list[int]:
    """Share `total` minor units over `weights` (each >= 0) so that the parts add up exactly.

    Largest remainders get the odd units, earlier lines first; all-zero weights share equally.
    """
    if not weights:
        return []
    basis = weights if any(weights) else [1] * len(weights)
    whole = sum(basis)
    parts = [total * weight // whole for weight in basis]
    rests = sorted(range(len(basis)), key=lambda i: (-(total * basis[i] % whole), i))
    for i in rests[: total - sum(parts)]:
        parts[i] += 1
    return parts
