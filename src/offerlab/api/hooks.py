"""Webhooks of shop systems: no key, but a signature over the bytes as they came.

Nothing is read before the signature holds. What a shop tells again counts once; what can't be taken is listed among the
rejected events and answered 200, because a shop that gets errors stops sending.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
from typing import Any, Final

from litestar import Request, Response, post

from offerlab.api.body import BATCH_LIMIT, bounded
from offerlab.api.changes import runtime_of
from offerlab.api.decisions import serving_of
from offerlab.api.routing import operation, reply
from offerlab.errors import Unauthenticated
from offerlab.intake import shopify, woocommerce
from offerlab.workflows.demanding import PRIVACY_TOPICS, demand
from offerlab.workflows.desk import Desk
from offerlab.workflows.recording import Recorded, Sender, as_read, record
from offerlab.workflows.room import Claim

AnyRequest = Request[Any, Any, Any]
TOPIC: Final = {"shopify": "x-shopify-topic", "woocommerce": "x-wc-webhook-topic"}
SIGNATURE: Final = {"shopify": "x-shopify-hmac-sha256", "woocommerce": "x-wc-webhook-signature"}


async def _signed(request: AnyRequest, shop: str, claim: Claim) -> bytes:
    """The body, whose signature holds: anybody may send one, so that it takes room before it is read.

    Raises:
        Unauthenticated: no secret is set here, or it was not signed with it.
        Unavailable: no room for it.
    """
    body = await bounded(request, BATCH_LIMIT, claim=claim)
    secret: str | None = request.app.state.hook_secrets[shop]
    if not secret:
        raise Unauthenticated(f"no secret is set for webhooks of {shop}")
    wanted = hmac.digest(secret.encode(), body, hashlib.sha256)
    try:
        sent = base64.b64decode(request.headers.get(SIGNATURE[shop], ""), validate=True)
    except (binascii.Error, ValueError):
        sent = b""
    if not hmac.compare_digest(sent, wanted):
        raise Unauthenticated("the signature does not fit the body")
    return body


@post(
    "/v1/hooks/shopify",
    status_code=200,
    opt=operation("signed", "A webhook of Shopify", body=dict[str, object], answers={200: Recorded}),
)
async def post_shopify(request: AnyRequest) -> Response[bytes]:
    """Orders, refunds and privacy requests, signed over the raw body."""
    with Claim(runtime_of(request).room) as claim:
        return await _of_shopify(request, claim)


async def _of_shopify(request: AnyRequest, claim: Claim) -> Response[bytes]:
    body = await _signed(request, "shopify", claim)
    topic = request.headers.get(TOPIC["shopify"], "")
    runtime = runtime_of(request)
    project_id = runtime.projects()[0].id
    if topic in PRIVACY_TOPICS:
        name = request.headers.get("x-shopify-webhook-id") or hashlib.sha256(body).hexdigest()
        fresh = await asyncio.to_thread(demand, Desk(runtime, project_id, "shopify"), topic, name[:200], body)
        return reply(Recorded(accepted=int(fresh), duplicates=int(not fresh), rejected=[]))
    return await _recorded(request, f"shopify/{topic}", shopify.arrivals(body, topic))


@post(
    "/v1/hooks/woocommerce",
    status_code=200,
    opt=operation("signed", "A webhook of WooCommerce", body=dict[str, object], answers={200: Recorded}),
)
async def post_woocommerce(request: AnyRequest) -> Response[bytes]:
    """Orders and refunds, signed over the raw body; the ping of a new webhook carries no topic."""
    with Claim(runtime_of(request).room) as claim:
        return await _of_woocommerce(request, claim)


async def _of_woocommerce(request: AnyRequest, claim: Claim) -> Response[bytes]:
    topic = request.headers.get(TOPIC["woocommerce"], "")
    body = await _signed(request, "woocommerce", claim)
    if not topic:
        return reply(Recorded(accepted=0, duplicates=0, rejected=[]))
    now = runtime_of(request).now()
    return await _recorded(request, f"woocommerce/{topic}", woocommerce.arrivals(body, topic, now))


async def _recorded(request: AnyRequest, source: str, told: list[Any]) -> Response[bytes]:
    project_id = runtime_of(request).projects()[0].id
    sender = Sender(project_id=project_id, publishable=False, source=source[:200])
    return reply(await record(serving_of(request), sender, told, as_read))


HANDLERS: Final[list[Any]] = [post_shopify, post_woocommerce]
