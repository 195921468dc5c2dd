"""Many arms against one control: judged by Dunnett's tables and by scipy's multivariate normal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.dunnett import control_loadings, dunnett, dunnett_critical_value
from support.families import family_crossings

EQUAL = float(np.sqrt(0.5))  # arms of the control's size: correlation one half

# Dunnett (1964), Biometrics 20, 482-491, two-sided, joint confidence 95 %, 1..9 treatments.
TABLE = [
    pytest.param(10, [2.23, 2.57, 2.76, 2.89, 2.99, 3.07, 3.14, 3.19, 3.24], id="10 degrees"),
    pytest.param(20, [2.09, 2.38, 2.54, 2.65, 2.73, 2.80, 2.86, 2.90, 2.95], id="20 degrees"),
    pytest.param(60, [2.00, 2.27, 2.41, 2.51, 2.58, 2.64, 2.69, 2.73, 2.77], id="60 degrees"),
    pytest.param(None, [1.96, 2.21, 2.35, 2.44, 2.51, 2.57, 2.61, 2.65, 2.69], id="normal"),
]


@pytest.mark.parametrize(("degrees", "row"), TABLE)
def test_critical_values_are_dunnetts_table(degrees: int | None, row: list[float]) -> None:
    """Equal arms, 1, 3, 6 and 9 treatments, two-sided 5 %, to the two printed digits."""
    for arms in (1, 3, 6, 9):
        computed = dunnett_critical_value([EQUAL] * arms, 0.05, degrees)
        assert computed == pytest.approx(row[arms - 1], abs=0.006)


@pytest.mark.parametrize(
    "loadings",
    [[0.3, 0.9, 0.5], [0.99, 0.99], [0.999, 0.9999], [0.0, 0.0]],
    ids=["mixed", "large", "tiny control", "none"],
)
def test_p_value_is_the_multivariate_normals(loadings: list[float]) -> None:
    """P(max |Z| >= 2.2) under the product correlation, as scipy integrates it."""
    lam = np.array(loadings)
    covariance = np.outer(lam, lam) + np.diag(1 - lam**2)
    box = np.full(lam.size, 2.2)
    judge = 1 - stats.multivariate_normal(np.zeros(lam.size), covariance).cdf(box, lower_limit=-box)
    p = 2 * stats.norm.sf(2.2)
    assert dunnett(np.full(lam.size, p), lam).p_values[0] == pytest.approx(float(judge), abs=3e-5)


def test_equals_scipys_dunnett_on_its_samples() -> None:
    """From the t statistics of pooled samples: the same p-values as `scipy.stats.dunnett` up to its sampling error."""
    rng = np.random.default_rng(1)
    control, arms = rng.normal(0, 1, 30), [rng.normal(m, 1, n) for m, n in ((0.6, 20), (0.2, 15), (-0.5, 25))]
    theirs = stats.dunnett(*arms, control=control, rng=np.random.default_rng(2))
    degrees = 30 + 20 + 15 + 25 - 4
    p = 2 * stats.t.sf(np.abs(theirs.statistic), degrees)
    loadings = control_loadings(1 / 30, [1 / 20, 1 / 15, 1 / 25])
    np.testing.assert_allclose(dunnett(p, loadings, degrees=degrees).p_values, theirs.pvalue, atol=1e-3)


def test_loadings_give_the_correlation_of_the_differences() -> None:
    """Equal variances: one half; a control nine times as precise: one tenth."""
    even, large = control_loadings(1.0, [1.0, 1.0]), control_loadings(1.0, [9.0, 9.0])
    assert even[0] * even[1] == pytest.approx(0.5)
    assert large[0] * large[1] == pytest.approx(0.1)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.99)), min_size=1, max_size=5),
)
def test_p_values_lie_between_the_single_and_bonferronis(arms: list[tuple[float, float]]) -> None:
    """Never smaller than the single test, never larger than Bonferroni's."""
    p, loadings = np.array([a[0] for a in arms]), [a[1] for a in arms]
    adjusted = dunnett(p, loadings).p_values
    assert (adjusted >= p - 1e-9).all()
    assert (adjusted <= np.minimum(p * p.size, 1.0) + 1e-9).all()


@settings(max_examples=30)
@given(st.lists(st.floats(1e-6, 0.2), min_size=2, max_size=4))
def test_interval_and_p_value_agree(p: list[float]) -> None:
    """The simultaneous interval leaves zero out exactly when the adjusted p-value is at most alpha."""
    result = dunnett(p, [EQUAL] * len(p))
    away = np.abs(np.array(p) - result.interval_alpha) > 1e-9
    np.testing.assert_array_equal((np.array(p) <= result.interval_alpha)[away], result.rejected[away])


def test_tiny_p_values_keep_their_digits() -> None:
    """Far in the tail the correction is Bonferroni's, to full relative precision."""
    assert dunnett([1e-40, 1.0, 1.0], [EQUAL] * 3).p_values[0] == pytest.approx(3e-40, rel=1e-3)


def test_each_row_is_a_family_and_undetermined_arms_stay_out() -> None:
    """A NaN arm comes back as NaN and leaves a family of the others."""
    both = dunnett([[0.01, 0.04, np.nan], [0.2, 0.3, 0.4]], np.full((2, 3), EQUAL))
    alone = dunnett([0.01, 0.04], [EQUAL, EQUAL])
    np.testing.assert_array_equal(both.p_values[0, :2], alone.p_values)
    assert np.isnan(both.p_values[0, 2])
    assert both.tests == 5


def test_impossible_loadings_and_variances_are_refused() -> None:
    """A wrong call is an error."""
    with pytest.raises(InvalidInput):
        dunnett([0.1], [1.0])
    with pytest.raises(InvalidInput):
        control_loadings(1.0, [0.0])
    with pytest.raises(InvalidPlan):
        dunnett([0.1], [0.5], alpha=0)


@pytest.mark.slow
@pytest.mark.parametrize(("arms", "looks"), [(2, 28), (4, 5), (4, 28), (8, 28)])
def test_dunnetts_level_spent_over_the_looks_keeps_the_family(arms: int, looks: int) -> None:
    """Arms that share a control, looked at again and again: 5 % and 3 standard errors; the uncorrected twin fails."""
    error = 3 * float(np.sqrt(0.05 * 0.95 / 200_000))
    assert family_crossings(arms, looks, "obrien_fleming").mean() < 0.05 + error
    assert family_crossings(arms, looks, "sequence").mean() < 0.05
    assert family_crossings(arms, looks, "obrien_fleming", paths=50_000, critical=1.959964).mean() > 0.08
