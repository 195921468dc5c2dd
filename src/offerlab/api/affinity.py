"""What belongs with a product."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change, runtime_of
from offerlab.api.definitions import snapshot_of
from offerlab.api.routing import operation, reply
from offerlab.errors import NotFound
from offerlab.workflows.matching import DEFAULT_DAYS, Told, builds_of, rebuild

AnyRequest = Request[Any, Any, Any]


class Match(Struct, frozen=True, kw_only=True):
    """One match; a mined one carries its evidence (counts, lift with its 95 % interval, q-value)."""

    sku: str
    name: str
    kind: str
    rank: int
    source: str
    features: tuple[str, ...]
    evidence: dict[str, float]


class Matches(Struct, frozen=True, kw_only=True):
    """Everything that belongs with a product, best first by kind."""

    sku: str
    items: list[Match]


@get("/v1/affinity/{sku:str}", opt=operation("read", "What belongs with a product", answers={200: Matches}))
async def get_affinity(request: AnyRequest, sku: FromPath[str]) -> Response[bytes]:
    """Curated relations and mined ones, with the evidence for the mined."""
    snapshot = snapshot_of(request)
    if sku not in snapshot.products:
        raise NotFound(f"no product has the key {sku!r}")
    found = [one for one in snapshot.relations.get(sku, ()) if one.target in snapshot.products]
    return reply(
        Matches(
            sku=sku,
            items=[
                Match(
                    sku=one.target,
                    name=snapshot.products[one.target].name,
                    kind=one.kind,
                    rank=one.rank,
                    source=one.source,
                    features=one.features,
                    evidence=one.evidence,
                )
                for one in found
            ],
        )
    )


class NewBuild(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far back orders count, and in how many months a pair must have been bought together."""

    days: Annotated[int, Meta(ge=1, le=3_650)] = DEFAULT_DAYS
    periods: Annotated[int, Meta(ge=0, le=120)] = 0


class Builds(Struct, frozen=True, kw_only=True):
    """Builds of the matching table, newest first."""

    items: list[Told]
    next: None = None


_BUILD: Final = msgspec.json.Decoder(NewBuild)


@post(
    "/v1/affinity-builds",
    opt=operation("define", "Mine the matching table from the shop's orders", body=NewBuild, answers={201: Told}),
)
async def post_build(request: AnyRequest) -> Response[bytes]:
    """Complements and substitutes with their evidence, and what is new, lost or moved since the build before."""
    body = await bounded(request, DEFINITION_LIMIT)
    sent = decode(body, _BUILD)
    return await change(request, lambda desk: (201, rebuild(desk, days=sent.days, periods=sent.periods)), body=body)


@get("/v1/affinity-builds", opt=operation("read", "Builds of the matching table", answers={200: Builds}))
async def list_builds(request: AnyRequest) -> Response[bytes]:
    """The newest twenty, each with its difference to the one before."""
    found = await asyncio.to_thread(builds_of, runtime_of(request), caller_of(request).project_id)
    return reply(Builds(items=[msgspec.convert(body, Told) for body in found]))


HANDLERS: Final[list[Any]] = [get_affinity, post_build, list_builds]
