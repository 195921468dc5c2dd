"""What every test returns: an effect with one verdict, or the reason why nothing can be said.

One statistic gives the p-value, the absolute and the relative interval, so that they cannot contradict each other.
Rejected: a flat dict per test (every reader would have to guess which keys exist), and NaN for "unknown".
"""

from math import inf
from typing import Literal, TypeAlias

from msgspec import Struct

Shape: TypeAlias = Literal["bounded", "disjoint", "whole_line"]

Reason: TypeAlias = Literal[
    "no_units",
    "one_unit",
    "no_variance",
    "too_few",
    "control_mean_zero",
    "mean_not_positive",
    "denominator_zero",
    "no_cost",
    "weights_zero",
    "not_converged",
    "no_prior",
    "no_reference",
    "not_started",
    "follows_results",
]


class Interval(Struct, frozen=True, tag="interval"):
    """An estimate and its confidence set, in the metric's own unit or as a share of the control mean.

    Attributes:
        estimate: the point estimate.
        lower, upper: ends of the set; an open side is minus or plus infinity.
        shape: `bounded` means [lower, upper]; `disjoint` means everything EXCEPT the open gap (lower, upper);
            `whole_line` means that the data exclude nothing (lower = -inf, upper = inf).

    Source:
        Fieller (1954), JRSS-B 16(2), 175-185, for the three shapes.
    """

    estimate: float
    lower: float
    upper: float
    shape: Shape = "bounded"

    def contains(self, value: float) -> bool:
        """Whether the confidence set holds `value`."""
        if self.shape == "disjoint":
            return value <= self.lower or value >= self.upper
        return self.lower <= value <= self.upper

    @property
    def is_finite(self) -> bool:
        """Whether the set is one stretch with two finite ends."""
        return self.shape == "bounded" and self.lower > -inf and self.upper < inf


class Undetermined(Struct, frozen=True, tag="undetermined"):
    """Nothing can be stated; never zero, never NaN.

    Attributes:
        reason: stable word that clients may branch on.
        detail: one sentence for a person.
    """

    reason: Reason
    detail: str


class Caution(Struct, frozen=True, tag="caution"):
    """A reservation about an effect that is shown all the same.

    Attributes:
        code: stable word: `too_few` (not enough converting customers), `skewed` (too few customers for a metric with
            such giants), `skewness_unknown`, `fallback` (fewer covariates than asked for), `exact_fallback`,
            `conservative`.
        detail: one sentence for a person.
    """

    code: str
    detail: str


class Effect(Struct, frozen=True, tag="effect"):
    """Treatment against control, with one verdict.

    Zero lies outside `absolute` exactly when `p_value < alpha`, and outside `relative` at the same moment.

    Attributes:
        absolute: treatment mean less control mean, in the metric's unit.
        relative: that difference over the size of the control mean, a share (0.1 is +10 %), or why there is none.
        p_value: two-sided, of no difference, in [0, 1].
        z: the signed statistic of no difference on the normal scale; p_value = 2 Phi(-|z|).
        standard_error: of the absolute estimate, in the metric's unit.
        alpha: two-sided error rate of both intervals.
        method: stable word for the test used.
        warnings: reservations; empty when the effect may be trusted.
    """

    absolute: Interval
    relative: Interval | Undetermined
    p_value: float
    z: float
    standard_error: float
    alpha: float
    method: str
    warnings: tuple[Caution, ...] = ()


Outcome: TypeAlias = Effect | Undetermined
