"""Complement or substitute? And what is similar to a product without any basket.

Going together in baskets is not being complements: two colours of a mug are bought together and still stand in for each
other. Hence two witnesses, the catalogue (same category, like attributes) and the baskets (more or less often together
than chance); where they contradict each other the answer is "unclear", and an experiment decides.
"""

from typing import Final, Literal

from msgspec import Struct

from offerlab.affinity.evidence import Evidence
from offerlab.domain.product import Product

Kin = Literal["complement", "substitute", "unclear", "unrelated"]

ALIKE: Final = 0.5
"""Likeness from which two products of a category can stand in for each other."""


class Kinship(Struct, frozen=True):
    """How two products relate, and which witnesses said so."""

    kind: Kin
    likeness: float
    reason: Literal["bought_together", "bought_instead", "alike", "both", "no_evidence"]


def likeness(a: Product, b: Product) -> float:
    """How alike two products are, 0..1: 0 across categories, else attributes, words of the name and price.

    Attributes and words count by Jaccard's share of common ones, the price by the smaller over the larger; the mean of
    those that both products have.
    """
    if a.category is None or a.category != b.category:
        return 0.0
    parts = [_shared(set(a.name.casefold().split()), set(b.name.casefold().split()))]
    if a.attributes and b.attributes:
        parts.append(_shared(_facts(a), _facts(b)))
    if a.price_micro > 0 and b.price_micro > 0:
        parts.append(min(a.price_micro, b.price_micro) / max(a.price_micro, b.price_micro))
    return sum(parts) / len(parts)


def kinship(a: Product, b: Product, evidence: Evidence, *, largest_q: float = 0.05, alike: float = ALIKE) -> Kinship:
    """How two products relate.

    Args:
        a: one product, as in the catalogue.
        b: the other.
        evidence: their counts and tests.
        largest_q: false discovery rate from which "together more often than chance" counts.
        alike: likeness from which they can stand in for each other.

    Returns:
        substitute: same category and together less often than chance (the lift's interval below 1), or alike and not
        together more often than chance; complement: more often than chance and not alike; unclear: alike, and more
        often than chance.
    """
    same = likeness(a, b)
    together = evidence.q_value <= largest_q and evidence.lift_lower > 1
    if same > 0 and evidence.lift_upper < 1:
        return Kinship("substitute", same, "bought_instead")
    if together:
        alike_too = same >= alike
        return Kinship("unclear" if alike_too else "complement", same, "both" if alike_too else "bought_together")
    return Kinship("substitute", same, "alike") if same >= alike else Kinship("unrelated", same, "no_evidence")


def _facts(product: Product) -> set[str]:
    return {f"{name}={value}" for name, value in product.attributes.items()}


def _shared(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0
