"""In and out: a key opens a session, a cookie holds it."""

import asyncio
from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import Cookie

from offerlab.dashboard.forms import form_of
from offerlab.dashboard.frame import (
    SESSION_COOKIE,
    AnyRequest,
    check_origin,
    enter,
    html,
    is_secure,
    language_of,
    see_other,
)
from offerlab.dashboard.words import Words
from offerlab.domain.clock import SECOND
from offerlab.errors import Forbidden, Unauthenticated
from offerlab.workflows import visiting

PAGE: Final[dict[str, Any]] = {"right": "page"}


@get("/sign-in", opt=PAGE)
async def sign_in_page(request: AnyRequest) -> Response[str]:
    """The form."""
    return html(request, "sign_in.html", problem=None, to=_local(request.query_params.get("to", "/")))


@post("/sign-in", opt=PAGE, status_code=303)
async def sign_in(request: AnyRequest) -> Response[Any]:
    """Open a session, or say what is wrong with the key."""
    check_origin(request)
    form = await form_of(request)
    to, words = _local(form.get("to", "/")), Words(language_of(request))
    runtime = request.app.state.runtime
    try:
        token = await asyncio.to_thread(visiting.sign_in, runtime, form.get("key", ""))
    except Unauthenticated:
        return html(request, "sign_in.html", status=401, problem=words("bad_key"), to=to)
    except Forbidden:
        return html(request, "sign_in.html", status=403, problem=words("wrong_kind"), to=to)
    response = see_other(to)
    response.set_cookie(
        Cookie(
            SESSION_COOKIE,
            value=token,
            max_age=visiting.SESSION // SECOND,
            httponly=True,
            samesite="lax",
            secure=is_secure(request),
        )
    )
    return response


@post("/sign-out", opt=PAGE, status_code=303)
async def sign_out(request: AnyRequest) -> Response[None]:
    """End the session; a read key may do this too."""
    check_origin(request)
    visit = await asyncio.to_thread(enter, request)
    await asyncio.to_thread(visiting.sign_out, visit.runtime, visit.token)
    response = see_other("/sign-in")
    response.delete_cookie(SESSION_COOKIE)
    return response


def _local(address: str) -> str:
    """An address of this site, or its front page: nobody is sent elsewhere."""
    is_local = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_local else "/"


HANDLERS: Final[list[Any]] = [sign_in_page, sign_in, sign_out]
