"""Declaring a route: its right, its body and its answers, from which the guard and the OpenAPI document are made."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from offerlab.api.rights import Right
from offerlab.errors import Misconfigured

_ENCODER: Final = msgspec.json.Encoder()


class Parameter(Struct, frozen=True):
    """A query parameter."""

    name: str
    type: Any
    description: str


class Operation(Struct, frozen=True, kw_only=True):
    """What a route is, for whoever reads the OpenAPI document.

    Attributes:
        right: who may call. body: type of the JSON body. answers: type by status, None for no JSON.
        media: media type of the first answer where it is not JSON.
    """

    right: Right
    summary: str
    body: Any = None
    answers: Mapping[int, Any] = {}
    query: tuple[Parameter, ...] = ()
    media: str = "application/json"
    body_media: str = "application/json"


def operation(
    right: Right,
    summary: str,
    *,
    body: Any = None,  # noqa: ANN401 - any type
    answers: Mapping[int, Any] | None = None,
    query: tuple[Parameter, ...] = (),
    media: str = "application/json",
) -> dict[str, Any]:
    """The `opt` of a handler."""
    return {
        "right": right,
        "operation": Operation(
            right=right, summary=summary, body=body, answers=answers or {200: None}, query=query, media=media
        ),
    }


def reply(value: object, status: int = 200, **headers: str) -> Response[bytes]:
    """A JSON answer."""
    return Response(
        _ENCODER.encode(value),
        status_code=status,
        media_type="application/json",
        headers={name.replace("_", "-"): text for name, text in headers.items()},
    )


def check_rights(app: Litestar) -> None:
    """Refuse to start with a route that nobody decided about.

    Raises:
        Misconfigured: names the route.
    """
    for route in app.routes:
        handlers = getattr(route, "route_handlers", None) or [getattr(route, "route_handler", None)]
        for handler in handlers:
            if handler is None or "OPTIONS" in getattr(handler, "http_methods", ()):
                continue
            if "right" not in handler.opt:
                raise Misconfigured(f"the route {route.path} declares no right")


def handlers_of(app: Litestar) -> list[tuple[str, str, Operation]]:
    """Every (path, method, operation) of the application; from the running thing, not from a list."""
    found: list[tuple[str, str, Operation]] = []
    for route in app.routes:
        handlers = getattr(route, "route_handlers", None) or [getattr(route, "route_handler", None)]
        for handler in handlers:
            if handler is None or "operation" not in handler.opt:
                continue
            methods = handler.http_methods if isinstance(handler, HTTPRouteHandler) else handler.opt["methods"]
            found += [
                (route.path, method, handler.opt["operation"]) for method in sorted(methods) if method != "OPTIONS"
            ]
    return found
