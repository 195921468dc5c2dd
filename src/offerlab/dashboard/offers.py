"""Offers: what customers are told, in Korean and English, as one of them would meet it, and what the lint remarks."""

import asyncio
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from msgspec import Struct

from offerlab.dashboard.doors import PAGE
from offerlab.dashboard.frame import AnyRequest, Visit, enter, html
from offerlab.dashboard.speech import NOTHING, Speech
from offerlab.domain.decision import Context
from offerlab.domain.money import exponent, to_micro
from offerlab.domain.offer import Discount, Offer, benefit_of
from offerlab.domain.product import Product
from offerlab.errors import NotFound
from offerlab.messaging.context import context_for
from offerlab.messaging.currency import format_money
from offerlab.messaging.message import compile_message
from offerlab.messaging.render import Unrendered, render
from offerlab.messaging.starters import STARTERS, Starter
from offerlab.reporting.lowest import OfferResult
from offerlab.reporting.words import say
from offerlab.workflows.presenting import ShownProduct
from offerlab.workflows.proofreading import Finding, Preview, preview
from offerlab.workflows.reading import tried_offers
from offerlab.workflows.serving import Serving

LANGUAGES: Final = ("ko", "en")
FEWEST: Final = 40
"""Customers that met an offer before it is ranked among the lowest."""


class OfferRow(Struct, frozen=True, kw_only=True):
    """One offer of the list."""

    key: str
    href: str
    kind: str
    products: str
    discount: str
    benefit: str
    title: str
    experiments: str


class Tried(Struct, frozen=True, kw_only=True):
    """One offer in one experiment, as of its last reading."""

    offer: str
    offer_href: str
    experiment: str
    href: str
    state: str
    customers: str
    acceptance: str
    need_fit: str
    declines: str
    reasons: str
    as_of: str


class Price(Struct, frozen=True):
    """What a product costs with the offer; `before` only where that is another price."""

    name: str
    before: str | None
    now: str


class Card(Struct, frozen=True, kw_only=True):
    """The offer in one language; `held` says why this customer would not be shown it."""

    lang: str
    language: str
    title: str
    body: str
    benefit: str
    prices: list[Price]
    missing: str | None
    held: str | None


class Remark(Struct, frozen=True, kw_only=True):
    """One remark of the lint."""

    severity: str
    place: str
    text: str


class Beginning(Struct, frozen=True):
    """A message to begin with as a customer would read it, and as the JSON that an offer takes."""

    title: str
    body: str
    kind: str
    message: str


@get("/offers", opt=PAGE)
async def offers(request: AnyRequest) -> Response[Any]:
    """All offers in their newest version."""
    return await asyncio.to_thread(_list, request)


@get("/offers/{key:str}", opt=PAGE)
async def offer(request: AnyRequest, key: FromPath[str]) -> Response[Any]:
    """One offer in both languages, for `?customer=` or for nobody in particular."""
    return await asyncio.to_thread(_one, request, key)


def _list(request: AnyRequest) -> Response[Any]:
    visit = enter(request)
    speech = _speech(visit)
    serving: Serving = request.app.state.serving
    rows = [
        _row(visit, speech, one, _seen(serving, visit, one, None, visit.language))
        for _, one in sorted(visit.snapshot.offers.items())
    ]
    ranked = [each for each in tried_offers(visit.runtime, visit.visitor.project_id) if _is_ranked(each)]
    ranked.sort(key=lambda each: (_worth(each), each.experiment, each.variant))
    return html(
        request,
        "offers.html",
        visit=visit,
        rows=rows,
        lowest=[_tried(one, speech) for one in ranked],
        beginnings=[_beginning(one, speech) for one in STARTERS],
    )


def _one(request: AnyRequest, key: str) -> Response[Any]:
    visit = enter(request)
    known = visit.snapshot.offers.get(key)
    if known is None:
        raise NotFound(f"no offer has the key {key!r}")
    speech = _speech(visit)
    customer = (visit.query.get("customer") or "").strip() or None
    serving: Serving = request.app.state.serving
    tried = [each for each in tried_offers(visit.runtime, visit.visitor.project_id) if each.offer == key]
    seen = {lang: _seen(serving, visit, known, customer, lang) for lang in LANGUAGES}
    return html(
        request,
        "offer.html",
        visit=visit,
        row=_row(visit, speech, known, seen[visit.language]),
        version=speech.count(known.version),
        customer=customer or "",
        cards=[_card(lang, one, speech) for lang, one in seen.items()],
        remarks=[_remark(one, visit.language) for one in seen["ko"].findings],
        used=[one.key for one in visit.snapshot.experiments.values() if key in one.offer_keys()],
        results=[_tried(one, speech) for one in tried],
        before=None if known.replaces is None else _link(known.replaces),
        after=[_link(one.key) for one in visit.snapshot.offers.values() if one.replaces == key],
    )


def _beginning(one: Starter, speech: Speech) -> Beginning:
    """A starter about two sample products; as it is typed where they don't fit it."""
    words = speech.words
    price = to_micro(Decimal(20 if exponent(speech.currency) else 20_000), field="price")  # ₩20 buys nothing
    trigger = Product(sku="trigger", name=words("sample_trigger"), price_micro=price)
    offered = Product(
        sku="offered", name=words("sample_upgrade" if one.kind == "upsell" else "sample_offered"), price_micro=2 * price
    )
    offer = Offer(
        key=one.key, kind=one.kind, products=("offered",), discount=Discount(type="percent", value=Decimal(20))
    )
    features = (words("sample_feature"),)
    context = context_for(offer, [offered], currency=speech.currency, trigger=trigger, features=features)
    said = render(compile_message(one.texts), context, speech.language)
    shown = one.texts[speech.language] if isinstance(said, Unrendered) else said
    message = msgspec.json.format(msgspec.json.encode({"kind": one.kind, "message": one.texts}), indent=2)
    return Beginning(shown.title, shown.body, words(f"kind_{one.kind}"), message.decode())


def _is_ranked(one: OfferResult) -> bool:
    return one.customers >= FEWEST and one.acceptance_rate is not None


def _worth(one: OfferResult) -> float:
    """What an offer is ranked by: how many took it and kept it, else how many took it."""
    return (one.acceptance_rate or 0.0) if one.need_fit_rate is None else one.need_fit_rate


def _tried(one: OfferResult, speech: Speech) -> Tried:
    words = speech.words
    reasons = [words("offer_reason", why=_reason(each.reason, speech), n=speech.count(each.n)) for each in one.reasons]
    return Tried(
        offer=one.offer,
        offer_href=_href(one.offer),
        experiment=f"{one.experiment} · {one.variant}",
        href=f"/experiments/{quote(one.experiment, safe='')}",
        state=say("state", one.state, speech.language),
        customers=speech.count(one.customers),
        acceptance=speech.share(one.acceptance_rate),
        need_fit=speech.share(one.need_fit_rate),
        declines=speech.count(one.declines),
        reasons=", ".join(reasons) or NOTHING,
        as_of=speech.moment(one.as_of),
    )


def _reason(code: str, speech: Speech) -> str:
    """A reason as customers or the shop named it; words only for what nobody said."""
    return speech.words("offer_unstated") if code == "unstated" else code


def _link(key: str) -> tuple[str, str]:
    return key, _href(key)


def _href(key: str) -> str:
    return f"/offers/{quote(key, safe='')}"


def _seen(serving: Serving, visit: Visit, known: Offer, customer: str | None, lang: str) -> Preview:
    context = Context(
        placement=known.placements[0] if known.placements else None,
        channel=known.channel,
        locale=lang,
        trigger_sku=known.trigger_products[0] if known.trigger_products else None,
    )
    return preview(serving, visit.visitor.project_id, known.key, customer=customer, attributes={}, context=context)


def _card(lang: str, seen: Preview, speech: Speech) -> Card:
    shown, words = seen.offer, speech.words
    message = None if shown is None else shown.message
    held = None if seen.suppressed is None else words(f"held_{seen.suppressed}")
    return Card(
        lang=lang if message is None else message.locale,
        language=words(f"language_{lang}"),
        title="" if message is None else message.title,
        body="" if message is None else message.body,
        benefit="" if message is None else message.benefit,
        prices=[] if shown is None else [_price(one, speech.currency, lang) for one in shown.products],
        missing=None if seen.unrendered is None else words("offer_no_words", why=seen.unrendered),
        held=None if held is None else words("offer_held", why=held),
    )


def _price(one: ShownProduct, currency: str, lang: str) -> Price:
    before, now = (format_money(Decimal(price), currency, lang) for price in (one.price, one.offer_price))
    return Price(one.name, None if before == now else before, now)


def _discount(one: Discount, speech: Speech) -> str:
    if one.value is None:
        return speech.words(f"discount_{one.type}")
    size = f"{one.value:f}%" if one.type == "percent" else format_money(one.value, speech.currency, speech.language)
    return speech.words("discount_of", n=size)


def _title(one: Offer, seen: Preview, language: str) -> str:
    """Its first words to nobody in particular; as they were typed where they need somebody."""
    message = None if seen.offer is None else seen.offer.message
    texts = message or one.message.get(language) or next(iter(one.message.values()), None)
    return NOTHING if texts is None else texts.title or texts.body


def _remark(one: Finding, language: str) -> Remark:
    return Remark(severity=one.severity, place=one.field, text=one.ko if language == "ko" else one.en)


def _row(visit: Visit, speech: Speech, one: Offer, seen: Preview) -> OfferRow:
    names = [visit.snapshot.products[sku].name for sku in one.products if sku in visit.snapshot.products]
    gain = benefit_of(one)
    used = sum(one.key in each.offer_keys() for each in visit.snapshot.experiments.values())
    return OfferRow(
        key=one.key,
        href=_href(one.key),
        kind=speech.words(f"kind_{one.kind}"),
        products=", ".join(names) or speech.words(f"match_{one.match}"),
        discount=_discount(one.discount, speech),
        benefit=NOTHING if gain is None else speech.words(f"benefit_{gain}"),
        title=_title(one, seen, visit.language),
        experiments=speech.count(used),
    )


def _speech(visit: Visit) -> Speech:
    return Speech(visit.language, visit.snapshot.project.currency, visit.runtime.now())


HANDLERS: Final[list[Any]] = [offers, offer]
