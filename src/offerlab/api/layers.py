"""Layers: which experiments exclude each other."""

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change, runtime_of
from offerlab.api.definitions import AnyRequest, found
from offerlab.api.lists import QUERY, Page, page_of
from offerlab.api.requests import NewLayer
from offerlab.api.responses import LayerView
from offerlab.api.routing import operation, reply
from offerlab.domain.layer import Layer
from offerlab.workflows import defining
from offerlab.workflows.desk import Desk

_LAYER: Final = msgspec.json.Decoder(NewLayer)


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
    return reply(_layer_view(found(_layers(request).get(key), "layer", key)))


def _layers(request: AnyRequest) -> dict[str, Layer]:
    return defining.layers_of(runtime_of(request), caller_of(request).project_id)


def _layer_view(layer: Layer) -> LayerView:
    return LayerView(key=layer.key, name=layer.name)


HANDLERS: Final[list[Any]] = [post_layer, list_layers, get_layer]
