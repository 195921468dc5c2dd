"""Stagewise p-values and the median-unbiased estimate: against scipy, the definition, and simulation."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal

from offerlab.stats import stagewise
from offerlab.stats.group_sequential import boundaries
from offerlab.stats.recursion import beyond

TIMES = np.arange(1, 15) / 14
BOUNDS = boundaries(TIMES)


def _course(look: int) -> stagewise.Course:
    return stagewise.course_of(list(TIMES[:look]), list(BOUNDS[: look - 1]))


def test_without_earlier_looks_p_and_estimate_are_the_plain_ones() -> None:
    """One look: the normal p-value and the plain estimate."""
    z = np.array([-2.0, 0.0, 1.3])
    assert_allclose(stagewise.p_value(_course(1), z), 2 * ndtr(-np.abs(z)), rtol=1e-10)
    assert_allclose(stagewise.median_unbiased(_course(1), z), z)


def test_p_at_the_second_look_is_scipys_bivariate_normal() -> None:
    """P(cross at look 1) + P(go on and find Z2 or more), both sides."""
    path = stagewise.course_of([0.4, 1.0], [2.2])
    correlation = np.sqrt(0.4)
    stay = multivariate_normal.cdf([2.2, -2.4], cov=[[1, correlation], [correlation, 1]], lower_limit=[-2.2, -np.inf])
    assert_allclose(stagewise.p_value(path, np.array([2.4])), 2 * (ndtr(-2.2) + stay), atol=1e-8)


@pytest.mark.parametrize("look", [2, 7, 14])
def test_p_at_the_boundary_is_the_error_spent(look: int) -> None:
    """An outcome exactly on the boundary has used up what was spent by then."""
    spent_by_then = 2 * 2 * ndtr(ndtri(0.0125) / np.sqrt(TIMES[look - 1]))
    bound = BOUNDS[look - 1 : look]
    assert_allclose(stagewise.p_value(_course(look), bound), spent_by_then, rtol=1e-8, atol=2e-15)


@pytest.mark.parametrize("look", [2, 5, 9, 14])
def test_estimate_makes_the_outcome_the_median_one(look: int) -> None:
    """The interpolated estimate agrees with the root of its definition to 1e-4 standard errors."""
    path, root = _course(look), np.sqrt(TIMES[look - 1])
    z = np.array([0.2, 1.0, 2.0, 2.6, 3.4])

    def exact(value: float) -> float:
        def excess(drift: float) -> float:
            ahead = stagewise.stopped_above(path, np.array([drift]))[0]
            return float(ahead + beyond(path.arriving[-1], path.times[-1], value, drift)[0] - 0.5)

        return float(brentq(excess, 0.0, 60.0, xtol=1e-12) * root)

    assert_allclose(stagewise.median_unbiased(path, z), [exact(value) for value in z], atol=1e-4)


def test_estimate_has_the_sign_of_z_and_is_never_larger() -> None:
    """Swapping the arms flips it, zero stays zero, and it shrinks."""
    z = np.array([0.0, 0.01, 0.7, 1.96, 3.0, 9.0])
    up, down = stagewise.median_unbiased(_course(14), z), stagewise.median_unbiased(_course(14), -z)
    assert_allclose(up, -down)
    assert np.all((up >= 0.0) & (up <= z))
    assert np.all(np.diff(up) >= 0.0)


def test_median_of_the_estimate_is_the_truth() -> None:
    """40,000 paths with a real effect: half of the estimates lie below it (within 2 %), their mean runs high."""
    rng, drift = np.random.default_rng(11), float(ndtri(0.975) + ndtri(0.8))
    steps = rng.normal(drift / 14, np.sqrt(1 / 14), (40_000, 14))
    z = np.cumsum(steps, axis=1) / np.sqrt(TIMES)
    hit = np.abs(z) > BOUNDS
    stop = np.where(hit.any(axis=1), hit.argmax(axis=1), 13)
    estimates = np.empty(stop.size)
    for look in np.unique(stop):
        here = stop == look
        median = stagewise.median_unbiased(_course(int(look) + 1), z[here, look])
        estimates[here] = median / np.sqrt(TIMES[look])
    assert abs(np.median(estimates) / drift - 1.0) < 0.02
    assert np.mean(estimates) > drift
