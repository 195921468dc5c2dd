"""The way out of a message: a page with one button for people, one POST for mail programs (RFC 8058)."""

from html import escape
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath

from offerlab.api.changes import runtime_of
from offerlab.api.routing import operation
from offerlab.errors import NotFound
from offerlab.messaging.languages import is_korean
from offerlab.workflows.unsubscribing import PATH, WayOut, unsubscribe, way_out

AnyRequest = Request[Any, Any, Any]
_HTML: Final = "text/html"
_WORDS: Final = {
    "en": ("Unsubscribe", "No more offers this way?", "Unsubscribe", "Done. You get no more offers this way."),
    "ko": ("수신거부", "더 이상 제안을 받지 않으시겠어요?", "수신거부", "처리했어요. 이제 제안을 보내지 않아요."),
}
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


@get(f"{PATH}/{{token:str}}", opt=operation("open", "Ask before unsubscribing", answers={200: None}, media="text/html"))
async def ask(request: AnyRequest, token: FromPath[str]) -> Response[str]:
    """Looking changes nothing: mail scanners open every link."""
    _said(request, token)
    _, question, button, _ = _words(request)
    return _page(request, f'<p>{escape(question)}</p><form method="post"><button>{escape(button)}</button></form>')


@post(
    f"{PATH}/{{token:str}}",
    status_code=200,
    opt=operation("open", "Unsubscribe with one click (RFC 8058)", answers={200: None}, media="text/html"),
)
async def done(request: AnyRequest, token: FromPath[str]) -> Response[str]:
    """Takes effect before the answer; the body (`List-Unsubscribe=One-Click`) says nothing that the link does not."""
    await unsubscribe(runtime_of(request), _said(request, token))
    return _page(request, f"<p>{escape(_words(request)[3])}</p>")


def _said(request: AnyRequest, token: str) -> WayOut:
    said = way_out(runtime_of(request), token)
    if said is None:
        raise NotFound("this link was not made here")
    return said


def _words(request: AnyRequest) -> tuple[str, str, str, str]:
    return _WORDS[
        "ko" if is_korean(request.headers.get("accept-language", "").split(",")[0].split(";")[0].strip()) else "en"
    ]


def _page(request: AnyRequest, body: str) -> Response[str]:
    lang = "ko" if _words(request) is _WORDS["ko"] else "en"
    title = escape(_words(request)[0])
    page = (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>'
    )
    return Response(page, media_type=_HTML, headers=_HEADERS)


HANDLERS: Final[list[Any]] = [ask, done]
