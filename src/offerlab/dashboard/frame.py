"""What every page stands in: language, session, templates, and the headers that keep foreign script out."""

import hashlib
import hmac
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from litestar import Request, Response
from litestar.datastructures import Cookie
from markupsafe import Markup
from msgspec import Struct

from offerlab.dashboard import glyphs
from offerlab.dashboard.assets import asset_url
from offerlab.dashboard.words import Words
from offerlab.errors import Forbidden
from offerlab.reporting.figures import MINUS
from offerlab.reporting.words import Language
from offerlab.workflows import visiting
from offerlab.workflows.desk import Desk
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.snapshot import Snapshot
from offerlab.workflows.visiting import Visitor

AnyRequest = Request[Any, Any, Any]

SESSION_COOKIE: Final = "offerlab_session"
LANGUAGE_COOKIE: Final = "offerlab_language"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_YEAR_S: Final = 365 * 86_400


class SignInFirst(Exception):
    """Nobody is signed in; carries where to go afterwards."""

    def __init__(self, wanted: str) -> None:
        """Remember the page asked for."""
        super().__init__(wanted)
        self.wanted = wanted


class Visit(Struct, frozen=True):
    """One signed-in request: who, which project, in what language.

    Attributes:
        token: of the session; forgery tokens are derived from it.
    """

    runtime: Runtime
    visitor: Visitor
    token: str
    language: Language
    path: str
    query: dict[str, str]

    @property
    def snapshot(self) -> Snapshot:
        """The project as served now."""
        return self.runtime.snapshot(self.visitor.project_id)

    @property
    def may_act(self) -> bool:
        """Whether action buttons are shown, and obeyed."""
        return self.visitor.kind == "admin"

    @property
    def desk(self) -> Desk:
        """Where this visitor changes things; the audit log names the key."""
        return Desk(self.runtime, self.visitor.project_id, self.visitor.actor)

    @property
    def stamp(self) -> str:
        """What a form carries to show that it is ours."""
        return stamp_of(self.token)

    def url(self, **changes: str | None) -> str:
        """This page's address with some of its query changed; None takes a part away."""
        return with_query(self.path, {**self.query, **changes})


def stamp_of(token: str) -> str:
    """The forgery token of a session."""
    return hmac.digest(token.encode(), b"form", hashlib.sha256).hex()


def with_query(path: str, query: Mapping[str, str | None]) -> str:
    """An address with those parts of a query that have a value."""
    kept = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def enter(request: AnyRequest) -> Visit:
    """Let a signed-in visitor in; reads the store, so call it in a thread.

    Raises:
        SignInFirst: no session, or one that has ended.
    """
    runtime: Runtime = request.app.state.runtime
    token = request.cookies.get(SESSION_COOKIE)
    visitor = visiting.visitor(runtime, token)
    if visitor is None or token is None:
        raise SignInFirst(str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""))
    return Visit(runtime, visitor, token, language_of(request), request.url.path, dict(request.query_params.items()))


def check_form(request: AnyRequest, visit: Visit, form: Mapping[str, str]) -> None:
    """Refuse a form that another site may have sent, and actions by those who may only look.

    Raises:
        Forbidden: says which.
    """
    check_origin(request)
    if not hmac.compare_digest(form.get("stamp", "").encode(), visit.stamp.encode()):
        raise Forbidden("this form is out of date; open the page again")
    if not visit.may_act:
        raise Forbidden("a read key may not do this")


def check_origin(request: AnyRequest) -> None:
    """Refuse a form sent from another site.

    Raises:
        Forbidden: the browser says that it comes from elsewhere.
    """
    origin = request.headers.get("origin")
    if origin not in (None, "null") and origin.partition("://")[2] != request.headers.get("host", ""):
        raise Forbidden("this form was sent from another site")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("this form was sent from another site")


def language_of(request: AnyRequest) -> Language:
    """The reader's language: as asked in the address, as chosen before, as the browser prefers."""
    asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    if asked == "ko":
        return "ko"
    if asked == "en":
        return "en"
    preferred = request.headers.get("accept-language", "").lower()
    korean, english = preferred.find("ko"), preferred.find("en")
    return "ko" if korean >= 0 and (english < 0 or korean < english) else "en"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("offerlab.dashboard"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )


def _unbroken(value: object) -> object:
    """A number stays on the line of its per cent sign and of its minus, also before a currency's sign."""
    if not isinstance(value, str) or isinstance(value, Markup):  # markup is made of values that came by here
        return value
    return value.replace(" %", "\N{NO-BREAK SPACE}%").replace(MINUS, f"{MINUS}\N{WORD JOINER}")


def html(
    request: AnyRequest,
    template: str,
    *,
    visit: Visit | None = None,
    status: int = 200,
    language: Language | None = None,
    **values: object,
) -> Response[str]:
    """A page."""
    language = language or (visit.language if visit else language_of(request))
    words = Words(language)
    other = "en" if language == "ko" else "ko"
    query = dict(request.query_params.items())
    body = (
        _environment()
        .get_template(template)
        .render(
            t=words,
            asset=asset_url,
            glyph=glyphs.verdict,
            mark=glyphs.arm,
            check_mark=glyphs.check,
            language=language,
            visit=visit,
            project=visit.snapshot.project.name if visit and len(visit.runtime.projects()) > 1 else None,
            here=request.url.path,
            other_language=with_query(request.url.path, {**query, "lang": other}),
            status_line=words.maybe(f"done_{query.get('done', '')}"),
            **values,
        )
    )
    response = Response(body, status_code=status, media_type="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "no-store"
    if request.query_params.get("lang") in ("en", "ko"):
        response.set_cookie(
            Cookie(LANGUAGE_COOKIE, value=language, max_age=_YEAR_S, samesite="lax", secure=is_secure(request))
        )
    return response


def is_secure(request: AnyRequest) -> bool:
    """Whether the browser speaks TLS with us."""
    return bool(request.url.scheme == "https")


def see_other(location: str) -> Response[None]:
    """Send the browser on to another page."""
    response: Response[None] = Response(None, status_code=303, media_type="text/plain", headers={"Location": location})
    response.headers["Cache-Control"] = "no-store"
    return response
