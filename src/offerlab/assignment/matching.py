"""Which products an offer's match finds for a customer, in this moment. Ranked beforehand; here only looked up.

- `curated`: the offer's own products;
- `affinity`: complements of what the moment is about, `similar`: its substitutes, else its category by price; an
  upsell takes its upgrades either way;
  Nothing stands in for a thing that the customer has, or has just bought, while one of it is enough;
- `recently_viewed`: the customer's last views; `random`: drawn by hash, the same for a customer for ever.

What the moment is about: the trigger's sku, else the cart, else the latest purchase. An offer that names products
takes its match only among them.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from offerlab.assignment.hashing import bucket
from offerlab.domain.clock import DAY
from offerlab.domain.customer import Profile
from offerlab.domain.decision import Context
from offerlab.domain.experiment import SLOTS
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product, Relation

MATCHED: Final = frozenset(("affinity", "similar"))
"""Matches that look at relations, and that an affinity floor binds."""

_BOUGHT: Final = ("order_placed", "shipment_")
"""Triggers that speak of something bought."""

_TRIES: Final = 50
"""How many products a random draw looks at before it gives up."""


class Found(Struct, frozen=True):
    """A candidate; `lift` is its evidence, None where a person (or nothing but the category) put it there."""

    product: Product
    lift: float | None = None


class Shelf(Struct, frozen=True):
    """The catalogue, arranged for look-ups.

    Attributes:
        products: by sku. complements, substitutes, upgrades: by sku, best first.
        categories: skus of a category by price, then sku. skus: all, in order.
    """

    products: dict[str, Product]
    complements: dict[str, tuple[Relation, ...]]
    substitutes: dict[str, tuple[Relation, ...]]
    upgrades: dict[str, tuple[Relation, ...]]
    categories: dict[str, tuple[str, ...]]
    skus: tuple[str, ...]


def shelf_of(products: Iterable[Product], relations: Iterable[Relation]) -> Shelf:
    """Arrange a catalogue. Curated relations come before mined ones, then by rank, then by sku."""
    by_sku = {product.sku: product for product in products}
    ordered = sorted(relations, key=lambda one: (one.sku, one.source != "curated", one.rank, one.target))
    categories: dict[str, list[Product]] = {}
    for product in by_sku.values():
        if product.category is not None:
            categories.setdefault(product.category, []).append(product)
    return Shelf(
        products=by_sku,
        complements=_of_kind(ordered, "complement"),
        substitutes=_of_kind(ordered, "substitute"),
        upgrades=_of_kind(ordered, "upgrade"),
        categories={
            name: tuple(one.sku for one in sorted(members, key=lambda one: (one.price_micro, one.sku)))
            for name, members in categories.items()
        },
        skus=tuple(sorted(by_sku)),
    )


def _of_kind(relations: list[Relation], kind: str) -> dict[str, tuple[Relation, ...]]:
    found: dict[str, list[Relation]] = {}
    for relation in relations:
        if relation.kind == kind:
            found.setdefault(relation.sku, []).append(relation)
    return {sku: tuple(items) for sku, items in found.items()}


class Seen(Struct, frozen=True):
    """What a match looks at: the moment, the customer, the time (microseconds UTC) and how old a view may be."""

    context: Context
    profile: Profile
    now: int
    viewed_days: int


def candidates(shelf: Shelf, offer: Offer, seen: Seen, draw: tuple[str, str]) -> Iterator[Found]:
    """Products that an offer's match proposes, best first; `draw` is salt and unit of the random match."""
    skus = bases(seen.context, seen.profile)
    match offer.match:
        case "affinity" | "similar" if offer.kind == "upsell":
            found = _related(shelf, shelf.upgrades, skus)
        case "affinity":
            found = _related(shelf, shelf.complements, skus)
        case "similar":
            found = _similar(shelf, _wanting(shelf, seen, skus))
        case "recently_viewed":
            found = _viewed(shelf, seen.profile, seen.now - seen.viewed_days * DAY)
        case _:
            found = _random(shelf, offer.products or shelf.skus, draw)
    allowed = frozenset(offer.products)
    return (one for one in found if not allowed or one.product.sku in allowed)


def is_stocked(product: Product, profile: Profile, now: int) -> bool:
    """Whether the customer has this and needs no other: it is durable, or what they bought last still lasts."""
    bought = profile.owned.get(product.sku)
    if bought is None:
        return False
    return product.durable or (product.lasts_days is not None and now - bought < product.lasts_days * DAY)


def stood_for(shelf: Shelf, seen: Seen) -> bool:
    """Whether something that the moment is about needs no stand-in, because the customer has it."""
    skus = bases(seen.context, seen.profile)
    return len(_wanting(shelf, seen, skus)) < len(skus)


def _wanting(shelf: Shelf, seen: Seen, skus: tuple[str, ...]) -> tuple[str, ...]:
    """The skus for which a stand-in makes sense."""
    just = (seen.context.trigger_event or "").startswith(_BOUGHT)

    def has(product: Product) -> bool:
        mine = just and (product.durable or product.lasts_days is not None)
        return mine or is_stocked(product, seen.profile, seen.now)

    return tuple(sku for sku in skus if (product := shelf.products.get(sku)) is None or not has(product))


def bases(context: Context, profile: Profile) -> tuple[str, ...]:
    """Skus that the moment is about."""
    if context.trigger_sku is not None:
        return (context.trigger_sku,)
    if context.cart:
        return context.cart
    if not profile.owned:
        return ()
    latest = max(profile.owned.values())
    return tuple(sorted(sku for sku, at in profile.owned.items() if at == latest))


def _related(shelf: Shelf, related: dict[str, tuple[Relation, ...]], skus: tuple[str, ...]) -> Iterator[Found]:
    pairs = [one for sku in skus for one in related.get(sku, ())]
    if len(skus) > 1:
        pairs.sort(key=lambda one: (one.source != "curated", one.rank, one.target))
    seen = set(skus)
    for one in pairs:
        product = shelf.products.get(one.target)
        if product is not None and one.target not in seen:
            seen.add(one.target)
            yield Found(product, one.evidence.get("lift") if one.source == "affinity" else None)


def _similar(shelf: Shelf, skus: tuple[str, ...]) -> Iterator[Found]:
    seen = set(skus)
    for found in _related(shelf, shelf.substitutes, skus):
        seen.add(found.product.sku)
        yield found
    for sku in skus:
        base = shelf.products.get(sku)
        if base is None or base.category is None:
            continue
        members = [shelf.products[other] for other in shelf.categories[base.category] if other not in seen]
        price = base.price_micro
        for product in sorted(members, key=lambda one: (abs(one.price_micro - price), one.sku)):
            seen.add(product.sku)
            yield Found(product)


def _viewed(shelf: Shelf, profile: Profile, since: int) -> Iterator[Found]:
    recent = sorted((-at, sku) for sku, at in profile.viewed.items() if at >= since)
    return (Found(shelf.products[sku]) for _, sku in recent if sku in shelf.products)


def _random(shelf: Shelf, skus: tuple[str, ...], draw: tuple[str, str]) -> Iterator[Found]:
    salt, unit = draw
    start = bucket(salt, unit) * len(skus) // SLOTS
    for step in range(min(len(skus), _TRIES)):
        product = shelf.products.get(skus[(start + step) % len(skus)])
        if product is not None:
            yield Found(product)
