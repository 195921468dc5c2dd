"""What is wrong with the words of an offer, before a customer reads them.

The texts are looked at as written and as rendered for a sample: once with the real names (length, what would be
shown), once with neutral ones (claims). Nothing here is certain about taste; errors are for what misleads, breaks
the law or shows nothing.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from offerlab.domain.offer import LocalizedText, Offer
from offerlab.domain.project import Advertiser
from offerlab.errors import InvalidDefinition
from offerlab.messaging import claims
from offerlab.messaging.advert import (
    LABEL,
    SENT,
    Law,
    advertise,
    altered_label,
    first_text,
    has_opt_out,
)
from offerlab.messaging.context import Context, ProductFields, plain_number
from offerlab.messaging.findings import Finding, finding
from offerlab.messaging.languages import is_korean
from offerlab.messaging.message import PARTS, Message, Part, compile_message
from offerlab.messaging.render import Rendered, Unrendered, render
from offerlab.messaging.width import lines_needed

BENEFIT_WITHIN: Final = 60
"""Characters in which a reader should have met a benefit: what a preview shows of a mail or a push."""

_NEUTRAL: Final = {"ko": ("상품", "기본 상품", "기능"), "en": ("the product", "the basic product", "a feature")}
_TITLE_PX, _TEXT_PX = 16, 14
_LINES: Final[dict[Part, tuple[int, int]]] = {"title": (_TITLE_PX, 1), "benefit": (_TEXT_PX, 1), "body": (_TEXT_PX, 4)}
"""Font size and lines that a phone shows of each part; the body only where it is sent as a push or SMS."""
_SHORT_BODY: Final = frozenset(("push", "sms"))
_GUARDS: Final = ("offer.features.size", "if offer.features")


class Facts(Struct, frozen=True, kw_only=True):
    """What the words must be true to.

    Attributes:
        offer: the offer with its message, kind, discount and channel.
        context: a sample of what it will say: real products, a customer with the details that the message uses.
        also_bought: whether baskets show that the offered product is bought with its trigger.
        is_upgrade: whether an upgrade relation leads from the base to the offered product.
        law: whose rules on advertising bind, or None.
        advertiser: the sender that the project adds to what it sends.
    """

    offer: Offer
    context: Context
    also_bought: bool = False
    is_upgrade: bool = False
    law: Law | None = None
    advertiser: Advertiser | None = None


class _Text(Struct, frozen=True):
    """One language under the glass: as written, compiled, shown with real and with neutral names."""

    locale: str
    source: LocalizedText
    message: Message
    shown: Rendered
    neutral: Rendered

    def at(self, part: Part) -> str:
        return f"message.{self.locale}.{part}"

    def visible(self, facts: Facts) -> str:
        """What is read, in its order; the benefit line is shown on pages and by agents."""
        benefit = "" if facts.offer.channel in SENT else self.neutral.benefit
        return " ".join(text for text in (self.neutral.title, benefit, self.neutral.body) if text)


def lint(facts: Facts) -> tuple[Finding, ...]:
    """Every remark on the message of `facts.offer`, languages in their order; no remarks is a clean message."""
    return tuple(_lint(facts))


def _lint(facts: Facts) -> Iterator[Finding]:
    yield from _benefit_type(facts)
    for locale in facts.offer.message:
        yield from _lint_language(facts, locale)


def _lint_language(facts: Facts, locale: str) -> Iterator[Finding]:
    source = facts.offer.message[locale]
    try:
        message = compile_message({locale: source})
    except InvalidDefinition as broken:
        yield finding("invalid_template", broken.field or f"message.{locale}", detail=broken.detail)
        return
    yield from _features(facts, message, locale)
    shown = render(message, facts.context, locale)
    if isinstance(shown, Unrendered):
        yield finding("does_not_render", shown.field, detail=shown.detail)
        return
    stranger = render(message, replace(facts.context, customer={}), locale)
    if isinstance(stranger, Unrendered):
        yield finding("no_fallback", stranger.field, detail=stranger.detail)
    neutral = render(message, _neutral(facts.context, locale), locale)
    if isinstance(neutral, Unrendered):  # the neutral names satisfy whatever the real ones do
        neutral = shown
    text = _Text(locale, source, message, shown, neutral)
    for check in _CHECKS:
        yield from check(facts, text)


def _benefit_type(facts: Facts) -> Iterator[Finding]:
    """S94: an upsell that is said to save money saves some."""
    offer = facts.offer
    saves = facts.context.saving > 0 or offer.discount.type == "free_shipping"
    if offer.kind == "upsell" and offer.benefit_type == "money" and not saves:
        yield finding("benefit_without_saving", "benefit_type")


def _neutral(context: Context, locale: str) -> Context:
    """The same offer with names that claim nothing."""
    product, base, feature = _NEUTRAL["ko" if is_korean(locale) else "en"]
    offer = replace(
        context.offer,
        name=product,
        names=tuple(product for _ in context.offer.names),
        features=tuple(feature for _ in context.offer.features),
    )
    return replace(
        context,
        offer=offer,
        trigger=_renamed(context.trigger, base),
        base=_renamed(context.base, base),
        customer=dict.fromkeys(context.customer, "고객"),
    )


def _renamed(product: ProductFields | None, name: str) -> ProductFields | None:
    return None if product is None else replace(product, name=name, sku="sku")


def _features(facts: Facts, message: Message, locale: str) -> Iterator[Finding]:
    """S102, S103: a text that lists features needs some, or asks first whether there are any."""
    if facts.context.offer.features or ("offer", "features") not in message.names:
        return
    for part in PARTS:
        text = message.texts[locale][part]
        if ("offer", "features") in text.names and not any(guard in text.source for guard in _GUARDS):
            yield finding("no_features", f"message.{locale}.{part}")
            return


def _discount(facts: Facts, text: _Text) -> Iterator[Finding]:
    """S97: a percentage in the text is the offer's."""
    context = facts.context
    given = {context.offer.discount_percent, context.saving_percent}
    says = plain_number(context.offer.discount_percent)
    for part in PARTS:
        words: str = getattr(text.neutral, part)
        for percent in claims.percentages(words):
            if percent.value not in given:
                code = "discount_differs" if percent.is_discount else "percent_unclear"
                yield finding(code, text.at(part), said=plain_number(percent.value), given=says)
        if claims.promises_nothing(words) and context.offer.offer_price > 0:
            yield finding("zero_saving", text.at(part))


def _amounts(facts: Facts, text: _Text) -> Iterator[Finding]:
    """S43: amounts are computed from prices, in the shop's currency."""
    for part in PARTS:
        source: str = getattr(text.source, part)
        for said in claims.typed_amounts(source):
            yield finding("typed_amount", text.at(part), said=said)
        for said in claims.currencies_named(source):
            if said != facts.context.currency:
                yield finding("other_currency", text.at(part), said=said, given=facts.context.currency)


def _claims(facts: Facts, text: _Text) -> Iterator[Finding]:
    """S100, S102: "also bought" needs baskets, "upgrade" a relation."""
    for part in PARTS:
        words: str = getattr(text.neutral, part)
        if claims.says_also_bought(words) and not facts.also_bought:
            yield finding("claim_without_evidence", text.at(part))
        uses_base = any(path[0] in ("base", "price_diff") for path in text.message.texts[text.locale][part].names)
        is_upgrade = facts.offer.kind == "upsell" and facts.is_upgrade
        if (claims.says_upgrade(words) or uses_base) and not is_upgrade:
            yield finding("no_upgrade", text.at(part))
        step = facts.context.price_diff
        if ("price_diff",) in text.message.texts[text.locale][part].names and step is not None and step <= Decimal(0):
            yield finding("no_price_step", text.at(part))


def _benefit(facts: Facts, text: _Text) -> Iterator[Finding]:
    """S11, S94, S115: a benefit is there, early, in words that people use."""
    if facts.offer.kind == "upsell" and not text.source.benefit.strip():
        yield finding("upsell_without_benefit", text.at("benefit"))
    read = text.visible(facts).removeprefix(LABEL).strip()
    names_features = ("offer", "features") in text.message.names and bool(facts.context.offer.features)
    if not claims.has_benefit(read) and not names_features:
        yield finding("no_benefit", text.at("body"))
    elif not claims.has_benefit(read[:BENEFIT_WITHIN]) and not _early_feature(read, text.locale):
        yield finding("benefit_late", text.at("body"), limit=BENEFIT_WITHIN)
    if claims.is_jargon_only(f"{text.neutral.title} {text.neutral.body}"):
        yield finding("jargon_only", text.at("body"))


def _early_feature(read: str, locale: str) -> bool:
    return _NEUTRAL["ko" if is_korean(locale) else "en"][2] in read[:BENEFIT_WITHIN]


def _korean_law(facts: Facts, text: _Text) -> Iterator[Finding]:
    """P4: label, sender and opt-out on what is sent; what the renderer will add itself is no remark."""
    if facts.law != "KR" or facts.offer.channel not in SENT:
        return
    start: Part = "title" if text.shown.title else "body"
    altered = altered_label(first_text(text.shown))
    if altered is not None:
        yield finding("ad_label_altered", text.at(start), said=altered)
    for part in PARTS:
        words: str = getattr(text.shown, part)
        if LABEL in words and not (part == start and words.startswith(LABEL)):
            yield finding("ad_label_misplaced", text.at(part))
    if facts.advertiser is None:
        if altered is None and not first_text(text.shown).startswith(LABEL):
            yield finding("ad_label_missing", text.at(start))
        yield finding("sender_missing", text.at("body"))
        if not has_opt_out(text.shown.body):
            yield finding("opt_out_missing", text.at("body"))


def _room(facts: Facts, text: _Text) -> Iterator[Finding]:
    """Dashboard, step 3: text that a phone 360 px wide would cut, with the label it will carry."""
    title = text.shown.title
    if facts.law == "KR" and facts.offer.channel in SENT and facts.advertiser is not None:
        title = advertise(text.shown, facts.advertiser).title
    for part, (font_px, limit) in _LINES.items():
        if part == "body" and facts.offer.channel not in _SHORT_BODY:
            continue
        lines = lines_needed(title if part == "title" else getattr(text.shown, part), font_px)
        if lines > limit:
            yield finding("cut_at_360", text.at(part), said=lines, limit=limit)


def _safety(_facts: Facts, text: _Text) -> Iterator[Finding]:
    """A30, A31: links lead to the web, a title can't hold a second line."""
    for part in PARTS:
        for link in claims.unsafe_links(getattr(text.shown, part)):
            yield finding("unsafe_link", text.at(part), said=link)
    if any(mark in text.source.title for mark in "\r\n\u2028\u2029"):
        yield finding("title_line_break", text.at("title"))


_CHECKS: Final = (_discount, _amounts, _claims, _benefit, _korean_law, _room, _safety)
