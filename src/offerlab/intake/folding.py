"""Folding one event into a customer's profile.

Every rule here is a maximum, a union or a keyed overwrite by time, so that the order of arrival does not matter and
replaying the same events (each once) gives the identical profile. Duplicates never get here: the register of event
ids stops them.
"""

from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from offerlab.domain.clock import DAY, from_micros, to_micros
from offerlab.domain.customer import Profile
from offerlab.domain.event import Event, Exposure, Interaction, Order

REMEMBERED_VIEWS: Final = 200
SHOWN_DAYS: Final = 14
DEFAULT_PURPOSE: Final = "marketing"


def fold(profile: Profile, event: Event, *, currency: str) -> Profile:
    """The profile after `event`.

    Args:
        profile: what is known so far.
        event: accepted for the first time.
        currency: the project's; orders in another one count, their value does not.
    """
    fact = event.fact
    if isinstance(fact, Order):
        return _order(profile, fact, event.occurred_at, currency)
    if isinstance(fact, Exposure):
        return _shown(profile, fact, event.occurred_at)
    if isinstance(fact, Interaction):
        return _interaction(profile, event, fact)
    return replace(profile, trouble_at=max(profile.trouble_at, event.occurred_at))


def _order(profile: Profile, order: Order, at: int, currency: str) -> Profile:
    net = order.net_minor if order.currency == currency else 0
    entry = (at, net, order.revision)
    known = profile.orders.get(order.order_id)
    if known is not None and _precedence(known) >= _precedence(entry):
        entry = known
    owned = dict(profile.owned)
    for line in order.lines:
        owned[line.sku] = max(at, owned.get(line.sku, at))
    return replace(profile, orders={**profile.orders, order.order_id: entry}, owned=owned)


def _precedence(entry: tuple[int, int, int]) -> tuple[int, int, int]:
    """The highest revision of an order counts; of equal ones the earliest."""
    at, net, revision = entry
    return revision, -at, -net


def _shown(profile: Profile, exposure: Exposure, at: int) -> Profile:
    if exposure.offer is None or exposure.suppressed is not None:
        return profile
    key = f"{from_micros(at).date().isoformat()}:{exposure.channel or 'web'}"
    shown = {**profile.shown, key: profile.shown.get(key, 0) + 1}
    newest = max(day[:10] for day in shown)
    oldest = from_micros(_midnight(newest) - SHOWN_DAYS * DAY).date().isoformat()
    return replace(profile, shown={day: count for day, count in shown.items() if day[:10] > oldest})


def _midnight(day: str) -> int:
    return to_micros(datetime.fromisoformat(day).replace(tzinfo=UTC))


def _interaction(profile: Profile, event: Event, fact: Interaction) -> Profile:
    at = event.occurred_at
    match event.type:
        case "product_viewed" if fact.sku is not None:
            viewed = {**profile.viewed, fact.sku: max(at, profile.viewed.get(fact.sku, at))}
            if len(viewed) > REMEMBERED_VIEWS:
                kept = sorted(viewed.items(), key=lambda item: (-item[1], item[0]))[:REMEMBERED_VIEWS]
                viewed = dict(sorted(kept))
            return replace(profile, viewed=viewed)
        case "cart_updated":
            skus = fact.data.get("skus")
            cart = (at, tuple(str(sku) for sku in skus) if isinstance(skus, list | tuple) else ())
            return replace(profile, cart=max(profile.cart, cart))
        case "offer_declined" if fact.offer is not None:
            declined = {**profile.declined, fact.offer: max(at, profile.declined.get(fact.offer, at))}
            return replace(profile, declined=declined)
        case "review" if fact.sku is not None and fact.number is not None:
            mark = (at, fact.number)
            return replace(
                profile, ratings={**profile.ratings, fact.sku: max(mark, profile.ratings.get(fact.sku, mark))}
            )
        case "complaint":
            return replace(profile, trouble_at=max(profile.trouble_at, at))
        case "profile":
            return replace(profile, attributes=_latest(profile.attributes, fact.data, at))
        case "consent" | "unsubscribe":
            return replace(profile, consents=_consents(profile.consents, event.type, fact, at))
        case _:
            return profile


def _latest(known: dict[str, tuple[int, object]], news: dict[str, object], at: int) -> dict[str, tuple[int, object]]:
    merged = dict(known)
    for name, value in news.items():
        before = merged.get(name)
        if before is None or (before[0], repr(before[1])) < (at, repr(value)):
            merged[name] = (at, value)
    return merged


def _consents(
    known: dict[str, tuple[int, bool]], event_type: str, fact: Interaction, at: int
) -> dict[str, tuple[int, bool]]:
    channel = str(fact.data.get("channel") or "email")
    purpose = str(fact.data.get("purpose") or DEFAULT_PURPOSE)
    granted = event_type == "consent" and fact.data.get("granted") is True
    key = f"{channel}:{purpose}"
    before = known.get(key)
    # Of a grant and a refusal at the same instant the refusal counts.
    if before is not None and (before[0], not before[1]) >= (at, not granted):
        return known
    return {**known, key: (at, granted)}
