"""Which of a message's languages a customer is spoken to in."""

from collections.abc import Iterable
from typing import Final

_ENGLISH: Final = "en"


def choose_locale(available: Iterable[str], wanted: str | None) -> str | None:
    """The language to speak: the exact tag, then its language, then English, then the first given; None of nothing.

    Tags are compared without regard to case and to `_` for `-`.
    """
    given = {_folded(tag): tag for tag in reversed(tuple(available))}
    if not given:
        return None
    for tag in (_folded(wanted or ""), language_of(wanted or ""), _ENGLISH):
        if tag in given:
            return given[tag]
    return tuple(given.values())[-1]


def language_of(tag: str) -> str:
    """The language of a tag: `ko` of ko-KR and of KO_kr."""
    return _folded(tag).split("-", 1)[0]


def is_korean(tag: str) -> bool:
    """Whether a tag is Korean's (Konkani's, kok, is not)."""
    return language_of(tag) == "ko"


def _folded(tag: str) -> str:
    return tag.replace("_", "-").lower()
