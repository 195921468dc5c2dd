"""All pages as one router, with errors told as pages."""

import logging
import secrets
from typing import Any, Final

from litestar import Response, Router
from litestar.exceptions import HTTPException

from offerlab.dashboard import actions, arrivals, doors, experiments, files, offers, reports, segments, today
from offerlab.dashboard.frame import AnyRequest, SignInFirst, Visit, enter, html, language_of, see_other, with_query
from offerlab.dashboard.readings import Readings
from offerlab.dashboard.studio import Studio
from offerlab.dashboard.words import Words
from offerlab.errors import Conflict, Forbidden, InvalidInput, NotFound, OfferLabError, TooLarge, Unavailable
from offerlab.reporting.report import Report
from offerlab.workflows.reading import read_report
from offerlab.workflows.runtime import Runtime

_log: Final = logging.getLogger(__name__)
_STATUS: Final = ((NotFound, 404), (Forbidden, 403), (Conflict, 409), (TooLarge, 413), (InvalidInput, 422))


def on_sign_in_first(request: AnyRequest, error: SignInFirst) -> Response[None]:
    """Show the door, and remember where the visitor wanted to go."""
    wanted = error.wanted if request.method == "GET" and error.wanted != "/" else None
    return see_other(with_query("/sign-in", {"to": wanted, "lang": request.query_params.get("lang")}))


def on_our_error(request: AnyRequest, error: OfferLabError) -> Response[str]:
    """Tell an error of our tree as a page."""
    words = Words(language_of(request))
    if isinstance(error, Unavailable):
        return _told(request, 503, words("away"), words("away_text"))
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    key = error.extra.get("experiment")
    if status == 404 and isinstance(key, str):  # noqa: PLR2004 - not found
        search = with_query("/experiments", {"q": key})
        return _told(request, status, words("not_found"), words("no_experiment", key=key), search=search)
    return _told(request, status, words("not_found" if isinstance(error, NotFound) else "refused"), error.detail)


def on_http_error(request: AnyRequest, error: HTTPException) -> Response[str]:
    """Tell what the framework refuses as a page."""
    words = Words(language_of(request))
    title = words("not_found") if error.status_code == 404 else words("refused")  # noqa: PLR2004 - not found
    return _told(request, error.status_code, title, words("not_found_text", path=request.url.path))


def on_surprise(request: AnyRequest, error: Exception) -> Response[str]:
    """Tell what nobody foresaw: logged under an id that the page shows."""
    number = secrets.token_hex(4)
    _log.error("unforeseen error %s on %s", number, request.scope.get("path_template") or "a page", exc_info=error)
    words = Words(language_of(request))
    return _told(request, 500, words("failed"), words("failed_text", id=number))


def _told(request: AnyRequest, status: int, title: str, text: str, *, search: str | None = None) -> Response[str]:
    return html(request, "error.html", visit=_visit(request), status=status, title=title, text=text, search=search)


def _visit(request: AnyRequest) -> Visit | None:
    try:
        return enter(request)
    except (SignInFirst, OfferLabError):
        return None


ROUTER: Final = Router(
    path="/",
    route_handlers=[
        *doors.HANDLERS,
        *today.HANDLERS,
        *experiments.HANDLERS,
        *reports.HANDLERS,
        *segments.HANDLERS,
        *arrivals.HANDLERS,
        *offers.HANDLERS,
        *actions.HANDLERS,
        *files.HANDLERS,
    ],
    exception_handlers={
        SignInFirst: on_sign_in_first,
        OfferLabError: on_our_error,
        HTTPException: on_http_error,
        Exception: on_surprise,
    },
)


def furnish(state: Any) -> None:  # noqa: ANN401 - Litestar's open state
    """Give an application what its pages work with; `state.studio` is to be closed with it."""
    state.readings, state.studio = Readings(_read), Studio()


def _read(runtime: Runtime, project_id: int, key: str, as_of: int | None) -> Report:
    return read_report(runtime, project_id, key, as_of=as_of)
