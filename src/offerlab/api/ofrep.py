"""OpenFeature's remote evaluation protocol (OFREP 0.3.0): an experiment is a flag of the same key.

Real clients are stricter than the specification: status exactly 200, `variant` and `value` always there, only
OpenFeature's reasons, errors as 400 in OFREP's own shape with `key` and `errorDetails`. An evaluation is no exposure:
browsers fetch in bulk what they may never show.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from offerlab.api import streams
from offerlab.api.body import DECISION_LIMIT
from offerlab.api.plain import Call, Route, Sent, declared, plain
from offerlab.api.routing import operation
from offerlab.api.streams import EventStream
from offerlab.domain.decision import Context, Decision, Reason
from offerlab.domain.decision import Request as DecisionRequest
from offerlab.domain.naming import unit_of
from offerlab.errors import InvalidInput
from offerlab.workflows.encoding import Encoding
from offerlab.workflows.snapshot import Snapshot

REASONS: Final[dict[Reason, str]] = {
    "SPLIT": "SPLIT",
    "FORCED": "TARGETING_MATCH",
    "SHIPPED": "TARGETING_MATCH",
    "NOT_RUNNING": "DISABLED",
}
"""OpenFeature's word for ours; everything else is STATIC. Our own word is `metadata.reason`."""

_FLAGS: Final = "/ofrep/v1/evaluate/flags"
_FLAG: Final = "/ofrep/v1/evaluate/flags/"
_ENCODER: Final = msgspec.json.Encoder()
_JSON: Final = ((b"content-type", b"application/json"),)
_SEEN: Final = frozenset(("running", "paused", "stopped"))
_WORDS: Final = ("placement", "channel", "locale")


class Evaluation(Struct, frozen=True, kw_only=True):
    """One flag's answer."""

    key: str
    value: object
    reason: str
    variant: str
    metadata: dict[str, object]


class Evaluations(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every flag's answer for one context."""

    flags: list[Evaluation]
    eventStreams: list[EventStream] = []  # noqa: N815 - the protocol's name
    metadata: dict[str, object]


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why there is no answer, in OFREP's words."""

    errorCode: str  # noqa: N815 - the protocol's name
    errorDetails: str  # noqa: N815 - likewise
    key: str | None = None


class EvaluationRequest(Struct, frozen=True, kw_only=True):
    """A free-form context with a targetingKey."""

    context: dict[str, object]


class _Refused(Exception):
    def __init__(self, code: str, detail: str) -> None:
        self.failure = Failure(errorCode=code, errorDetails=detail)


async def _evaluate_flag(call: Call, body: bytes) -> Sent:
    key = call.path[len(_FLAG) :]
    serving, project_id = call.house.serving, call.caller.project_id
    try:
        asked = _asked(body, (key,))
    except _Refused as refused:
        return Sent(_ENCODER.encode(msgspec.structs.replace(refused.failure, key=key)), 400)
    encoding = serving.encoding(call.house.runtime.snapshot(project_id))
    known = encoding.snapshot.experiments.get(key)
    decided = None if known is None or known.status not in _SEEN else await serving.evaluate(project_id, asked)
    if decided is None or not decided.decisions:
        missing = Failure(errorCode="FLAG_NOT_FOUND", errorDetails=f"no flag has the key {key!r}", key=key)
        return Sent(_ENCODER.encode(missing), 404)
    return Sent(_flag(decided.decisions[0], encoding))


async def _evaluate_flags(call: Call, body: bytes) -> Sent:
    """All experiments that run, pause or have stopped; the ETag covers context and values."""
    serving, project_id = call.house.serving, call.caller.project_id
    encoding = serving.encoding(call.house.runtime.snapshot(project_id))
    try:
        asked = _asked(body, _keys(encoding))
    except _Refused as refused:
        return Sent(_ENCODER.encode(refused.failure), 400)
    decided = await serving.evaluate(project_id, asked)
    flags = b",".join([_flag(decision, encoding) for decision in decided.decisions])
    encoded = b'{"flags":[%b],%b"metadata":{"version":"%d"}}' % (
        flags,
        call.house.listen(call.caller.key),
        encoding.snapshot.project.version,
    )
    tag = b'"%b"' % sha256(sha256(body).digest() + encoded).hexdigest()[:32].encode()
    headers = (*_JSON, (b"etag", tag))
    if tag in call.sent.get(b"if-none-match", b""):
        return Sent(b"", 304, headers[1:])
    return Sent(encoded, 200, headers)


def _keys(encoding: Encoding) -> tuple[str, ...]:
    known = encoding.notes.get("flags")
    if known is None:
        found = sorted(encoding.snapshot.experiments.items())
        known = encoding.notes["flags"] = tuple(key for key, experiment in found if experiment.status in _SEEN)
    return known


def _flag(decision: Decision, encoding: Encoding) -> bytes:
    """A decision as a flag, encoded once per outcome."""
    index = decision.outcome.index
    known = encoding.flags.get(index)
    if known is None:
        known = _ENCODER.encode(_evaluation(decision, encoding.snapshot))
        if index >= 0:
            encoding.flags[index] = known
    return known


def _asked(body: bytes, keys: tuple[str, ...]) -> DecisionRequest:
    try:
        sent = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Refused("PARSE_ERROR", f"the body is no JSON: {error}") from error
    context = sent.get("context") if isinstance(sent, dict) else None
    if not isinstance(context, dict):
        raise _Refused("INVALID_CONTEXT", "context must be an object")
    fields = cast("dict[str, object]", context)
    try:
        unit = unit_of(fields.get("targetingKey"))
    except InvalidInput as error:
        raise _Refused("INVALID_CONTEXT", error.detail) from error
    if unit is None:
        raise _Refused("TARGETING_KEY_MISSING", "context.targetingKey is required")
    return request_of(unit, fields, keys)


def request_of(unit: str, fields: Mapping[str, object], keys: tuple[str, ...]) -> DecisionRequest:
    """A decision request from a free-form context: known fields count when they have the decision's type."""
    words = {name: value for name in _WORDS if isinstance(value := fields.get(name), str) and value}
    trigger, cart = _trigger(fields.get("trigger")), _cart(fields.get("cart"))
    taken = {"targetingKey", *words, *(["trigger"] if trigger else []), *(["cart"] if cart is not None else [])}
    return DecisionRequest(
        unit=unit,
        attributes={name: value for name, value in fields.items() if name not in taken},
        context=Context(
            placement=words.get("placement"),
            channel=words.get("channel"),
            locale=words.get("locale"),
            trigger_sku=trigger.get("sku"),
            trigger_event=trigger.get("event"),
            cart=cart,
        ),
        experiments=keys,
    )


def _trigger(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not value or not set(value) <= {"sku", "event"}:
        return {}
    found = cast("dict[str, object]", value)
    return {name: text for name, text in found.items() if isinstance(text, str)}


def _cart(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    items = [item.get("sku") if isinstance(item, dict) else None for item in cast("list[object]", value)]
    skus = [sku for sku in items if isinstance(sku, str)]
    return tuple(skus) if len(skus) == len(items) else None


def _evaluation(decision: Decision, snapshot: Snapshot) -> Evaluation:
    return Evaluation(
        key=decision.experiment,
        value=decision.value,
        reason=REASONS.get(decision.reason, "STATIC"),
        variant=decision.variant_key,
        metadata={
            "experiment": decision.experiment,
            "reason": decision.reason,
            "experimentVersion": snapshot.experiments[decision.experiment].revision,
            "version": str(snapshot.project.version),
        },
    )


_ONE: Final = plain("decide", DECISION_LIMIT, _evaluate_flag)
_ALL: Final = plain("decide", DECISION_LIMIT, _evaluate_flags)


def route(path: str) -> Route | None:
    """The plain route of a path, None where it is not one of OFREP's."""
    if path == _FLAGS:
        return _ALL
    if path == streams.PATH:
        return streams.ROUTE
    return _ONE if path.startswith(_FLAG) and "/" not in path[len(_FLAG) :] else None


HANDLERS: Final[list[Any]] = [
    *streams.HANDLERS,
    declared(
        _FLAG + "{key:str}",
        _ONE,
        operation(
            "decide",
            "Evaluate one flag (OFREP)",
            body=EvaluationRequest,
            answers={200: Evaluation, 400: Failure, 404: Failure},
        ),
    ),
    declared(
        _FLAGS,
        _ALL,
        operation(
            "decide",
            "Evaluate every flag (OFREP)",
            body=EvaluationRequest,
            answers={200: Evaluations, 304: None, 400: Failure},
        ),
    ),
]
