"""Korean particles that fit the word before them.

Two ways to ask for one: the filter `{{ offer.name | josa: '을/를' }}`, and the way people write forms by hand,
`{{ offer.name }}을(를)`. For the second, `mark` puts an internal character in the place of the pair when a template
is compiled, and `settle` chooses once the word before it is known. Only the author's own text is marked: a product
named "종이(가)" stays as it is.
"""

import re
from typing import Final

from msgspec import Struct

from offerlab.errors import InvalidInput
from offerlab.messaging.reading import ending


class Pair(Struct, frozen=True):
    """One particle in its two shapes.

    Attributes:
        closed: after a consonant (을).
        open: after a vowel (를).
        rieul_open: whether ㄹ counts as a vowel (서울로, not 서울으로).
        written: how the undecided pair is written when the word before it can't be read: 을(를).
    """

    closed: str
    open: str
    written: str
    rieul_open: bool = False


PAIRS: Final = (
    Pair("을", "를", "을(를)"),
    Pair("은", "는", "은(는)"),
    Pair("이", "가", "이(가)"),
    Pair("과", "와", "과(와)"),
    Pair("으로", "로", "(으)로", rieul_open=True),
    Pair("이에요", "예요", "이에요(예요)"),
    Pair("이나", "나", "(이)나"),
    Pair("이랑", "랑", "(이)랑"),
    Pair("이라", "라", "(이)라"),
    Pair("이며", "며", "(이)며"),
    Pair("이든", "든", "(이)든"),
    Pair("이란", "란", "(이)란"),
    Pair("이다", "다", "(이)다"),
    Pair("이여", "여", "(이)여"),
    Pair("이야", "야", "(이)야"),
    Pair("아", "야", "아(야)"),
)
"""Every pair a message can ask for; longer forms (으로부터, 이라는) are one of these and what follows it."""


def _spellings(pair: Pair) -> tuple[str, ...]:
    """The ways people write an undecided pair, longest first so that none hides another."""
    both = (f"{pair.closed}({pair.open})", f"{pair.open}({pair.closed})", pair.written)
    return (*both, "(이)에요", "(이)예요") if pair.open == "예요" else both


_FIRST_MARK: Final = 0xFDD0
"""The first of Unicode's 32 noncharacters, set aside for a program's internal use."""

_MARKS: Final = {chr(_FIRST_MARK + i): pair for i, pair in enumerate(PAIRS)}
_BY_SPELLING: Final = {spelling: mark for mark, pair in _MARKS.items() for spelling in _spellings(pair)}
_SPELLED: Final = "|".join(re.escape(s) for s in sorted(_BY_SPELLING, key=len, reverse=True))
_AFTER_VALUE: Final = re.compile(rf"((?:\}}\}}|%\}})[^\s{{}}%]*?)({_SPELLED})")
_MARKED: Final = re.compile(f"[{chr(_FIRST_MARK)}-{chr(_FIRST_MARK + len(PAIRS) - 1)}]")
_BY_SLASH: Final = {
    name: pair
    for pair in PAIRS
    for name in (f"{pair.closed}/{pair.open}", f"{pair.open}/{pair.closed}", *_spellings(pair))
}


def pair_named(name: str) -> Pair:
    """The pair written `을/를`, `를/을`, `을(를)` or `(으)로`.

    Raises:
        InvalidInput: no such pair.
    """
    pair = _BY_SLASH.get(name.strip())
    if pair is None:
        known = ", ".join(f"{p.closed}/{p.open}" for p in PAIRS)
        raise InvalidInput(f"{name!r} is no pair of particles; known are {known}")
    return pair


def particle(word: str, pair: Pair) -> str:
    """The shape of `pair` that follows `word`; both shapes where nobody can tell how the word is read."""
    end = ending(word)
    if end == "unknown":
        return pair.written
    if end == "open" or (end == "rieul" and pair.rieul_open):
        return pair.open
    return pair.closed


def attach(word: str, name: str) -> str:
    """`word` followed by the fitting particle: `attach("캡슐", "을/를")` is 캡슐을.

    Raises:
        InvalidInput: `name` is no pair.
    """
    return word + particle(word, pair_named(name))


def mark(source: str) -> str:
    """A template's source with each hand-written pair after a value replaced by its internal character."""
    return _AFTER_VALUE.sub(lambda found: found[1] + _BY_SPELLING[found[2]], source)


def is_marked(source: str) -> bool:
    """Whether `settle` has anything to do."""
    return _MARKED.search(source) is not None


def settle(text: str) -> str:
    """A rendered text with every mark replaced by the particle that fits what stands before it."""
    parts = _MARKED.split(text)
    out = parts[0]
    for sign, following in zip(_MARKED.findall(text), parts[1:], strict=True):
        out += particle(out, _MARKS[sign]) + following
    return out
