"""Requests that define or change: authorised, off the event loop, and safe to send twice."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Request, Response

from offerlab.api.rights import Caller
from offerlab.api.routing import reply
from offerlab.errors import Conflict, InvalidInput
from offerlab.workflows.desk import Desk
from offerlab.workflows.once import Reply, once
from offerlab.workflows.runtime import Runtime

MAX_KEY: Final = 200
Work = Callable[[Desk], tuple[int, object]]


def runtime_of(request: Request[Any, Any, Any]) -> Runtime:
    """The process's state."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """Who the guard let in."""
    caller: Caller = request.scope["user"]
    return caller


async def change(
    request: Request[Any, Any, Any], work: Work, *, body: bytes = b"", secret: bool = False
) -> Response[bytes]:
    """Run `work` in a thread and answer with what it returns.

    Args:
        request: where an `Idempotency-Key` may stand.
        work: does it all through the desk it is given; returns status and view.
        body: as sent; another body under the same key is refused.
        secret: the answer is shown once: a replay gets 409 in its place.

    Raises:
        InvalidInput: the key was used for another request, or is too long.
        Conflict: a replay of what is shown only once.
    """
    caller = caller_of(request)
    desk = Desk(runtime_of(request), caller.project_id, caller.actor)
    key = request.headers.get("idempotency-key")
    if key is None:
        status, view = await asyncio.to_thread(work, desk)
        return reply(view, status)
    if not 1 <= len(key) <= MAX_KEY:
        raise InvalidInput(f"an Idempotency-Key has 1 to {MAX_KEY} characters", field="Idempotency-Key")
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + body).digest()
    return await asyncio.to_thread(_once, desk, caller, key, digest, work, secret)


def _once(
    desk: Desk,
    caller: Caller,
    key: str,
    digest: bytes,
    work: Work,
    secret: bool,  # noqa: FBT001 - handed on
) -> Response[bytes]:
    def keep(done: tuple[int, object]) -> tuple[int, bytes]:
        return done[0], b"" if secret else msgspec.json.encode(done[1])

    done = once(desk, str(caller.key.id), key, digest, work, keep)
    if isinstance(done, Reply):
        return _replayed(done, digest)
    status, view = done
    return reply(view, status)


def _replayed(known: Reply, digest: bytes) -> Response[bytes]:
    if known.digest != digest:
        raise InvalidInput("this Idempotency-Key was used for another request", field="Idempotency-Key")
    if not known.body:
        raise Conflict("this was done before; its secret was shown then and is not shown again")
    return Response(
        known.body,
        status_code=known.status,
        media_type="application/json",
        headers={"Idempotent-Replayed": "true"},
    )
