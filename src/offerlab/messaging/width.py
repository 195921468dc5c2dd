"""About how wide a text is on a phone, without a font at hand.

Widths are shares of the font size, near those of Roboto and Noto Sans KR; the answer is good to about a tenth,
enough to warn before a title is cut.
"""

import unicodedata
from typing import Final

PHONE_PX: Final = 360
_MARGIN_PX: Final = 32
LINE_PX: Final = PHONE_PX - _MARGIN_PX
"""Room of one line on a phone 360 px wide."""

_HANGUL, _CAPITAL, _SMALL, _DIGIT = 0.92, 0.65, 0.53, 0.56
_SPECIAL: Final = {
    **dict.fromkeys("iljI.,:;'|!()[] ", 0.27),
    **dict.fromkeys('ftr-"/', 0.36),
    **dict.fromkeys("mwMW@%", 0.87),
}


def width_px(text: str, font_px: int) -> float:
    """Width of one line of `text` in pixels, about; joining and combining characters take no room."""
    return font_px * sum(_share(character) for character in text)


def lines_needed(text: str, font_px: int) -> int:
    """Lines that `text` takes on a phone, about; every line break begins a new one."""
    return sum(max(1, -int(-width_px(line, font_px) // LINE_PX)) for line in text.split("\n"))


def _share(character: str) -> float:
    special = _SPECIAL.get(character)
    if special is not None:
        return special
    if unicodedata.east_asian_width(character) in "WF":
        return _HANGUL
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn"):
        return 0.0
    if character.isdigit():
        return _DIGIT
    return _CAPITAL if character.isupper() else _SMALL
