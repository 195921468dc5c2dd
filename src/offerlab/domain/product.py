"""What is sold, and how two things sold relate."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from offerlab.errors import InvalidDefinition

ProductKind = Literal["good", "service"]
RelationKind = Literal["complement", "substitute", "upgrade", "bundle"]


class Product(Struct, frozen=True, kw_only=True):
    """One thing with a price. Prices are in the project's currency.

    Attributes:
        price_micro, unit_cost_micro: millionths of the major unit; no cost means that profit can't be shown.
        stock: pieces left; None is unlimited.
        attributes: the shop's own facts; `durable: true` means nobody needs a second one, `lasts_days: 30` that nobody
            needs the next one before.
    """

    sku: str
    name: str
    price_micro: int
    category: str | None = None
    unit_cost_micro: int | None = None
    stock: int | None = None
    kind: ProductKind = "good"
    attributes: dict[str, object] = {}

    @property
    def durable(self) -> bool:
        """Whether one is enough for a customer."""
        return self.attributes.get("durable") is True

    @property
    def lasts_days(self) -> float | None:
        """For how many days a customer has enough of it; None: nobody said."""
        told = self.attributes.get("lasts_days")
        return told if isinstance(told, int | float) and not isinstance(told, bool) and told > 0 else None

    @property
    def sold_out(self) -> bool:
        """Whether none is left."""
        return self.stock == 0


class Relation(Struct, frozen=True, kw_only=True):
    """`target` goes with `sku` in one of four ways.

    Attributes:
        rank: smaller first among the targets of one product and kind.
        features: what an upgrade has and its base lacks, told to the customer.
        source: `curated` by a person, `affinity` mined from baskets.
        evidence: counts, lift and its interval for a mined pair.
    """

    sku: str
    kind: RelationKind
    target: str
    rank: int = 0
    features: tuple[str, ...] = ()
    source: Literal["curated", "affinity"] = "curated"
    evidence: dict[str, float] = {}


def check_relation(relation: Relation, product: Callable[[str], Product | None]) -> None:
    """Refuse a relation that the catalogue contradicts.

    Raises:
        InvalidDefinition: an unknown product, a product that goes with itself, an upgrade no dearer than its base.
    """
    for field, sku in (("sku", relation.sku), ("target", relation.target)):
        if product(sku) is None:
            raise InvalidDefinition(f"no product has the sku {sku!r}", field=field)
    if relation.sku == relation.target:
        raise InvalidDefinition(f"{relation.sku!r} goes with itself", field="target")
    base, better = product(relation.sku), product(relation.target)
    if relation.kind != "upgrade" or base is None or better is None:
        return
    if better.price_micro <= base.price_micro:
        raise InvalidDefinition(f"upgrade {better.sku!r} is not dearer than its base {base.sku!r}", field="target")
