"""Capping a metric carried by a few giants, blind to assignment.

One limit for all arms, from all customers pooled: a limit per arm would itself differ between the arms. The capped
metric is another metric, shown beside the raw one, never in its place.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from offerlab.errors import InvalidPlan

Array = NDArray[np.float64]

SHARE = 0.99


class Cap(Struct, frozen=True):
    """A limit and whether it bites.

    Attributes:
        limit: the largest value kept, in the metric's unit; infinite where nobody has a value.
        touched: how many of the customers it was found on lie above it.
    """

    limit: float
    touched: int


def pooled_cap(values: ArrayLike, *, share: float = SHARE) -> Cap:
    """The percentile of the values other than zero, over the customers of all arms together.

    Args:
        values: one per customer, all arms; finite.
        share: of the non-zero values that stay as they are, 0 < share <= 1.

    Raises:
        InvalidPlan: share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise InvalidPlan(f"The share kept must lie in (0, 1], not {share}.", field="share")
    x = np.asarray(values, dtype=np.float64)
    spent = x[x != 0]
    if not len(spent):
        return Cap(float("inf"), 0)
    limit = float(np.quantile(spent, share))
    return Cap(limit, int(np.count_nonzero(x > limit)))


def capped(values: ArrayLike, cap: Cap) -> Array:
    """The values, none above the limit."""
    return np.minimum(np.asarray(values, dtype=np.float64), cap.limit)
