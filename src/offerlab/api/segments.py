"""Who: segments and their previews, presets from the shop's own customers, and what may be known of a customer."""

import asyncio
from typing import Any, Final

import msgspec
from litestar import Response, get, patch, post, put
from litestar.params import FromPath
from msgspec import Struct

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change, runtime_of
from offerlab.api.definitions import AnyRequest, found, patched, same_key, snapshot_of
from offerlab.api.lists import QUERY, Page, page_of
from offerlab.api.requests import NewAttribute, NewSegment
from offerlab.api.responses import SegmentView, segment_view
from offerlab.api.routing import Parameter, operation, reply
from offerlab.domain.attribute import Attribute
from offerlab.errors import InvalidInput, NotFound
from offerlab.workflows import defining
from offerlab.workflows.audience import Audience, Preview, preview, preview_of, suggested
from offerlab.workflows.desk import Desk

_SEGMENT: Final = msgspec.json.Decoder(NewSegment)
_ATTRIBUTE: Final = msgspec.json.Decoder(NewAttribute)
_MDE: Final = Parameter("mde", float | None, "smallest relative effect that a test should find; 0.05 without")


class PresetView(Struct, frozen=True, kw_only=True):
    """A preset: its segment as `POST /v1/segments` takes it, or null where the shop has too few buyers for a limit.

    Attributes:
        kind: of the offer to start with. limit: the shop's own number in the rule.
    """

    key: str
    name: str
    kind: str
    limit: float | None
    segment: SegmentView | None


class PresetsView(Struct, frozen=True, kw_only=True):
    """All presets, and how many buyers their limits are made from."""

    buyers: int
    items: list[PresetView]


class AttributeView(Struct, frozen=True, kw_only=True):
    """An attribute as registered; `sensitive` also where its name alone makes it so."""

    name: str
    type: str | None
    sensitive: bool
    purpose: str | None
    explicit_consent: bool
    shown: bool


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
    return reply(segment_view(found(snapshot_of(request).segments.get(key), "segment", key)))


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
    known = segment_view(found(snapshot_of(request).segments.get(key), "segment", key))
    return await _save_segment(request, key, patched(await bounded(request, DEFINITION_LIMIT), known))


async def _save_segment(request: AnyRequest, key: str, body: bytes) -> Response[bytes]:
    sent = decode(body, _SEGMENT)
    same_key(sent.key, key, "key")
    segment = sent.to_domain()
    return await change(request, lambda desk: (200, segment_view(defining.update_segment(desk, segment))), body=body)


def audience_of(request: AnyRequest) -> Audience:
    """The columns of this process."""
    audience: Audience = request.app.state.audience
    return audience


@get(
    "/v1/segments/{key:str}/preview",
    opt=operation("read", "Preview a segment before anything is launched", answers={200: Preview}, query=(_MDE,)),
)
async def get_preview(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Size, value, habits, top products, overlap, reach, and how long a test in it would take."""
    mde, project = _mde(request), caller_of(request).project_id
    found = await asyncio.to_thread(preview_of, audience_of(request), runtime_of(request), project, key, mde=mde)
    return reply(found)


@post(
    "/v1/segment-previews",
    status_code=200,
    opt=operation("read", "Preview a rule that is not stored", body=NewSegment, answers={200: Preview}, query=(_MDE,)),
)
async def post_preview(request: AnyRequest) -> Response[bytes]:
    """The same for a draft; nothing is stored."""
    segment = decode(await bounded(request, DEFINITION_LIMIT), _SEGMENT).to_domain()
    mde, project = _mde(request), caller_of(request).project_id
    found = await asyncio.to_thread(preview, audience_of(request), runtime_of(request), project, segment, mde=mde)
    return reply(found)


@get("/v1/segment-presets", opt=operation("read", "Presets with the shop's own limits", answers={200: PresetsView}))
async def get_presets(request: AnyRequest) -> Response[bytes]:
    """VIP, high value, lapsed, repeat and new, by percentiles of the shop's own buyers."""
    project = caller_of(request).project_id
    limits, found = await asyncio.to_thread(suggested, audience_of(request), runtime_of(request), project)
    items = [
        PresetView(
            key=one.key,
            name=one.name,
            kind=one.kind,
            limit=one.limit,
            segment=None if one.segment is None else segment_view(one.segment),
        )
        for one in found
    ]
    return reply(PresetsView(buyers=limits.buyers, items=items))


@get("/v1/attributes", opt=operation("read", "List registered attributes", answers={200: Page}, query=QUERY))
async def list_attributes(request: AnyRequest) -> Response[bytes]:
    """Attributes in order of their names."""
    return reply(page_of(request, snapshot_of(request).ruleset.settings.attributes, attribute_view))


@get("/v1/attributes/{name:str}", opt=operation("read", "Read an attribute", answers={200: AttributeView}))
async def get_attribute(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """One attribute."""
    found = snapshot_of(request).ruleset.settings.attributes.get(name)
    if found is None:
        raise NotFound(f"no attribute is registered as {name!r}")
    return reply(attribute_view(found))


@put(
    "/v1/attributes/{name:str}",
    opt=operation("define", "Register an attribute", body=NewAttribute, answers={200: AttributeView}),
)
async def put_attribute(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """Say of which type it is, whether it is sensitive and what it is used for."""
    body = await bounded(request, DEFINITION_LIMIT)
    sent = decode(body, _ATTRIBUTE)
    same_key(sent.name, name, "name")

    def work(desk: Desk) -> tuple[int, object]:
        return 200, attribute_view(defining.put_attribute(desk, sent.to_domain()))

    return await change(request, work, body=body)


def attribute_view(attribute: Attribute) -> AttributeView:
    """An attribute as it leaves."""
    return AttributeView(
        name=attribute.name,
        type=attribute.type,
        sensitive=attribute.is_sensitive,
        purpose=attribute.purpose,
        explicit_consent=attribute.explicit_consent,
        shown=attribute.shown,
    )


def _mde(request: AnyRequest) -> float:
    sent = request.query_params.get("mde")
    if sent is None:
        return 0.05
    try:
        found = float(sent)
    except ValueError:
        found = 0.0
    if not 0.001 <= found <= 10:  # noqa: PLR2004 - a thousandth to ten times
        raise InvalidInput("a relative effect lies between 0.001 and 10", field="mde")
    return found


HANDLERS: Final[list[Any]] = [
    post_segment,
    list_segments,
    get_segment,
    put_segment,
    patch_segment,
    get_preview,
    post_preview,
    get_presets,
    list_attributes,
    get_attribute,
    put_attribute,
]
