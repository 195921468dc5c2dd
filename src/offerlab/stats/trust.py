"""When the error rates of a mean may be trusted, judged blind to assignment.

A gate on each arm's own converters would select on the outcome and spoil the very tails it should guard (4.4 and .3 %
instead of 2.5 and 2.5 on Hillstrom's data); so only pooled sums and the sizes of the arms are looked at.
"""

import numpy as np
from numpy.typing import NDArray

from offerlab.stats.effects import CautionMask
from offerlab.stats.moments import Moments

Array = NDArray[np.float64]

ENOUGH_CONVERTERS = 40.0
ENOUGH_PER_SQUARED_SKEWNESS = 10.0


def cautions(control: Moments, treatment: Moments, column: str | int = 0) -> tuple[CautionMask, ...]:
    """Which comparisons of this column are too thin or too skewed for the promised error rates.

    Trusted are (converters of both arms) x (share of the smaller arm) >= 40 and
    n of the smaller arm >= 10 x skewness^2, skewness of both arms pooled, of the metric as analysed.
    """
    i = control.position(column)
    smaller = np.minimum(control.n, treatment.n)
    needed = ENOUGH_PER_SQUARED_SKEWNESS * pooled_squared_skewness(control, treatment, i)
    return (
        few_converters(control.converters(i) + treatment.converters(i), control.n, treatment.n),
        CautionMask(
            "skewed",
            "A few customers carry the sum: the smaller arm needs {value} customers for so skewed a metric; cap it, "
            "or wait.",
            smaller < needed,
            needed,
        ),
    )


def few_converters(converters: Array, n_c: Array, n_t: Array) -> CautionMask:
    """Which comparisons have too few converting customers, those of both arms taken together."""
    weighed = converters * np.minimum(n_c, n_t) / np.maximum(n_c + n_t, 1.0)
    return CautionMask(
        "too_few",
        "Too few converting customers: those of both arms times the share of the smaller arm are {value}, below "
        f"{ENOUGH_CONVERTERS:g}; the error rate may be missed.",
        weighed < ENOUGH_CONVERTERS,
        weighed,
    )


def pooled_squared_skewness(control: Moments, treatment: Moments, column: str | int = 0) -> Array:
    """(...) squared skewness of one column over both arms."""
    i = control.position(column)
    n = np.maximum(control.n + treatment.n, 1.0)
    share = treatment.n / n
    gap = treatment.mean[..., i] - control.mean[..., i]
    a, b = control.second[..., i, i], treatment.second[..., i, i]
    second = a + b + control.n * share * gap**2
    third = (
        control.third[..., i, i, i]
        + treatment.third[..., i, i, i]
        + 3 * gap * ((1 - share) * b - share * a)
        + control.n * share * (1 - 2 * share) * gap**3
    )
    return np.where(second > 0, n * third**2 / np.where(second > 0, second, 1.0) ** 3, 0.0)
