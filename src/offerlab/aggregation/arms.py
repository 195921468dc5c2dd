"""The offers of the arms as small tables inside the query, every value bound."""

from collections.abc import Iterable, Sequence
from typing import Any

from offerlab.aggregation.parts import Part
from offerlab.domain.experiment import Experiment
from offerlab.domain.money import MICRO, exponent, round_ratio
from offerlab.domain.offer import Offer


class Arms:
    """Three tables: `arms` (its offer's kind, cost, base), `offered` (skus by arm) and `goes_with` (skus by offer).

    Attributes:
        parts: the tables by name.
        binds: their values.
        grain: parts of a minor unit in which every delivery cost is whole.
    """

    def __init__(self, experiment: Experiment, offers: Sequence[Offer], currency: str) -> None:
        versions: dict[str, list[Offer]] = {}
        for offer in sorted(offers, key=lambda each: (each.key, each.version)):
            versions.setdefault(offer.key, []).append(offer)
        arms = [(i, versions[arm.offer]) for i, arm in enumerate(experiment.variants) if arm.offer in versions]
        self.grain = _grain([history[-1].delivery_cost_micro for _, history in arms], currency)
        per_minor = MICRO // 10 ** exponent(currency)
        self.binds: dict[str, Any] = {"grain": self.grain}
        self.parts = {
            "arms": self._table(
                "arms",
                (
                    ("variant", "INTEGER"),
                    ("kind", "TEXT"),
                    ("needed", "INTEGER"),
                    ("offer", "TEXT"),
                    ("delivery", "BIGINT"),
                    ("base", "BIGINT"),
                ),
                [
                    (
                        i,
                        h[-1].kind,
                        len(h[-1].products),
                        h[-1].key,
                        h[-1].delivery_cost_micro * self.grain // per_minor,
                        None
                        if (base := experiment.bases.get(experiment.variants[i].key)) is None
                        else round_ratio(base, per_minor),
                    )
                    for i, h in arms
                ],
            ),
            "offered": self._table(
                "offered",
                (("variant", "INTEGER"), ("sku", "TEXT"), ("role", "INTEGER")),
                _unique((i, sku, role) for i, history in arms for o in history for sku, role in _roles(o)),
            ),
            "goes_with": self._table(
                "goes_with",
                (("offer", "TEXT"), ("sku", "TEXT"), ("role", "INTEGER")),
                _unique(
                    (key, sku, role) for key, history in versions.items() for o in history for sku, role in _roles(o)
                ),
            ),
        }

    def _table(self, name: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> Part:
        """`rows` as a table expression of bound values."""
        names = ", ".join(column for column, _ in columns)
        if not rows:
            nothing = ", ".join(f"CAST(NULL AS {kind})" for _, kind in columns)
            return Part(names, f"SELECT {nothing} WHERE 1 = 0")
        lines: list[str] = []
        for i, row in enumerate(rows):
            marks = [f"{name}_{i}_{j}" for j in range(len(columns))]
            self.binds |= dict(zip(marks, row, strict=True))
            lines.append(
                "(" + ", ".join(f"CAST(:{m} AS {kind})" for m, (_, kind) in zip(marks, columns, strict=True)) + ")"
            )
        return Part(names, "VALUES " + ", ".join(lines))


def _roles(offer: Offer) -> Iterable[tuple[str, int]]:
    """Each sku of an offer with its role: 1 is offered, 2 triggers."""
    yield from ((sku, 1) for sku in offer.products)
    yield from ((sku, 2) for sku in offer.trigger_products if sku not in offer.products)


def _unique(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list(dict.fromkeys(rows))


def _grain(costs_micro: Sequence[int], currency: str) -> int:
    """Parts of a minor unit in which every delivery cost is whole: 1, 10, 100 and so on."""
    per_minor = MICRO // 10 ** exponent(currency)
    grain = 1
    while any(cost * grain % per_minor for cost in costs_micro):
        grain *= 10
    return grain
