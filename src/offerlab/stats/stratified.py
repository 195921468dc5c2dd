"""Effects compared within strata and weighted by the strata's shares of all customers.

Needed wherever the allocation differed (epochs, segments): pooling would compare the customers of one time with those
of another (Simpson). Useful elsewhere too: what differs between strata is no longer noise.
Works on `Pair`s, so that means, ratios and regression-adjusted levels are stratified alike and go through the one test.
Rejected: weights by precision (they answer for a population that nobody has), and shares taken as known (the lift's
interval is then too short where strata spend very differently).
"""

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from offerlab.errors import InvalidInput
from offerlab.stats import trust
from offerlab.stats.comparison import Method, compare
from offerlab.stats.effects import Effects
from offerlab.stats.means import too_small
from offerlab.stats.moments import Moments, merge_all, stack
from offerlab.stats.pair import Pair, independent, mean_level

if TYPE_CHECKING:
    from offerlab.stats.effect import Reason

Array = NDArray[np.float64]


class Stratified(Struct, frozen=True, eq=False):
    """Stratified effects and whom they speak about.

    Attributes:
        effects: of the batch shape, (1,) for a single comparison.
        left_out: share of customers in strata without two customers in each arm; nothing can be said about them.
    """

    effects: Effects
    left_out: Array


def stratified_differences(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float | Array,
    column: str | int = 0,
    sizes: ArrayLike | None = None,
    method: Method = "auto",
) -> Stratified:
    """Differences and lifts of means, compared within strata.

    Args:
        control: one observation per exposed customer; batch shape (strata, ...), as `stack` makes it.
        treatment: likewise.
        alpha: two-sided error rate, 0 < alpha < 1.
        column: which column of the moments.
        sizes: customers per stratum whose shares are the weights, shape (strata, ...): all arms of the experiment, so
            that every arm is compared on one population. By default those of the two arms.
        method: as in `mean_differences`.

    Raises:
        InvalidPlan: alpha outside (0, 1).

    Source:
        Miratrix, Sekhon & Yu (2013), JRSS-B 75, 369-396; docs/formulas for the joint cumulants.
    """
    control, treatment = _batch(control), _batch(treatment)
    total = control.n + treatment.n if sizes is None else _per_stratum(sizes, control.n.shape)
    usable = (control.n > 1) & (treatment.n > 1)
    pair = post_stratify(independent(mean_level(treatment, column), mean_level(control, column)), total, usable)
    whole = (_merged(control), _merged(treatment))
    unusable: tuple[tuple[Reason, NDArray[np.bool_]], ...] = (
        *too_small(*whole),
        ("weights_zero", (usable * total).sum(axis=0) == 0),
    )
    effects = compare(pair, alpha=alpha, method=method, unusable=unusable)
    counted = total.sum(axis=0)
    left = np.where(usable, 0.0, total).sum(axis=0) / np.where(counted > 0, counted, 1.0)
    return Stratified(effects.cautioned(*trust.cautions(*whole, column)), left)


def post_stratify(pair: Pair, sizes: ArrayLike, usable: NDArray[np.bool_] | None = None) -> Pair:
    """One pair from a pair per stratum.

    Level = sum of W_k level_k. Its variance is that of the strata plus that of the shares W_k, which are themselves an
    estimate from `sizes` customers; the third cumulants follow.

    Args:
        pair: of batch shape (strata, ...); strata share no customer.
        sizes: customers behind the shares, shape (strata, ...) or (strata,).
        usable: strata with a comparison, same shape; the others get no weight.

    Returns:
        A pair of shape (...).
    """
    counts = _per_stratum(sizes, pair.top.shape)
    kept = counts if usable is None else np.where(usable, counts, 0.0)
    size = np.where(kept.sum(axis=0) > 0, kept.sum(axis=0), 1.0)
    w = kept / size

    def add(values: Array, power: int) -> Array:
        return np.asarray((w**power * np.where(w > 0, values, 0.0)).sum(axis=0), dtype=np.float64)

    top, base = add(pair.top, 1), add(pair.base, 1)
    t, b = pair.top - top, pair.base - base
    v_tt, v_bb = add(pair.v_tt, 2) + add(t * t, 1) / size, add(pair.v_bb, 2) + add(b * b, 1) / size
    return Pair(
        top=top,
        base=base,
        v_tt=v_tt,
        v_tb=add(pair.v_tb, 2) + add(t * b, 1) / size,
        v_bb=v_bb,
        k_ttt=add(pair.k_ttt, 3) + 3 * add(pair.v_tt * t, 2) / size + add(t**3, 1) / size**2,
        k_ttb=add(pair.k_ttb, 3)
        + (add(pair.v_tt * b, 2) + 2 * add(pair.v_tb * t, 2)) / size
        + add(t * t * b, 1) / size**2,
        k_tbb=add(pair.k_tbb, 3)
        + (add(pair.v_bb * t, 2) + 2 * add(pair.v_tb * b, 2)) / size
        + add(t * b * b, 1) / size**2,
        k_bbb=add(pair.k_bbb, 3) + 3 * add(pair.v_bb * b, 2) / size + add(b**3, 1) / size**2,
        f_t=add(pair.v_tt * pair.f_t, 3) / np.where(v_tt > 0, v_tt, 1.0),  # only v f enters the expansion
        f_b=add(pair.v_bb * pair.f_b, 3) / np.where(v_bb > 0, v_bb, 1.0),
        bias_t=add(pair.bias_t, 1),
        bias_b=add(pair.bias_b, 1),
    )


def _batch(strata: Moments) -> Moments:
    """(strata, 1) where there is a single comparison."""
    return strata if strata.n.ndim > 1 else stack([stack([strata[k]]) for k in range(strata.n.shape[0])])


def _merged(strata: Moments) -> Moments:
    """All strata of each comparison as one arm: for the checks that look at the whole."""
    return merge_all([strata[k] for k in range(strata.n.shape[0])])


def _per_stratum(sizes: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Sizes in the batch shape."""
    counts = np.asarray(sizes, dtype=np.float64)
    spread = counts.reshape(counts.shape + (1,) * (len(shape) - counts.ndim))
    if counts.ndim == 0 or counts.ndim > len(shape) or counts.shape[0] != shape[0] or not np.all(counts >= 0):
        raise InvalidInput("sizes are one per stratum and not negative", field="sizes")
    return np.broadcast_to(spread, shape)
