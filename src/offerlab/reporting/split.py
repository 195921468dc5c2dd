"""The split that was asked for; estimates are stratified wherever it differed (law 6, Simpson)."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from offerlab.domain.experiment import EVERYONE, Experiment
from offerlab.reporting.cells import Cell, Cells, Tally
from offerlab.reporting.measures import COVARIATES
from offerlab.stats.moments import Moments

FEWEST_IN_SEGMENT: Final = 30
"""Customers of a segment in each arm before it helps to predict an outcome."""

MOST_SEGMENTS: Final = 6
"""Columns of segments in one regression, the largest segments first."""

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


class Arms(Struct, frozen=True, eq=False):
    """Both arms in one stratum, with the customers of all arms in it.

    Attributes:
        control, treated: moments of the same columns. size: customers of every arm of the experiment.
    """

    control: Moments
    treated: Moments
    size: int


class Batch(Struct, frozen=True, eq=False):
    """All arms in one epoch of an allocation that follows the results.

    Attributes:
        shares: of each arm, as logged with every exposure. arms: moments in order of the arms. size: customers.
    """

    shares: Shares
    arms: tuple[Moments, ...]
    size: int


class Strata:
    """The cells of an experiment by arm and by split: customers who were split alike form one stratum."""

    def __init__(self, experiment: Experiment, cells: Cells, *, fill: bool = True) -> None:
        """Sort `cells` (without crossovers) of some or all customers of `experiment`; `fill=False` starts empty."""
        self.cells = cells
        self._experiment = experiment
        self._tallies: dict[tuple[Shares, int], Tally] = {}
        self._parts: dict[tuple[Shares, int, str], Tally] = {}
        self._epochs: dict[tuple[int, int], Tally] = {}
        for cell in cells.cells if fill else ():
            self.include(cell)

    def include(self, cell: Cell) -> None:
        """Add the customers of one more cell."""
        at = (planned_shares(self._experiment, cell.epoch, cell.segment), cell.variant)
        tally = Tally(cell.n, cell.sums)
        self._tallies[at] = self._tallies.get(at, self.cells.nobody) + tally
        if self.follows_results:
            batch = (cell.epoch, cell.variant)
            self._epochs[batch] = self._epochs.get(batch, self.cells.nobody) + tally
        part = (*at, cell.segment or EVERYONE)
        self._parts[part] = self._parts.get(part, self.cells.nobody) + tally

    @property
    def window_days(self) -> int:
        """How long outcomes count."""
        return self._experiment.window_days

    @property
    def follows_results(self) -> bool:
        """Whether the shares followed the results: plain means are then biased, and batches are weighted."""
        return self._experiment.adaptive is not None

    def batches(self, columns: Sequence[str]) -> list[Batch]:
        """Every epoch in order, of an allocation that follows the results."""
        nobody, arms = self.cells.nobody, range(len(self._experiment.variants))
        found: list[Batch] = []
        for epoch in sorted({epoch for epoch, _ in self._epochs}):
            tallies = [self._epochs.get((epoch, arm), nobody) for arm in arms]
            shares = planned_shares(self._experiment, epoch, None)
            size = sum(tally.n for tally in tallies)
            found.append(Batch(shares, tuple(self.cells.moments(columns, tallies)), size))
        return found

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

    def knows(self, value: str) -> bool:
        """Whether the sums hold the products of `value` with what was known before the exposure."""
        return all(self.cells.has(value, covariate, covariate) for covariate in COVARIATES)

    def shares(self, reference: int, treatment: int) -> list[float]:
        """The treatment's planned share of both arms, in each stratum of `pairs`; empty where no stratum has both."""
        found: list[float] = []
        for key in self.keys:
            if all(self._tallies.get((key, arm), self.cells.nobody).n for arm in (reference, treatment)):
                both = key[reference] + key[treatment]
                found.append(key[treatment] / both if both else 0.0)
        return found

    def pairs(
        self, columns: Sequence[str], reference: int, treatment: int, *, dummies: bool = False, degree: int = 3
    ) -> list[Arms]:
        """Both arms in each stratum that has them both: elsewhere nobody was randomised between the two.

        Never empty: without such a stratum, one of two empty arms.

        Args:
            columns: values whose products were summed.
            reference: index of the arm compared with.
            treatment: index of the arm compared.
            dummies: with a column for each segment but the largest, where one stratum holds them all.
            degree: as in `Cells.moments`.
        """
        nobody = self.cells.nobody
        split = [(key, [self._tallies.get((key, arm), nobody) for arm in (reference, treatment)]) for key in self.keys]
        split = [(key, both) for key, both in split if all(tally.n for tally in both)]
        if not split:
            moments = self.cells.moments(columns, [self.arm(reference), self.arm(treatment)], degree=degree)
            return [Arms(moments[0], moments[1], self.n)]
        found: list[Arms] = []
        for key, both in split:
            size = sum(tally.n for (shares, _), tally in self._tallies.items() if shares == key)
            names = self._segments(key, reference, treatment) if dummies and len(split) == 1 else []
            groups = [{name: self._parts[key, arm, name] for name in names} for arm in (reference, treatment)]
            moments = self.cells.moments(columns, both, groups if names else (), degree=degree)
            found.append(Arms(moments[0], moments[1], size))
        return found

    def levels(self, columns: Sequence[str], variant: int, together: Sequence[int]) -> list[tuple[Moments, int]]:
        """An arm's moments in each stratum that holds all of `together`, with the customers of all arms there."""
        found: list[tuple[Moments, int]] = []
        for key in self.keys:
            if all(self._tallies.get((key, arm), self.cells.nobody).n for arm in together):
                size = sum(tally.n for (shares, _), tally in self._tallies.items() if shares == key)
                found.append((self.cells.moments(columns, [self._tallies[key, variant]])[0], size))
        return found

    def _segments(self, key: Shares, reference: int, treatment: int) -> list[str]:
        """Segments of a stratum with enough customers in both arms, the largest left out (the others tell it)."""
        sizes: dict[str, list[int]] = {}
        for (shares, arm, name), tally in self._parts.items():
            if shares == key and arm in {reference, treatment}:
                sizes.setdefault(name, []).append(tally.n)
        large = [name for name, ns in sizes.items() if len(ns) == 2 and min(ns) >= FEWEST_IN_SEGMENT]  # noqa: PLR2004 - both arms
        large.sort(key=lambda name: (-sum(sizes[name]), name))
        return large[1 : 1 + MOST_SEGMENTS]
