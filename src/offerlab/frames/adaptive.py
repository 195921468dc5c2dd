"""`offerlab.adaptive`: effects where the shares followed the results, from rows with their logged propensities."""

from typing import Any, Final

import numpy as np
from msgspec import Struct

from offerlab.errors import InvalidInput
from offerlab.frames.columns import Codes, Floats, Labels, labels, numbers, read_columns
from offerlab.frames.words import interval, p_value
from offerlab.stats.adaptive import adaptive_difference
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.sequential import signed_z

METHOD: Final = "adaptive_weights"
_SAME: Final = 1e-6
"""Two propensities no further apart are one."""
_NO_LIFT: Final = Undetermined("no_reference", "Arms that met different days have no common level for a lift.")


class Adaptive(Struct, frozen=True, kw_only=True):
    """Every arm against control under adaptive allocation.

    Attributes:
        metric: what was measured.
        control: the arm compared with.
        customers: by arm.
        batches: in how many the shares stood still.
        effects: by arm, in the metric's unit; without a lift, and valid for one reading of the data.
    """

    metric: str
    control: str
    customers: dict[str, int]
    batches: int
    effects: dict[str, Outcome]

    def effect(self, variant: str) -> Outcome:
        """One arm's effect.

        Raises:
            KeyError: no such arm, or the control itself.
        """
        return self.effects[variant]

    def __repr__(self) -> str:
        """A line per arm."""
        lines = [f"{self.metric}, {sum(self.customers.values()):,} customers in {self.batches} batches"]
        for name, said in self.effects.items():
            told = (
                said.detail
                if isinstance(said, Undetermined)
                else f"{interval(said.absolute, share=False)}  p {p_value(said.p_value)}"
            )
            lines.append(f"{name} against {self.control}  {told}")
        return "\n".join(lines)


def adaptive(
    frame: Any,  # noqa: ANN401 - any data frame
    metric: str,
    *,
    variant: str,
    control: str,
    batch: str,
    propensity: str,
    alpha: float = 0.05,
) -> Adaptive:
    """Effects from a bandit (Thompson, top-two, or weights moved by hand), days that differ included.

    The plain difference of means is wrong there: arms that looked good met other days, and unlucky ones were starved.
    Every customer is weighted by the logged propensity, every batch by how well it compares the two arms.

    Args:
        frame: one row per customer, as `offerlab.analyze` takes.
        metric: column of outcomes, higher or lower, zeros included.
        variant: column of arms.
        control: the arm compared with.
        batch: column that tells apart the periods (and segments) of constant shares; its sorted order is time's.
        propensity: column with the probability that this customer had of this arm.
        alpha: two-sided error rate.

    Returns:
        Every other arm against control; undetermined without variance, or where no batch could have had both.

    Raises:
        InvalidInput: a column is missing or has gaps; propensities that differ within a batch and arm, or do not add
            up to one.
        InvalidPlan: alpha outside (0, 1).

    Source:
        Hadad, Hirshberg, Zhan, Wager & Athey (2021), PNAS 118(15); see `offerlab.stats.adaptive`.

    Examples:
        >>> import numpy as np, offerlab
        >>> rng = np.random.default_rng(1)
        >>> week = np.repeat([1, 2, 3, 4], 2_500)
        >>> share = np.array([0.5, 0.6, 0.75, 0.9])[week - 1]  # the offer looked good, and got more
        >>> treated = rng.random(10_000) < share
        >>> crowd = {
        ...     "arm": np.where(treated, "offer", "none"),
        ...     "spend": rng.exponential(5.0 + 3.0 * week + 2.0 * treated),  # and each week sold more
        ...     "week": week,
        ...     "propensity": np.where(treated, share, 1 - share),
        ... }
        >>> offerlab.adaptive(crowd, "spend", variant="arm", control="none", batch="week", propensity="propensity")
        spend, 10,000 customers in 4 batches
        offer against none  +2.396 (+1.770 to +2.996)  p 1.003e-12
    """
    table = read_columns(frame, [metric, variant, batch, propensity])
    arms, when = labels(table[variant]), _batches(table[batch])
    if control not in arms.names:
        raise InvalidInput(f"No row has the variant {control!r}; there are {', '.join(arms.names)}.", field="control")
    cell = when.codes * len(arms.names) + arms.codes
    shape = (len(when.names), len(arms.names))
    e = _propensities(numbers(table[propensity]), cell, shape, when.names)
    sums = _sums(numbers(table[metric]), cell, shape)
    counts = sums[0].sum(axis=0)
    return Adaptive(
        metric=metric,
        control=control,
        customers={name: int(n) for name, n in zip(arms.names, counts, strict=True)},
        batches=shape[0],
        effects={
            name: _effect(e, sums, (i, arms.names.index(control)), alpha)
            for i, name in enumerate(arms.names)
            if name != control
        },
    )


def _batches(column: Any) -> Labels:  # noqa: ANN401 - a Narwhals series
    """Batches in their order: numbers by size, all else as it sorts when written."""
    if not column.dtype.is_numeric():
        return labels(column)
    found, codes = np.unique(numbers(column), return_inverse=True)
    return Labels(tuple(f"{one:g}" for one in found), codes.astype(np.intp))


def _propensities(given: Floats, cell: Codes, shape: tuple[int, int], batches: tuple[str, ...]) -> Floats:
    """(batches, arms): what the rows of each cell say; an arm that nobody got in a batch has what the others leave."""
    n = np.bincount(cell, minlength=shape[0] * shape[1])
    mean = np.bincount(cell, weights=given, minlength=n.size) / np.maximum(n, 1)
    off = np.abs(given - mean[cell]) > _SAME
    if off.any():
        told = batches[int(cell[off][0]) // shape[1]]
        raise InvalidInput(
            f"In batch {told!r} customers of one arm had different propensities: name a column that tells them apart.",
            field="propensity",
        )
    e, nobody = mean.reshape(shape), (n == 0).reshape(shape)
    left = 1.0 - e.sum(axis=1)
    wrong = np.flatnonzero((left < -_SAME) | (np.abs(left) > _SAME) & (nobody.sum(axis=1) != 1))
    if wrong.size:
        raise InvalidInput(
            f"In batch {batches[int(wrong[0])]!r} the propensities add up to {1.0 - left[wrong[0]]:g}, not to one.",
            field="propensity",
        )
    return np.where(nobody & (left > _SAME)[:, np.newaxis], left[:, np.newaxis], e)


def _sums(values: Floats, cell: Codes, shape: tuple[int, int]) -> tuple[Floats, Floats, Floats, Floats]:
    """Counts, means, centred squares and cubes of each batch and arm."""
    size = shape[0] * shape[1]
    n = np.bincount(cell, minlength=size).astype(np.float64)
    mean = np.bincount(cell, weights=values, minlength=size) / np.maximum(n, 1.0)
    rest = values - mean[cell]
    squares = np.bincount(cell, weights=rest**2, minlength=size).astype(np.float64)
    cubes = np.bincount(cell, weights=rest**3, minlength=size).astype(np.float64)
    return n.reshape(shape), mean.reshape(shape), squares.reshape(shape), cubes.reshape(shape)


def _effect(e: Floats, sums: tuple[Floats, ...], arms: tuple[int, int], alpha: float) -> Outcome:
    """One arm against control, over the batches in which a customer could have got either."""
    both = np.all(e[:, list(arms)] > 0.0, axis=1)
    if not both.any():
        return Undetermined("no_units", "In no batch could a customer have got either arm.")
    n, mean, squares, cubes = (part[both] for part in sums)
    said = adaptive_difference(e[both], n, mean, squares, cubes, arms=arms, alpha=alpha)
    estimate, error, p = float(said.estimate), float(said.standard_error), float(said.p_value)
    if np.isnan(estimate):
        return Undetermined("no_variance", "The outcomes do not vary, so chance has no measure.")
    absolute = Interval(estimate, float(said.lower), float(said.upper))
    return Effect(absolute, _NO_LIFT, p, signed_z(p, estimate), error, alpha, METHOD)
