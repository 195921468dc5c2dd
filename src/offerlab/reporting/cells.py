"""Cells: what an engine hands over. Exact integer sums by arm, segment, epoch and day of first exposure.

Being integers they add up without rounding, in any order, on any engine: the same history gives the same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import combinations_with_replacement, permutations
from math import nan
from typing import Final, TypeAlias

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from offerlab.reporting.measures import FLAGS, Monomial, monomial, nonzero
from offerlab.stats.moments import Moments, empty, monomials

EVEN_SLICE: Final = "even_slice"
"""A cut, and its one part: whom an allocation that follows results splits evenly for ever."""

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


class Limit(Struct, frozen=True):
    """Where a value was capped, over the customers of all arms.

    Attributes:
        below: name of the capped value. limit: in the value's integers; None where nobody has one.
        touched: customers whose value lies beyond it.
    """

    below: str
    limit: int | None
    touched: int


class Words(Struct, frozen=True):
    """What a customer of an arm wrote: with a decline, a feedback or a complaint; `at` in microseconds."""

    variant: int
    kind: str
    text: str
    at: int


class Notes(Struct, frozen=True, kw_only=True):
    """Counts beside the cells.

    Attributes:
        suppressed: customers by (variant, reason) whose first exposure carried no offer.
        declines: declines by (variant, reason). words: what customers wrote, by arm, the latest first.
        rejected: events of the project refused while the experiment could count them; None where nobody looked.
    """

    suppressed: dict[tuple[int, str], int] = {}
    declines: dict[tuple[int, str], int] = {}
    words: tuple[Words, ...] = ()
    rejected: int | None = None


class Tally(Struct, frozen=True):
    """Cells added up: customers and their sums, aligned with `Cells.monomials`."""

    n: int
    sums: tuple[int, ...]

    def __add__(self, other: "Tally") -> "Tally":
        """Both."""
        return Tally(self.n + other.n, tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)))


Groups: TypeAlias = Mapping[str, Tally]
"""Parts of a tally by name; their customers need not be all of it."""


class Cells(Struct, frozen=True, kw_only=True):
    """All cells of an experiment as of one moment.

    Attributes:
        monomials: which products were summed.
        divisors: by value, how many of its integers make one unit of the metric (100 cents); 1 where absent.
        engine: name of what worked them out. cut_by: which column `Cell.cut` is.
        limits: by value, where it was capped; none where no capped value was asked for.
    """

    monomials: tuple[Monomial, ...]
    cells: tuple[Cell, ...]
    divisors: dict[str, int]
    notes: Notes = Notes()
    engine: str = "sql"
    cut_by: str = "segment"
    limits: dict[str, Limit] = {}

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

    def moments(
        self, columns: Sequence[str], tallies: Sequence[Tally], groups: Sequence[Groups] = (), *, degree: int = 3
    ) -> list[Moments]:
        """Moments of `columns` in their units, one for each tally.

        Centred as integers, rounded once: a mean of 10^9 with a deviation of 1 keeps every digit.

        Args:
            columns: values whose products were summed.
            tallies: of whom.
            groups: for each tally, parts of it by name, the same names everywhere: each adds a column that is 1 for its
                customers and 0 for all others.
            degree: 2 leaves the cubes at zero, where they were not summed.
        """
        place = {product: at for at, product in enumerate(self.monomials)}
        layout = _Layout(
            columns=tuple(columns),
            dummies=tuple(groups[0]) if groups else (),
            where={
                index: place[monomial(*(columns[i] for i in index))]
                for index in monomials(len(columns))
                if 0 < len(index) <= degree
            },
            counted=tuple(place.get((name if name in FLAGS else nonzero(name),)) for name in columns),
            units=tuple(self.divisors.get(name, 1) for name in columns),
            degree=degree,
        )
        each: Sequence[Groups] = groups or [{}] * len(tallies)
        return [_moments(layout, tally, parts) for tally, parts in zip(tallies, each, strict=True)]


class _Layout(Struct, frozen=True, kw_only=True):
    """Which sum is which moment."""

    columns: tuple[str, ...]
    dummies: tuple[str, ...]
    where: dict[tuple[int, ...], int]
    counted: tuple[int | None, ...]
    units: tuple[int, ...]
    degree: int


def _moments(layout: _Layout, tally: Tally, parts: Groups) -> Moments:
    k, n, own = len(layout.columns) + len(layout.dummies), tally.n, len(layout.columns)
    names = (*layout.columns, *layout.dummies)
    if n == 0:
        return empty(names)
    units = (*layout.units, *(1 for _ in layout.dummies))

    @cache
    def raw(*index: int) -> int:
        """The sum of a product; one dummy picks its customers, two different ones nobody."""
        picked = {i for i in index if i >= own}
        if len(picked) > 1:
            return 0
        whom = parts[names[picked.pop()]] if picked else tally
        plain = tuple(i for i in index if i < own)
        return whom.sums[layout.where[plain]] if plain else whom.n

    second = np.zeros((k, k))
    third = np.zeros((k, k, k))
    for (i, j), places in _places(k, 2):
        value = (n * raw(i, j) - raw(i) * raw(j)) / (n * units[i] * units[j])
        for place in places:
            second[place] = value
    for (i, j, h), places in _places(k, 3) if layout.degree > 2 else ():  # noqa: PLR2004 - the cubes
        crossed = raw(i, j) * raw(h) + raw(i, h) * raw(j) + raw(j, h) * raw(i)
        total = n * (n * raw(i, j, h) - crossed) + 2 * raw(i) * raw(j) * raw(h)
        value = total / (n * n * units[i] * units[j] * units[h])
        for place in places:
            third[place] = value
    mean = np.array([raw(i) / (n * units[i]) for i in range(k)])
    counts = [nan if at is None else float(tally.sums[at]) for at in layout.counted]
    nonzero_counts = np.array([*counts, *(float(parts[name].n) for name in layout.dummies)])
    return Moments(names, np.asarray(float(n)), mean, second, third, nonzero_counts)


@cache
def _places(k: int, degree: int) -> list[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
    """Every product of `degree` columns with all its places in the symmetric tensor."""
    found = combinations_with_replacement(range(k), degree)
    return [(index, sorted(set(permutations(index)))) for index in found]
