"""Amounts as people read them, in their language and with the digits of the currency.

Formats come from CLDR through Babel. Formatting costs Babel some 30 µs and shops show few different prices, so the
results are kept; the cache is bounded and changes no answer.
"""

from copy import copy
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.numbers import NumberPattern

from offerlab.domain.money import exponent

_FALLBACK: Final = "en"
_KEPT: Final = 4096


@lru_cache(maxsize=256)
def _locale(tag: str) -> Locale:
    """The CLDR locale for a language tag, else that of its language, else English."""
    for candidate in (tag.replace("-", "_"), tag.replace("_", "-").split("-", 1)[0], _FALLBACK):
        try:
            return Locale.parse(candidate)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale(_FALLBACK)


@lru_cache(maxsize=_KEPT)
def format_money(amount: Decimal, currency: str, locale: str) -> str:
    """`amount` in major units as text: `₩14,400`, `$19.99`, `19,99 €`; rounded half-even to the minor unit.

    Args:
        amount: finite.
        currency: ISO 4217 code; an unknown one is printed as it is.
        locale: a language tag such as ko, ko-KR, en-GB; an unknown one reads as its language, else as English.
    """
    digits = exponent(currency)
    rounded = amount.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
    cldr = _locale(locale)
    return str(_pattern(cldr, digits).apply(rounded, cldr, currency=currency, currency_digits=False))


def _pattern(cldr: Locale, digits: int) -> NumberPattern:
    """The locale's own pattern with as many digits as ISO 4217 gives the currency (CLDR rounds some of them away)."""
    pattern: NumberPattern = copy(cldr.currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    return pattern
