"""The split that was asked for; estimates are stratified wherever it differed (law 6, Simpson)."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from offerlab.domain.experiment import EVERYONE, Experiment
from offerlab.reporting.cells import Cell, Cells, Tally
from offerlab.stats.moments import Moments

Shares: TypeAlias = tuple[float, ...]
"""Planned share of each arm, in order of the arms."""


def planned_shares(experiment: Experiment, epoch: int, segment: str | None) -> Shares:
    """What a customer of this segment was to get in this epoch; the variants' weights where no epoch is known."""
    found = next((each for each in experiment.epochs if each.number == epoch), None)
    if found is None:
        return tuple(arm.weight for arm in experiment.variants)
    ranges = found.arms.get(segment or EVERYONE) or found.arms.get(EVERYONE, ())
    slots = [0] * len(experiment.variants)
    for each in ranges:
        slots[each.variant] += each.end - each.start
    whole = sum(slots)
    return tuple(slot / whole for slot in slots) if whole else tuple(arm.weight for arm in experiment.variants)


class Strata:
    """The cells of an experiment by arm and by split: customers who were split alike form one stratum."""

    def __init__(self, experiment: Experiment, cells: Cells, *, fill: bool = True) -> None:
        """Sort `cells` (without crossovers) of some or all customers of `experiment`; `fill=False` starts empty."""
        self.cells = cells
        self._experiment = experiment
        self._tallies: dict[tuple[Shares, int], Tally] = {}
        for cell in cells.cells if fill else ():
            self.include(cell)

    def include(self, cell: Cell) -> None:
        """Add the customers of one more cell."""
        at = (planned_shares(self._experiment, cell.epoch, cell.segment), cell.variant)
        self._tallies[at] = self._tallies.get(at, self.cells.nobody) + Tally(cell.n, cell.sums)

    @property
    def n(self) -> int:
        """Customers of all arms."""
        return sum(tally.n for tally in self._tallies.values())

    @property
    def keys(self) -> list[Shares]:
        """The splits that occur, in a fixed order."""
        return sorted({shares for shares, _ in self._tallies})

    def total(self, value: str) -> int:
        """The sum of a value over all customers."""
        at = self.cells.monomials.index((value,))
        return sum(tally.sums[at] for tally in self._tallies.values())

    def arm(self, variant: int) -> Tally:
        """All customers of an arm."""
        whole = self.cells.nobody
        for key in self.keys:
            whole += self._tallies.get((key, variant), self.cells.nobody)
        return whole

    def pair(self, columns: Sequence[str], reference: int, treatment: int) -> tuple[Moments, Moments, int]:
        """Moments of both arms, each as if all strata had had one split; and the number of strata compared.

        Only strata with both arms in them are compared: elsewhere nobody was randomised between the two.
        """
        nobody = self.cells.nobody
        both = [
            (self._tallies[key, reference], self._tallies[key, treatment])
            for key in self.keys
            if self._tallies.get((key, reference), nobody).n and self._tallies.get((key, treatment), nobody).n
        ]
        if not both:
            both = [(nobody, nobody)]
        moments = self.cells.moments(columns, [tally for pair in both for tally in pair])
        if len(both) == 1:
            return moments[0], moments[1], 1
        size = [first.n + second.n for first, second in both]
        weights = [n / sum(size) for n in size]
        return standardised(moments[0::2], weights), standardised(moments[1::2], weights), len(both)


def standardised(strata: Sequence[Moments], weights: Sequence[float]) -> Moments:
    """Moments of one arm whose mean, error and skewness are those of the weighted mean over strata.

    Mean = sum W_k m_k; its variance sum W_k^2 S_k / n_k and third cumulant sum W_k^3 k3_k / n_k^2 are written back as
    the moments of one plain sample of the same size, so that every test reads them as it reads any arm.

    Source:
        Cochran (1977), Sampling Techniques, 3rd ed., eq. 5.6 (stratified mean) and 5.7 (its variance).
    """
    n = sum(float(part.n) for part in strata)
    mean = np.sum([w * part.mean for w, part in zip(weights, strata, strict=True)], axis=0)
    second = np.zeros_like(strata[0].second)
    third = np.zeros_like(strata[0].third)
    for w, part in zip(weights, strata, strict=True):
        size = float(part.n)
        if size > 1:
            second += w**2 * part.second / (size - 1) / size
        if size > 2:  # noqa: PLR2004 - three points have a third moment
            third += w**3 * part.third * size / ((size - 1) * (size - 2)) / size**2
    return Moments(
        strata[0].columns,
        np.asarray(n),
        mean,
        second * n * (n - 1),
        third * n**2 * (n - 1) * (n - 2) / n,
        np.sum([part.nonzero for part in strata], axis=0),
    )
