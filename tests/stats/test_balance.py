"""Balance before the start and customers in several arms: judged by statsmodels and by their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from offerlab.errors import InvalidInput
from offerlab.stats.balance import check_balance, check_crossovers
from offerlab.stats.wald import Wald


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_share_of_crossovers_has_wilsons_interval(counts: tuple[int, int]) -> None:
    """99.9 % Wilson interval, as statsmodels computes it."""
    check = check_crossovers(*counts)
    lower, upper = proportion_confint(*counts, alpha=0.001, method="wilson")
    assert check.lower == pytest.approx(lower, abs=1e-9)
    assert check.upper == pytest.approx(upper, abs=1e-9)


@pytest.mark.parametrize(
    ("crossovers", "units", "state"),
    [
        pytest.param(0, 1_000, "pass", id="none"),
        pytest.param(9, 1_000, "pass", id="below the limit"),
        pytest.param(1, 20, "look", id="above, not surely"),
        pytest.param(100, 1_000, "stop", id="surely above"),
        pytest.param(0, 0, "not_yet", id="nobody"),
    ],
)
def test_crossovers_are_judged_against_one_percent(crossovers: int, units: int, state: str) -> None:
    """Merged identities explain a few, not many."""
    assert check_crossovers(crossovers, units).state == state


def test_more_crossovers_than_units_are_refused() -> None:
    """Impossible counts raise."""
    with pytest.raises(InvalidInput):
        check_crossovers(5, 4)


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
