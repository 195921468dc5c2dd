"""Offers that the service delivers itself: what sets them off, and what is kept of them until they are due.

Where any arm of an experiment is delivered by us, its moment comes with an event (an order, a parcel, a view): every
arm is exposed there, control included, and the offers wait in the store for their time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from offerlab.domain.clock import SECOND
from offerlab.domain.customer import CustomerState
from offerlab.domain.decision import Context, Decision
from offerlab.domain.event import Event, Exposure, Interaction, Order, Planned
from offerlab.domain.experiment import Experiment
from offerlab.domain.offer import Offer
from offerlab.domain.touchpoint import TRIGGERS, channel_at
from offerlab.intake.folding import fold

_SERVES: Final = ("running", "stopped")
_TOLD: Final = ("profile", "consent", "unsubscribe")
"""Events that say what a customer is and wants, rather than what they did."""


def automatic_of(experiments: Iterable[Experiment], offers: Mapping[str, Offer]) -> dict[str, tuple[str, ...]]:
    """Keys of the experiments that an event sets off, by trigger."""
    found: dict[str, list[str]] = {}
    for experiment in experiments:
        shown = [offers[key] for key in experiment.offer_keys() if key in offers]
        if experiment.status in _SERVES and any(offer.delivery != "caller" for offer in shown):
            for trigger in sorted({offer.timing.trigger for offer in shown if offer.timing.trigger in TRIGGERS}):
                found.setdefault(trigger or "", []).append(experiment.key)
    return {trigger: tuple(keys) for trigger, keys in found.items()}


def trigger_of(event: Event) -> str | None:
    """What an event sets off; None: nothing."""
    match event.type:
        case "order":
            return "order_placed"
        case "shipment" if isinstance(event.fact, Interaction):
            return f"shipment_{event.fact.data.get('stage')}"
        case "product_viewed" | "cart_updated":
            return event.type
        case _:
            return None


def state_at(event: Event, state: CustomerState, said: Sequence[Event], *, currency: str) -> CustomerState:
    """The customer as known at an event: from the store, and from what else came with it.

    A shop sends the tick below "write to me" and the order together; the order must not be judged without it. So what
    happened before counts, and of the same moment what the customer told us; not what they did, or two orders of one
    moment would each be the other's past.

    Args:
        event: that sets something off.
        state: as stored.
        said: the customer's events of the same batch, in any order.
        currency: of the project.
    """
    earlier = [
        one
        for one in said
        if one.occurred_at < event.occurred_at or (one.occurred_at == event.occurred_at and one.type in _TOLD)
    ]
    if not earlier:
        return state
    profile = state.profile
    for one in sorted(earlier, key=lambda one: (one.occurred_at, one.id)):
        if not isinstance(one.fact, Exposure):
            profile = fold(profile, one, currency=currency)
    return replace(state, profile=profile)


def moment_of_event(event: Event, trigger: str, state: CustomerState, wanted: frozenset[str]) -> Context:
    """The moment that an event makes: what was bought, sent, seen or put into the cart.

    Args:
        event: it.
        trigger: as `trigger_of` names it.
        state: the customer before it.
        wanted: skus that offers wait for; one of them is the trigger's where there are several.
    """
    skus = _skus(event, state)
    first = next((sku for sku in skus if sku in wanted), skus[0] if skus else None)
    bought = event.type in ("order", "shipment")
    locale = state.profile.attributes.get("locale")
    return Context(
        trigger_event=trigger,
        trigger_sku=first,
        cart=skus if bought or event.type == "cart_updated" else None,
        locale=locale[1] if locale is not None and isinstance(locale[1], str) else None,
    )


def _skus(event: Event, state: CustomerState) -> tuple[str, ...]:
    fact = event.fact
    if isinstance(fact, Order):
        return tuple(dict.fromkeys(line.sku for line in fact.lines))
    if not isinstance(fact, Interaction):
        return ()
    if fact.sku is not None:
        return (fact.sku,)
    order = state.profile.orders.get(str(fact.data.get("order_id")))
    if event.type == "shipment" and order is not None:
        return tuple(sorted(sku for sku, at in state.profile.owned.items() if at == order[3]))
    told = fact.data.get("skus")
    return tuple(str(sku) for sku in told) if isinstance(told, list | tuple) else ()


def order_of_event(event: Event) -> str | None:
    """The order that an event speaks of."""
    if isinstance(event.fact, Order):
        return event.fact.order_id
    if isinstance(event.fact, Interaction) and event.type == "shipment":
        return str(event.fact.data.get("order_id"))
    return None


def planned_of(decision: Decision, context: Context, at: int, order_id: str | None = None) -> tuple[Planned, ...]:
    """What is to be kept of a decision until its offer is due: nothing where it is withheld or the caller shows it.

    Args:
        decision: as made at the trigger.
        context: the moment.
        at: the trigger, microseconds UTC.
        order_id: the order whose parcel the offer may wait for.
    """
    offer = decision.outcome.offer
    if offer is None or offer.delivery == "caller" or decision.withheld is not None:
        return ()
    return plan_for(
        offer,
        context,
        at,
        order_id,
        experiment_id=decision.experiment_id,
        variant=decision.variant,
        picked=decision.picked,
    )


def plan_for(
    offer: Offer,
    context: Context,
    at: int,
    order_id: str | None = None,
    *,
    experiment_id: int,
    variant: int,
    picked: tuple[str, ...] | None,
) -> tuple[Planned, ...]:
    """Likewise, from the parts of an exposure."""
    if offer.delivery == "caller" or (offer.timing.stage is not None and order_id is None):
        return ()
    lasts = offer.timing.expires_after_seconds
    told: dict[str, object] = {
        "placement": context.placement,
        "locale": context.locale,
        "trigger": context.trigger_sku,
        "cart": None if context.cart is None else list(context.cart),
        "picked": None if picked is None else list(picked),
    }
    return (
        Planned(
            offer=offer.key,
            offer_version=offer.version,
            experiment_id=experiment_id,
            variant=variant,
            channel=channel_at(offer.channel, context.channel, context.placement),
            delivery=offer.delivery,
            context={name: value for name, value in told.items() if value is not None},
            triggered_at=at,
            order_id=order_id,
            stage=offer.timing.stage,
            delay=offer.timing.delay_seconds * SECOND,
            lasts=None if lasts is None else lasts * SECOND,
        ),
    )
