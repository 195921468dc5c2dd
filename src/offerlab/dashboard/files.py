"""Style, script and marks; and the drawing library's own script, made once from the installed package."""

import asyncio
import gzip
from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from offerlab.dashboard.assets import asset
from offerlab.dashboard.frame import AnyRequest
from offerlab.dashboard.studio import studio_of
from offerlab.errors import NotFound

_KEEP: Final = "public, max-age=31536000, immutable"
_BUNDLE: Final = "vega.js"


@get("/static/{name:str}", opt={"right": "open"})
async def static_file(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A packed file."""
    if name == _BUNDLE:
        packed = await asyncio.to_thread(studio_of(request.app.state).packed_bundle)
        return _script(packed, request)
    found = asset(name)
    if found is None:
        raise NotFound(f"there is no file {name!r}")
    body, kind = found
    return Response(body, media_type=kind, headers={"Cache-Control": _KEEP})


def _script(packed: bytes, request: AnyRequest) -> Response[bytes]:
    headers = {"Cache-Control": "private, max-age=86400", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(packed, media_type="text/javascript", headers=headers)
    return Response(gzip.decompress(packed), media_type="text/javascript", headers=headers)


HANDLERS: Final[list[Any]] = [static_file]
