"""Cells: what an engine hands over. Exact integer sums by arm, segment, epoch and day of first exposure.

Being integers they add up without rounding, in any order, on any engine: the same history gives the same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, combinations_with_replacement, permutations
from math import nan, prod
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from offerlab.reporting.measures import FLAGS, Monomial, monomial, nonzero
from offerlab.stats.moments import Moments, empty, from_power_sums

CROSSOVER: Final = -1
"""The variant of a cell whose customers met more than one arm."""


class Cell(Struct, frozen=True, kw_only=True):
    """Customers of one arm, segment and epoch, first exposed on one UTC day.

    Attributes:
        variant: index of the arm, or `CROSSOVER`.
        segment: of the experiment, at the first exposure. cut: what the report is cut by, often the same.
        day: whole days since 1970-01-01.
        n: customers. exposures: their exposure events.
        first_at, last_at: earliest and latest first exposure, microseconds.
        sums: aligned with `Cells.monomials`.
    """

    variant: int
    segment: str | None
    cut: str | None
    epoch: int
    day: int
    n: int
    exposures: int
    first_at: int
    last_at: int
    sums: tuple[int, ...]


class Notes(Struct, frozen=True, kw_only=True):
    """Counts beside the cells.

    Attributes:
        suppressed: customers by (variant, reason) whose first exposure carried no offer.
        declines: declines by (variant, reason).
        rejected: events refused while the experiment ran, where the caller counted them.
    """

    suppressed: dict[tuple[int, str], int] = {}
    declines: dict[tuple[int, str], int] = {}
    rejected: int | None = None


class Tally(Struct, frozen=True):
    """Cells added up: customers and their sums, aligned with `Cells.monomials`."""

    n: int
    sums: tuple[int, ...]

    def __add__(self, other: "Tally") -> "Tally":
        """Both."""
        return Tally(self.n + other.n, tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)))


class Cells(Struct, frozen=True, kw_only=True):
    """All cells of an experiment as of one moment.

    Attributes:
        monomials: which products were summed.
        divisors: by value, how many of its integers make one unit of the metric (100 cents); 1 where absent.
        engine: name of what worked them out. cut_by: which column `Cell.cut` is.
    """

    monomials: tuple[Monomial, ...]
    cells: tuple[Cell, ...]
    divisors: dict[str, int]
    notes: Notes = Notes()
    engine: str = "sql"
    cut_by: str = "segment"

    def where(self, keep: Callable[[Cell], bool]) -> "Cells":
        """Only the cells that `keep` accepts."""
        return replace(self, cells=tuple(cell for cell in self.cells if keep(cell)))

    @property
    def analysed(self) -> "Cells":
        """Without the customers who met two arms."""
        return self.where(lambda cell: cell.variant != CROSSOVER)

    @property
    def n(self) -> int:
        """Customers in all cells."""
        return sum(cell.n for cell in self.cells)

    def only(self, columns: Sequence[str]) -> "Cells":
        """The same cells with no more sums than the moments of `columns` and all plain totals need."""
        kept = [at for at, product in enumerate(self.monomials) if len(product) == 1 or set(product) <= set(columns)]
        slim = [replace(cell, sums=tuple(cell.sums[at] for at in kept)) for cell in self.cells]
        return replace(self, monomials=tuple(self.monomials[at] for at in kept), cells=tuple(slim))

    @property
    def nobody(self) -> Tally:
        """The neutral element."""
        return Tally(0, (0,) * len(self.monomials))

    def tally(self) -> Tally:
        """All cells added up."""
        rows = [cell.sums for cell in self.cells]
        return Tally(self.n, tuple(map(sum, zip(*rows, strict=True)))) if rows else self.nobody

    def total(self, *values: str) -> int:
        """The sum of the product of `values` over all customers."""
        at = self.monomials.index(monomial(*values))
        return sum(cell.sums[at] for cell in self.cells)

    def has(self, *values: str) -> bool:
        """Whether that product was summed."""
        return monomial(*values) in self.monomials

    def moments(self, columns: Sequence[str], tallies: Sequence[Tally]) -> list[Moments]:
        """Moments of `columns` in their units, one for each tally.

        The exact sums are moved to the pooled mean as integers before anything is rounded.
        """
        place = {product: at for at, product in enumerate(self.monomials)}
        n = sum(tally.n for tally in tallies)
        shift = [
            round(Fraction(sum(tally.sums[place[monomial(name)]] for tally in tallies), n)) if n else 0
            for name in columns
        ]
        return [self._moments(tally, tuple(columns), shift, place) for tally in tallies]

    def _moments(
        self, tally: Tally, columns: tuple[str, ...], shift: list[int], place: Mapping[Monomial, int]
    ) -> Moments:
        k = len(columns)
        if tally.n == 0:
            return empty(columns)
        raw: dict[tuple[int, ...], int] = {(): tally.n}
        for degree in (1, 2, 3):
            for index in combinations_with_replacement(range(k), degree):
                raw[index] = tally.sums[place[monomial(*(columns[i] for i in index))]]
        unit = [self.divisors.get(name, 1) for name in columns]
        sums = [np.zeros((k,) * degree) for degree in (1, 2, 3)]
        for degree, target in enumerate(sums, 1):
            for index in combinations_with_replacement(range(k), degree):
                value = _moved(raw, shift, index) / prod(unit[i] for i in index)
                for order in set(permutations(index)):
                    target[order] = value
        counted = [name if name in FLAGS else nonzero(name) for name in columns]
        filled = [tally.sums[place[name,]] if (name,) in place else nan for name in counted]
        at = np.array([shift[i] / unit[i] for i in range(k)])
        return from_power_sums(columns, tally.n, at, sums[0], sums[1], sums[2], filled)


def _moved(raw: Mapping[tuple[int, ...], int], shift: Sequence[int], index: tuple[int, ...]) -> int:
    """Sum of prod (x_i - shift_i) from the sums of plain products: the product multiplied out, exactly."""
    total = 0
    for size in range(len(index) + 1):
        for places in combinations(range(len(index)), size):
            kept = tuple(index[place] for place in range(len(index)) if place not in places)
            total += prod(-shift[index[place]] for place in places) * raw[kept]
    return total
