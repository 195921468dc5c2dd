"""Whether the moment that a request states is an experiment's (or an offer's) own. Nothing here looks at the arm."""

from collections.abc import Iterable

from msgspec import Struct

from offerlab.domain.decision import Context
from offerlab.domain.offer import Offer


class Moment(Struct, frozen=True):
    """What may be stated; None in a place: anything."""

    placements: frozenset[str] | None = None
    channels: frozenset[str] | None = None
    events: frozenset[str] | None = None
    skus: frozenset[str] | None = None

    @property
    def is_any(self) -> bool:
        """Whether every context fits."""
        return self.placements is None and self.channels is None and self.events is None and self.skus is None

    def fits(self, context: Context) -> bool:
        """Whether nothing that `context` states contradicts this moment."""
        if self.placements is not None and context.placement is not None and context.placement not in self.placements:
            return False
        if self.channels is not None and context.channel is not None and context.channel not in self.channels:
            return False
        if self.events is not None and context.trigger_event is not None and context.trigger_event not in self.events:
            return False
        return self.skus is None or _touches(self.skus, context)


def _touches(skus: frozenset[str], context: Context) -> bool:
    if context.trigger_sku is None and context.cart is None:
        return True
    return context.trigger_sku in skus or not skus.isdisjoint(context.cart or ())


def moment_of(offers: Iterable[Offer]) -> Moment:
    """The union of the offers' moments; one that names nothing in a place opens that place for all."""
    offers = list(offers)
    return Moment(
        _union([offer.placements for offer in offers]),
        _union([() if offer.channel is None else (offer.channel,) for offer in offers]),
        _union([() if offer.timing.trigger is None else (offer.timing.trigger,) for offer in offers]),
        _union([offer.trigger_products for offer in offers]),
    )


def _union(sets: list[tuple[str, ...]]) -> frozenset[str] | None:
    if not sets or not all(sets):
        return None
    return frozenset(item for items in sets for item in items)
