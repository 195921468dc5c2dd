"""The OpenAPI document, made from the routes that really exist and the structs that really decode.

Litestar's own generator knows nothing of bodies that are read by hand and does not say `additionalProperties: false`;
msgspec says both.
"""

import re
from typing import Any, Final

import msgspec
from litestar import Litestar

from offerlab import __version__
from offerlab.api.problems import MEDIA_TYPE, Problem
from offerlab.api.rights import may
from offerlab.api.routing import Operation, handlers_of

_PARAMETER: Final = re.compile(r"{(\w+)(?::(\w+))?}")
_PROBLEMS: Final = {
    400: "Malformed request",
    401: "No key, or an unknown one",
    403: "This key may not do this",
    404: "No such object in this project",
    405: "Wrong method",
    409: "Exists otherwise, or is not in the state that this needs",
    412: "Changed since it was read (If-Match)",
    413: "Too large",
    422: "A field is wrong; it is named",
    429: "Too many requests",
    503: "Not ready, or the store can't be reached; try again",
}
_KINDS: Final = ("admin", "server", "client", "read")
_REF: Final = "#/components/schemas/{name}"


def document(app: Litestar) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `app`."""
    operations = handlers_of(app)
    types: list[Any] = [Problem]
    for _, _, one in operations:
        types += [shape for sent in (one.body, *one.answers.values()) for shape in _shapes(sent)]
        types += [parameter.type for parameter in one.query]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF, schema_hook=_anything)
    by_type = {_name(shape): schema for shape, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for path, method, one in operations:
        paths.setdefault(_PARAMETER.sub(r"{\1}", path), {})[method.lower()] = _operation(path, method, one, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "OfferLab", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _anything(shape: type) -> dict[str, Any]:
    """Schema of a value whose type is not ours to say.

    Raises:
        NotImplementedError: msgspec's way to hear that a type is unknown here too.
    """
    if shape is object:
        return {"description": "any JSON value"}  # an empty schema counts as none
    raise NotImplementedError


def _shapes(shape: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type, several in a tuple, or None
    if shape is None:
        return ()
    return tuple(shape) if isinstance(shape, tuple) else (shape,)


def _schema(shape: Any, schemas: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - likewise
    found = [schemas[_name(one)] for one in _shapes(shape)]
    if len(found) == 1:
        return dict(found[0])
    return {"anyOf": found} if found else {}


def _name(shape: Any) -> str:  # noqa: ANN401 - any type
    return repr(shape)


def _operation(path: str, method: str, one: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if kind == "int" else "string"},
        }
        for name, kind in _PARAMETER.findall(path)
    ]
    parameters += [
        {
            "name": p.name,
            "in": "query",
            "required": False,
            "description": p.description,
            "schema": schemas[_name(p.type)],
        }
        for p in one.query
    ]
    described: dict[str, Any] = {
        "operationId": _identifier(method, path),
        "summary": one.summary,
        "parameters": parameters,
        "responses": _responses(one, schemas),
    }
    if one.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {one.body_media: {"schema": _schema(one.body, schemas)}},
        }
    if one.right not in ("open", "page", "signed"):
        kinds = [kind for kind in _KINDS if may(kind, one.right)]
        described["description"] = f"Keys: {', '.join(kinds)}."
        described["security"] = [{"bearer": []}, {"apiKey": []}, {"basic": []}]
    return described


def _responses(one: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, shape in one.answers.items():
        content = {one.media: {"schema": _schema(shape, schemas)}}
        answers[str(status)] = {"description": "Done", "content": content}
    problem = {MEDIA_TYPE: {"schema": schemas[_name(Problem)]}}
    for status, description in _PROBLEMS.items():
        answers.setdefault(str(status), {"description": description, "content": problem})
    return answers


def _identifier(method: str, path: str) -> str:
    words = [word for word in re.split(r"\W+", _PARAMETER.sub(r"by_\1", path)) if word]
    return "_".join([method.lower(), *words])
