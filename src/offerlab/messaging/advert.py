"""What Korean law asks of an advertisement sent by e-mail, SMS or push: who, and how to say no, on the message itself.

Network Act (정보통신망법) Art. 50(4): `(광고)` exactly at the start, the sender's name and contact, a free opt-out
at the end. Spellings meant to slip past filters, "(광 고)" or "[광고]", are an offence of their own and refused
here. Not legal advice.
"""

import re
from typing import Final, Literal

from msgspec.structs import replace

from offerlab.domain.offer import Channel
from offerlab.domain.project import Advertiser
from offerlab.errors import InvalidDefinition
from offerlab.messaging.languages import is_korean
from offerlab.messaging.render import Rendered

Law = Literal["KR"]
"""Whose advertising rules bind a message; None is for markets without a label."""

LABEL: Final = "(광고)"
SENT: Final[frozenset[Channel]] = frozenset(("email", "sms", "push"))
"""Channels that reach out to the customer; a page or an agent answers the customer's own visit."""

_HEAD: Final = 40
_TAIL: Final = 200
_OPEN, _CLOSE = r"[(\[{<（［｛【〔「『＜《]", r"[)\]}>）］｝】〕」』＞》]"
_ALTERED: Final = re.compile(
    rf"{_OPEN}\W*(?:광[\W_]*고\w*|廣[\W_]*告|ad|a\.d\.)\W*{_CLOSE}|\A[\s*-]*광[\W_]*고{_CLOSE}", re.IGNORECASE
)
_REFUSAL: Final = re.compile(r"수신\s*거부|unsubscribe|opt[\s-]?out", re.IGNORECASE)
_FREE_NUMBER: Final = re.compile(r"(?<!\d)080[-\s.)]?\d{3,4}[-\s.]?\d{4}(?!\d)")
_LINK: Final = re.compile(r"https?://[^\s/]+", re.IGNORECASE)


def check_advertiser(advertiser: Advertiser) -> None:
    """Refuse a sender that would not satisfy Art. 50(4).

    Raises:
        InvalidDefinition: a blank part, a line break, or an opt-out that costs money.
    """
    for field in ("name", "contact", "opt_out"):
        value: str = getattr(advertiser, field)
        if not value.strip() or len(value.splitlines()) > 1:
            raise InvalidDefinition(
                "an advertiser's details are one line each and not blank", field=f"advertiser.{field}"
            )
    if not is_free_way_out(advertiser.opt_out):
        raise InvalidDefinition("the opt-out is a free 080 number or an http(s) link", field="advertiser.opt_out")


def is_free_way_out(text: str) -> bool:
    """Whether `text` holds a way to refuse that costs nothing: an 080 number or a link."""
    return _FREE_NUMBER.search(text) is not None or _LINK.search(text) is not None


def has_opt_out(body: str) -> bool:
    """Whether the end of a body says how to refuse for free."""
    tail = body[-_TAIL:]
    return _REFUSAL.search(tail) is not None and is_free_way_out(tail)


def altered_label(text: str) -> str | None:
    """The spelling near the start of `text` that stands for `(광고)` but is not it, if there is one."""
    head = text[:_HEAD]
    for found in _ALTERED.finditer(head):
        if found[0] != LABEL:
            return found[0]
    return None


def first_text(rendered: Rendered) -> str:
    """What a recipient reads first: the title, or the body of a message without one."""
    return rendered.title or rendered.body


def advertise(rendered: Rendered, advertiser: Advertiser) -> Rendered:
    """The same words with the label at the start and the sender and opt-out at the end, where they are not there yet.

    The words added are Korean in a Korean text, else English; the label is always `(광고)`.
    """
    if not first_text(rendered).startswith(LABEL):
        if rendered.title:
            rendered = replace(rendered, title=f"{LABEL} {rendered.title}")
        else:
            rendered = replace(rendered, body=f"{LABEL} {rendered.body}")
    lines = [rendered.body]
    if advertiser.name not in rendered.body or advertiser.contact not in rendered.body:
        lines.append(f"{advertiser.name} {advertiser.contact}")
    if not has_opt_out(rendered.body):
        words = "무료 수신거부" if is_korean(rendered.locale) else "Unsubscribe free of charge"
        lines.append(f"{words}: {advertiser.opt_out}")
    return replace(rendered, body="\n".join(lines))
