"""Substitutes told from complements, for a whole catalogue: near in price, of one category, alike or never together."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from offerlab.affinity.evidence import Evidence, Findings, explain_all
from offerlab.affinity.kinship import Kinship, kinship
from offerlab.domain.product import Product, Relation

NEAR: Final = 12
"""Neighbours by price that a product is compared with: nobody takes a thing of ten times the price instead."""


def stand_ins(findings: Findings, catalogue: Mapping[str, Product], *, top: int = 5) -> tuple[Relation, ...]:
    """What can stand in for each product that was bought, most alike first.

    Args:
        findings: the tests of one build; products that nobody bought have no evidence and are left out.
        catalogue: products by sku.
        top: substitutes per product.
    """
    numbers = {sku: number for number, sku in enumerate(findings.counts.items)}
    pairs = [pair for members in _categories(catalogue, numbers) for pair in _neighbours(members)]
    sources = np.array([numbers[sku] for sku, _ in pairs], dtype=np.int64)
    targets = np.array([numbers[other] for _, other in pairs], dtype=np.int64)
    found: dict[str, list[tuple[Kinship, Evidence]]] = {}
    for evidence in explain_all(findings, sources, targets):
        kin = kinship(catalogue[evidence.sku], catalogue[evidence.target], evidence)
        if kin.kind == "substitute":
            found.setdefault(evidence.sku, []).append((kin, evidence))
    return tuple(relation for sku in sorted(found) for relation in _ranked(found[sku], top))


def _categories(catalogue: Mapping[str, Product], bought: Collection[str]) -> Iterable[Sequence[Product]]:
    """Bought products by category, each by price."""
    found: dict[str, list[Product]] = {}
    for sku in sorted(bought):
        product = catalogue.get(sku)
        if product is not None and product.category:
            found.setdefault(product.category, []).append(product)
    return [sorted(members, key=lambda one: (one.price_micro, one.sku)) for members in found.values()]


def _neighbours(members: Sequence[Product]) -> Iterator[tuple[str, str]]:
    """Each product with those next to it in price."""
    for place, product in enumerate(members):
        start = max(0, min(place - NEAR // 2, len(members) - 1 - NEAR))
        for other in members[start : start + NEAR + 1]:
            if other.sku != product.sku:
                yield product.sku, other.sku


def _ranked(found: list[tuple[Kinship, Evidence]], top: int) -> list[Relation]:
    best = sorted(found, key=lambda pair: (-pair[0].likeness, pair[1].target))[:top]
    return [
        Relation(
            sku=evidence.sku,
            kind="substitute",
            target=evidence.target,
            rank=place,
            source="affinity",
            evidence={
                "likeness": kin.likeness,
                "together": float(evidence.together),
                "lift": evidence.lift,
                "lift_upper": evidence.lift_upper,
            },
        )
        for place, (kin, evidence) in enumerate(best, 1)
    ]
