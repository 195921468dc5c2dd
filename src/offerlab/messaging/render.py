"""From a compiled message and a context to the words one customer reads.

The result is plain text; whoever puts it into a page or an HTML mail escapes it there, once, the whole text. Liquid's
own autoescape was rejected because it trusts what the author typed (a `<script>` in an offer would live), because a
particle could not see the last letter behind an entity, and because a switch that changes escaping can be left in the
wrong position.
"""

import re
from io import StringIO
from typing import Final, Literal

from liquid import BoundTemplate, RenderContext
from liquid.exceptions import LiquidError, OutputStreamLimitError, ResourceLimitError, UndefinedError
from msgspec import Struct

from offerlab.messaging.context import Context, mapping
from offerlab.messaging.language import MAX_OUTPUT, EmptyValue
from offerlab.messaging.languages import choose_locale, language_of
from offerlab.messaging.message import CompiledText, Message, Part
from offerlab.messaging.particles import settle

_LINES: Final = re.compile(r"\r\n?|[\u0085\u2028\u2029]")
_INVISIBLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef]")
"""Control characters, and those that turn the direction of all text after them (a price read backwards)."""
_SPACES: Final = re.compile(r"\s*[\n\t]\s*")


class Rendered(Struct, frozen=True, tag="rendered"):
    """The words for one customer, as plain text.

    Attributes:
        title: one line, no control characters: safe in a mail header.
        body: may have several lines.
        benefit: one line or empty.
        locale: the language tag of the chosen text.
    """

    title: str
    body: str
    benefit: str
    locale: str


class Unrendered(Struct, frozen=True, tag="unrendered"):
    """There are no words for this customer; the offer is left out, the message around it goes on.

    Attributes:
        reason: a name without a value, a required value that is empty, a limit, a value that a filter can't take, or
            no text at all.
        field: the text at fault, such as message.ko.body.
        detail: one sentence with the name.
    """

    reason: Literal["missing_value", "limit", "failed", "no_text"]
    field: str
    detail: str


def render(message: Message, context: Context, locale: str | None) -> Rendered | Unrendered:
    """The words of `message` for one customer.

    Args:
        message: compiled texts.
        context: what they may speak of.
        locale: the customer's language tag, or None.

    Returns:
        Rendered, or Unrendered with the reason: whatever a template does, a storefront gets an answer.
    """
    chosen = choose_locale(message.texts, locale)
    if chosen is None:
        return Unrendered("no_text", "message", "the message has no text in any language")
    spoken = locale if locale and language_of(locale) == language_of(chosen) else chosen
    names = mapping(context, message.names)
    names["locale"] = locale or chosen
    names["money_locale"] = spoken
    words: dict[Part, str] = {}
    shared: RenderContext | None = None
    for part, text in message.texts[chosen].items():
        if text.template is None:
            words[part] = _clean(text.source)
            continue
        if shared is None or not text.straight:
            shared = RenderContext(text.template, globals=names)
        rendered = _render_part(text, text.template, shared, f"message.{chosen}.{part}")
        if isinstance(rendered, Unrendered):
            return rendered
        words[part] = rendered
    return Rendered(_one_line(words["title"]), words["body"], _one_line(words["benefit"]), chosen)


def _render_part(text: CompiledText, template: BoundTemplate, context: RenderContext, field: str) -> str | Unrendered:
    sink = _Sink()
    try:
        for node in template.nodes:
            node.render_to_output(context, sink)
    except (UndefinedError, EmptyValue) as missing:
        return Unrendered("missing_value", field, str(missing.message))
    except (ResourceLimitError, RecursionError) as limit:
        return Unrendered("limit", field, str(getattr(limit, "message", limit)))
    except LiquidError as failed:
        return Unrendered("failed", field, str(failed.message))
    except Exception as failed:  # noqa: BLE001 - a merchant's template must not take the storefront down; the reason is handed back
        return Unrendered("failed", field, f"{type(failed).__name__}: {failed}")
    written = sink.getvalue()
    return _clean(settle(written) if text.particles else written)


class _Sink(StringIO):
    """Takes at most `MAX_OUTPUT` bytes of UTF-8; counts plain ASCII without encoding it."""

    size = 0

    def write(self, text: str, /) -> int:
        self.size += len(text) if text.isascii() else len(text.encode())
        if self.size > MAX_OUTPUT:
            raise OutputStreamLimitError("the text grew too long", token=None)
        return super().write(text)


def _clean(text: str) -> str:
    """Without control characters and direction overrides; every line break is a line feed."""
    if text.isprintable():
        return text
    return _INVISIBLE.sub("", _LINES.sub("\n", text))


def _one_line(text: str) -> str:
    """On one line, so that no value can begin a new mail header."""
    return text if text.isprintable() else _SPACES.sub(" ", text).strip()
