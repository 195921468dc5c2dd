"""Several treatments and their control: the chance of each to be the best, and what choosing it is expected to lose.

The differences share the control's noise; given the control's true level they are independent, so one integral over
that level and one over the value of the best suffice (no simulation). Each difference has the same prior as a single
comparison, so that a crowd of arms does not turn noise into a winner.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr

from offerlab.errors import InvalidInput
from offerlab.stats.bayesian import unit_loss
from offerlab.stats.prior import FLAT, Prior

Floats = NDArray[np.float64]

_REACH = 8.5
_LEVELS = np.arange(-8.0, 8.5, 1.0)  # panel edges in standard deviations around each arm
_NODES, _WEIGHTS = (np.asarray(a) for a in np.polynomial.legendre.leggauss(12))


class BestArm(Struct, frozen=True, eq=False):
    """Beliefs about which of the arms is best.

    Attributes:
        chance: per arm, control first; they sum to one.
        expected_loss: expected difference between the best arm and this one, on the scale given.
    """

    chance: Floats
    expected_loss: Floats


def best_arm(levels: ArrayLike, variances: ArrayLike, prior: Prior = FLAT) -> BestArm:
    """Chance to be best among independent arms with normal estimates.

    Args:
        levels: estimates, control first, shape (arms,), higher is better; on the scale on which the prior speaks: mean
            over control's mean for a prior on lifts (or minus that where a rise is harm).
        variances: of these estimates, above zero, same shape. Arms share no customer.
        prior: of each treatment's difference to control; control itself has a flat prior.

    Raises:
        InvalidInput: fewer than two arms, shapes that differ, a variance not positive.
    """
    y, v = np.asarray(levels, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if y.ndim != 1 or y.size < 2 or v.shape != y.shape:  # noqa: PLR2004 - a choice needs two arms
        raise InvalidInput(f"levels of shape {y.shape} and variances of {v.shape}", field="variances")
    if not np.isfinite(y).all() or not np.all((v > 0.0) & np.isfinite(v)):
        raise InvalidInput("an arm needs a finite level and a positive variance", field="variances")
    kept = 1 / (1 + v[1:] / prior.sd**2)
    sd = np.sqrt(kept * v[1:])
    about_control = 1 / np.concatenate([v[:1], v[1:] + prior.sd**2])
    centre = float(about_control @ np.concatenate([y[:1], y[1:] - prior.mean]) / about_control.sum())
    spread = float(1 / np.sqrt(about_control.sum()))
    step = float(np.clip(np.min(sd / np.maximum(kept, 1e-12)) / spread / 3, 1e-3, 0.25))
    u = np.arange(-_REACH, _REACH + step / 2, step)
    weight = np.exp(-(u**2) / 2) / np.exp(-(u**2) / 2).sum()
    chance, loss = np.zeros(y.size), np.zeros(y.size)
    for control, share in zip(centre + spread * u, weight, strict=True):
        mean = prior.mean + kept * (y[1:] - control - prior.mean)
        given = _given_control(mean, sd)
        chance += share * given[0]
        loss += share * given[1]
    return BestArm(chance / chance.sum(), loss)


def _given_control(mean: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Chances to be best and expected losses when control's level is known: differences are independent normals."""
    edges = np.unique(np.maximum((mean + sd * _LEVELS[:, np.newaxis]).ravel(), 0.0))
    if edges[0] > 0.0:
        edges = np.concatenate([[0.0], edges])
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    x = (middle[:, np.newaxis] + half[:, np.newaxis] * _NODES).ravel()
    weight = (half[:, np.newaxis] * _WEIGHTS).ravel()
    z = (x[:, np.newaxis] - mean) / sd
    below, log_below = ndtr(z), log_ndtr(z)
    others = log_below.sum(axis=1, keepdims=True) - log_below
    density = np.exp(-(z**2) / 2) / (np.sqrt(2 * np.pi) * sd)
    chance = np.concatenate([[ndtr(-mean / sd).prod()], weight @ (density * np.exp(others))])
    # An arm loses where control beats it (below zero) and where another arm does; every term is positive.
    arms = sd * unit_loss(mean / sd) + weight @ (below * -np.expm1(others))
    return chance, np.concatenate([[-weight @ np.expm1(log_below.sum(axis=1))], arms])
