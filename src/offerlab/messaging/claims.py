"""What the words of a message claim: percentages, amounts, benefits, joint purchases, upgrades, links.

Plain patterns, no guessing. They read text in which product names are replaced by neutral ones, so that "70 % Cocoa"
in a name is no discount.
"""

import re
from decimal import Decimal
from typing import Final

from msgspec import Struct

_PERCENT: Final = re.compile(
    r"(?<![\d.,])(\d{1,3}(?:[.,]\d{1,4})?)\s*(?:%|％|퍼센트|프로(?![가-힣])|percent\b|per cent\b)", re.IGNORECASE
)
_SENTENCE_END: Final = re.compile(r"[.!?。\n]+(?=\s|\Z)")
_DISCOUNT: Final = re.compile(
    r"할인|세일|특가|절약|저렴|혜택|추가|최대|지금|더\s|\boff\b|discount|\bsav(?:e|ing)|\bless\b|cheaper|\bsale\b|"
    r"extra|up to|\bnow\b|\bonly\b",
    re.IGNORECASE,
)
_ENDS: Final = re.compile(r"\s*(?:[!.,?。~)]|\Z)")
_TYPED_AMOUNT: Final = re.compile(
    r"(?:[₩$€£¥]\s?\d[\d,.]*\d|[₩$€£¥]\s?\d|\d[\d,]*(?:\.\d+)?\s?(?:원|만원|won\b|KRW|USD|EUR|GBP|JPY))"
)
_CURRENCY_USED: Final = re.compile(r"\|\s*money\s*:\s*['\"]([A-Z]{3})['\"]")
_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_NOTHING: Final = re.compile(r"(?<![\d.,])0(?:[.,]0+)?\s*(?:%|％|퍼센트|원)|[₩$€£¥]\s?0(?:[.,]0+)?(?![\d.,]*[1-9])")
_ALSO_BOUGHT: Final = re.compile(
    r"(?:함께|같이)\s*(?:많이\s*)?(?:구매|구입|샀|산\s|사신|주문|담은)|also\s+(?:bought|purchased|ordered|buy)|(?:bought|purchased)\s+together|others\s+bought",
    re.IGNORECASE,
)
_UPGRADE: Final = re.compile(r"업그레이드|상위\s*(?:모델|버전|제품)|\bupgrad(?:e|ing)", re.IGNORECASE)
_BENEFIT: Final = re.compile(
    r"\d|무료|공짜|사은품|선물|증정|혜택|할인|절약|적립|쿠폰|더\s*\S|알뜰|편리|편하|\bfree\b|gift|\bsav(?:e|ing)|\boff\b|better|more\b|faster|easier|"
    r"longer|good value|bonus|benefit",
    re.IGNORECASE,
)
_SCHEME: Final = re.compile(
    r"\b([a-z][a-z0-9+.-]{1,20})\s*:\s*//\S*|\b(javascript|vbscript|data|file|blob|about|mailto)\s*:\s*\S+",
    re.IGNORECASE,
)
_WEB: Final = re.compile(r"https?://", re.IGNORECASE)
_WORD: Final = re.compile(r"[가-힣]+|[A-Za-z][A-Za-z0-9.+-]*|\d+[A-Za-z][A-Za-z0-9.]*")
_CODE_WORD: Final = re.compile(r"(?:[A-Z]{2,}[A-Z0-9-]*|[A-Za-z]*\d+[A-Za-z][A-Za-z0-9.-]*|\d+(?:\.\d+)+[a-z]*)\Z")
_JARGON: Final = frozenset(
    [
        "aov",
        "arpu",
        "atc",
        "bpm",
        "cpu",
        "crm",
        "cta",
        "cto",
        "dpi",
        "fps",
        "gpu",
        "hbm",
        "hdr",
        "ip",
        "iot",
        "kpi",
        "lte",
        "nfc",
        "npu",
        "oled",
        "oem",
        "pdp",
        "ppi",
        "ram",
        "rfm",
        "rom",
        "rpm",
        "saas",
        "sku",
        "soc",
        "ssd",
        "upsell",
        "cross-sell",
        "upselling",
        "throughput",
        "latency",
        "chipset",
        "firmware",
        "bandwidth",
        "codec",
        "대역폭",
        "레이턴시",
        "스루풋",
        "시너지",
        "솔루션",
        "아키텍처",
        "업셀",
        "크로스셀",
        "옵티마이즈",
        "인터페이스",
        "최적화",
        "칩셋",
        "코덱",
        "펌웨어",
        "프로세서",
        "해상도",
        "모듈",
        "스펙",
        "사양",
    ]
)
_MIN_JARGON: Final = 2
_HUNDRED: Final = Decimal(100)


class Percent(Struct, frozen=True):
    """A percentage in a text, and whether its sentence speaks of a discount."""

    value: Decimal
    is_discount: bool


def percentages(text: str) -> list[Percent]:
    """Every percentage of `text`; 100 % without a word of discount (cotton, satisfaction) is left out.

    One that ends its phrase ("only 30%!") counts as a discount, for so it is read.
    """
    found: list[Percent] = []
    for sentence in _SENTENCE_END.split(text):
        speaks_of_discount = _DISCOUNT.search(sentence) is not None
        for match in _PERCENT.finditer(sentence):
            value = Decimal(match[1].replace(",", "."))
            if value == _HUNDRED and not speaks_of_discount:
                continue
            found.append(Percent(value, speaks_of_discount or _ENDS.match(sentence, match.end()) is not None))
    return found


def typed_amounts(source: str) -> list[str]:
    """Amounts of money that stand in the template itself instead of a field."""
    return _TYPED_AMOUNT.findall(_TEMPLATE.sub("\x00", source))


def currencies_named(source: str) -> list[str]:
    """Currencies that the template gives to the money filter."""
    return _CURRENCY_USED.findall(source)


def promises_nothing(text: str) -> bool:
    """Whether the text offers 0 % or an amount of 0."""
    return _NOTHING.search(text) is not None


def says_also_bought(text: str) -> bool:
    """Whether the text claims that customers buy things together."""
    return _ALSO_BOUGHT.search(text) is not None


def says_upgrade(text: str) -> bool:
    """Whether the text calls the offer an upgrade."""
    return _UPGRADE.search(text) is not None


def has_benefit(text: str) -> bool:
    """Whether the text names something gained: a number, a price, a gift, a "more"."""
    return _BENEFIT.search(text) is not None


def unsafe_links(text: str) -> list[str]:
    """Links that are neither http nor https, however they are spaced."""
    return [match[0] for match in _SCHEME.finditer(text) if not _WEB.match(match[0])]


def is_jargon_only(text: str) -> bool:
    """Whether at least two technical words stand there, and as many of them as plain ones."""
    words = _WORD.findall(text)
    technical = sum(word.lower() in _JARGON or _CODE_WORD.match(word) is not None for word in words)
    return technical >= _MIN_JARGON and 2 * technical >= len(words)
