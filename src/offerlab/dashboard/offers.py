"""Offers: what customers are told, in Korean and English, as one of them would meet it, and what the lint remarks."""

import asyncio
from typing import Any, Final
from urllib.parse import quote

from litestar import Response, get
from litestar.params import FromPath
from msgspec import Struct

from offerlab.dashboard.doors import PAGE
from offerlab.dashboard.frame import AnyRequest, Visit, enter, html
from offerlab.dashboard.speech import NOTHING, Speech
from offerlab.domain.decision import Context
from offerlab.domain.offer import Offer
from offerlab.errors import NotFound
from offerlab.workflows.presenting import ShownProduct
from offerlab.workflows.proofreading import Finding, Preview, preview
from offerlab.workflows.serving import Serving

LANGUAGES: Final = ("ko", "en")


class OfferRow(Struct, frozen=True, kw_only=True):
    """One offer of the list."""

    key: str
    href: str
    kind: str
    products: str
    discount: str
    title: str
    experiments: str


class Card(Struct, frozen=True, kw_only=True):
    """The offer in one language; `held` says why this customer would not be shown it."""

    lang: str
    title: str
    body: str
    benefit: str
    prices: list[str]
    missing: str | None
    held: str | None


class Remark(Struct, frozen=True, kw_only=True):
    """One remark of the lint."""

    severity: str
    place: str
    text: str


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
    rows = [_row(visit, speech, one) for _, one in sorted(visit.snapshot.offers.items())]
    return html(request, "offers.html", visit=visit, rows=rows)


def _one(request: AnyRequest, key: str) -> Response[Any]:
    visit = enter(request)
    known = visit.snapshot.offers.get(key)
    if known is None:
        raise NotFound(f"no offer has the key {key!r}")
    speech = _speech(visit)
    customer = (visit.query.get("customer") or "").strip() or None
    serving: Serving = request.app.state.serving
    seen = {lang: _seen(serving, visit, known, customer, lang) for lang in LANGUAGES}
    return html(
        request,
        "offer.html",
        visit=visit,
        row=_row(visit, speech, known),
        version=speech.count(known.version),
        customer=customer or "",
        cards=[_card(lang, one, speech) for lang, one in seen.items()],
        remarks=[_remark(one, visit.language) for one in seen["ko"].findings],
        used=[one.key for one in visit.snapshot.experiments.values() if key in one.offer_keys()],
    )


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
        title="" if message is None else message.title,
        body="" if message is None else message.body,
        benefit="" if message is None else message.benefit,
        prices=[] if shown is None else [_price(one) for one in shown.products],
        missing=None if seen.unrendered is None else words("offer_no_words", why=seen.unrendered),
        held=None if held is None else words("offer_held", why=held),
    )


def _price(one: ShownProduct) -> str:
    before = "" if one.price == one.offer_price else f"{one.price} → "
    return f"{one.name} · {before}{one.offer_price}"


def _remark(one: Finding, language: str) -> Remark:
    return Remark(severity=one.severity, place=one.field, text=one.ko if language == "ko" else one.en)


def _row(visit: Visit, speech: Speech, one: Offer) -> OfferRow:
    names = [visit.snapshot.products[sku].name for sku in one.products if sku in visit.snapshot.products]
    used = sum(one.key in each.offer_keys() for each in visit.snapshot.experiments.values())
    texts = one.message.get(visit.language) or next(iter(one.message.values()), None)
    value = "" if one.discount.value is None else f" {one.discount.value:f}"
    return OfferRow(
        key=one.key,
        href=f"/offers/{quote(one.key, safe='')}",
        kind=speech.words(f"kind_{one.kind}"),
        products=", ".join(names) or speech.words(f"match_{one.match}"),
        discount=f"{speech.words(f'discount_{one.discount.type}')}{value}",
        title=NOTHING if texts is None else texts.title or texts.body,
        experiments=speech.count(used),
    )


def _speech(visit: Visit) -> Speech:
    return Speech(visit.language, visit.snapshot.project.currency, visit.runtime.now())


HANDLERS: Final[list[Any]] = [offers, offer]
