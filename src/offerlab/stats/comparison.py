"""From two levels to effects: which form of the one statistic applies, and what it says.

The logarithm where both levels are clearly on the same side of zero, Hall's contrast elsewhere, plain Welch on request.
"""

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from offerlab.errors import InvalidPlan
from offerlab.stats import contrast, logratio
from offerlab.stats.effect import Reason
from offerlab.stats.effects import Effects, checked_alpha, first_reason, reason_code
from offerlab.stats.pair import Pair

Array = NDArray[np.float64]
Method = Literal["auto", "log_ratio", "contrast", "welch"]

METHODS = ("log_ratio", "contrast", "welch")
CLEAR = 2.0  # standard errors between a level and zero, from which its logarithm is used


class _Parts(Struct, eq=False):
    """Columns of the answer, filled method by method."""

    z: Array
    p_value: Array
    lower: Array
    upper: Array
    relative_lower: Array
    relative_upper: Array
    relative_shape: NDArray[np.int8]
    method: NDArray[np.int8]


def compare(
    pair: Pair,
    *,
    alpha: float | Array,
    method: Method = "auto",
    freedom: Array | None = None,
    unusable: tuple[tuple[Reason, NDArray[np.bool_]], ...] = (),
) -> Effects:
    """Effects of `top` against `base`.

    Args:
        pair: the two levels of each comparison; batch shape (...).
        alpha: two-sided error rate, a number or (...).
        method: `auto` as the module says; the others force one form where it is defined.
        freedom: (...) degrees of freedom, for `welch` alone.
        unusable: reasons for which nothing can be said, with their masks, most important first.

    Raises:
        InvalidPlan: alpha outside (0, 1), or an unknown method.
    """
    if method not in {"auto", *METHODS}:
        raise InvalidPlan(f"There is no method {method!r}.", field="method")
    shape = pair.top.shape
    level = np.broadcast_to(checked_alpha(alpha), shape)
    error = np.sqrt(pair.variance)
    reason = first_reason(shape, (*unusable, ("no_variance", error == 0)))
    relative_reason = np.where(pair.base == 0, reason_code("control_mean_zero"), 0).astype(np.int8)
    usable = reason == 0
    clear = _is_clear(pair)
    parts = _blank(shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if method == "welch":
            _fill_welch(parts, pair, level, usable, np.full(shape, np.inf) if freedom is None else freedom)
        else:
            log = usable & clear & (method != "contrast")
            _fill_log(parts, pair, level, log)
            _fill_contrast(parts, pair, level, usable & ~log)
        relative = (pair.top - pair.base) / np.abs(np.where(pair.base == 0, 1.0, pair.base))
    return Effects(
        pair.top - pair.base,
        parts.lower,
        parts.upper,
        relative,
        parts.relative_lower,
        parts.relative_upper,
        parts.relative_shape,
        parts.p_value,
        parts.z,
        error,
        reason,
        relative_reason,
        parts.method,
        METHODS,
        level,
    )


def _blank(shape: tuple[int, ...]) -> _Parts:
    z, p, lower, upper, relative_lower, relative_upper = np.zeros((6, *shape))
    codes = np.zeros((2, *shape), np.int8)
    return _Parts(z, p, lower, upper, relative_lower, relative_upper, codes[0], codes[1])


def _is_clear(pair: Pair) -> NDArray[np.bool_]:
    same = pair.top * pair.base > 0
    far = CLEAR**2
    return same & (pair.top**2 > far * pair.v_tt) & (pair.base**2 > far * pair.v_bb)


def _fill_log(parts: _Parts, pair: Pair, alpha: Array, mask: NDArray[np.bool_]) -> None:
    if not mask.any():
        return
    everything = bool(mask.all())
    said = logratio.read(pair if everything else pair[mask], -ndtri((alpha if everything else alpha[mask]) / 2))
    parts.z[mask] = said.z
    parts.p_value[mask] = 2 * ndtr(-np.abs(said.z))
    parts.lower[mask], parts.upper[mask] = said.lower, said.upper
    parts.relative_lower[mask], parts.relative_upper[mask] = said.relative_lower, said.relative_upper


def _fill_contrast(parts: _Parts, pair: Pair, alpha: Array, mask: NDArray[np.bool_]) -> None:
    if not mask.any():
        return
    some = pair[mask]
    critical = -ndtri(alpha[mask] / 2)
    z, lower, upper = contrast.difference(some, critical)
    parts.z[mask], parts.lower[mask], parts.upper[mask] = z, lower, upper
    parts.p_value[mask] = 2 * ndtr(-np.abs(z))
    parts.method[mask] = METHODS.index("contrast")
    _fill_ratios(parts, some, critical, mask, skewed=True)


def _fill_welch(parts: _Parts, pair: Pair, alpha: Array, mask: NDArray[np.bool_], freedom: Array) -> None:
    if not mask.any():
        return
    some, df = pair[mask], np.maximum(freedom[mask], 1e-3)
    critical = -stdtrit(df, alpha[mask] / 2)
    t, lower, upper = contrast.difference(some, critical, skewed=False)
    parts.p_value[mask] = 2 * stdtr(df, -np.abs(t))
    parts.z[mask] = -np.sign(t) * ndtri(parts.p_value[mask] / 2)
    parts.lower[mask], parts.upper[mask] = lower, upper
    parts.method[mask] = METHODS.index("welch")
    _fill_ratios(parts, some, critical, mask, skewed=False)


def _fill_ratios(parts: _Parts, pair: Pair, critical: Array, mask: NDArray[np.bool_], *, skewed: bool) -> None:
    """The lift from Fieller's set, over the size of the control mean."""
    said = contrast.ratios(pair, critical, skewed=skewed)
    up = pair.base > 0
    parts.relative_lower[mask] = np.where(up, said.lower - 1, 1 - said.upper)
    parts.relative_upper[mask] = np.where(up, said.upper - 1, 1 - said.lower)
    parts.relative_shape[mask] = said.shape
