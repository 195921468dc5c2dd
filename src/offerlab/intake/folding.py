"""Folding one event into a customer's profile.

Every rule here is a maximum, a union or a keyed overwrite by time, so that the order of arrival does not matter and
replaying the same events (each once) gives the identical profile. Duplicates never get here: the register of event
ids stops them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from offerlab.domain.clock import DAY, from_micros, to_micros
from offerlab.domain.customer import NOBODY, PROFILED, PROFILING, Profile, product_declined, step_of
from offerlab.domain.event import Event, Exposure, Interaction, Order

REMEMBERED_VIEWS: Final = 200
SHOWN_DAYS: Final = 14
DEFAULT_PURPOSE: Final = "marketing"
Bought = tuple[int, int, int, int]
"""An order as a profile keeps it."""
T = TypeVar("T")


def fold(profile: Profile, event: Event, *, currency: str) -> Profile:
    """The profile after `event`.

    Args:
        profile: what is known so far.
        event: accepted for the first time.
        currency: the project's; orders in another one count, their value does not.
    """
    fact = event.fact
    if isinstance(fact, Exposure):
        return _shown(profile, fact, event.occurred_at)
    if isinstance(fact, Order):
        return _order(profile, fact, event.occurred_at, currency)
    if isinstance(fact, Interaction):
        return _interaction(profile, event, fact)
    return replace(profile, trouble_at=max(profile.trouble_at, event.occurred_at))


def unite(profiles: Sequence[Profile]) -> Profile:
    """What is known of one person under several ids: what folding all their events into one profile would give."""
    if len(profiles) == 1:
        return profiles[0]
    orders: dict[str, Bought] = {}
    attributes: dict[str, tuple[int, object]] = {}
    consents: dict[str, tuple[int, bool]] = {}
    changes: dict[str, tuple[int, bool]] = {}
    shown: dict[str, int] = {}
    ratings: dict[str, tuple[int, float]] = {}
    for profile in profiles:
        _keep(ratings, profile.ratings, lambda entry: entry)
        for order_id, bought in profile.orders.items():
            known = orders.get(order_id)
            orders[order_id] = bought if known is None else _told_again(known, bought)
        _keep(attributes, profile.attributes, lambda entry: (entry[0], repr(entry[1])))
        _keep(consents, profile.consents, lambda entry: (entry[0], not entry[1]))
        _keep(changes, profile.cart_changes, lambda entry: (entry[0], not entry[1]))
        for key, count in profile.shown.items():
            shown[key] = shown.get(key, 0) + count
    cart = max(profile.cart for profile in profiles)
    return Profile(
        orders=orders,
        viewed=_remembered(_latest_of(profile.viewed for profile in profiles)),
        owned=_latest_of(profile.owned for profile in profiles),
        cart=cart,
        cart_changes={sku: change for sku, change in changes.items() if change[0] > cart[0]},
        attributes=attributes,
        consents=consents,
        declined=_latest_of(profile.declined for profile in profiles),
        trouble_at=max(profile.trouble_at for profile in profiles),
        ratings=ratings,
        shown=_recent(shown),
    )


def _keep(into: dict[str, T], news: Mapping[str, T], rank: Callable[[T], Any]) -> None:
    for name, entry in news.items():
        if name not in into or rank(into[name]) < rank(entry):
            into[name] = entry


def _latest_of(maps: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in maps:
        _keep(found, one, lambda at: at)
    return found


def _order(profile: Profile, order: Order, at: int, currency: str) -> Profile:
    net = order.net_minor if order.currency == currency else 0
    entry = (at, net, order.revision, at)
    known = profile.orders.get(order.order_id)
    if known is not None:
        entry = _told_again(known, entry)
    owned = dict(profile.owned)
    for line in order.lines:
        owned[line.sku] = max(at, owned.get(line.sku, at))
    return replace(profile, orders={**profile.orders, order.order_id: entry}, owned=owned)


def _told_again(known: Bought, news: Bought) -> Bought:
    """An order told twice: the highest revision counts, of equal ones the earliest; bought when it was first told."""
    _, net, revision, told_at = max(known, news, key=_precedence)
    return min(known[0], news[0]), net, revision, told_at


def _precedence(entry: Bought) -> tuple[int, int, int]:
    _, net, revision, told_at = entry
    return revision, -told_at, -net


def _shown(profile: Profile, exposure: Exposure, at: int) -> Profile:
    if exposure.offer is None or exposure.suppressed is not None:
        return profile
    day, channel = at // DAY, exposure.channel or "web"
    if profile is NOBODY.profile:
        return _first_shown(day, channel)
    key = _shown_on(day, channel)
    return replace(profile, shown=_recent({**profile.shown, key: profile.shown.get(key, 0) + 1}))


@lru_cache(maxsize=64)
def _shown_on(day: int, channel: str) -> str:
    """Where a profile counts the offers of a day, by its number since 1970, and a channel."""
    return f"{from_micros(day * DAY).date().isoformat()}:{channel}"


@lru_cache(maxsize=64)
def _first_shown(day: int, channel: str) -> Profile:
    """The profile of somebody of whom nothing is known but a first offer: one for all of them."""
    return Profile(shown={_shown_on(day, channel): 1})


def _recent(shown: dict[str, int]) -> dict[str, int]:
    if len(shown) <= 1:
        return shown
    newest = max(day[:10] for day in shown)
    oldest = from_micros(_midnight(newest) - SHOWN_DAYS * DAY).date().isoformat()
    return {day: count for day, count in shown.items() if day[:10] > oldest}


def without_old(profile: Profile, *, looked: int, bought: int) -> Profile:
    """A profile without what was looked at, or bought, before these moments (microseconds UTC).

    Consents, ratings, declines and told attributes stay: they say what somebody wants now.
    """
    fresh = {
        "viewed": {sku: at for sku, at in profile.viewed.items() if at >= looked},
        "cart": profile.cart if profile.cart[0] >= looked else (0, ()),
        "cart_changes": {sku: said for sku, said in profile.cart_changes.items() if said[0] >= looked},
        "orders": {name: order for name, order in profile.orders.items() if order[0] >= bought},
        "owned": {sku: at for sku, at in profile.owned.items() if at >= bought},
    }
    changed = {name: value for name, value in fresh.items() if value != getattr(profile, name)}
    return replace(profile, **changed) if changed else profile


def _remembered(viewed: dict[str, int]) -> dict[str, int]:
    if len(viewed) <= REMEMBERED_VIEWS:
        return viewed
    return dict(sorted(sorted(viewed.items(), key=lambda item: (-item[1], item[0]))[:REMEMBERED_VIEWS]))


def _midnight(day: str) -> int:
    return to_micros(datetime.fromisoformat(day).replace(tzinfo=UTC))


def _interaction(profile: Profile, event: Event, fact: Interaction) -> Profile:
    at = event.occurred_at
    match event.type:
        case "product_viewed" if fact.sku is not None:
            viewed = {**profile.viewed, fact.sku: max(at, profile.viewed.get(fact.sku, at))}
            return replace(profile, viewed=_remembered(viewed))
        case "cart_updated":
            return _cart(profile, fact, at)
        case "offer_declined" if fact.offer is not None:
            declined = {**profile.declined, fact.offer: max(at, profile.declined.get(fact.offer, at))}
            if fact.sku is not None:
                for key in (step_of(fact.offer, fact.sku), product_declined(fact.sku)):
                    declined[key] = max(at, profile.declined.get(key, at))
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


def _cart(profile: Profile, fact: Interaction, at: int) -> Profile:
    """The latest whole cart, and what was put in or taken out after it; at one instant, out counts."""
    cart = profile.cart
    if "added" not in fact.data and "removed" not in fact.data:
        cart = max(cart, (at, _skus(fact.data.get("skus"))))
    changes = dict(profile.cart_changes)
    for inside, skus in ((True, fact.data.get("added")), (False, fact.data.get("removed"))):
        for sku in _skus(skus):
            before = changes.get(sku)
            if before is None or (before[0], not before[1]) < (at, not inside):
                changes[sku] = (at, inside)
    return replace(profile, cart=cart, cart_changes={sku: one for sku, one in changes.items() if one[0] > cart[0]})


def _skus(value: object) -> tuple[str, ...]:
    return tuple(str(sku) for sku in value) if isinstance(value, list | tuple) else ()


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
    key = PROFILED if purpose == PROFILING else f"{channel}:{purpose}"
    before = known.get(key)
    # Of a grant and a refusal at the same instant the refusal counts.
    if before is not None and (before[0], not before[1]) >= (at, not granted):
        return known
    return {**known, key: (at, granted)}
