"""The one table from our errors to HTTP, and their form on the wire (RFC 9457)."""

import logging
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import Struct

from offerlab.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    OfferLabError,
    PreconditionFailed,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1
_log: Final = logging.getLogger(__name__)


class Malformed(InvalidInput):
    """A body that is no JSON, or no UTF-8."""

    code = "malformed"


_STATUS: Final[tuple[tuple[type[OfferLabError], int], ...]] = (
    (Malformed, 400),
    (InvalidInput, 422),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (PreconditionFailed, 412),
    (Conflict, 409),
    (TooLarge, 413),
    (Unavailable, 503),
)


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a caller reads when something can't be done.

    Attributes:
        code: stable; clients may branch on it.
        field: dotted path of the field at fault.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str = ""
    field: str | None = None
    extra: dict[str, object] = {}


def status_of(error: OfferLabError) -> int:
    """The HTTP status of one of our errors."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem_of(error: OfferLabError, path: str = "") -> Problem:
    """Our error as it goes over the wire."""
    return _problem(status_of(error), error.code, error.detail, path, error.field, error.extra)


def _problem(
    status: int,
    code: str,
    detail: str,
    path: str = "",
    field: str | None = None,
    extra: dict[str, object] | None = None,
) -> Problem:
    return Problem(
        type=f"urn:offerlab:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        instance=path,
        field=field,
        extra=extra or {},
    )


def headers_of(problem: Problem) -> dict[str, str]:
    """The headers that go with a problem."""
    if problem.status == HTTPStatus.UNAUTHORIZED:
        return {"www-authenticate": "Bearer"}
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"retry-after": str(RETRY_AFTER_S)}
    return {}


def respond(problem: Problem) -> Response[bytes]:
    """The response that carries a problem."""
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers_of(problem),
    )


def wrong_method(path: str) -> Problem:
    """The route has no such method."""
    return _problem(405, "method_not_allowed", HTTPStatus(405).description, path)


def surprise(path: str) -> Problem:
    """What nobody foresaw, told without any inner detail."""
    return _problem(500, "internal", "something went wrong on our side; it was logged", path)


def on_our_error(request: Request[Any, Any, Any], error: OfferLabError) -> Response[bytes]:
    """Handle an error of our tree."""
    return respond(problem_of(error, request.url.path))


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Handle what the framework refuses: unknown routes, wrong methods, broken requests."""
    status = error.status_code
    code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(status, "invalid_request")
    detail = HTTPStatus(status).description or HTTPStatus(status).phrase
    response = respond(_problem(status, code, detail, request.url.path))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def on_surprise(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Handle what nobody foresaw: logged here, told without any inner detail."""
    _log.error("unforeseen error on %s", request.scope.get("path_template") or "a route", exc_info=error)
    return respond(surprise(request.url.path))
