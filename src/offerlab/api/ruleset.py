"""The rules themselves, for servers that decide by themselves: salts and testers included, costs left out."""

from typing import Any, Final

from litestar import Request, Response, get

from offerlab.api.definitions import snapshot_of
from offerlab.api.routing import operation
from offerlab.assignment.wire import Document, encode, published

AnyRequest = Request[Any, Any, Any]


@get(
    "/v1/ruleset", opt=operation("decide_many", "The ruleset, for local evaluation", answers={200: Document, 304: None})
)
async def get_ruleset(request: AnyRequest) -> Response[bytes]:
    """Everything that local evaluation needs; 304 while the version named by If-None-Match is served."""
    rules = snapshot_of(request).ruleset.rules
    etag = f'"{rules.version}"'
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers={"ETag": etag})
    return Response(encode(published(rules)), media_type="application/json", headers={"ETag": etag})


HANDLERS: Final[list[Any]] = [get_ruleset]
