"""The whole shop at once: definitions in, with the plan first; definitions out; relations and the matching table."""

import asyncio
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post, put
from msgspec import Struct

from offerlab.affinity.matching_table import read_matching_table
from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change, runtime_of
from offerlab.api.definitions import snapshot_of
from offerlab.api.lists import Page
from offerlab.api.requests import NewRelation, Prose
from offerlab.api.routing import Parameter, operation, reply
from offerlab.api.shopexport import exported
from offerlab.api.shopfile import FILE_LIMIT, ShopFile, read_shop
from offerlab.api.shopplan import carry_out, plan
from offerlab.api.shopstep import Planned
from offerlab.domain.product import Relation
from offerlab.errors import InvalidInput
from offerlab.workflows import defining
from offerlab.workflows.desk import Desk

AnyRequest = Request[Any, Any, Any]

_RELATIONS: Final = msgspec.json.Decoder(tuple[NewRelation, ...])
_DRY: Final = Parameter("dry_run", bool | None, "true shows the plan and changes nothing")
_SKU: Final = Parameter("sku", str | None, "only relations of this product")


class AppliedView(Struct, frozen=True, kw_only=True):
    """What was done, or would be; empty when the shop is already what the file says."""

    applied: bool
    steps: list[Planned]


class MatchingTableBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `product,cross_sell,upsell` as text; several products in a cell stand apart by `;` or `|`."""

    table: Prose


class BadRowView(Struct, frozen=True, kw_only=True):
    """A row that was not taken."""

    line: int
    problem: str
    value: str


class TableView(Struct, frozen=True, kw_only=True):
    """What the table became, and the rows that it did not."""

    relations: int
    bad_rows: list[BadRowView]


class RelationView(Struct, frozen=True, kw_only=True):
    """`target` goes with `sku`; a mined one has its evidence."""

    sku: str
    kind: str
    target: str
    rank: int
    features: tuple[str, ...]
    source: str
    evidence: dict[str, float]


class CountView(Struct, frozen=True, kw_only=True):
    """How many relations are curated now."""

    relations: int


@post(
    "/v1/apply",
    status_code=200,
    opt=operation("define", "Make the shop what a file says", body=ShopFile, answers={200: AppliedView}, query=(_DRY,)),
)
async def post_apply(request: AnyRequest) -> Response[bytes]:
    """All steps in one transaction, or none; a second time there is nothing to do."""
    body = await bounded(request, FILE_LIMIT)
    sent = request.query_params.get("dry_run", "false")
    if sent not in ("true", "false"):
        raise InvalidInput("dry_run is true or false", field="dry_run")
    file = read_shop(body)
    if sent == "true":
        caller = caller_of(request)
        todo = await asyncio.to_thread(plan, Desk(runtime_of(request), caller.project_id, caller.actor), file)
        return reply(AppliedView(applied=False, steps=[step.planned for step in todo]))

    def work(desk: Desk) -> tuple[int, object]:
        todo = plan(desk, file)
        carry_out(desk, todo)
        return 200, AppliedView(applied=True, steps=[step.planned for step in todo])

    return await change(request, work, body=body)


@get("/v1/definitions", opt=operation("read", "The shop as a file for `POST /v1/apply`", answers={200: ShopFile}))
async def get_definitions(request: AnyRequest) -> Response[bytes]:
    """Settings, attributes, segments, products, curated relations, offers, layers and experiments."""
    caller = caller_of(request)
    desk = Desk(runtime_of(request), caller.project_id, caller.actor)
    return reply(await asyncio.to_thread(exported, desk))


@get("/v1/relations", opt=operation("read", "How products relate", answers={200: Page}, query=(_SKU,)))
async def list_relations(request: AnyRequest) -> Response[bytes]:
    """Complements, substitutes, upgrades and bundles, curated and mined, best first by product and kind."""
    known, sku = snapshot_of(request).relations, request.query_params.get("sku")
    found = [one for key in sorted(known) if sku in (None, key) for one in known[key]]
    return reply(Page([_relation_view(one) for one in found], None))


@put(
    "/v1/relations",
    opt=operation("define", "Replace all curated relations", body=list[NewRelation], answers={200: CountView}),
)
async def put_relations(request: AnyRequest) -> Response[bytes]:
    """What a person says of products; mined relations stay, except where a person says the same pair."""
    body = await bounded(request, 10 * DEFINITION_LIMIT)
    items = [one.to_domain() for one in decode(body, _RELATIONS)]

    def work(desk: Desk) -> tuple[int, object]:
        defining.put_relations(desk, items, source="curated")
        return 200, CountView(relations=len({(one.sku, one.kind, one.target) for one in items}))

    return await change(request, work, body=body)


@put(
    "/v1/matching-table",
    opt=operation(
        "define", "Take a matching table as the curated relations", body=MatchingTableBody, answers={200: TableView}
    ),
)
async def put_table(request: AnyRequest) -> Response[bytes]:
    """Good rows become complements and upgrades, one to one; each bad row is named with its line and reason."""
    body = await bounded(request, 10 * DEFINITION_LIMIT)
    text = decode(body, _TABLE).table
    table = read_matching_table(text, known=snapshot_of(request).products.keys())

    def work(desk: Desk) -> tuple[int, object]:
        defining.put_relations(desk, table.relations, source="curated")
        bad = [BadRowView(line=one.line, problem=one.problem, value=one.value) for one in table.bad_rows]
        return 200, TableView(relations=len(table.relations), bad_rows=bad)

    return await change(request, work, body=body)


_TABLE: Final = msgspec.json.Decoder(MatchingTableBody)


def _relation_view(one: Relation) -> RelationView:
    return RelationView(
        sku=one.sku,
        kind=one.kind,
        target=one.target,
        rank=one.rank,
        features=one.features,
        source=one.source,
        evidence=one.evidence,
    )


HANDLERS: Final[list[Any]] = [
    post_apply,
    get_definitions,
    list_relations,
    put_relations,
    put_table,
]
