"""One build of the matching table: from baskets to ranked matches with their evidence; and what changed since the last.

Builds are rebuilt on a schedule by the workflows; this is the pure part, the same answer for the same baskets.
"""

from collections.abc import Iterable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.affinity.baskets import Baskets
from offerlab.affinity.counting import Unit, count
from offerlab.affinity.evidence import Evidence, Findings, Floor, discovered, examine, explain_all, witnesses
from offerlab.affinity.ranking import NOBODY, Ranking, rank_scores
from offerlab.affinity.strategies import BEST, Strategy, scores_of
from offerlab.domain.product import Relation


class Matched(Struct, frozen=True):
    """`evidence.target` goes with `evidence.sku`, at place `place` (1 is best)."""

    place: int
    score: float
    evidence: Evidence


class Build(Struct, frozen=True):
    """A matching table.

    Attributes:
        matches: by sku, then place.
        strategy, floor: what ranked and what refused.
        items, baskets: how many were counted.
        first_day, last_day: proleptic ordinals of the first and last basket; 0 without baskets.
    """

    matches: tuple[Matched, ...]
    strategy: Strategy
    floor: Floor
    items: int
    baskets: int
    first_day: int
    last_day: int


class Difference(Struct, frozen=True):
    """What a build has that the one before had not, and the reverse.

    Attributes:
        new, lost: pairs (sku, target), sorted.
        moved: pairs in both whose place changed: (sku, target, place before, place now).
        kept: number of pairs in both.
    """

    new: tuple[tuple[str, str], ...]
    lost: tuple[tuple[str, str], ...]
    moved: tuple[tuple[str, str, int, int], ...]
    kept: int


def mine(
    baskets: Baskets,
    *,
    strategy: Strategy = BEST,
    floor: Floor | None = None,
    top: int = 10,
    unit: Unit = "basket",
    weights: NDArray[np.float64] | None = None,
    findings: Findings | None = None,
) -> Build:
    """Mine the matching table.

    Args:
        baskets: what was bought together.
        strategy: how to rank what is above the floor.
        floor: what a pair needs; None takes the defaults.
        top: matches per product.
        unit: whether a basket or a customer counts once.
        weights: factor per item number for targets, for instance `ratings.weights`.
        findings: the tests of these very baskets, where they were made before; floor and unit are then theirs.
    """
    findings = examine(count(baskets, unit=unit), floor) if findings is None else findings
    counts, scored = findings.counts, scores_of(findings.counts, strategy)
    pairs, width = discovered(findings), 2 * top
    while True:
        wide = rank_scores(counts, strategy, scored, top=width, allowed=pairs, weights=weights)
        kept = _above_floor(wide, findings)
        if width >= len(counts.items) or not _cut_short(wide, kept, top):
            break
        width *= 4
    rows, places = np.nonzero(kept & (np.cumsum(kept, axis=1) <= top))
    evidence = explain_all(findings, rows, wide.targets[rows, places])
    place = np.cumsum(kept, axis=1)[rows, places]
    matches = zip(place.tolist(), wide.scores[rows, places].tolist(), evidence, strict=True)
    return Build(
        matches=tuple(Matched(*match) for match in matches),
        strategy=strategy,
        floor=findings.floor,
        items=len(baskets.items),
        baskets=baskets.count,
        first_day=int(baskets.days.min()) if baskets.count else 0,
        last_day=int(baskets.days.max()) if baskets.count else 0,
    )


def _above_floor(ranking: Ranking, findings: Findings) -> NDArray[np.bool_]:
    """Which ranked pairs have the customers and periods that the floor asks for."""
    floor = findings.floor
    kept: NDArray[np.bool_] = ranking.targets != NOBODY
    if floor.fewest_customers <= 1 and floor.fewest_periods <= 1:
        return kept
    rows, places = np.nonzero(kept)
    customers, periods = witnesses(findings.counts, rows, ranking.targets[rows, places], period_days=floor.period_days)
    kept[rows, places] = (customers >= floor.fewest_customers) & (periods >= floor.fewest_periods)
    return kept


def _cut_short(ranking: Ranking, kept: NDArray[np.bool_], top: int) -> bool:
    """Whether an item might have had more matches, had the ranking been wider."""
    full: NDArray[np.bool_] = (ranking.targets != NOBODY).all(axis=1)
    return bool(np.any(full & (kept.sum(axis=1) < top)))


def difference(before: Iterable[Relation], after: Iterable[Relation]) -> Difference:
    """New, lost and moved pairs between the relations of two builds."""
    old, now = ({(one.sku, one.target): one.rank for one in each} for each in (before, after))
    both = sorted(old.keys() & now.keys())
    return Difference(
        new=tuple(sorted(now.keys() - old.keys())),
        lost=tuple(sorted(old.keys() - now.keys())),
        moved=tuple((*pair, old[pair], now[pair]) for pair in both if old[pair] != now[pair]),
        kept=len(both),
    )


def relations(build: Build) -> tuple[Relation, ...]:
    """The build as complements of the catalogue, with their evidence."""
    return tuple(
        Relation(
            sku=m.evidence.sku,
            kind="complement",
            target=m.evidence.target,
            rank=m.place,
            source="affinity",
            evidence={name: float(value) for name, value in _numbers(m.evidence)} | {"score": m.score},
        )
        for m in build.matches
    )


def _numbers(evidence: Evidence) -> list[tuple[str, float]]:
    names = (name for name in Evidence.__struct_fields__ if name not in {"sku", "target"})
    values = ((name, getattr(evidence, name)) for name in names)
    return [(name, value) for name, value in values if value is not None]
