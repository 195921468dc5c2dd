"""OpenFeature's remote evaluation protocol (OFREP 0.3.0): an experiment is a flag of the same key.

Real clients are stricter than the specification: status exactly 200, `variant` and `value` always there, only
OpenFeature's reasons, errors as 400 in OFREP's own shape with `key` and `errorDetails`. An evaluation is no exposure:
browsers fetch in bulk what they may never show.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
from litestar import Request, Response, post
from litestar.params import FromPath
from msgspec import Struct

from offerlab.api.body import DECISION_LIMIT, bounded
from offerlab.api.changes import caller_of, runtime_of
from offerlab.api.decisions import serving_of
from offerlab.api.routing import operation, reply
from offerlab.domain.decision import Context, Decision, Reason
from offerlab.domain.decision import Request as DecisionRequest
from offerlab.domain.naming import unit_of
from offerlab.errors import InvalidInput
from offerlab.workflows.snapshot import Snapshot

AnyRequest = Request[Any, Any, Any]

REASONS: Final[dict[Reason, str]] = {
    "SPLIT": "SPLIT",
    "FORCED": "TARGETING_MATCH",
    "SHIPPED": "TARGETING_MATCH",
    "NOT_RUNNING": "DISABLED",
}
"""OpenFeature's word for ours; everything else is STATIC. Our own word is `metadata.reason`."""

_SEEN: Final = frozenset(("running", "paused", "stopped"))
_WORDS: Final = ("placement", "channel", "locale")


class Evaluation(Struct, frozen=True, kw_only=True):
    """One flag's answer."""

    key: str
    value: object
    reason: str
    variant: str
    metadata: dict[str, object]


class Evaluations(Struct, frozen=True, kw_only=True):
    """Every flag's answer for one context."""

    flags: list[Evaluation]
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


@post(
    "/ofrep/v1/evaluate/flags/{key:str}",
    status_code=200,
    opt=operation(
        "decide",
        "Evaluate one flag (OFREP)",
        body=EvaluationRequest,
        answers={200: Evaluation, 400: Failure, 404: Failure},
    ),
)
async def evaluate_flag(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """One experiment's arm as a flag value."""
    snapshot = _snapshot(request)
    try:
        asked = _asked(await bounded(request, DECISION_LIMIT), (key,))
    except _Refused as refused:
        return reply(msgspec.structs.replace(refused.failure, key=key), 400)
    known = snapshot.experiments.get(key)
    if known is None or known.status not in _SEEN:
        return reply(Failure(errorCode="FLAG_NOT_FOUND", errorDetails=f"no flag has the key {key!r}", key=key), 404)
    decided = await serving_of(request).evaluate(caller_of(request).project_id, asked)
    return reply(_evaluation(decided.decisions[0], snapshot))


@post(
    "/ofrep/v1/evaluate/flags",
    status_code=200,
    opt=operation(
        "decide",
        "Evaluate every flag (OFREP)",
        body=EvaluationRequest,
        answers={200: Evaluations, 304: None, 400: Failure},
    ),
)
async def evaluate_flags(request: AnyRequest) -> Response[bytes]:
    """All experiments that run, pause or have stopped; the ETag covers context and values."""
    snapshot = _snapshot(request)
    keys = tuple(key for key, experiment in sorted(snapshot.experiments.items()) if experiment.status in _SEEN)
    body = await bounded(request, DECISION_LIMIT)
    try:
        asked = _asked(body, keys)
    except _Refused as refused:
        return reply(refused.failure, 400)
    decided = await serving_of(request).evaluate(caller_of(request).project_id, asked)
    answer = Evaluations(
        flags=[_evaluation(decision, snapshot) for decision in decided.decisions],
        metadata={"version": str(snapshot.project.version)},
    )
    encoded = msgspec.json.encode(answer)
    tag = f'"{hashlib.sha256(hashlib.sha256(body).digest() + encoded).hexdigest()[:32]}"'
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers={"ETag": tag})
    return Response(encoded, media_type="application/json", headers={"ETag": tag})


def _snapshot(request: AnyRequest) -> Snapshot:
    return runtime_of(request).snapshot(caller_of(request).project_id)


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


HANDLERS: Final[list[Any]] = [evaluate_flag, evaluate_flags]
