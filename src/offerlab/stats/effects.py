"""Many effects at once: arrays from which single `Effect`s are made at the edge."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from offerlab.errors import InvalidPlan
from offerlab.stats.effect import Caution, Effect, Interval, Outcome, Reason, Shape, Undetermined

Array = NDArray[np.float64]
Codes = NDArray[np.int8]

SHAPES: tuple[Shape, ...] = ("bounded", "disjoint", "whole_line")
REASONS: tuple[tuple[Reason | None, str], ...] = (
    (None, ""),
    ("no_units", "An arm has no customers."),
    ("one_unit", "An arm has a single customer, so its spread is unknown."),
    ("no_variance", "Every customer has the same value within each arm, so chance cannot be measured."),
    ("control_mean_zero", "The control mean is zero, so there is nothing to express the effect relative to."),
    ("denominator_zero", "The denominator is zero in an arm, so there is no ratio."),
    ("too_few", "Too few customers for as many covariates or strata."),
    ("no_cost", "The arms do not differ in cost, so there is no return on it."),
    ("weights_zero", "No stratum has both weight and customers in both arms."),
    ("no_reference", "A return has no level in control to be a share of."),
)
_CODE = {reason: code for code, (reason, _) in enumerate(REASONS)}


class CautionMask(Struct, frozen=True, eq=False):
    """A caution for some of a batch; `detail` may hold `{value}`, filled from `values`."""

    code: str
    detail: str
    mask: NDArray[np.bool_]
    values: Array


class Effects(Struct, frozen=True, eq=False):
    """The fields of `Effect`, as arrays of one batch shape.

    Attributes:
        reason: index into REASONS; zero where there is an effect.
        relative_reason: index into REASONS; zero where there is a relative effect.
        relative_shape: index into SHAPES.
        method: index into `methods`.
        shape: index into SHAPES, of the absolute interval; bounded where not given.
    """

    estimate: Array
    lower: Array
    upper: Array
    relative: Array
    relative_lower: Array
    relative_upper: Array
    relative_shape: Codes
    p_value: Array
    z: Array
    standard_error: Array
    reason: Codes
    relative_reason: Codes
    method: Codes
    methods: tuple[str, ...]
    alpha: Array
    cautions: tuple[CautionMask, ...] = ()
    shape: Codes | None = None

    def cautioned(self, *more: CautionMask) -> "Effects":
        """The same effects with further cautions."""
        return replace(self, cautions=(*self.cautions, *more))

    def rows(self) -> list[Outcome]:
        """One outcome per comparison, the batch flattened in C order."""
        cautions = self._cautions()
        size = self.estimate.size
        columns = [
            np.broadcast_to(part, self.estimate.shape).ravel().tolist()
            for part in (
                self.reason,
                self.estimate,
                self.lower,
                self.upper,
                self.relative_reason,
                self.relative,
                self.relative_lower,
                self.relative_upper,
                self.relative_shape,
                self.p_value,
                self.z,
                self.standard_error,
                self.alpha,
                self.method,
                np.zeros(1, np.int8) if self.shape is None else self.shape,
            )
        ]
        outcomes: list[Outcome] = []
        for i, row in enumerate(zip(*columns, strict=True)):
            bad, est, low, high, rel_bad, rel, rel_low, rel_high, rel_shape, p, z, se, alpha, method, shape = row
            if bad:
                outcomes.append(undetermined(bad))
                continue
            relative = undetermined(rel_bad) if rel_bad else Interval(rel, rel_low, rel_high, SHAPES[rel_shape])
            outcomes.append(
                Effect(
                    Interval(est, low, high, SHAPES[shape]),
                    relative,
                    p,
                    z,
                    se,
                    alpha,
                    self.methods[method],
                    cautions.get(i, ()),
                )
            )
        assert len(outcomes) == size  # noqa: S101 - zip(strict) has counted
        return outcomes

    def only(self) -> Outcome:
        """The outcome of a batch of one."""
        return self.rows()[0]

    def _cautions(self) -> dict[int, tuple[Caution, ...]]:
        found: dict[int, tuple[Caution, ...]] = {}
        for caution in self.cautions:
            values = np.broadcast_to(caution.values, self.estimate.shape).ravel()
            for i in np.flatnonzero(np.broadcast_to(caution.mask, self.estimate.shape)).tolist():
                told = Caution(caution.code, caution.detail.format(value=f"{values[i]:.4g}"))
                found[i] = (*found.get(i, ()), told)
        return found


_UNDETERMINED = tuple(Undetermined(reason or "no_units", detail) for reason, detail in REASONS)


def undetermined(code: int) -> Undetermined:
    """The reason behind a code."""
    return _UNDETERMINED[code]


def reason_code(reason: Reason) -> int:
    """The code behind a reason."""
    return _CODE[reason]


def first_reason(shape: tuple[int, ...], rules: Sequence[tuple[Reason, NDArray[np.bool_]]]) -> Codes:
    """The code of the first rule that applies, zero where none does."""
    codes = np.zeros(shape, dtype=np.int8)
    for reason, mask in reversed(rules):
        codes[np.broadcast_to(mask, shape)] = reason_code(reason)
    return codes


def checked_alpha(alpha: float | Array) -> Array:
    """Alpha as an array.

    Raises:
        InvalidPlan: outside (0, 1).
    """
    values = np.asarray(alpha, dtype=np.float64)
    if not np.all((values > 0) & (values < 1)):
        raise InvalidPlan(f"alpha must lie between 0 and 1, not {alpha}.", field="alpha")
    return values
