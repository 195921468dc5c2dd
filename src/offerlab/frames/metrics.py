"""What an analyst may ask of a frame: one descriptor per kind of metric, columns by name."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np
from msgspec import Struct
from msgspec.structs import force_setattr
from numpy.typing import NDArray

from offerlab.errors import InvalidPlan
from offerlab.stats.adjust import Slopes
from offerlab.stats.comparison import Method

Floats: TypeAlias = NDArray[np.float64]
Role = Literal["primary", "secondary", "guardrail"]
Better = Literal["higher", "lower"]


class Asked(Struct, frozen=True, kw_only=True):
    """What every metric may say about itself.

    Attributes:
        name: how the result calls it; made from its columns when left out.
        role: `primary` and `secondary` metrics are corrected in a family each; a `guardrail` has its own error.
        better: the good direction.
        weight: its share of the error, relative to the others of its family (correction "weighted").
        mde: the smallest change that matters, as a share of control's mean: the limit of a guardrail. Segments whose
            effects differ by less than this are suggested for merging; without it a fifth of the overall effect.
    """

    name: str = ""
    role: Role = "primary"
    better: Better = "higher"
    weight: float = 1.0
    mde: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no plan can hold.

        Raises:
            InvalidPlan: a weight or a smallest change not above zero.
        """
        if not 0.0 < self.weight < np.inf:
            raise InvalidPlan(f"a weight is above 0, not {self.weight}", field="weight")
        if self.mde is not None and not 0.0 < self.mde < np.inf:
            raise InvalidPlan(f"the smallest change that matters is above 0, not {self.mde}", field="mde")


class Proportion(Asked, frozen=True, tag="proportion"):
    """The share of customers with a one (or True) in a column.

    Attributes:
        column: zeros and ones, one per customer.
        method: `score`: the score test with Miettinen and Nurminen's intervals, Boschloo's where a cell is small;
            `newcombe`: the hybrid score interval and its own p-value; `barnard`: the exact unconditional test with the
            score intervals' ends following it.
    """

    column: str
    method: Literal["score", "newcombe", "barnard"] = "score"


class Mean(Asked, frozen=True, tag="mean"):
    """The mean of a column per customer, zeros included.

    Attributes:
        column: numbers, one per customer.
        covariates: columns known before exposure; the first is kept where there is room for one alone. Texts become
            one column per value; a missing number counts as zero and is told apart by a column of its own.
        cap: share of the non-zero values that stay as they are, found on all arms pooled (.99); the uncapped effect
            stands beside as `raw`.
        slopes: `common` to both arms, or each arm its `own` (Lin).
        method: see `offerlab.stats.means`.
    """

    column: str
    covariates: Sequence[str] = ()
    cap: float | None = None
    slopes: Slopes = "common"
    method: Method = "auto"

    def __post_init__(self) -> None:
        """Keep the covariates as a tuple, a single name included."""
        super().__post_init__()
        force_setattr(self, "covariates", _names(self.covariates))


class Ratio(Asked, frozen=True, tag="ratio"):
    """The sum of one column over the sum of another, such as revenue per order.

    Attributes:
        numerator: numbers, one per customer.
        denominator: likewise.
        covariates: known before exposure; with the earlier numerator AND denominator among them the earlier ratio is
            adjusted for.
        slopes: `common` to both arms, or each arm its `own` (Lin).
    """

    numerator: str
    denominator: str
    covariates: Sequence[str] = ()
    slopes: Slopes = "common"

    def __post_init__(self) -> None:
        """Keep the covariates as a tuple, a single name included."""
        super().__post_init__()
        force_setattr(self, "covariates", _names(self.covariates))


class Return(Asked, frozen=True, tag="return"):
    """Incremental profit over incremental cost (ROI); its p-value is that of no incremental profit.

    Attributes:
        profit: net of the cost, one per customer.
        cost: of the offer, one per customer.
    """

    profit: str
    cost: str


class Quantile(Asked, frozen=True, tag="quantile"):
    """A quantile of a column's values.

    Attributes:
        column: numbers, one per row; with `cluster` a customer may have several.
        q: share of the values below it.
    """

    column: str
    q: float = 0.5


class Statistic(Asked, frozen=True, tag="statistic"):
    """Any number that can be computed from the rows of one arm, read by the Poisson bootstrap.

    Attributes:
        columns: what the function needs, numbers.
        function: (rows, columns) of one resample -> the number; must not look at the order of the rows.
        resamples: how often the customers are drawn again.
    """

    columns: Sequence[str]
    function: Callable[[Floats], float]
    resamples: int = 2_000

    def __post_init__(self) -> None:
        """Keep the columns as a tuple, a single name included."""
        super().__post_init__()
        force_setattr(self, "columns", _names(self.columns))


Metric: TypeAlias = Proportion | Mean | Ratio | Return | Quantile | Statistic


def name_of(metric: Metric) -> str:
    """The name given, or one made from the columns."""
    if metric.name:
        return metric.name
    if isinstance(metric, Ratio):
        return f"{metric.numerator} / {metric.denominator}"
    if isinstance(metric, Return):
        return f"return on {metric.cost}"
    if isinstance(metric, Quantile):
        return f"{metric.column} at {metric.q:g}"
    if isinstance(metric, Statistic):
        return getattr(metric.function, "__name__", "statistic")
    return metric.column


def outcomes_of(metric: Metric) -> tuple[str, ...]:
    """The columns that hold what is measured after exposure."""
    if isinstance(metric, Ratio):
        return metric.numerator, metric.denominator
    if isinstance(metric, Return):
        return metric.profit, metric.cost
    if isinstance(metric, Statistic):
        return tuple(metric.columns)
    return (metric.column,)


def covariates_of(metric: Metric) -> tuple[str, ...]:
    """The columns that hold what was known before."""
    return tuple(metric.covariates) if isinstance(metric, Mean | Ratio) else ()


def _names(given: Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
