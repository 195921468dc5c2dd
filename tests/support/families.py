"""Several arms against one control along many looks, simulated as Gaussian paths. For benchmarks and slow proofs."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from offerlab.stats.confidence_sequence import multiplier
from offerlab.stats.dunnett import dunnett_critical_value
from offerlab.stats.group_sequential import Plan, boundaries


def family_crossings(
    arms: int,
    looks: int,
    rule: Literal["obrien_fleming", "pocock", "sequence"],
    *,
    paths: int = 200_000,
    critical: float | None = None,
) -> NDArray[np.bool_]:
    """Whether any arm without an effect crosses at any look, per path.

    Each arm is read at Dunnett's level for arms of the control's size (or at `critical`'s), spent over equal looks.
    """
    rng, share = np.random.default_rng(arms * 100 + looks), np.sqrt(0.5)
    single = dunnett_critical_value(np.full(arms, share)) if critical is None else critical
    level, times = float(2 * ndtr(-single)), np.arange(1, looks + 1) / looks
    bounds = multiplier(times, level) if rule == "sequence" else boundaries(times, Plan(level, rule))
    found: list[NDArray[np.bool_]] = []
    for _ in range(paths // 10_000):
        control = rng.standard_normal((10_000, looks)).cumsum(axis=1)
        crossed = np.zeros(10_000, dtype=np.bool_)
        for _arm in range(arms):
            path = share * control + share * rng.standard_normal(control.shape).cumsum(axis=1)
            crossed |= np.any(np.abs(path) > bounds * np.sqrt(np.arange(1, looks + 1)), axis=1)
        found.append(crossed)
    return np.concatenate(found)
