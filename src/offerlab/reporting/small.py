"""Cells too small to speak of: what is said of a handful of customers would be about persons (PIPA 28-5, k = 10)."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from offerlab.reporting.cells import Cells
from offerlab.reporting.metrics import silent
from offerlab.reporting.report import Arm, MetricResult, Undetermined

SMALLEST: Final = 10
"""Fewer customers than this are named and nothing more."""

WITHHELD: Final = "under_10"
_WHY: Final = Undetermined(WITHHELD, "Fewer than 10 customers: what would be said is about persons.")


def told(customers: int) -> int | None:
    """A number of customers that may be said; zero says nothing of anybody."""
    return customers if customers == 0 or customers >= SMALLEST else None


def small_arms(cells: Cells, variants: Mapping[int, str]) -> frozenset[str]:
    """Arms of which a segment holds some customers, and too few."""
    counts = dict.fromkeys(variants, 0)
    for cell in cells.cells:
        counts[cell.variant] += cell.n
    return frozenset(variants[i] for i, n in counts.items() if told(n) is None)


def without(metric: MetricResult, arms: frozenset[str]) -> MetricResult:
    """A metric of a segment with the figures of these arms, and all effects that rest on them, withheld."""
    if not arms:
        return metric
    return replace(
        metric,
        arms=tuple(Arm(arm.variant, None, None, None) if arm.variant in arms else arm for arm in metric.arms),
        effects=tuple(
            silent(each.variant, each.reference, _WHY) if {each.variant, each.reference} & arms else each
            for each in metric.effects
        ),
    )
