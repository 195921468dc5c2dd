"""Simulated bandits, many at once: batches whose shares follow the results so far."""

import numpy as np
from scipy import stats

Batches = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def bandits(seed: int, sims: int, *, effect: float = 0.0, drift: float = 0.0, floor: float = 0.05) -> Batches:
    """Many two-armed Thompson bandits at once: 20 batches of 500 skewed outcomes, shares by the chance to be best."""
    rng = np.random.default_rng(seed)
    shape = (sims, 20, 2)
    e = np.full(shape, 0.5)
    n, y, q, c = (np.zeros(shape) for _ in range(4))
    for t in range(20):
        if t:
            seen, total = n[:, :t].sum(axis=1), (n * y)[:, :t].sum(axis=1)
            mean = total / np.maximum(seen, 1)
            z = (mean[:, 1] - mean[:, 0]) / np.sqrt((1 / np.maximum(seen, 1)).sum(axis=1))
            share = floor + (1 - 2 * floor) * stats.norm.cdf(z)
            e[:, t] = np.column_stack([1 - share, share])
        arm = rng.random((sims, 500)) < e[:, t, 1:]
        value = rng.exponential(1.0, (sims, 500)) + effect * arm + drift * np.sin(t / 3)
        for w in (0, 1):
            here = arm == bool(w)
            n[:, t, w] = here.sum(axis=1)
            y[:, t, w] = (value * here).sum(axis=1) / np.maximum(n[:, t, w], 1)
            off = here * (value - y[:, t, w, None])
            q[:, t, w], c[:, t, w] = (off**2).sum(axis=1), (off**3).sum(axis=1)
    return e, n, y, q, c
