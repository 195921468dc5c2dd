"""The catalogue: products one by one, or ten thousand at once."""

from typing import Any, Final

import msgspec
from litestar import Response, get, patch, post, put
from litestar.params import FromPath

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import change
from offerlab.api.definitions import AnyRequest, found, patched, same_key, snapshot_of
from offerlab.api.lists import QUERY, Page, page_of
from offerlab.api.requests import NewProduct
from offerlab.api.responses import ProductView, UpsertView, product_view
from offerlab.api.routing import operation, reply
from offerlab.errors import InvalidInput
from offerlab.workflows import defining
from offerlab.workflows.desk import Desk

MAX_PRODUCTS: Final = 10_000

_PRODUCT: Final = msgspec.json.Decoder(NewProduct)
_PRODUCTS: Final = msgspec.json.Decoder(list[NewProduct])


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
    return reply(product_view(found(snapshot.products.get(sku), "product", sku), snapshot.project.currency))


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
    known = product_view(found(snapshot.products.get(sku), "product", sku), snapshot.project.currency)
    return await _save_product(request, sku, patched(await bounded(request, DEFINITION_LIMIT), known))


async def _save_product(request: AnyRequest, sku: str, body: bytes) -> Response[bytes]:
    sent = decode(body, _PRODUCT)
    same_key(sent.sku, sku, "sku")
    product, currency = sent.to_domain(), snapshot_of(request).project.currency

    def work(desk: Desk) -> tuple[int, object]:
        defining.put_products(desk, [product])
        return 200, product_view(product, currency)

    return await change(request, work, body=body)


HANDLERS: Final[list[Any]] = [post_products, list_products, get_product, put_product, patch_product]
