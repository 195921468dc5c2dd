"""Offers: define, read, list, change, and look at one as a customer would meet it."""

import asyncio
from typing import Any, Final

import msgspec
from litestar import Response, get, patch, post, put
from litestar.params import FromPath

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change
from offerlab.api.decision_requests import PreviewRequest
from offerlab.api.decisions import context_of, serving_of
from offerlab.api.definitions import AnyRequest, found, patched, same_key, snapshot_of
from offerlab.api.lists import QUERY, Page, page_of
from offerlab.api.requests import NewOffer
from offerlab.api.responses import OfferView, offer_view
from offerlab.api.routing import operation, reply
from offerlab.workflows import defining
from offerlab.workflows.desk import Desk
from offerlab.workflows.proofreading import Preview, preview

_OFFER: Final = msgspec.json.Decoder(NewOffer)
_PREVIEW: Final = msgspec.json.Decoder(PreviewRequest)


@post(
    "/v1/offers",
    opt=operation("define", "Create an offer", body=NewOffer, answers={201: OfferView, 200: OfferView}),
)
async def post_offer(request: AnyRequest) -> Response[bytes]:
    """201 when it is new, 200 when it stood there identical, 409 when another one has its key."""
    body = await bounded(request, DEFINITION_LIMIT)
    offer, currency = decode(body, _OFFER).to_domain(), snapshot_of(request).project.currency

    def work(desk: Desk) -> tuple[int, object]:
        stored, created = defining.create_offer(desk, offer)
        return (201 if created else 200), offer_view(stored, currency)

    return await change(request, work, body=body)


@get("/v1/offers", opt=operation("read", "List offers", answers={200: Page}, query=QUERY))
async def list_offers(request: AnyRequest) -> Response[bytes]:
    """Offers in order of their keys, each in its newest version."""
    snapshot = snapshot_of(request)
    return reply(page_of(request, snapshot.offers, lambda item: offer_view(item, snapshot.project.currency)))


@get("/v1/offers/{key:str}", opt=operation("read", "Read an offer", answers={200: OfferView}))
async def get_offer(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """One offer in its newest version."""
    snapshot = snapshot_of(request)
    return reply(offer_view(found(snapshot.offers.get(key), "offer", key), snapshot.project.currency))


@put(
    "/v1/offers/{key:str}",
    opt=operation("define", "Store the next version of an offer", body=NewOffer, answers={200: OfferView}),
)
async def put_offer(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """A changed offer is a new version; one that a running experiment shows is frozen."""
    return await _save_offer(request, key, await bounded(request, DEFINITION_LIMIT))


@patch(
    "/v1/offers/{key:str}",
    opt=operation("define", "Change some fields of an offer", body=dict[str, object], answers={200: OfferView}),
)
async def patch_offer(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Change the fields that are sent."""
    snapshot = snapshot_of(request)
    known: dict[str, object] = msgspec.to_builtins(
        offer_view(found(snapshot.offers.get(key), "offer", key), snapshot.project.currency)
    )
    known.pop("version")
    return await _save_offer(request, key, patched(await bounded(request, DEFINITION_LIMIT), known))


@post(
    "/v1/offers/{key:str}/preview",
    status_code=200,
    opt=operation("read", "Show an offer as a customer would meet it", body=PreviewRequest, answers={200: Preview}),
)
async def preview_offer(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """With a real customer, or nobody in particular; nothing is logged, and every remark on the texts comes along."""
    sent = decode(await bounded(request, DEFINITION_LIMIT), _PREVIEW)
    shown = await asyncio.to_thread(
        preview,
        serving_of(request),
        caller_of(request).project_id,
        key,
        customer=sent.customer_id,
        attributes=sent.attributes,
        context=context_of(sent.context),
    )
    return reply(shown)


async def _save_offer(request: AnyRequest, key: str, body: bytes) -> Response[bytes]:
    sent = decode(body, _OFFER)
    same_key(sent.key, key, "key")
    offer, currency = sent.to_domain(), snapshot_of(request).project.currency
    return await change(
        request, lambda desk: (200, offer_view(defining.update_offer(desk, offer), currency)), body=body
    )


HANDLERS: Final[list[Any]] = [post_offer, list_offers, get_offer, put_offer, patch_offer, preview_offer]
