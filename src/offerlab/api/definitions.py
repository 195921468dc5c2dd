"""Products, offers, segments and layers: define, read, list, change."""

import asyncio
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, patch, post, put
from litestar.params import FromPath

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change, runtime_of
from offerlab.api.decision_requests import PreviewRequest
from offerlab.api.decisions import context_of, serving_of
from offerlab.api.lists import QUERY, Page, page_of
from offerlab.api.requests import NewLayer, NewOffer, NewProduct, NewSegment
from offerlab.api.responses import (
    LayerView,
    OfferView,
    ProductView,
    SegmentView,
    UpsertView,
    offer_view,
    product_view,
    segment_view,
)
from offerlab.api.routing import operation, reply
from offerlab.domain.layer import Layer
from offerlab.errors import InvalidInput, NotFound
from offerlab.workflows import defining
from offerlab.workflows.desk import Desk
from offerlab.workflows.proofreading import Preview, preview
from offerlab.workflows.snapshot import Snapshot

AnyRequest = Request[Any, Any, Any]
MAX_PRODUCTS: Final = 10_000

_PRODUCT: Final = msgspec.json.Decoder(NewProduct)
_PRODUCTS: Final = msgspec.json.Decoder(list[NewProduct])
_PREVIEW: Final = msgspec.json.Decoder(PreviewRequest)
_OFFER: Final = msgspec.json.Decoder(NewOffer)
_SEGMENT: Final = msgspec.json.Decoder(NewSegment)
_LAYER: Final = msgspec.json.Decoder(NewLayer)
_PATCH: Final[msgspec.json.Decoder[dict[str, object]]] = msgspec.json.Decoder(dict[str, object])


def snapshot_of(request: AnyRequest) -> Snapshot:
    """The rules of the caller's project."""
    return runtime_of(request).snapshot(caller_of(request).project_id)


def patched(body: bytes, view: object) -> bytes:
    """A stored object with a JSON merge patch's top-level fields over it, as JSON.

    Raises:
        Malformed, InvalidInput: the patch is no JSON object.
    """
    plain: dict[str, object] = msgspec.to_builtins(view)
    changes: dict[str, object] = decode(body, _PATCH)
    return msgspec.json.encode({**plain, **changes})


def same_key(sent: str, path: str, field: str) -> None:
    """Refuse a body that speaks of another object than its path.

    Raises:
        InvalidInput: names the field.
    """
    if sent != path:
        raise InvalidInput(f"the path says {path!r}, the body {sent!r}", field=field)


@post(
    "/v1/products",
    opt=operation(
        "define",
        "Create a product, or create and update a list of them",
        body=(NewProduct, list[NewProduct]),
        answers={201: ProductView, 200: (ProductView, UpsertView)},
    ),
)
async def post_products(request: AnyRequest) -> Response[bytes]:
    """One product: 201 when new, 200 when it stands there identical, 409 otherwise; a list: 200 with the counts."""
    body = await bounded(request, 10 * DEFINITION_LIMIT)
    if body.lstrip()[:1] == b"[":
        many = decode(body, _PRODUCTS)
        if len(many) > MAX_PRODUCTS:
            raise InvalidInput(f"a list has at most {MAX_PRODUCTS} products")
        items = [item.to_domain() for item in many]

        def upsert(desk: Desk) -> tuple[int, object]:
            created, updated = defining.put_products(desk, items) if items else (0, 0)
            return 200, UpsertView(created=created, updated=updated)

        return await change(request, upsert, body=body)
    product = decode(body, _PRODUCT).to_domain()
    currency = snapshot_of(request).project.currency

    def one(desk: Desk) -> tuple[int, object]:
        created = defining.create_product(desk, product)
        return (201 if created else 200), product_view(product, currency)

    return await change(request, one, body=body)


@get("/v1/products", opt=operation("read", "List products", answers={200: Page}, query=QUERY))
async def list_products(request: AnyRequest) -> Response[bytes]:
    """Products in order of their skus."""
    snapshot = snapshot_of(request)
    return reply(page_of(request, snapshot.products, lambda item: product_view(item, snapshot.project.currency)))


@get("/v1/products/{sku:str}", opt=operation("read", "Read a product", answers={200: ProductView}))
async def get_product(request: AnyRequest, sku: FromPath[str]) -> Response[bytes]:
    """One product."""
    snapshot = snapshot_of(request)
    return reply(product_view(_found(snapshot.products.get(sku), "product", sku), snapshot.project.currency))


@put(
    "/v1/products/{sku:str}", opt=operation("define", "Replace a product", body=NewProduct, answers={200: ProductView})
)
async def put_product(request: AnyRequest, sku: FromPath[str]) -> Response[bytes]:
    """Create or replace a product."""
    return await _save_product(request, sku, await bounded(request, DEFINITION_LIMIT))


@patch(
    "/v1/products/{sku:str}",
    opt=operation("define", "Change some fields of a product", body=dict[str, object], answers={200: ProductView}),
)
async def patch_product(request: AnyRequest, sku: FromPath[str]) -> Response[bytes]:
    """Change the fields that are sent."""
    snapshot = snapshot_of(request)
    known = product_view(_found(snapshot.products.get(sku), "product", sku), snapshot.project.currency)
    return await _save_product(request, sku, patched(await bounded(request, DEFINITION_LIMIT), known))


async def _save_product(request: AnyRequest, sku: str, body: bytes) -> Response[bytes]:
    sent = decode(body, _PRODUCT)
    same_key(sent.sku, sku, "sku")
    product, currency = sent.to_domain(), snapshot_of(request).project.currency

    def work(desk: Desk) -> tuple[int, object]:
        defining.put_products(desk, [product])
        return 200, product_view(product, currency)

    return await change(request, work, body=body)


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
    return reply(offer_view(_found(snapshot.offers.get(key), "offer", key), snapshot.project.currency))


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
        offer_view(_found(snapshot.offers.get(key), "offer", key), snapshot.project.currency)
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


@post(
    "/v1/segments",
    opt=operation("define", "Create a segment", body=NewSegment, answers={201: SegmentView, 200: SegmentView}),
)
async def post_segment(request: AnyRequest) -> Response[bytes]:
    """201 when it is new, 200 when it stood there identical, 409 when another one has its key."""
    body = await bounded(request, DEFINITION_LIMIT)
    segment = decode(body, _SEGMENT).to_domain()

    def work(desk: Desk) -> tuple[int, object]:
        stored, created = defining.create_segment(desk, segment)
        return (201 if created else 200), segment_view(stored)

    return await change(request, work, body=body)


@get("/v1/segments", opt=operation("read", "List segments", answers={200: Page}, query=QUERY))
async def list_segments(request: AnyRequest) -> Response[bytes]:
    """Segments in order of their keys."""
    return reply(page_of(request, snapshot_of(request).segments, segment_view))


@get("/v1/segments/{key:str}", opt=operation("read", "Read a segment", answers={200: SegmentView}))
async def get_segment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """One segment."""
    return reply(segment_view(_found(snapshot_of(request).segments.get(key), "segment", key)))


@put(
    "/v1/segments/{key:str}", opt=operation("define", "Replace a segment", body=NewSegment, answers={200: SegmentView})
)
async def put_segment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Replace a segment; one that a running experiment uses is frozen."""
    return await _save_segment(request, key, await bounded(request, DEFINITION_LIMIT))


@patch(
    "/v1/segments/{key:str}",
    opt=operation("define", "Change some fields of a segment", body=dict[str, object], answers={200: SegmentView}),
)
async def patch_segment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Change the fields that are sent."""
    known = segment_view(_found(snapshot_of(request).segments.get(key), "segment", key))
    return await _save_segment(request, key, patched(await bounded(request, DEFINITION_LIMIT), known))


async def _save_segment(request: AnyRequest, key: str, body: bytes) -> Response[bytes]:
    sent = decode(body, _SEGMENT)
    same_key(sent.key, key, "key")
    segment = sent.to_domain()
    return await change(request, lambda desk: (200, segment_view(defining.update_segment(desk, segment))), body=body)


@post(
    "/v1/layers",
    opt=operation("define", "Create a layer", body=NewLayer, answers={201: LayerView, 200: LayerView}),
)
async def post_layer(request: AnyRequest) -> Response[bytes]:
    """201 when it is new, 200 when it stood there identical."""
    body = await bounded(request, DEFINITION_LIMIT)
    sent = decode(body, _LAYER)

    def work(desk: Desk) -> tuple[int, object]:
        stored, created = defining.create_layer(desk, Layer(key=sent.key, name=sent.name, salt=""))
        return (201 if created else 200), LayerView(key=stored.key, name=stored.name)

    return await change(request, work, body=body)


@get("/v1/layers", opt=operation("read", "List layers", answers={200: Page}, query=QUERY), sync_to_thread=True)
def list_layers(request: AnyRequest) -> Response[bytes]:
    """Layers in order of their keys."""
    return reply(page_of(request, _layers(request), _layer_view))


@get("/v1/layers/{key:str}", opt=operation("read", "Read a layer", answers={200: LayerView}), sync_to_thread=True)
def get_layer(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """One layer."""
    return reply(_layer_view(_found(_layers(request).get(key), "layer", key)))


def _layers(request: AnyRequest) -> dict[str, Layer]:
    return defining.layers_of(runtime_of(request), caller_of(request).project_id)


def _layer_view(layer: Layer) -> LayerView:
    return LayerView(key=layer.key, name=layer.name)


def _found(item: Any, what: str, key: str) -> Any:  # noqa: ANN401 - whatever is looked up
    if item is None:
        raise NotFound(f"no {what} has the key {key!r}")
    return item


HANDLERS: Final[list[Any]] = [
    post_products,
    list_products,
    get_product,
    put_product,
    patch_product,
    post_offer,
    list_offers,
    get_offer,
    put_offer,
    patch_offer,
    preview_offer,
    post_segment,
    list_segments,
    get_segment,
    put_segment,
    patch_segment,
    post_layer,
    list_layers,
    get_layer,
]
