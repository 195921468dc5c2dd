"""Numbers as people read them: two significant digits for effects, money in its currency, "%p" for rates."""

from decimal import ROUND_HALF_EVEN, Decimal
from math import floor, log10
from typing import Final, Literal

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

from offerlab.domain.clock import from_micros
from offerlab.domain.money import exponent
from offerlab.reporting.report import Unit

Language = Literal["en", "ko"]
_LOCALES = {"en": "en_US", "ko": "ko_KR"}
MINUS = "\N{MINUS SIGN}"
PER_CENT: Final[dict[Language, str]] = {"en": " %", "ko": "%"}
"""The sign behind a number, in sentences, tables and on axes alike."""


def effect(value: float, unit: Unit, currency: str, language: Language, *, signed: bool = False) -> str:
    """A difference in a metric's unit, to two significant digits (money: at least the currency's unit)."""
    size = abs(value)
    if unit == "share":
        words = {"en": " percentage points", "ko": "%p"}[language]
        text = _decimal(_two_digits(100 * size), language) + words
    elif unit == "money":
        text = money(size, currency, language)
    elif unit == "factor":
        text = _decimal(_two_digits(100 * size), language) + PER_CENT[language]
    else:
        suffix = {"count": ("", ""), "hours": (" hours", "시간"), "days": (" days", "일")}[unit][language == "ko"]
        text = _decimal(_two_digits(size), language) + suffix
    if value < 0:
        return MINUS + text
    return f"+{text}" if signed and value > 0 else text


def end(value: float | None, unit: Unit, currency: str, language: Language, *, last: bool = False) -> str:
    """An end of a range, open where None; the unit of a share is written once, at the last end."""
    if value is None:
        return "∞" if last else f"{MINUS}∞"
    text = effect(value, unit, currency, language)
    return text if last or unit != "share" else text.replace(" percentage points", "").replace("%p", "")


def level(value: float, unit: Unit, currency: str, language: Language) -> str:
    """A metric's own value."""
    if unit == "share":
        return _signed(value, _decimal(_three_digits(100 * abs(value)), language) + PER_CENT[language])
    return effect(value, unit, currency, language)


def money(value: float, currency: str, language: Language) -> str:
    """An amount in its currency, rounded to its unit; to two digits where that would be nothing."""
    digits = exponent(currency)
    if 0 < abs(value) < 10 ** (1 - digits):
        digits = max(digits, 1 - floor(log10(abs(value))))
    amount = Decimal(repr(abs(value))).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
    text = format_currency(amount, currency, locale=_LOCALES[language], decimal_quantization=False)
    return _signed(value, text)


def relative(value: float, language: Language, *, signed: bool = False) -> str:
    """A lift in per cent, to two significant digits."""
    text = _decimal(_two_digits(100 * abs(value)), language) + PER_CENT[language]
    if value < 0:
        return MINUS + text
    return f"+{text}" if signed and value > 0 else text


def count(value: float, language: Language) -> str:
    """A whole number with separators."""
    return format_decimal(round(value), locale=_LOCALES[language])


def p_value(value: float) -> str:
    """A p-value to two significant digits, never below ".0001"."""
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"  # noqa: PLR2004 - the smallest that is written out


def date(micros: int, language: Language) -> str:
    """A day with its weekday."""
    pattern = {"en": "EEE d MMM yyyy", "ko": "yyyy년 M월 d일(EEE)"}[language]
    return format_date(from_micros(micros), pattern, locale=_LOCALES[language])


def _signed(value: float, text: str) -> str:
    return MINUS + text if value < 0 else text


def _two_digits(value: float) -> Decimal:
    return _digits(value, 2)


def _three_digits(value: float) -> Decimal:
    return _digits(value, 3)


def _digits(value: float, significant: int) -> Decimal:
    if value == 0:
        return Decimal(0)
    places = significant - 1 - floor(log10(value))
    return Decimal(repr(value)).quantize(Decimal(1).scaleb(-max(places, 0)), rounding=ROUND_HALF_EVEN)


def _decimal(value: Decimal, language: Language) -> str:
    return format_decimal(value, locale=_LOCALES[language], decimal_quantization=False)
