"""Simulated bandits, many at once: batches whose shares follow the results so far."""

from typing import Literal

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy import stats

Batches = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Rule = Literal["thompson", "top_two"]


def bandits(
    seed: int,
    sims: int,
    *,
    effect: float = 0.0,
    drift: float = 0.0,
    floor: float = 0.05,
    arms: int = 2,
    rule: Rule = "thompson",
) -> Batches:
    """Many bandits at once: 20 batches of 500 skewed outcomes; the effect is the second arm's."""
    rng = np.random.default_rng(seed)
    shape = (sims, 20, arms)
    e = np.full(shape, 1 / arms)
    n, y, q, c = (np.zeros(shape) for _ in range(4))
    for t in range(20):
        if t:
            seen, total = n[:, :t].sum(axis=1), (n * y)[:, :t].sum(axis=1)
            e[:, t] = shares(total / np.maximum(seen, 1), 1 / np.maximum(seen, 1), floor=floor, rule=rule)
        drawn = (rng.random((sims, 500, 1)) > e[:, t].cumsum(axis=1)[:, None, :-1]).sum(axis=2)
        value = rng.exponential(1.0, (sims, 500)) + effect * (drawn == 1) + drift * np.sin(t / 3)
        for w in range(arms):
            here = drawn == w
            n[:, t, w] = here.sum(axis=1)
            y[:, t, w] = (value * here).sum(axis=1) / np.maximum(n[:, t, w], 1)
            off = here * (value - y[:, t, w, None])
            q[:, t, w], c[:, t, w] = (off**2).sum(axis=1), (off**3).sum(axis=1)
    return e, n, y, q, c


def shares(means: np.ndarray, variances: np.ndarray, *, floor: float, rule: Rule) -> np.ndarray:
    """What the engine's `thompson_shares` and `top_two_shares` say, for many bandits at once, (sims, arms)."""
    error = np.sqrt(variances)
    nodes, weights = hermegauss(60)
    x = means[..., None] + error[..., None] * nodes  # (sims, arms, nodes): one arm's possible levels
    best = np.zeros(means.shape)
    for arm in range(means.shape[1]):
        others = [j for j in range(means.shape[1]) if j != arm]
        below = [stats.norm.cdf((x[:, arm] - means[:, j, None]) / error[:, j, None]) for j in others]
        best[:, arm] = np.prod(below, axis=0) @ weights / weights.sum()
    best /= best.sum(axis=1, keepdims=True)
    if rule == "top_two":
        alone = 1 - np.eye(means.shape[1])
        rivals = best[:, None, :] * alone  # in row i: who leads where arm i may not
        rest = rivals.sum(axis=2, keepdims=True)
        challengers = np.where(rest > 1e-12, rivals / np.maximum(rest, 1e-12), alone / (means.shape[1] - 1))
        best = 0.5 * best + 0.5 * np.einsum("si,sij->sj", best, challengers)
    return np.asarray(floor + (1 - means.shape[1] * floor) * best)
