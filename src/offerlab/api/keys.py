"""API keys: made here, shown once."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath
from msgspec import Struct

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change, runtime_of
from offerlab.api.requests import NewKey
from offerlab.api.responses import KeyCreated, KeyView
from offerlab.api.routing import operation, reply
from offerlab.domain.clock import iso
from offerlab.errors import NotFound
from offerlab.workflows import access
from offerlab.workflows.access import StoredKey
from offerlab.workflows.desk import Desk

AnyRequest = Request[Any, Any, Any]
_NEW: Final = msgspec.json.Decoder(NewKey)


class KeyList(Struct, frozen=True):
    """All keys of the project, without their secrets."""

    items: list[KeyView]
    next: None = None


@post("/v1/keys", opt=operation("define", "Create an API key", body=NewKey, answers={201: KeyCreated}))
async def post_key(request: AnyRequest) -> Response[bytes]:
    """The secret stands in this answer and nowhere else."""
    body = await bounded(request, DEFINITION_LIMIT)
    sent = decode(body, _NEW)

    def work(desk: Desk) -> tuple[int, object]:
        stored, secret = access.create_key(desk, kind=sent.kind, name=sent.name)
        return 201, KeyCreated(id=stored.id, key=secret, kind=stored.kind, name=stored.name)

    return await change(request, work, body=body, secret=True)


@get("/v1/keys", opt=operation("define", "List API keys", answers={200: KeyList}), sync_to_thread=True)
def list_keys(request: AnyRequest) -> Response[bytes]:
    """All keys, oldest first."""
    found = access.keys_of(runtime_of(request), caller_of(request).project_id)
    return reply(KeyList([_view(key) for key in found]))


@delete("/v1/keys/{key_id:int}", status_code=200, opt=operation("define", "Revoke an API key", answers={200: KeyView}))
async def revoke_key(request: AnyRequest, key_id: FromPath[int]) -> Response[bytes]:
    """From now on the key opens nothing."""

    def work(desk: Desk) -> tuple[int, object]:
        revoked = access.revoke_key(desk, key_id)
        if revoked is None:
            raise NotFound(f"no key has the id {key_id}")
        return 200, _view(revoked)

    return await change(request, work)


def _view(key: StoredKey) -> KeyView:
    return KeyView(
        id=key.id,
        kind=key.kind,
        name=key.name,
        prefix=key.prefix,
        created_at=iso(key.created_at),
        revoked_at=None if key.revoked_at is None else iso(key.revoked_at),
    )


HANDLERS: Final[list[Any]] = [post_key, list_keys, revoke_key]
