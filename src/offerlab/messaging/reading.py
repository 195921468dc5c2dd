"""How a word ends when a Korean reads it aloud.

A Korean particle has two shapes: one after a consonant (을), one after a vowel (를). Hangul shows its ending in the
code point; digits, units, symbols and Latin words have to be read first ("500ml" is 오백 밀리리터, "S24" is 에스
이십사, "Pro" is 프로). The Latin rules are those of the usual transcription of English; what they get wrong and
shops often sell stands in `_WORDS`. A dictionary of all loanwords was rejected: it would never know the next product
name, and the rules already know most of them.
"""

import re
import unicodedata
from typing import Final, Literal

Ending = Literal["open", "rieul", "closed", "unknown"]
"""Ends in a vowel, in ㄹ, in another consonant; or in a sign nobody can read aloud for us."""

_TAIL: Final = 64
"""Characters looked at: no word's ending lies further back."""

_FIRST_SYLLABLE, _LAST_SYLLABLE, _CODAS, _CODA_RIEUL = 0xAC00, 0xD7A3, 28, 8
_LONE_CONSONANTS: Final = ("\u1100", "\u1112")
_LONE_RIEUL: Final = "\u1105"
_LONE_VOWELS: Final = ("\u1161", "\u1175")
_KANA: Final = ("ぁ", "ヿ")
_KANA_N: Final = "んン"

_DIGITS: Final[dict[str, Ending]] = {
    "1": "rieul",  # 일
    "2": "open",  # 이
    "3": "closed",  # 삼
    "4": "open",  # 사
    "5": "open",  # 오
    "6": "closed",  # 육
    "7": "rieul",  # 칠
    "8": "rieul",  # 팔
    "9": "open",  # 구
    "0": "closed",  # 영
}
_TRILLION: Final = range(12, 16)
"""Zeros of 조, the one power of ten that ends in a vowel (십 백 천 만 억 경 end in consonants)."""

_SIGNS: Final[dict[str, Ending]] = {"%": "open", "+": "open", "°": "open", "‰": "closed"}  # 퍼센트 플러스 도 퍼밀
_CURRENCIES: Final[dict[str, Ending]] = {
    "₩": "closed",  # 원
    "¥": "closed",  # 엔
    "$": "open",  # 달러
    "€": "open",  # 유로
    "£": "open",  # 파운드
    "KRW": "closed",
    "JPY": "closed",
    "USD": "open",
    "EUR": "open",
    "GBP": "open",
}
_CLOSED_UNITS: Final = frozenset(("g", "kg", "mg"))  # 그램 킬로그램 밀리그램
_OPEN_UNIT_NAMES: Final = "ml l cl cm mm km m in gb tb mb kb w kw hz ghz mhz mah v a t p k"
_OPEN_UNITS: Final = frozenset(_OPEN_UNIT_NAMES.split())
_LETTERS_CLOSED: Final = "MN"  # 엠 엔
_LETTERS_RIEUL: Final = "LR"  # 엘 알
_ACRONYM: Final = 3
"""Capitals up to this length are spelled out (USB, LG), longer ones read as a word unless they have no vowel (HDMI)."""

_OPEN_WORDS: Final = """
set kit mat hub mug blog plug tag flag log bug dog egg catalog smog net cafe nike theme anime ukulele recipe acne
coat boat seat sheet meat root boot suit fruit float suite soap soup jeep tube cube week steak peak weak break pro
air plus max mini car tv pc usb dvd
"""
_CLOSED_WORDS: Final = """
pod pods ipod airpod airpods good bag big type sleep deep keep group cheap step app top cup cap
out book cook look outfit book club web tab lab job pub
"""
_WORDS: Final[dict[str, Ending]] = {
    **dict.fromkeys(_OPEN_WORDS.split(), "open"),
    **dict.fromkeys(_CLOSED_WORDS.split(), "closed"),
}

_GROUPS: Final = {")": "(", "]": "["}
_NUMBER: Final = re.compile(r"(?:(?P<code>[₩¥$€£]|[A-Z]{3})\s?)?(?P<whole>\d[\d,]*)(?:\.(?P<fraction>\d+))?\Z")
_LATIN: Final = re.compile(r"(?P<digits>\d\s?)?(?P<word>[A-Za-z]+)\Z")
_RULES: Final[tuple[tuple[re.Pattern[str], Ending], ...]] = (
    (re.compile(r"(?:l|le)\Z"), "rieul"),  # 볼 캡슐 펄 테이블 스타일
    (re.compile(r"(?:[mn]|[mn]e|mb|ng|gn)\Z"), "closed"),  # 크림 머신 게임 폰 섬 링 디자인
    (re.compile(r"(?:[aeiou]ck|ook|(?:\A|[^aeiou])[aeiou]k)\Z"), "closed"),  # 팩 북
    (re.compile(r"[aeiouy]c\Z"), "closed"),  # 클래식
    (re.compile(r"(?:\A|[^aeiou])[aeiou]pp?\Z"), "closed"),  # 컵 앱
    (re.compile(r"(?:\A|[^aeiou])[aeiou]b\Z"), "closed"),  # 클럽
    (re.compile(r"[aeiouy][^aeiouy]+[aeiou]t\Z"), "closed"),  # 태블릿 로봇 포맷, not 세트
    (re.compile(r"out\Z"), "closed"),  # 아웃
    (re.compile(r"\A[^aeiou]*[ao]t\Z"), "closed"),  # 핫 캣
)


def ending(text: str) -> Ending:
    """How `text` ends when read aloud; closing marks, brackets with their content and emoji are passed over.

    The particle after `캡슐(10개입)` follows 캡슐: what stands in brackets is not read (National Institute of Korean
    Language, answers on 괄호 and 조사).
    """
    tail = unicodedata.normalize("NFKC", text[-_TAIL:].replace("™", "").replace("℠", ""))
    tail = _readable(tail)
    if not tail:
        return "unknown"
    last = tail[-1]
    if "가" <= last <= "힣":
        return _of_hangul(last)
    if last in _SIGNS:
        return _SIGNS[last]
    if last.isascii() and last.isdigit():
        return _of_number(tail)
    if last.isascii() and last.isalpha():
        return _of_latin(tail)
    return _of_other(last)


def _readable(tail: str) -> str:
    """`tail` without what is not read at its end."""
    while tail:
        last = tail[-1]
        opening = _GROUPS.get(last)
        start = tail.rfind(opening) if opening else -1
        if start > 0 and _readable(tail[:start]):
            tail = tail[:start]
        elif last.isalnum() or last in _SIGNS or last in _CURRENCIES:
            return tail
        else:
            tail = tail[:-1]
    return tail


def _of_hangul(syllable: str) -> Ending:
    coda = (ord(syllable) - _FIRST_SYLLABLE) % _CODAS
    if coda == 0:
        return "open"
    return "rieul" if coda == _CODA_RIEUL else "closed"


def _of_number(tail: str) -> Ending:
    match = _NUMBER.search(tail)
    if match is None:  # pragma: no cover - the caller saw a digit at the end
        return "unknown"
    currency = _CURRENCIES.get(match["code"] or "")
    if currency is not None:
        return currency
    digits = match["fraction"] or match["whole"].replace(",", "")
    zeros = len(digits) - len(digits.rstrip("0"))
    if match["fraction"] is None and zeros in _TRILLION and zeros < len(digits):
        return "open"
    return _DIGITS[digits[-1]]


def _of_latin(tail: str) -> Ending:
    match = _LATIN.search(tail)
    if match is None:  # pragma: no cover - the caller saw a letter at the end
        return "unknown"
    word = match["word"]
    low = word.lower()
    if word in _CURRENCIES:
        return _CURRENCIES[word]
    if match["digits"] and (low in _OPEN_UNITS or low in _CLOSED_UNITS):
        return "closed" if low in _CLOSED_UNITS else "open"
    if low in _WORDS:
        return _WORDS[low]
    if word.isupper() and (len(word) <= _ACRONYM or not re.search("[AEIOUY]", word[:-1])):
        return _of_letter(word[-1])
    if len(word) == 1:
        return _of_letter(word.upper())
    for rule, end in _RULES:
        if rule.search(low):
            return end
    return "open"


def _of_letter(letter: str) -> Ending:
    if letter in _LETTERS_RIEUL:
        return "rieul"
    return "closed" if letter in _LETTERS_CLOSED else "open"


def _of_other(last: str) -> Ending:
    if last in _CURRENCIES:
        return _CURRENCIES[last]
    if _LONE_VOWELS[0] <= last <= _LONE_VOWELS[1]:
        return "open"
    if _LONE_CONSONANTS[0] <= last <= _LONE_CONSONANTS[1]:
        return "rieul" if last == _LONE_RIEUL else "closed"  # their names: 기역, 리을
    if _KANA[0] <= last <= _KANA[1]:
        return "closed" if last in _KANA_N else "open"
    return "unknown"
