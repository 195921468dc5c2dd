"""What belongs with a product."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath
from msgspec import Struct

from offerlab.api.definitions import snapshot_of
from offerlab.api.routing import operation, reply
from offerlab.errors import NotFound

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


HANDLERS: Final[list[Any]] = [get_affinity]
