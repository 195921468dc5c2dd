"""Resamples of real customers as moments, many at once: counts over the distinct values, never the rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from offerlab.stats.effects import Effects
from offerlab.stats.moments import Moments, from_sums, monomials

Values = NDArray[np.float64]

_CHUNK = 400


def resample(rng: np.random.Generator, columns: Sequence[str], rows: Values, size: int, times: int) -> Moments:
    """Moments of `times` samples with replacement of `size` rows each, as a batch.

    Args:
        rng: where the chance comes from.
        columns: k names.
        rows: (customers, k).
        size: customers per sample.
        times: samples.
    """
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    shift = rows.mean(axis=0)
    centred = distinct - shift
    products = np.column_stack([np.prod(centred[:, list(index)], axis=1) for index in monomials(len(columns))])
    sums, nonzero = [], []
    for start in range(0, times, _CHUNK):
        drawn = rng.multinomial(size, counts / counts.sum(), size=min(_CHUNK, times - start)).astype(np.float64)
        sums.append(drawn @ products)
        nonzero.append(drawn @ (distinct != 0))
    return from_sums(columns, np.full(times, float(size)), shift, np.concatenate(sums), np.concatenate(nonzero))


def tails(effects: Effects, difference: float, lift: float) -> dict[str, float]:
    """Shares of the batch whose intervals lie wholly above or below the truth, in per cent.

    A lift's set that is not a stretch counts as above when the truth lies in its gap.
    """
    bounded = effects.relative_shape == 0
    disjoint = effects.relative_shape == 1
    in_gap = disjoint & (effects.relative_lower < lift) & (lift < effects.relative_upper)
    return {
        "absolute above": 100 * float(np.mean(effects.lower > difference)),
        "absolute below": 100 * float(np.mean(effects.upper < difference)),
        "lift above": 100 * float(np.mean((bounded & (effects.relative_lower > lift)) | in_gap)),
        "lift below": 100 * float(np.mean(bounded & (effects.relative_upper < lift))),
    }
