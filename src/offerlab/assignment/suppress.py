"""Whether the offer of the arm may be shown to this customer now. The customer stays in the arm either way.

Suppression does only what was asked for: caps, cool-downs, slots and the affinity floor are project settings; consent
and quiet hours bind email, sms and push. The first reason found is the one that is logged, in this order: no_match,
consent, quiet_hours, the products' own (out_of_stock, owned, in_cart, low_affinity), cooling_down, cap. So a cap
counts only what would otherwise have been shown.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Final

from msgspec import Struct

from offerlab.assignment.hashing import salt_of
from offerlab.assignment.matching import MATCHED, Found, Seen, Shelf, candidates, is_stocked, stood_for
from offerlab.assignment.moment import Moment, moment_of
from offerlab.domain.clock import DAY, SECOND, from_micros
from offerlab.domain.customer import CustomerState, product_declined, step_of
from offerlab.domain.decision import Context, Request, Suppression
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product
from offerlab.domain.project import Caps, ProjectSettings
from offerlab.domain.timing import zones_of
from offerlab.domain.touchpoint import SENT, SENT_PLACEMENTS, channel_at

MARKETING: Final = ("marketing", "ads", "advertising", "offers", "promotion", "promotions")
NIGHT: Final = ("night", "night_marketing", "marketing_night", "night_ads")
"""Purposes of a consent that count as consent to offers, and to offers at night. The latest word counts."""

_MARKETING_KEYS: Final = {channel: tuple(f"{channel}:{purpose}" for purpose in MARKETING) for channel in SENT}
_NIGHT_KEYS: Final = {channel: tuple(f"{channel}:{purpose}" for purpose in NIGHT) for channel in SENT}
_WEEK: Final = 7
_NEVER_SHOWN: Final = (0,) * _WEEK


class Display(Struct, frozen=True, kw_only=True):
    """An arm's offer with what is known of it beforehand.

    Attributes:
        moment: the offer's own. products: its products that the catalogue has; skus: of all of them.
        salt: draws the random match.
        always: some check may fail even where nothing is sent and nothing of it lies in the cart; else none needs to
            run there.
    """

    offer: Offer
    moment: Moment
    products: tuple[Product, ...]
    skus: frozenset[str]
    salt: str
    always: bool


class Case(Struct, frozen=True):
    """Everything a check may look at besides the offer: the ruleset's catalogue and settings, and who asks when.

    Attributes:
        now: microseconds UTC.
    """

    shelf: Shelf
    settings: ProjectSettings
    state: CustomerState
    request: Request
    now: int


class Verdict(Struct, frozen=True):
    """Why nothing is shown, or the skus picked by a match (None: the offer's own products)."""

    withheld: Suppression | None = None
    picked: tuple[str, ...] | None = None


FREE: Final = Verdict()


def is_sent(context: Context) -> bool:
    """Whether the request states a channel or a place that needs consent: whatever is shown there is sent."""
    return context.channel in SENT or context.placement in SENT_PLACEMENTS


def is_undisturbed(display: Display, cart: Collection[str] | None) -> bool:
    """Whether no check of this offer can fail where nothing is sent: what `always` leaves is a product in the cart."""
    return not display.always and (not cart or display.skus.isdisjoint(cart))


def display_of(offer: Offer, shelf: Shelf, settings: ProjectSettings, *, moment: Moment, salt: str) -> Display:
    """Prepare an arm's offer; `moment` is the experiment's own, `salt` the experiment's."""
    own = moment_of((offer,))
    products = tuple(shelf.products[sku] for sku in offer.products if sku in shelf.products)
    limited = (
        (offer.channel or "web") in settings.caps
        or settings.global_cap != Caps()
        or (offer.channel is None and bool(settings.caps))
        or settings.declined_days is not None
        or settings.trouble_days is not None
    )
    return Display(
        offer=offer,
        moment=own,
        products=products,
        skus=frozenset(offer.products),
        salt=salt_of(salt, "product"),
        always=bool(
            limited
            or own != moment
            or offer.match != "curated"
            or (offer.kind == "upsell" and len(offer.products) > 1)
            or offer.channel in SENT
            or not SENT_PLACEMENTS.isdisjoint(offer.placements)
            or len(products) < len(offer.products)
            or any(product.sold_out or product.durable or product.lasts_days for product in products)
        ),
    )


def judge(display: Display, case: Case) -> Verdict:
    """Every check, in order."""
    if not display.moment.fits(case.request.context):
        return Verdict("no_match")
    return _judge_offer(display, case, planned=display.offer.delivery != "caller")


def judge_due(display: Display, case: Case) -> Verdict:
    """Every check once more when an offer that was planned for its time falls due, but caps: it counted already."""
    return _judge_offer(display, case, planned=False, delayed=False)


def _judge_offer(display: Display, case: Case, *, planned: bool, delayed: bool = True) -> Verdict:
    """`planned`: we deliver it, and put it off when it falls due at night; `delayed`: it is judged at its due time."""
    offer = display.offer
    channel = _channel(offer, case.request)
    if channel in SENT:
        if not _wanted(channel, display, case):
            return Verdict("consent")
        due_at = case.now + (offer.timing.delay_seconds * SECOND if delayed else 0)
        if not planned and quiet_until(channel, case, due_at) > due_at:
            return Verdict("quiet_hours")
    found = _products(display, case)
    if found.withheld is not None:
        return found
    if _cooling(offer, case):
        return Verdict("cooling_down")
    return Verdict("cap") if delayed and _capped(channel, case) else found


def preview(display: Display, case: Case) -> Verdict:
    """What a tester sees: the offer with whatever its match finds first, nothing withheld for the customer's sake."""
    if display.offer.match == "curated":
        return FREE
    first = next(_matches(display, case), None)
    return Verdict("no_match") if first is None else Verdict(None, (first.product.sku,))


def on_page(offer: Offer, request: Request) -> bool:
    """Whether the offer takes one of the slots of a page."""
    return _channel(offer, request) not in SENT


def _channel(offer: Offer, request: Request) -> str:
    return channel_at(offer.channel, request.context.channel, request.context.placement)


def quiet_until(channel: str, case: Case, at: int) -> int:
    """When an offer due at `at` may go out: then, or when the recipient's night is over (microseconds UTC)."""
    quiet = case.settings.quiet_hours
    if quiet is None or channel not in quiet.channels:
        return at
    said = _said(case.state.profile.consents, _NIGHT_KEYS[channel])
    if said is not None and said[1] and said[0] >= _oldest(case):
        return at
    zones = zones_of(_told(case, "timezone"), _told(case, "country"), case.settings.timezone)
    return quiet.ends_at(at, zones)


def _wanted(channel: str, display: Display, case: Case) -> bool:
    """Whether the customer consented; or, where the project says so, bought such goods lately and never refused."""
    said = _said(case.state.profile.consents, _MARKETING_KEYS[channel])
    if said is not None:
        return said[1] and said[0] >= _oldest(case)
    days = case.settings.soft_opt_in_days
    if days is None:
        return False
    owned = case.state.profile.owned
    kinds = {product.category for product in display.products if product.category is not None}
    return any(
        at > case.now - days * DAY and (known := case.shelf.products.get(sku)) is not None and known.category in kinds
        for sku, at in owned.items()
    )


def _oldest(case: Case) -> int:
    """The time of the oldest consent that counts."""
    days = case.settings.consent_days
    return 0 if days is None else case.now - days * DAY


def _said(consents: Mapping[str, tuple[int, bool]], keys: tuple[str, ...]) -> tuple[int, bool] | None:
    """The latest word about one of these; at the same instant a refusal counts. None: no word."""
    latest: tuple[int, bool] | None = None
    for key in keys:
        told = consents.get(key)
        if told is not None and (latest is None or (latest[0], not latest[1]) < (told[0], not told[1])):
            latest = told
    return latest


def _told(case: Case, name: str) -> object:
    told = case.request.attributes.get(name)
    known = case.state.profile.attributes.get(name)
    return known[1] if told is None and known is not None else told


def _products(display: Display, case: Case) -> Verdict:
    offer = display.offer
    cart = frozenset(case.request.context.cart or ())
    if offer.match == "curated":
        return _own_products(display, case, cart)
    floor = case.settings.affinity_floor if offer.match in MATCHED else None
    first: Suppression | None = None
    for found in _matches(display, case):
        blocked = _blocked(found.product, case, cart) or _weak(found, floor)
        if blocked is None:
            return Verdict(None, (found.product.sku,))
        first = first or blocked
    if first is None and offer.match == "similar" and offer.kind != "upsell" and stood_for(case.shelf, _seen(case)):
        return Verdict("owned")
    return Verdict(first or "no_match")


def _seen(case: Case) -> Seen:
    return Seen(case.request.context, case.state.profile, case.now, case.settings.viewed_days)


def _matches(display: Display, case: Case) -> Iterator[Found]:
    return candidates(case.shelf, display.offer, _seen(case), (display.salt, case.request.unit or ""))


def _own_products(display: Display, case: Case, cart: frozenset[str]) -> Verdict:
    """A bundle needs all of its products; any other offer goes on with those that may be shown."""
    offer, products = display.offer, display.products
    if not offer.products:
        return FREE
    if offer.kind == "upsell" and len(offer.products) > 1:
        return _tier(offer, products, case, cart)
    blocked: list[Suppression | None] = [_blocked(product, case, cart) for product in products]
    if len(products) == len(offer.products) and not any(blocked):
        return FREE
    left = tuple(product.sku for product, reason in zip(products, blocked, strict=True) if reason is None)
    if offer.kind == "bundle" or not left:
        reasons: list[Suppression] = [reason for reason in blocked if reason is not None]
        return Verdict(reasons[0] if reasons else "no_match")
    return Verdict(None, left)


def _tier(offer: Offer, products: tuple[Product, ...], case: Case, cart: frozenset[str]) -> Verdict:
    """One step of a ladder: the first that makes sense and was not declined; after a no the next lower one (S9)."""
    first: Suppression | None = None
    for product in products:
        reason = _blocked(product, case, cart)
        if reason is None and step_of(offer.key, product.sku) not in case.state.profile.declined:
            return Verdict(None, (product.sku,))
        first = first or reason
    return Verdict(first or "cooling_down")


def _blocked(product: Product, case: Case, cart: frozenset[str]) -> Suppression | None:
    """Why this product makes no sense now; one that was declined lately stays away, whichever offer it stands in."""
    profile = case.state.profile
    if product.sold_out:
        return "out_of_stock"
    if is_stocked(product, profile, case.now):
        return "owned"
    if product.sku in cart:
        return "in_cart"
    declined = profile.declined.get(product_declined(product.sku))
    return "cooling_down" if _since(declined, case.settings.declined_days, case.now) else None


def _weak(found: Found, floor: float | None) -> Suppression | None:
    return "low_affinity" if floor is not None and found.lift is not None and found.lift < floor else None


def _cooling(offer: Offer, case: Case) -> bool:
    """A ladder is declined step by step: its last no comes with its last step."""
    settings, profile = case.settings, case.state.profile
    if offer.kind == "upsell" and len(offer.products) > 1:
        return _since(profile.trouble_at or None, settings.trouble_days, case.now)
    declined, trouble = profile.declined.get(offer.key), profile.trouble_at or None
    return _since(declined, settings.declined_days, case.now) or _since(trouble, settings.trouble_days, case.now)


def _since(at: int | None, days: int | None, now: int) -> bool:
    return at is not None and days is not None and now - at < days * DAY


def _capped(channel: str, case: Case) -> bool:
    settings, shown = case.settings, case.state.profile.shown
    own = settings.caps.get(channel)
    if own is None and settings.global_cap == Caps():
        return False
    if not shown:
        return _full(own or Caps(), _NEVER_SHOWN) or _full(settings.global_cap, _NEVER_SHOWN)
    days = _week_to(case.now // DAY)
    if own is not None and _full(own, [shown.get(f"{day}:{channel}", 0) for day in days]):
        return True
    if settings.global_cap == Caps():
        return False
    return _full(settings.global_cap, [sum(n for key, n in shown.items() if key.startswith(day)) for day in days])


@lru_cache(maxsize=16)
def _week_to(day: int) -> tuple[str, ...]:
    """ISO dates of a day (counted from 1970) and the six before it."""
    today = from_micros(day * DAY).date()
    return tuple((today - timedelta(days=back)).isoformat() for back in range(_WEEK))


def _full(caps: Caps, shown: Sequence[int]) -> bool:
    if caps.per_day is not None and shown[0] >= caps.per_day:
        return True
    return caps.per_week is not None and sum(shown) >= caps.per_week
