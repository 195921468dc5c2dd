"""Amounts in the words of the reader's language. Judge: CLDR's own patterns, written out."""

from decimal import Decimal

import pytest

from offerlab.messaging.currency import format_money


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "text"),
    [
        ("14400", "KRW", "ko-KR", "₩14,400"),
        ("14400", "KRW", "en", "₩14,400"),
        ("19.99", "USD", "en", "$19.99"),
        ("19.995", "USD", "en", "$20.00"),
        ("1234.5", "EUR", "de-DE", "1.234,50\u00a0€"),
        ("100", "JPY", "en", "¥100"),
        ("1.5", "KWD", "en", "KWD1.500"),
        ("-3", "GBP", "en-GB", "-£3.00"),
        ("1", "USD", "xx-YY", "$1.00"),
        ("1", "USD", "../../etc/passwd", "$1.00"),
        ("1", "USD", "", "$1.00"),
        ("1", "USD", "ko_KR", "US$1.00"),
    ],
)
def test_money_reads_as_in_its_language(amount: str, currency: str, locale: str, text: str) -> None:
    """An amount has its currency's digits and its language's signs; an unknown language reads as English."""
    assert text == format_money(Decimal(amount), currency, locale)
