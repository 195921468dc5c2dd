"""The client: decisions that never break a checkout, events that are never lost without a word.

A decision has one deadline for all its attempts; whatever goes wrong, the answer is empty and says why, so that
`answers.variant(key, default=...)` serves the default. After a few failures in a row it stops asking for a moment,
because a service in trouble is helped by silence. Events are retried for longer, which is safe because their ids
count once for ever; when that fails too, the error is raised.
"""

import logging
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self, TypeVar

import httpx
import msgspec
from msgspec import Struct, structs

from offerlab.client.answers import Answer, Answers, Receipt
from offerlab.client.local import Local
from offerlab.client.transport import NOT_MODIFIED, Breaker, Patience, Transport
from offerlab.domain.clock import iso
from offerlab.domain.naming import unit_of
from offerlab.errors import InvalidInput, OfferLabError, Unavailable

EVENTS: Final = Patience(30.0, 6)
DOWNLOAD: Final = Patience(30.0, 3)
_log: Final = logging.getLogger(__name__)
T = TypeVar("T")


class BulkAnswer(Struct, frozen=True, kw_only=True):
    """One customer's answers in a mailing."""

    customer_id: object
    decision_id: str
    stale: bool
    decisions: list[Answer]


class _Bulk(Struct, frozen=True, kw_only=True):
    results: list[BulkAnswer]


class Client:
    """Talks to one OfferLab service. Safe to share between threads; close it, or use it in a `with`.

    Args:
        url: of the service, such as `https://offers.example.com`.
        key: a server key (a publishable one may ask for one customer at a time).
        timeout: seconds a decision may take in all, attempts and pauses together.
        retries: further attempts within that time.
        transport: how requests travel; None for HTTP.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 1.0,
        retries: int = 1,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._transport = Transport(url, key, transport=transport)
        self._patience = Patience(timeout, 1 + retries)
        self._breaker = Breaker()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        self._transport.close()

    def decide(
        self,
        customer_id: object,
        *,
        attributes: Mapping[str, object] | None = None,
        context: Mapping[str, object] | None = None,
        experiments: Sequence[str] | None = None,
        anonymous_id: object = None,
        expose: bool = False,
        fallback: Local | None = None,
    ) -> Answers:
        """Ask which variants to show to one customer now. Never raises for what the service or the network does.

        Args:
            customer_id: a string or an integer.
            attributes: what segment rules and messages may look at.
            context: `placement`, `channel`, `locale`, `trigger`, `cart`.
            experiments: keys; None for all.
            anonymous_id: for experiments that bucket by it.
            expose: log the exposure with the decision.
            fallback: decides when the service does not.
        """
        body = _given(
            customer_id=customer_id,
            expose=expose,
            attributes=attributes,
            context=context,
            experiments=experiments,
            anonymous_id=anonymous_id,
        )
        try:
            unit_of(customer_id)
            return self._answer(body)
        except OfferLabError as error:
            _log.warning("no decision from the service (%s): %s", error.code, error.detail)
            if fallback is None or isinstance(error, InvalidInput):
                return Answers(decisions=[], error=error.code)
            local = fallback.decide(
                customer_id, attributes=attributes, context=context, experiments=experiments, anonymous_id=anonymous_id
            )
            return structs.replace(local, error=error.code)

    def variant(self, experiment: str, customer_id: object, *, default: str, expose: bool = False) -> str:
        """The variant of one experiment, or `default` when nothing could be decided."""
        return self.decide(customer_id, experiments=[experiment], expose=expose).variant(experiment, default=default)

    def decide_many(
        self,
        customers: Sequence[Mapping[str, object]],
        *,
        context: Mapping[str, object] | None = None,
        experiments: Sequence[str] | None = None,
        expose: bool = False,
        timeout: float = 60.0,
    ) -> list[BulkAnswer]:
        """Decide for a mailing: `customers` as `{"customer_id", "attributes"?}`, in their order.

        Raises:
            OfferLabError: the service refused or did not answer.
        """
        body = _given(customers=list(customers), expose=expose, context=context, experiments=experiments)
        response = self._transport.call("POST", "/v1/decisions/bulk", body, patience=Patience(timeout, 2))
        return _decoded(response, _Bulk).results

    def expose(self, customer_id: object, answers: Answers, *, experiments: Sequence[str] | None = None) -> Receipt:
        """Report that the customer reached the moment that `answers` were asked for, in whatever arm.

        Raises:
            OfferLabError: it could not be stored.
        """
        now = iso(time.time_ns() // 1000)
        common: dict[str, object] = {"type": "exposure", "customer_id": customer_id, "occurred_at": now}
        if answers.decision_id is not None:
            common["decision_id"] = answers.decision_id
        enrolled = [one for one in answers.decisions if one.enrolled]
        wanted = [one for one in enrolled if experiments is None or one.experiment in experiments]
        if not wanted:
            return Receipt(accepted=0)
        return self.send({**common, "experiment": one.experiment, "variant": one.variant} for one in wanted)

    def send(self, events: Iterable[Mapping[str, object]]) -> Receipt:
        """Store events; an event without an `id` gets one, so that a retry counts once.

        Returns:
            What was accepted (it is on disk), was there before, or was rejected and why.

        Raises:
            OfferLabError: the batch could not be stored.
        """
        items = [{"id": str(uuid.uuid4()), **event} for event in events]
        response = self._transport.call("POST", "/v1/events", {"events": items}, patience=EVENTS)
        return _decoded(response, Receipt)

    def local(self) -> Local:
        """Download the ruleset, to decide without the service.

        Raises:
            OfferLabError: it could not be had.
        """
        response = self._transport.call("GET", "/v1/ruleset", patience=DOWNLOAD)
        return Local.load(response.content, etag=response.headers.get("etag"))

    def newer(self, local: Local) -> Local:
        """The ruleset served now: `local` itself while it is that.

        Raises:
            OfferLabError: it could not be had.
        """
        headers = {} if local.etag is None else {"If-None-Match": local.etag}
        response = self._transport.call("GET", "/v1/ruleset", patience=DOWNLOAD, headers=headers)
        if response.status_code == NOT_MODIFIED:
            return local
        return Local.load(response.content, etag=response.headers.get("etag"))

    def _answer(self, body: dict[str, object]) -> Answers:
        self._breaker.check()
        try:
            answers = _decoded(self._transport.call("POST", "/v1/decisions", body, patience=self._patience), Answers)
        except Unavailable:
            self._breaker.note(failed=True)
            raise
        self._breaker.note(failed=False)
        return answers


def _given(**fields: object) -> dict[str, object]:
    """The fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def _decoded(response: httpx.Response, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(response.content, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable(f"what answered is no OfferLab: {error}") from error
