"""Statistics at many looks, simulated: Gaussian paths, and re-randomised customers of Hillstrom's mailing.

For the slow proofs and for `benchmarks/`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from offerlab.stats.means import mean_differences
from offerlab.stats.moments import from_power_sums

Array = NDArray[np.float64]


def gaussian_courses(seed: int, paths: int, fractions: Sequence[float] | Array, drift: float = 0.0) -> Array:
    """Z at each look, shape (paths, looks): independent increments, mean drift·√t."""
    times = np.asarray(fractions, dtype=np.float64)
    steps = np.diff(times, prepend=0.0)
    noise = np.random.default_rng(seed).standard_normal((paths, times.size))
    return np.asarray(np.cumsum(drift * steps + noise * np.sqrt(steps), axis=1) / np.sqrt(times))


def resampled_courses(
    seed: int, resamples: int, values: Array, *, planned: int, share: float, looks: int
) -> tuple[Array, NDArray[np.bool_]]:
    """An A/A experiment on customers drawn from `values`, read `looks` times by the engine's default test.

    Args:
        seed: of the draws.
        resamples: how many experiments.
        values: one per customer, most of them 0.
        planned: customers of both arms at the end.
        share: of the treatment, at most one half.
        looks: equally spaced.

    Returns:
        Z (resamples, looks), and whether the burn-in of 40 expected converters in the smaller arm has passed.
    """
    rng, bought = np.random.default_rng(seed), values[values > 0.0]
    sizes = [np.rint(np.arange(looks + 1) / looks * planned * part).astype(np.int64) for part in (1.0 - share, share)]
    sums, converters = np.zeros((2, 3, resamples)), np.zeros((2, resamples))
    z, ready = np.zeros((resamples, looks)), np.zeros((resamples, looks), dtype=np.bool_)
    for look in range(looks):
        arms = []
        for arm, size in enumerate(sizes):
            came = rng.binomial(size[look + 1] - size[look], bought.size / values.size, resamples)
            spent, who = rng.choice(bought, int(came.sum())), np.repeat(np.arange(resamples), came)
            sums[arm] += [np.bincount(who, spent**power, resamples) for power in (1, 2, 3)]
            converters[arm] += came
            s1, s2, s3 = sums[arm]
            n = np.full(resamples, float(size[look + 1]))
            cubes, squares = s3[:, None, None, None], s2[:, None, None]
            arms.append(from_power_sums(("spend",), n, [0.0], s1[:, None], squares, cubes, converters[arm][:, None]))
        effects = mean_differences(arms[0], arms[1], alpha=0.05)
        z[:, look] = np.where(effects.reason == 0, effects.z, 0.0)
        ready[:, look] = converters.sum(axis=0) * share >= 40.0  # the burn-in
    return z, ready


def first_looks(ready: NDArray[np.bool_]) -> list[tuple[int, NDArray[np.bool_]]]:
    """Each first look after the burn-in, with the experiments that begin there (never: left out)."""
    first, ever = ready.argmax(axis=1), ready.any(axis=1)
    return [(int(look), (first == look) & ever) for look in np.unique(first[ever])]
