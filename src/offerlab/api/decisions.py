"""The storefront's question: which variant for this customer, now?"""

from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from litestar.connection import ASGIConnection
from msgspec import Struct

from offerlab.api.body import BATCH_LIMIT, DECISION_LIMIT, decode_around, decode_small
from offerlab.api.decision_requests import (
    MOST_CUSTOMERS,
    BulkCustomer,
    BulkEnvelope,
    BulkRequest,
    ContextBody,
    DecisionRequest,
)
from offerlab.api.plain import Call, Route, Sent, declared, plain
from offerlab.api.rights import allow
from offerlab.api.routing import Parameter, operation
from offerlab.domain.decision import Context, Request
from offerlab.domain.naming import unit_of
from offerlab.errors import InvalidInput
from offerlab.workflows.mailing import ABREAST, Turns, answer_part
from offerlab.workflows.serving import Answer, Answered, Answers, Ask, Serving

_ONE: Final = msgspec.json.Decoder(DecisionRequest)
_MANY: Final = msgspec.json.Decoder(BulkEnvelope)
_CUSTOMER: Final = msgspec.json.Decoder(BulkCustomer)
_ENCODER: Final = msgspec.json.Encoder()


class BulkAnswer(Struct, frozen=True, kw_only=True):
    """One customer's decisions in a mailing."""

    customer_id: object
    decision_id: str
    stale: bool
    decisions: list[Answer]


class BulkAnswers(Struct, frozen=True, kw_only=True):
    """The answer to a bulk request."""

    ruleset_version: int
    unknown: list[str]
    results: list[BulkAnswer]


def serving_of(request: ASGIConnection[Any, Any, Any, Any]) -> Serving:
    """What decides in this process."""
    serving: Serving = request.app.state.serving
    return serving


async def _decide_one(call: Call, body: bytes) -> Sent:
    sent = decode_small(body, _ONE)
    explain = bool(call.query) and _wants_explanation(call.query)
    if explain:
        allow(call.caller, "decide_many")
    request = Request(
        unit=unit_of(sent.customer_id),
        anonymous=None if sent.anonymous_id is None else unit_of(sent.anonymous_id),
        attributes=sent.attributes,
        context=context_of(sent.context),
        experiments=sent.experiments,
    )
    ask = Ask(request, sent.expose is True, explain)
    return Sent(_encoded(await call.house.serving.answer(call.caller.key.project_id, ask)))


def _encoded(answer: Answered) -> bytes:
    """The shape of `Answers`, around decisions that are encoded already."""
    explained = b"" if answer.explanations is None else b',"explanations":' + _ENCODER.encode(answer.explanations)
    return b'{"decision_id":"%b","ruleset_version":%d,"stale":%b,"unknown":%b,"decisions":%b%b}' % (
        answer.decision_id,
        answer.ruleset_version,
        b"true" if answer.stale else b"false",
        _ENCODER.encode(answer.unknown) if answer.unknown else b"[]",
        answer.decisions,
        explained,
    )


def _encoded_result(customer_id: object, answer: Answered) -> bytes:
    """The shape of `BulkAnswer`."""
    return b'{"customer_id":%b,"decision_id":"%b","stale":%b,"decisions":%b}' % (
        _ENCODER.encode(customer_id),
        answer.decision_id,
        b"true" if answer.stale else b"false",
        answer.decisions,
    )


def _wants_explanation(query: bytes) -> bool:
    """Whether `?explain=true` was asked for: salts and testers stay with server keys."""
    told = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("explain", ["false"])[-1]
    if told not in ("true", "false"):
        raise InvalidInput(f"explain is true or false, not {told[:20]!r}", field="explain")
    return told == "true"


async def _decide_many(call: Call, body: bytes) -> Sent:
    """Decide for a mailing; one bad id refuses the whole list and names its place, before anybody is exposed."""
    sent, items = decode_around(body, _MANY)
    if len(items) > MOST_CUSTOMERS:
        raise InvalidInput(f"a list of customers has at most {MOST_CUSTOMERS:,}", field="customers")
    turns = Turns()
    for place, item in enumerate(items):
        _customer(place, item)
        await turns.wait()
    context = context_of(sent.context)
    serving, project_id = call.house.serving, call.caller.project_id
    version, unknown, parts = serving.version(project_id), b"[]", list[bytes]()
    for start in range(0, len(items), ABREAST):
        customers = [_customer(start + i, item) for i, item in enumerate(items[start : start + ABREAST])]
        asks = [_asked(one, sent, context) for one in customers]
        answers = await answer_part(serving, project_id, asks, turns)
        if not start:
            version, unknown = answers[0].ruleset_version, _ENCODER.encode(answers[0].unknown)
        results = [_encoded_result(one.customer_id, answer) for one, answer in zip(customers, answers, strict=True)]
        parts.append((b"," if start else b"") + b",".join(results))
        await turns.wait()
    return Sent([b'{"ruleset_version":%d,"unknown":%b,"results":[' % (version, unknown), *parts, b"]}"])


def _asked(customer: BulkCustomer, sent: BulkEnvelope, context: Context) -> Ask:
    request = Request(
        unit=unit_of(customer.customer_id),
        attributes=customer.attributes,
        context=context,
        experiments=sent.experiments,
    )
    return Ask(request, sent.expose)


def _customer(place: int, raw: msgspec.Raw) -> BulkCustomer:
    try:
        customer = decode_small(bytes(raw), _CUSTOMER)
        unit_of(customer.customer_id)
    except InvalidInput as error:
        field = f"customers[{place}].{error.field}" if error.field else f"customers[{place}]"
        raise type(error)(error.detail, field=field) from error
    return customer


def context_of(sent: ContextBody) -> Context:
    """The moment as decisions see it."""
    return Context(
        placement=sent.placement,
        channel=sent.channel,
        locale=sent.locale,
        trigger_sku=None if sent.trigger is None else sent.trigger.sku,
        trigger_event=None if sent.trigger is None else sent.trigger.event,
        cart=None if sent.cart is None else tuple([item.sku for item in sent.cart]),
        slot=sent.slot,
        agent=sent.agent,
    )


PLAIN: Final[dict[str, Route]] = {
    "/v1/decisions": plain("decide", DECISION_LIMIT, _decide_one),
    "/v1/decisions/bulk": plain("decide_many", BATCH_LIMIT, _decide_many),
}


HANDLERS: Final[list[Any]] = [
    declared(
        "/v1/decisions",
        PLAIN["/v1/decisions"],
        operation(
            "decide",
            "Decide for one customer; `explain` (server keys) tells every gate with its bucket",
            body=DecisionRequest,
            answers={200: Answers},
            query=(Parameter("explain", bool, "whether to tell every gate, passed or not; server and admin keys"),),
        ),
    ),
    declared(
        "/v1/decisions/bulk",
        PLAIN["/v1/decisions/bulk"],
        operation("decide_many", "Decide for many customers", body=BulkRequest, answers={200: BulkAnswers}),
    ),
]
