"""One person: what the desk sees, what they take along, and being forgotten."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change, runtime_of
from offerlab.api.lists import QUERY, Page, cursor, cursor_of, limit_of
from offerlab.api.requests import Word
from offerlab.api.routing import Parameter, operation, reply
from offerlab.domain.clock import iso
from offerlab.errors import InvalidInput
from offerlab.workflows import joining, mending, privacy
from offerlab.workflows.desk import Desk
from offerlab.workflows.privacy import Erased, Seen
from offerlab.workflows.recordkeeping import ProcessingRecord, processing_record

AnyRequest = Request[Any, Any, Any]

_LIMIT: Final = Parameter("limit", int | None, "how many; 50 without")
_SENSITIVE: Final = Parameter("sensitive", bool | None, "false leaves out what the shop registered as sensitive")


class Suppressions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ids that stay out for ever, known or not."""

    customers: Annotated[tuple[Word, ...], Meta(max_length=1_000)]


class SuppressedView(Struct, frozen=True, kw_only=True):
    """How many ids were put on the list, and how many of them were known and are now erased."""

    suppressed: int
    erased: int


class Separated(Struct, frozen=True, kw_only=True):
    """The events whose links were taken back."""

    links: list[str]


class CustomerEventView(Struct, frozen=True, kw_only=True):
    """One event of a customer.

    Attributes:
        occurred_at: null where it was not taken.
        outcome: `taken`, or the code for which it was rejected.
    """

    received_at: str
    occurred_at: str | None
    id: str | None
    type: str | None
    outcome: str
    detail: str | None


class CustomerEvents(Struct, frozen=True):
    """The latest events of a customer, newest first."""

    items: list[CustomerEventView]


class OnList(Struct, frozen=True, kw_only=True):
    """Whether an id stands on the suppression list."""

    suppressed: bool


class PrivacyRequestView(Struct, frozen=True, kw_only=True):
    """A person's request: by when it is to be done, and when it was. It names nobody."""

    id: int
    request_id: str
    kind: str
    received_at: str
    due_at: str
    done_at: str | None


@get(
    "/v1/customers/{customer:str}", opt=operation("customers", "What the desk sees of a customer", answers={200: Seen})
)
async def get_customer(request: AnyRequest, customer: FromPath[str]) -> Response[bytes]:
    """Attributes, segments, consents, latest orders and exposures with their reasons; the look is logged."""
    return reply(await asyncio.to_thread(privacy.read_customer, _desk(request), customer))


@get(
    "/v1/customers/{customer:str}/export",
    opt=operation("customers", "Everything kept about a person", answers={200: dict[str, object]}, query=(_SENSITIVE,)),
)
async def get_export(request: AnyRequest, customer: FromPath[str]) -> Response[bytes]:
    """Profile, consents, assignments, exposures with their reasons, orders, refunds and interactions, as JSON."""
    sent = request.query_params.get("sensitive", "true")
    if sent not in ("true", "false"):
        raise InvalidInput("sensitive is true or false", field="sensitive")
    found = await asyncio.to_thread(privacy.export_customer, _desk(request), customer, sensitive=sent == "true")
    return reply(found)


@get(
    "/v1/customers/{customer:str}/events",
    opt=operation("customers", "The latest events of a customer", answers={200: CustomerEvents}, query=(_LIMIT,)),
)
async def get_customer_events(request: AnyRequest, customer: FromPath[str]) -> Response[bytes]:
    """What came from a person under all their ids and what became of it, for whoever looks for a mistake; logged."""
    limit = limit_of(request)
    found = await asyncio.to_thread(mending.latest_of_customer, _desk(request), customer, limit=limit)
    items = [
        CustomerEventView(
            received_at=iso(one.received_at),
            occurred_at=None if one.occurred_at is None else iso(one.occurred_at),
            id=one.id,
            type=one.type,
            outcome=one.outcome,
            detail=one.detail,
        )
        for one in found
    ]
    return reply(CustomerEvents(items))


@delete(
    "/v1/customers/{customer:str}",
    status_code=200,
    opt=operation("define", "Forget a person, for ever", answers={200: Erased}),
)
async def delete_customer(request: AnyRequest, customer: FromPath[str]) -> Response[bytes]:
    """Identity, profile, contact data and texts go, counts stay and belong to nobody; later events are refused."""
    return await change(request, lambda desk: (200, privacy.erase_customer(desk, customer)))


@post(
    "/v1/suppressions",
    status_code=200,
    opt=operation("define", "Keep ids out for ever", body=Suppressions, answers={200: SuppressedView}),
)
async def post_suppressions(request: AnyRequest) -> Response[bytes]:
    """Each id is erased if it is known, and refused from now on."""
    body = await bounded(request, 10 * DEFINITION_LIMIT)
    sent = decode(body, _SUPPRESSIONS)

    def work(desk: Desk) -> tuple[int, object]:
        erased = privacy.suppress(desk, list(sent.customers))
        return 200, SuppressedView(suppressed=len(set(sent.customers)), erased=erased)

    return await change(request, work, body=body)


@get(
    "/v1/suppressions/{customer:str}",
    opt=operation("customers", "Whether an id is kept out", answers={200: OnList}),
)
async def get_suppression(request: AnyRequest, customer: FromPath[str]) -> Response[bytes]:
    """The list holds no ids: only who knows one can ask."""
    runtime, project = runtime_of(request), caller_of(request).project_id
    return reply(OnList(suppressed=await asyncio.to_thread(privacy.is_suppressed, runtime, project, customer)))


@get(
    "/v1/processing-record",
    opt=operation("read", "What personal data are processed, what for and how long", answers={200: ProcessingRecord}),
)
async def get_processing_record(request: AnyRequest) -> Response[bytes]:
    """The record that the law asks for, made of what is stored."""
    runtime, project = runtime_of(request), caller_of(request).project_id
    return reply(await asyncio.to_thread(processing_record, runtime, project))


@get(
    "/v1/privacy-requests",
    opt=operation("read", "Persons' requests with their deadlines", answers={200: Page}, query=QUERY),
)
async def list_requests(request: AnyRequest) -> Response[bytes]:
    """Exports and erasures in the order in which they were asked for."""
    limit, sent = limit_of(request), cursor_of(request)
    if sent is not None and not (sent.isascii() and sent.isdecimal() and len(sent) <= len(str(2**63))):
        raise InvalidInput("this is no cursor of ours", field="cursor")
    runtime, project = runtime_of(request), caller_of(request).project_id
    after = min(int(sent or 0), 2**62)
    found = await asyncio.to_thread(privacy.requests_of, runtime, project, after=after, limit=limit + 1)
    items = [
        PrivacyRequestView(
            id=one.id,
            request_id=one.request_id,
            kind=one.kind,
            received_at=iso(one.received_at),
            due_at=iso(one.due_at),
            done_at=None if one.done_at is None else iso(one.done_at),
        )
        for one in found[:limit]
    ]
    return reply(Page(items, cursor(str(items[-1].id)) if len(found) > limit else None))


@post(
    "/v1/customers/{customer:str}/separate",
    status_code=200,
    opt=operation("define", "Take back that this id is another name of somebody", answers={200: Separated}),
)
async def post_separate(request: AnyRequest, customer: FromPath[str]) -> Response[bytes]:
    """From now on the id counts for itself; a report as of an earlier instant still sees one person."""

    def work(desk: Desk) -> tuple[int, object]:
        return 200, Separated(links=joining.separate(desk, customer))

    return await change(request, work)


_SUPPRESSIONS: Final = msgspec.json.Decoder(Suppressions)


def _desk(request: AnyRequest) -> Desk:
    caller = caller_of(request)
    return Desk(runtime_of(request), caller.project_id, caller.actor)


HANDLERS: Final[list[Any]] = [
    get_customer,
    get_export,
    get_customer_events,
    delete_customer,
    post_suppressions,
    get_suppression,
    list_requests,
    get_processing_record,
    post_separate,
]
