"""A message compiled: its texts by language, ready to render; the same texts always have the same hash."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from liquid import BoundTemplate
from msgspec import Struct

from offerlab.domain.offer import LocalizedText
from offerlab.errors import InvalidDefinition
from offerlab.messaging.context import Path
from offerlab.messaging.particles import is_marked, mark
from offerlab.messaging.survey import read_template

Part = Literal["title", "body", "benefit"]
PARTS: Final[tuple[Part, ...]] = ("title", "body", "benefit")

_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*\Z")
_MAX_LOCALES: Final = 50
_HASH_LENGTH: Final = 16


class CompiledText(Struct, frozen=True):
    """One template of one language.

    Attributes:
        source: as written.
        template: None where the source is plain text.
        names: context paths it uses.
        straight: whether it has no tags, so that it leaves no local names behind.
        particles: whether hand-written particles wait for their word.
    """

    source: str
    template: BoundTemplate | None
    names: frozenset[Path]
    straight: bool
    particles: bool


class Message(Struct, frozen=True):
    """All texts of one offer, compiled once per ruleset.

    Attributes:
        texts: by language tag, in the order given.
        names: context paths that any of them uses.
        hash: 16 hexadecimal digits; see `template_hash`.
    """

    texts: dict[str, dict[Part, CompiledText]]
    names: frozenset[Path]
    hash: str


def compile_message(texts: Mapping[str, LocalizedText]) -> Message:
    """Parse, check and compile the texts of an offer.

    Args:
        texts: by language tag (ko, en, ko-KR); an empty mapping is an offer without words.

    Raises:
        InvalidDefinition: names the field (message.ko.body) and what is wrong there: an unknown name, tag or filter,
            a text beyond the limits, a key that is no language tag.
    """
    if len(texts) > _MAX_LOCALES:
        raise InvalidDefinition(f"a message has at most {_MAX_LOCALES} languages", field="message")
    compiled = {locale: _compile_text(locale, text) for locale, text in texts.items()}
    names = frozenset[Path]().union(*(part.names for parts in compiled.values() for part in parts.values()))
    return Message(texts=compiled, names=names, hash=template_hash(texts))


def _compile_text(locale: str, text: LocalizedText) -> dict[Part, CompiledText]:
    if not _LOCALE.match(locale):
        raise InvalidDefinition(f"{locale!r} is no language tag such as ko or en-GB", field=f"message.{locale}")
    sources: dict[Part, str] = {"title": text.title, "body": text.body, "benefit": text.benefit}
    return {part: _compile_part(source, f"message.{locale}.{part}") for part, source in sources.items()}


def _compile_part(source: str, field: str) -> CompiledText:
    template, survey = read_template(source, field=field)
    is_plain = "{{" not in source and "{%" not in source
    return CompiledText(
        source=source,
        template=None if is_plain else template,
        names=survey.names,
        straight="{%" not in source,
        particles=is_marked(mark(source)),
    )


def depends_on_customer(message: Message) -> bool:
    """Whether two customers can be told different words: an attribute is named, or the code that may be their own.

    Where this is False and the trigger is fixed (or `depends_on_trigger` is False too), one rendering serves everybody.
    """
    return any(path[0] == "customer" or path == ("offer", "code") for path in message.names)


def depends_on_trigger(message: Message) -> bool:
    """Whether the words change with the product that gave rise to the offer."""
    return any(path[0] in ("trigger", "base", "price_diff") for path in message.names)


def template_hash(texts: Mapping[str, LocalizedText]) -> str:
    """The version of a message: 16 hexadecimal digits that change exactly when a text does.

    The first 64 bits of SHA-256 over the texts in NFC, languages in order of their tags: the order of a JSON object,
    the way of composing 각 and the release of OfferLab do not count.
    """
    canonical = [[locale, *(_nfc(getattr(texts[locale], part)) for part in PARTS)] for locale in sorted(texts)]
    return hashlib.sha256(msgspec.json.encode(canonical)).hexdigest()[:_HASH_LENGTH]


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
