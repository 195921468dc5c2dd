"""Webhooks: who hears of what happens here, what was sent, and sending it again."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change, runtime_of
from offerlab.api.lists import QUERY, before_of, cursor, limit_of
from offerlab.api.routing import Parameter, operation, reply
from offerlab.delivery.guard import LONGEST, Guard
from offerlab.domain.clock import iso
from offerlab.domain.webhook import MessageType, Webhook
from offerlab.workflows import webhooks
from offerlab.workflows.desk import Desk
from offerlab.workflows.webhooks import Message

AnyRequest = Request[Any, Any, Any]
Url = Annotated[str, Meta(min_length=1, max_length=LONGEST)]
Types = Annotated[tuple[MessageType, ...], Meta(max_length=50)]
Description = Annotated[str, Meta(max_length=500)]
RowNumber = Annotated[int, Meta(ge=1, le=webhooks.LARGEST)]
STATUS: Final = Parameter("status", str | None, "only deliveries in this status")


class NewWebhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One endpoint; no `types` asks for every kind of message."""

    url: Url
    types: Types = ()
    description: Description = ""
    enabled: bool = True


class WebhookPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may change of an endpoint."""

    url: Url | None = None
    types: Types | None = None
    description: Description | None = None
    enabled: bool | None = None


class WebhookView(Struct, frozen=True, kw_only=True):
    """An endpoint without its secret; `reason` says why it is off."""

    id: int
    url: str
    types: list[MessageType]
    description: str
    enabled: bool
    reason: str | None
    created_at: str


class WebhookCreated(WebhookView, frozen=True, kw_only=True):
    """An endpoint with the secret that signs what it gets: shown once."""

    secret: str


class WebhookList(Struct, frozen=True):
    """All endpoints of the project."""

    items: list[WebhookView]
    next: None = None


class Tested(Struct, frozen=True):
    """A test message is on its way."""

    message_id: str


class DeliveryView(Struct, frozen=True, kw_only=True):
    """One message to one endpoint and what came of it."""

    id: int
    message_id: str
    type: str
    status: str
    attempts: int
    created_at: str
    next_attempt_at: str | None
    done_at: str | None
    answer: int | None
    error: str | None


class DeliveryList(Struct, frozen=True):
    """A page of deliveries, newest first."""

    items: list[DeliveryView]
    next: str | None


class Replay(Struct, frozen=True, forbid_unknown_fields=True):
    """Deliveries to send once more."""

    deliveries: Annotated[tuple[RowNumber, ...], Meta(min_length=1, max_length=1_000)]


class Replayed(Struct, frozen=True):
    """How many are on their way again; what is still on its way was left alone."""

    replayed: int


_NEW: Final = msgspec.json.Decoder(NewWebhook)
_PATCH: Final = msgspec.json.Decoder(WebhookPatch)
_REPLAY: Final = msgspec.json.Decoder(Replay)


def guard_of(request: AnyRequest) -> Guard:
    """Where webhooks of this service may lead."""
    guard: Guard = request.app.state.guard
    return guard


@post("/v1/webhooks", opt=operation("define", "Create a webhook", body=NewWebhook, answers={201: WebhookCreated}))
async def post_webhook(request: AnyRequest) -> Response[bytes]:
    """The secret stands in this answer and nowhere else."""
    body = await bounded(request, DEFINITION_LIMIT)
    sent = decode(body, _NEW)
    await guard_of(request).check(sent.url)
    webhook = Webhook(id=0, url=sent.url, types=sent.types, description=sent.description, enabled=sent.enabled)

    def work(desk: Desk) -> tuple[int, object]:
        stored, secret = webhooks.create(desk, webhook)
        return 201, _created(stored, secret)

    return await change(request, work, body=body, secret=True)


@get("/v1/webhooks", opt=operation("define", "List webhooks", answers={200: WebhookList}))
async def list_webhooks(request: AnyRequest) -> Response[bytes]:
    """All of them, oldest first."""
    found = await asyncio.to_thread(webhooks.everything, runtime_of(request), caller_of(request).project_id)
    return reply(WebhookList([_view(one) for one in found]))


@get("/v1/webhooks/{webhook_id:int}", opt=operation("define", "Read a webhook", answers={200: WebhookView}))
async def get_webhook(request: AnyRequest, webhook_id: FromPath[int]) -> Response[bytes]:
    """One endpoint."""
    runtime, project_id = runtime_of(request), caller_of(request).project_id
    return reply(_view(await asyncio.to_thread(webhooks.one, runtime, project_id, webhook_id)))


@patch(
    "/v1/webhooks/{webhook_id:int}",
    opt=operation("define", "Change a webhook", body=WebhookPatch, answers={200: WebhookView}),
)
async def patch_webhook(request: AnyRequest, webhook_id: FromPath[int]) -> Response[bytes]:
    """Change the fields that are sent; a new URL is checked like a first one."""
    body = await bounded(request, DEFINITION_LIMIT)
    sent = decode(body, _PATCH)
    if sent.url is not None:
        await guard_of(request).check(sent.url)
    news = {name: value for name, value in msgspec.structs.asdict(sent).items() if value is not None}

    def work(desk: Desk) -> tuple[int, object]:
        known = webhooks.one(desk.runtime, desk.project_id, webhook_id)
        return 200, _view(webhooks.change(desk, msgspec.structs.replace(known, **news)))

    return await change(request, work, body=body)


@delete(
    "/v1/webhooks/{webhook_id:int}",
    status_code=200,
    opt=operation("define", "Delete a webhook", answers={200: WebhookView}),
)
async def delete_webhook(request: AnyRequest, webhook_id: FromPath[int]) -> Response[bytes]:
    """What waited for it is cancelled."""
    return await change(request, lambda desk: (200, _view(webhooks.remove(desk, webhook_id))))


@post(
    "/v1/webhooks/{webhook_id:int}/secret",
    status_code=200,
    opt=operation("define", "Give a webhook a new secret", answers={200: WebhookCreated}),
)
async def post_secret(request: AnyRequest, webhook_id: FromPath[int]) -> Response[bytes]:
    """The old secret signs beside the new one for a day."""

    def work(desk: Desk) -> tuple[int, object]:
        return 200, _created(*webhooks.rotate(desk, webhook_id))

    return await change(request, work, secret=True)


@post(
    "/v1/webhooks/{webhook_id:int}/test",
    status_code=200,
    opt=operation("define", "Send a test message", answers={200: Tested}),
)
async def post_test(request: AnyRequest, webhook_id: FromPath[int]) -> Response[bytes]:
    """Its fate stands in the deliveries within a moment."""
    runtime, project_id = runtime_of(request), caller_of(request).project_id
    known = await asyncio.to_thread(webhooks.one, runtime, project_id, webhook_id)
    await guard_of(request).check(known.url)
    return await change(request, lambda desk: (200, Tested(webhooks.try_out(desk, webhook_id))))


@get(
    "/v1/webhooks/{webhook_id:int}/deliveries",
    opt=operation(
        "define", "What was sent to a webhook, newest first", answers={200: DeliveryList}, query=(*QUERY, STATUS)
    ),
)
async def list_deliveries(request: AnyRequest, webhook_id: FromPath[int]) -> Response[bytes]:
    """Attempts, answers and errors; `status=dead` are those that only a person can revive."""
    limit = limit_of(request)
    found = await asyncio.to_thread(
        webhooks.deliveries,
        runtime_of(request),
        caller_of(request).project_id,
        webhook_id,
        status=request.query_params.get("status"),
        before=before_of(request),
        limit=limit + 1,
    )
    return reply(deliveries_page(found, limit))


@post(
    "/v1/webhooks/{webhook_id:int}/replay",
    status_code=200,
    opt=operation("define", "Send deliveries once more", body=Replay, answers={200: Replayed}),
)
async def post_replay(request: AnyRequest, webhook_id: FromPath[int]) -> Response[bytes]:
    """Under the message ids that they had, so that a receiver can tell."""
    body = await bounded(request, DEFINITION_LIMIT)
    sent = decode(body, _REPLAY)
    return await change(
        request, lambda desk: (200, Replayed(webhooks.replay(desk, webhook_id, sent.deliveries))), body=body
    )


def deliveries_page(found: list[Message], limit: int) -> DeliveryList:
    """At most `limit` of what was found, and where to go on."""
    more = len(found) > limit
    return DeliveryList([_delivery(one) for one in found[:limit]], cursor(str(found[limit - 1].id)) if more else None)


def _created(webhook: Webhook, secret: str) -> WebhookCreated:
    return WebhookCreated(**msgspec.structs.asdict(_view(webhook)), secret=secret)


def _view(webhook: Webhook) -> WebhookView:
    return WebhookView(
        id=webhook.id,
        url=webhook.url,
        types=list(webhook.types),
        description=webhook.description,
        enabled=webhook.enabled,
        reason=webhook.reason,
        created_at=iso(webhook.created_at),
    )


def _delivery(message: Message) -> DeliveryView:
    return DeliveryView(
        id=message.id,
        message_id=message.message_id,
        type=message.type,
        status=message.status,
        attempts=message.attempts,
        created_at=iso(message.created_at),
        next_attempt_at=iso(message.next_at) if message.status == "pending" else None,
        done_at=None if message.done_at is None else iso(message.done_at),
        answer=message.answer,
        error=message.error,
    )


HANDLERS: Final[list[Any]] = [
    post_webhook,
    list_webhooks,
    get_webhook,
    patch_webhook,
    delete_webhook,
    post_secret,
    post_test,
    list_deliveries,
    post_replay,
]
