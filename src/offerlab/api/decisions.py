"""The storefront's question: which variant for this customer, now?"""

from typing import Any, Final

import msgspec
from litestar import Request, Response, post
from msgspec import Struct

from offerlab.api.body import BATCH_LIMIT, DECISION_LIMIT, read
from offerlab.api.changes import caller_of
from offerlab.api.requests import BulkRequest, ContextBody, DecisionRequest
from offerlab.api.routing import operation, reply
from offerlab.domain.decision import Context
from offerlab.domain.naming import unit_of
from offerlab.errors import InvalidInput
from offerlab.workflows.serving import Answer, Answers, Ask, Serving

AnyRequest = Request[Any, Any, Any]

_ONE: Final = msgspec.json.Decoder(DecisionRequest)
_MANY: Final = msgspec.json.Decoder(BulkRequest)


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


def serving_of(request: AnyRequest) -> Serving:
    """What decides in this process."""
    serving: Serving = request.app.state.serving
    return serving


@post(
    "/v1/decisions",
    status_code=200,
    opt=operation("decide", "Decide for one customer", body=DecisionRequest, answers={200: Answers}),
)
async def decide_one(request: AnyRequest) -> Response[bytes]:
    """Decide; with `expose` the answer comes after the exposure is on disk."""
    sent = await read(request, _ONE, limit=DECISION_LIMIT)
    ask = Ask(
        customer_id=sent.customer_id,
        anonymous_id=sent.anonymous_id,
        attributes=sent.attributes,
        context=context_of(sent.context),
        experiments=sent.experiments,
        expose=sent.expose,
    )
    return reply(await serving_of(request).answer(caller_of(request).project_id, ask))


@post(
    "/v1/decisions/bulk",
    status_code=200,
    opt=operation("decide_many", "Decide for many customers", body=BulkRequest, answers={200: BulkAnswers}),
)
async def decide_many(request: AnyRequest) -> Response[bytes]:
    """Decide for a mailing; one bad id refuses the whole list and names its place."""
    sent = await read(request, _MANY, limit=BATCH_LIMIT)
    for i, customer in enumerate(sent.customers):
        _check(customer.customer_id, i)
    asks = [
        Ask(
            customer_id=customer.customer_id,
            attributes=customer.attributes,
            context=context_of(sent.context),
            experiments=sent.experiments,
            expose=sent.expose,
        )
        for customer in sent.customers
    ]
    answers = await serving_of(request).answer_many(caller_of(request).project_id, asks)
    version = answers[0].ruleset_version if answers else serving_of(request).version(caller_of(request).project_id)
    return reply(
        BulkAnswers(
            ruleset_version=version,
            unknown=answers[0].unknown if answers else [],
            results=[
                BulkAnswer(
                    customer_id=ask.customer_id,
                    decision_id=answer.decision_id,
                    stale=answer.stale,
                    decisions=answer.decisions,
                )
                for ask, answer in zip(asks, answers, strict=True)
            ],
        )
    )


def _check(customer_id: object, place: int) -> None:
    try:
        unit_of(customer_id)
    except InvalidInput as error:
        raise InvalidInput(error.detail, field=f"customers[{place}].customer_id") from error


def context_of(sent: ContextBody) -> Context:
    """The moment as decisions see it."""
    return Context(
        placement=sent.placement,
        channel=sent.channel,
        locale=sent.locale,
        trigger_sku=None if sent.trigger is None else sent.trigger.sku,
        trigger_event=None if sent.trigger is None else sent.trigger.event,
        cart=None if sent.cart is None else tuple(item.sku for item in sent.cart),
    )


HANDLERS: Final[list[Any]] = [decide_one, decide_many]
