"""Balance before the start."""

import numpy as np
import pytest

from offerlab.stats.balance import check_balance
from offerlab.stats.wald import Wald


@pytest.mark.parametrize(
    ("p_values", "joint", "state"),
    [
        pytest.param([0.3, 0.8, 0.04], None, "pass", id="chance"),
        pytest.param([0.002, 0.8], None, "look", id="look"),
        pytest.param([0.0002, 0.8, 0.5], None, "stop", id="one covariate"),
        pytest.param([0.3, 0.8], Wald(80.0, 2, 1e-12), "stop", id="together"),
        pytest.param([np.nan], None, "not_yet", id="no test"),
        pytest.param([], Wald(0.0, 0, 1.0), "not_yet", id="no covariate"),
    ],
)
def test_balance_is_judged_after_correction(p_values: list[float], joint: Wald | None, state: str) -> None:
    """Twenty honest covariates do not fail by their number."""
    assert check_balance(p_values, joint=joint).state == state


def test_a_covariate_that_could_not_be_tested_stays_in_its_place() -> None:
    """Adjusted p-values come back in the order given, None where there was no test."""
    assert check_balance([0.5, np.nan, 0.01]).p_values_adjusted == (0.5, None, 0.02)


@pytest.mark.slow
def test_honest_experiments_are_stopped_less_than_once_in_a_thousand() -> None:
    """A/A over five correlated covariates with both questions asked: at most one alarm in a thousand."""
    from scipy import stats  # noqa: PLC0415  # only this long run needs it

    rng, sims = np.random.default_rng(11), 100_000
    root = np.linalg.cholesky(0.5 + 0.5 * np.eye(5))
    z = rng.standard_normal((sims, 5)) @ root.T
    joint = np.sum(np.linalg.solve(root, z.T) ** 2, axis=0)
    single, together = 2 * stats.norm.sf(np.abs(z)), stats.chi2.sf(joint, 5)
    candidates = np.flatnonzero((single.min(axis=1) < 0.001) | (together < 0.001))
    alarms = sum(
        check_balance(single[i], joint=Wald(float(joint[i]), 5, float(together[i]))).state == "stop" for i in candidates
    )
    assert 0 < alarms / sims <= 0.001 + 3 * np.sqrt(0.001 / sims)
