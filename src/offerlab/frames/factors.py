"""`offerlab.factorial`: offer x timing x channel from a frame, every customer answering every question at once."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.frames.columns import Labels, known_before, labels, numbers, read_columns
from offerlab.frames.metrics import Mean, Proportion, covariates_of, name_of
from offerlab.frames.words import interval, p_value
from offerlab.stats.capping import capped, pooled_cap
from offerlab.stats.effect import Undetermined
from offerlab.stats.factorial import Factor, Factorial, Recommendation, Term, read_factorial
from offerlab.stats.multiplicity import Method

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

COLUMNS: Final = ("term", "levels", "effect", "lower", "upper", "p_value", "p_value_adjusted")


class Factors(Struct, frozen=True, kw_only=True):
    """A factorial experiment read term by term.

    Attributes:
        metric: what was measured.
        factors: with their levels, the reference first.
        reading: main effects, interactions, recommendations; or why there is none.
        customers: of each combination of levels.
    """

    metric: str
    factors: tuple[Factor, ...]
    reading: Factorial | Undetermined
    customers: tuple[int, ...]

    def __str__(self) -> str:
        """A line per contrast, then what to ship."""
        if isinstance(self.reading, Undetermined):
            return f"{self.metric}: {self.reading.detail}"
        lines = [f"{self.metric}, {sum(self.customers):,} customers in {len(self.customers)} arms"]
        lines += [line for term in self.reading.terms for line in _lines(term)]
        return "\n".join([*lines, *(_advice(each) for each in self.reading.recommendations)])

    def __repr__(self) -> str:
        """The same: a notebook or a prompt shows it."""
        return str(self)

    def rows(self) -> list[dict[str, Any]]:
        """One row per contrast, with the columns of `to_frame`."""
        if isinstance(self.reading, Undetermined):
            return []
        return [
            dict(
                zip(
                    COLUMNS,
                    (
                        " x ".join(each.factors),
                        " x ".join(each.levels),
                        each.effect.estimate,
                        each.effect.lower,
                        each.effect.upper,
                        each.p_value,
                        each.p_value_adjusted,
                    ),
                    strict=True,
                )
            )
            for term in self.reading.terms
            for each in term.contrasts
        ]

    def to_frame(self) -> "pd.DataFrame":
        """`rows` as a pandas frame, effects in the metric's unit."""
        import pandas as pd  # noqa: PLC0415 - a reading needs no pandas until it is asked for a frame

        return pd.DataFrame(self.rows(), columns=list(COLUMNS))


def factorial(
    frame: Any,  # noqa: ANN401 - any data frame
    *,
    factors: Sequence[str],
    metric: Mean | Proportion,
    references: Mapping[str, str] | None = None,
    alpha: float = 0.05,
    correction: Method = "holm",
) -> Factors:
    """Main effects and interactions of a factorial experiment, and which levels to ship.

    Args:
        frame: one row per customer, as `offerlab.analyze` takes.
        factors: columns that were varied, each combination of their values being an arm.
        metric: of the customers; covariates reduce its variance by slopes common to all arms.
        references: the level that a factor's others are compared with; the first in alphabetical order without.
        alpha: error rate of the ranges and of the family.
        correction: over the terms, and over the contrasts.

    Returns:
        The reading; undetermined where a combination has too few customers.

    Raises:
        InvalidInput: a column is missing or has gaps.
        InvalidPlan: a factor with one level, or a reference that it does not have.

    Examples:
        >>> import numpy as np, offerlab
        >>> rng = np.random.default_rng(1)
        >>> offer, channel = rng.choice(["a", "b"], 20_000), rng.choice(["mail", "web"], 20_000)
        >>> spend = rng.gamma(2.0, 10.0 + 1.0 * ((offer == "b") & (channel == "web")))
        >>> frame = {"offer": offer, "channel": channel, "spend": spend}
        >>> offerlab.factorial(frame, factors=["offer", "channel"], metric=offerlab.Mean("spend"))
        spend, 20,000 customers in 4 arms
        offer b                 +0.9065 (+0.4168 to +1.396)  p 9.343e-06
        channel web             +1.008 (+0.518 to +1.497)  p 1.673e-06
        offer b x channel web   +2.393 (+1.413 to +3.372)  p 1.485e-08
        ship offer b, channel web: chance to be the best 100%
    """
    chosen = tuple(factors)
    wanted = dict(references or {})
    table = read_columns(frame, [*chosen, metric.column, *covariates_of(metric)])
    found = [_ordered(labels(table[name]), wanted.pop(name, None)) for name in chosen]
    if wanted:
        raise InvalidPlan(f"{next(iter(wanted))!r} is no factor.", field="references")
    shape = tuple(len(each.names) for each in found)
    if not chosen or min(shape) < 2:  # noqa: PLR2004 - a factor has two levels or more
        raise InvalidPlan("A factor has two levels or more.", field="factors")
    cell = np.ravel_multi_index(tuple(each.codes for each in found), shape)
    values = numbers(table[metric.column])
    if isinstance(metric, Proportion) and not np.isin(values, (0.0, 1.0)).all():
        raise InvalidInput(f"{metric.column!r} holds other values than zero and one.", field=metric.column)
    if isinstance(metric, Mean) and metric.cap is not None:
        values = capped(values, pooled_cap(values, share=metric.cap))
    parts = [column for name in covariates_of(metric) for _, column in known_before(table[name])]
    counts, means, variances = _cells(values, parts, cell, int(np.prod(shape)))
    own = tuple(Factor(name, each.names) for name, each in zip(chosen, found, strict=True))
    up, variance = means.reshape(shape), variances.reshape(shape)
    reading = read_factorial(own, up, variance, alpha=alpha, method=correction)
    if metric.better == "lower" and isinstance(reading, Factorial):
        down = read_factorial(own, -up, variance, alpha=alpha, method=correction)
        if isinstance(down, Factorial):
            reading = Factorial(reading.terms, down.recommendations)
    return Factors(metric=name_of(metric), factors=own, reading=reading, customers=tuple(counts.tolist()))


def _ordered(found: Labels, reference: str | None) -> Labels:
    """The same labels, the reference first."""
    if reference is None:
        return found
    if reference not in found.names:
        raise InvalidPlan(f"{reference!r} is none of {', '.join(found.names)}.", field="references")
    order = (reference, *(name for name in found.names if name != reference))
    return Labels(order, np.array([order.index(name) for name in found.names], dtype=np.intp)[found.codes])


def _cells(
    values: Floats, known: Sequence[Floats], cell: NDArray[np.intp], size: int
) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Customers, means and variances of the means of each combination; NaN where they are too few."""
    counts = np.bincount(cell, minlength=size)
    few = np.maximum(counts, 1)

    def centred(column: Floats) -> tuple[Floats, Floats]:
        mean = np.bincount(cell, weights=column, minlength=size) / few
        return mean, column - mean[cell]

    means, rest = centred(values)
    if known:
        pairs = [centred(column) for column in known]
        inside = np.column_stack([apart for _, apart in pairs])
        slopes = np.linalg.lstsq(inside, rest, rcond=None)[0]
        rest = rest - inside @ slopes
        gaps = np.column_stack([mean - column.mean() for (mean, _), column in zip(pairs, known, strict=True)])
        means = means - gaps @ slopes
    squares = np.bincount(cell, weights=rest**2, minlength=size)
    enough = counts > 1
    variances = np.where(enough, squares / np.maximum(counts - 1, 1) / few, np.nan)
    return counts, np.where(enough, means, np.nan), variances


def _lines(term: Term) -> list[str]:
    return [
        f"{' x '.join(f'{factor} {level}' for factor, level in zip(each.factors, each.levels, strict=True)):<22}"
        f"  {interval(each.effect, share=False)}  p {p_value(each.p_value_adjusted)}"
        for each in term.contrasts
    ]


def _advice(said: Recommendation | Undetermined) -> str:
    if isinstance(said, Undetermined):
        return said.detail
    best = ", ".join(f"{factor} {level}" for factor, level in zip(said.factors, said.levels, strict=True))
    return f"ship {best}: chance to be the best {said.chance:.0%}"
