"""The long proofs of looking early: level, power, coverage, estimates, on Gaussian paths and on real spend."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from offerlab.stats import stagewise
from offerlab.stats.confidence_sequence import multiplier
from offerlab.stats.group_sequential import Plan, boundaries, rejection
from offerlab.stats.spending import Spending
from realdata import shared_file
from support.courses import first_looks, gaussian_courses, resampled_courses

pytestmark = pytest.mark.slow

Array = NDArray[np.float64]
TIMES = np.arange(1, 29) / 28
FIXED = float(ndtri(0.975) + ndtri(0.8))
PATHS = 200_000


def _slack(chance: float, runs: int) -> float:
    return 3.0 * float(np.sqrt(chance * (1.0 - chance) / runs))


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("drift", [0.0, FIXED])
def test_recursion_is_what_200_000_paths_do(spending: Spending, drift: float) -> None:
    """Level and power over 28 looks agree with simulation within three standard errors."""
    bounds = boundaries(TIMES, Plan(spending=spending))
    computed = float(rejection(TIMES, bounds, 2, drift)[0])
    crossed = (np.abs(gaussian_courses(1, PATHS, TIMES, drift)) > bounds).any(axis=1).mean()
    assert abs(crossed - computed) < _slack(computed, PATHS)


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_median_of_the_estimate_is_within_two_percent_of_the_truth(power: float) -> None:
    """Stopped at the first crossing or the end, half of the estimates are too low; the plain ones run high."""
    drift = float(ndtri(0.975) + ndtri(power))
    bounds, z = boundaries(TIMES), gaussian_courses(2, 50_000, TIMES, drift)
    hit = np.abs(z) > bounds
    stop = np.where(hit.any(axis=1), hit.argmax(axis=1), TIMES.size - 1)
    estimates, plain = np.empty(stop.size), np.empty(stop.size)
    for look in np.unique(stop):
        here, root = stop == look, np.sqrt(TIMES[look])
        path = stagewise.course_of(list(TIMES[: look + 1]), list(bounds[:look]))
        estimates[here], plain[here] = stagewise.median_unbiased(path, z[here, look]) / root, z[here, look] / root
    assert abs(np.median(estimates) / drift - 1.0) < 0.02
    assert np.median(plain) > 1.02 * drift
    assert np.mean(estimates) > drift  # its mean runs high: it is the median that is unbiased


def test_repeated_intervals_hold_at_every_look_at_once() -> None:
    """With a real effect the truth is outside one of 28 repeated intervals in 5 % of the paths."""
    z = gaussian_courses(3, PATHS, TIMES, FIXED)
    outside = (np.abs(z - FIXED * np.sqrt(TIMES)) > boundaries(TIMES)).any(axis=1).mean()
    assert abs(outside - 0.05) < _slack(0.05, PATHS)


@pytest.mark.parametrize("sides", [1, 2])
def test_the_sequence_stays_below_its_level(sides: int) -> None:
    """Looked at 150 times, up to twenty times the plan, it errs no more than 5 %."""
    times = np.geomspace(0.02, 20.0, 150)
    z = gaussian_courses(4, 50_000, times)
    crossed = ((np.abs(z) if sides == 2 else z) > multiplier(times, 0.05, sides)).any(axis=1).mean()
    assert crossed <= 0.05 + _slack(0.05, 50_000)


def _adjusted_t(outcome: Array, covariate: Array, treated: Array) -> Array:
    """T of the treatment in outcome ~ 1 + treated + covariate, one per row."""
    columns = [np.ones_like(outcome), np.broadcast_to(treated, outcome.shape), covariate]
    design = np.stack(columns, axis=-1)
    gram = np.swapaxes(design, -1, -2) @ design
    beta = np.linalg.solve(gram, np.swapaxes(design, -1, -2) @ outcome[..., None])
    residual = outcome - (design @ beta)[..., 0]
    variance = (residual**2).sum(axis=-1) / (outcome.shape[-1] - 3)
    return np.asarray(beta[..., 1, 0] / np.sqrt(variance * np.linalg.inv(gram)[..., 1, 1]))


def test_adjusted_means_hold_their_level_from_a_dozen_customers() -> None:
    """Regression on a covariate, normal errors, 30 looks from 12 to 400: 5 % at most, below the normal mixture."""
    rng, runs = np.random.default_rng(8), 20_000
    sizes = np.unique(np.rint(np.geomspace(12, 400, 30) / 4).astype(int) * 4)
    covariate = rng.standard_normal((runs, 400))
    outcome = covariate + 0.7 * rng.standard_normal((runs, 400))
    treated = (np.arange(400) % 2).astype(np.float64)
    t = np.stack([np.abs(_adjusted_t(outcome[:, :n], covariate[:, :n], treated[:n])) for n in sizes], axis=1)
    exact = (t > multiplier(sizes / 60.0, 0.05, 2, sizes - 3.0)).any(axis=1).mean()
    normal = (t > multiplier(sizes / 60.0, 0.05)).any(axis=1).mean()
    assert exact <= 0.05 + _slack(0.05, runs)
    assert normal > exact


@pytest.mark.parametrize(("share", "planned"), [(0.5, 20_000), (0.5, 50_000), (0.1, 60_000), (0.1, 100_000)])
def test_sparse_revenue_keeps_its_level_at_28_looks(share: float, planned: int) -> None:
    """Hillstrom's spend, 20,000 A/A resamples, looks from 40 expected converters in the smaller arm: 6 % at most.

    The confidence sequence on the same looks errs no more than 5 %.
    """
    values = pd.read_parquet(shared_file("hillstrom_email.parquet"))["spend"].to_numpy(dtype=np.float64)
    z, ready = resampled_courses(5, 20_000, values, planned=planned, share=share, looks=28)
    group, sequence, begun = 0, 0, 0
    for look, here in first_looks(ready):
        size, times = np.abs(z[here, look:]), TIMES[look:]
        begun += size.shape[0]
        group += int((size > boundaries(times)).any(axis=1).sum())
        sequence += int((size > multiplier(times, 0.05)).any(axis=1).sum())
    assert begun > 0.99 * len(z)
    assert group / begun <= 0.06
    assert sequence / begun <= 0.05 + _slack(0.05, begun)


def test_overrunning_the_plan_adds_little() -> None:
    """28 group looks and the sequence daily from then on err 5.2 % by twice the plan (by the recursion)."""
    times = np.arange(1, 57) / 28
    bounds = np.concatenate([boundaries(times[:28]), multiplier(times[28:], 0.05)])
    assert float(rejection(times, bounds, 2, 0.0)[0]) == pytest.approx(0.052, abs=2e-4)
