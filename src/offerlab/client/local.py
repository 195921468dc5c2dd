"""Decisions without a service: the same pure assignment over a downloaded ruleset.

What only the service knows (earlier exposures, orders, caps, consents) is not here. A local answer treats the
customer as a stranger with the attributes that the caller tells, and says with `settled` whether the service, knowing
more, might answer otherwise.
"""

import time
from collections.abc import Mapping, Sequence

from offerlab.assignment.decide import decide, settled_without_state
from offerlab.assignment.ruleset import Rules, Ruleset, compile_ruleset
from offerlab.assignment.wire import decode
from offerlab.client.answers import Answer, Answers
from offerlab.domain.customer import NOBODY
from offerlab.domain.decision import Context, Decision, Request
from offerlab.domain.money import from_micro, micro_per_minor, text
from offerlab.domain.naming import unit_of
from offerlab.domain.offer import Offer


class Local:
    """Decides from one ruleset. Safe to share between threads; load a newer one and replace it whole.

    Args:
        rules: as `offerlab.assignment.wire.decode` reads them.
        etag: of the download, to ask for news.
    """

    def __init__(self, rules: Rules, *, etag: str | None = None) -> None:
        self._ruleset: Ruleset = compile_ruleset(rules)
        self.etag = etag

    @classmethod
    def load(cls, document: bytes, *, etag: str | None = None) -> "Local":
        """From the bytes that `GET /v1/ruleset` answers.

        Raises:
            InvalidInput: no ruleset, or of another format.
        """
        return cls(decode(document), etag=etag)

    @property
    def version(self) -> int:
        """Version of the ruleset."""
        return self._ruleset.version

    def decide(
        self,
        customer_id: object,
        *,
        attributes: Mapping[str, object] | None = None,
        context: Mapping[str, object] | None = None,
        experiments: Sequence[str] | None = None,
        anonymous_id: object = None,
        now: int | None = None,
    ) -> Answers:
        """Decide for one customer.

        Args:
            customer_id: a string or an integer; what names nobody enters no arm.
            attributes: what rules may look at.
            context: `placement`, `channel`, `locale`, `trigger`, `cart` as in `POST /v1/decisions`.
            experiments: keys; None for all.
            anonymous_id: for experiments that bucket by it.
            now: microseconds UTC; None for the system's clock.

        Raises:
            InvalidInput: the id is no id.
        """
        request = Request(
            unit=unit_of(customer_id),
            anonymous=unit_of(anonymous_id),
            attributes=dict(attributes or {}),
            context=context_of(context or {}),
            experiments=None if experiments is None else tuple(experiments),
        )
        at = time.time_ns() // 1000 if now is None else now
        decided = decide(self._ruleset, NOBODY, request, at)
        return Answers(
            decisions=[self._answer(one, request, at) for one in decided.decisions],
            unknown=decided.unknown,
            ruleset_version=self.version,
            stale=True,
        )

    def _answer(self, decision: Decision, request: Request, now: int) -> Answer:
        return Answer(
            experiment=decision.experiment,
            variant=decision.variant_key,
            enrolled=decision.enrolled,
            reason=decision.reason,
            segment=decision.segment,
            propensity=decision.propensity,
            epoch=decision.epoch,
            offer=self._shown(decision, request),
            suppressed=decision.suppressed,
            settled=settled_without_state(self._ruleset, decision, request, now),
        )

    def _shown(self, decision: Decision, request: Request) -> dict[str, object] | None:
        offer = decision.offer
        if offer is None:
            return None
        return {
            "key": offer.key,
            "kind": offer.kind,
            "products": self._priced(decision.products, offer),
            "discount": {
                "type": offer.discount.type,
                "value": None if offer.discount.value is None else text(offer.discount.value),
                "code": offer.discount.shared_code,
            },
            "timing": {"trigger": offer.timing.trigger, "delay_seconds": offer.timing.delay_seconds},
            "channel": offer.channel or request.context.channel or "web",
        }

    def _priced(self, skus: tuple[str, ...], offer: Offer) -> list[dict[str, object]]:
        currency, shelf = self._ruleset.settings.currency, self._ruleset.shelf.products
        products = [shelf[sku] for sku in skus if sku in shelf]
        after = offer.discount.prices_after(
            [product.price_micro for product in products], micro_per_minor(currency), together=offer.kind == "bundle"
        )
        return [
            {
                "sku": product.sku,
                "name": product.name,
                "price": text(from_micro(product.price_micro, currency)),
                "offer_price": text(from_micro(price, currency)),
            }
            for product, price in zip(products, after, strict=True)
        ]


def context_of(sent: Mapping[str, object]) -> Context:
    """The moment as decisions see it; fields of another type than theirs say nothing."""
    trigger, cart = sent.get("trigger"), sent.get("cart")
    said = trigger if isinstance(trigger, Mapping) else {}
    return Context(
        placement=_word(sent.get("placement")),
        channel=_word(sent.get("channel")),
        locale=_word(sent.get("locale")),
        trigger_sku=_word(said.get("sku")),
        trigger_event=_word(said.get("event")),
        cart=tuple(_skus(cart)) if isinstance(cart, Sequence) and not isinstance(cart, str) else None,
    )


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _skus(cart: Sequence[object]) -> list[str]:
    return [sku for item in cart if isinstance(item, Mapping) and isinstance(sku := item.get("sku"), str)]
