"""Corrections for several questions: judged by statsmodels, the papers' own examples and their laws."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import ndtr, ndtri
from statsmodels.stats.multitest import multipletests

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.multiplicity import Method, adjust, holm

METHODS: tuple[Method, ...] = ("bonferroni", "holm", "hochberg", "bh", "by")
p_arrays = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1))

# Benjamini & Hochberg (1995), section 3.2: 15 hypotheses on the treatment of heart attacks.
HEART = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0,
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "rejected"),
    [("bonferroni", 3), ("holm", 3), ("hochberg", 3), ("bh", 4)],
    ids=["bonferroni", "holm", "hochberg", "bh"],
)
def test_benjamini_and_hochbergs_own_example(method: Method, rejected: int) -> None:
    """The paper rejects three hypotheses familywise and four under the false discovery rate."""
    assert int(adjust(HEART, method=method).rejected.sum()) == rejected


@pytest.mark.parametrize(
    ("method", "theirs"),
    [
        ("bonferroni", "bonferroni"),
        ("holm", "holm"),
        ("hochberg", "simes-hochberg"),
        ("bh", "fdr_bh"),
        ("by", "fdr_by"),
    ],
    ids=METHODS,
)
@settings(max_examples=8)  # statsmodels takes a tenth of a second for one holm
@given(p=p_arrays)
def test_adjusted_p_values_are_statsmodels(
    method: Method, theirs: Literal["bonferroni", "holm", "simes-hochberg", "fdr_bh", "fdr_by"], p: np.ndarray
) -> None:
    """Same adjusted p-values as `multipletests`, ties and zeros included."""
    np.testing.assert_allclose(
        adjust(p, method=method).p_values, np.asarray(multipletests(p, method=theirs)[1]), atol=1e-12
    )


@pytest.mark.parametrize("method", METHODS)
@given(p=p_arrays, gaps=st.integers(1, 5))
def test_tests_that_were_not_made_pass_through(method: Method, p: np.ndarray, gaps: int) -> None:
    """NaN comes back as NaN and changes nothing for the others."""
    with_gaps = np.concatenate([np.full(gaps, np.nan), p])
    mixed, alone = adjust(with_gaps, method=method), adjust(p, method=method)
    np.testing.assert_array_equal(mixed.p_values[gaps:], alone.p_values)
    np.testing.assert_array_equal(mixed.interval_alpha[gaps:], alone.interval_alpha)
    assert np.isnan(mixed.p_values[:gaps]).all()
    assert not mixed.rejected[:gaps].any()
    assert mixed.tests == p.size


@pytest.mark.parametrize("method", METHODS)
@given(p=p_arrays)
def test_only_marked_intervals_may_differ_from_their_test(method: Method, p: np.ndarray) -> None:
    """An interval leaves zero out (raw p at most its level) exactly when rejected, unless it is marked conservative."""
    result = adjust(p, method=method)
    away = np.abs(p - result.interval_alpha) > 1e-12  # equality is a matter of rounding
    excludes_zero = p <= result.interval_alpha
    np.testing.assert_array_equal(excludes_zero[away], (result.rejected & ~result.conservative)[away])


@given(p=p_arrays)
def test_false_coverage_level_is_the_selected_share(p: np.ndarray) -> None:
    """Under bh, R of m selected have intervals at R alpha / m (Benjamini and Yekutieli 2005)."""
    result = adjust(p, method="bh", alpha=0.1)
    expected = 0.1 * max(int(result.rejected.sum()), 1) / p.size
    np.testing.assert_allclose(result.interval_alpha, expected)


@pytest.mark.parametrize("method", METHODS)
@given(p=p_arrays, seed=st.integers(0, 1_000))
def test_the_order_of_the_questions_does_not_matter(method: Method, p: np.ndarray, seed: int) -> None:
    """Permuting the tests permutes the answers."""
    order = np.random.default_rng(seed).permutation(p.size)
    np.testing.assert_array_equal(adjust(p, method=method).p_values[order], adjust(p[order], method=method).p_values)


def test_any_shape_is_one_family() -> None:
    """Segments times metrics come back in the shape in which they came."""
    table = np.array([[0.01, 0.2, np.nan], [0.03, 0.04, 0.5]])
    assert adjust(table, method="bh").p_values.shape == (2, 3)
    np.testing.assert_array_equal(holm(table).ravel(), holm(table.ravel()))


def test_an_empty_family_is_an_empty_answer() -> None:
    """No test made: nothing rejected, nothing raised."""
    result = adjust([np.nan, np.nan])
    assert result.tests == 0
    assert not result.rejected.any()


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0, float("nan")], ids=str)
def test_an_impossible_alpha_is_refused(alpha: float) -> None:
    """Error rates lie strictly between 0 and 1."""
    with pytest.raises(InvalidPlan):
        adjust([0.1], alpha=alpha)


def test_an_unknown_method_is_refused() -> None:
    """The message lists the known ones."""
    with pytest.raises(InvalidPlan, match="holm"):
        adjust([0.1], method="sidak")  # type: ignore[arg-type]  # the wrong call is the point


def test_a_p_value_above_one_is_refused() -> None:
    """P-values are probabilities."""
    with pytest.raises(InvalidInput):
        adjust([0.1, 1.2])


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9], ids=["independent", "half", "strong"])
def test_error_rates_hold_under_dependence(correlation: float) -> None:
    """Ten equally correlated metrics, three with an effect: Holm's familywise and bh's false discovery rate <= .05."""
    rng, sims, true = np.random.default_rng(3), 20_000, np.r_[np.full(3, 3.0), np.zeros(7)]
    shared, own = rng.standard_normal((sims, 1)), rng.standard_normal((sims, 10))
    p = 2 * ndtr(-np.abs(true + np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own))
    family, discovery = 0.0, 0.0
    for row in p:
        family += float(adjust(row, method="holm").rejected[3:].any())
        found = adjust(row, method="bh").rejected
        discovery += found[3:].sum() / max(int(found.sum()), 1)
    margin = 3 * np.sqrt(0.05 * 0.95 / sims)
    assert family / sims <= 0.05 + margin
    assert discovery / sims <= 0.05 + margin


@pytest.mark.slow
def test_intervals_of_the_selected_cover_as_promised() -> None:
    """Of the intervals shown for bh's selection at most 5 % miss their effect on average (false coverage rate)."""
    rng, sims, missed = np.random.default_rng(5), 20_000, 0.0
    for _ in range(sims):
        effect = rng.standard_normal(20) * np.r_[np.full(10, 2.0), np.zeros(10)]
        z = effect + rng.standard_normal(20)
        result = adjust(2 * ndtr(-np.abs(z)), method="bh")
        half = -ndtri(result.interval_alpha / 2)
        chosen = result.rejected
        missed += float(np.mean(np.abs(z - effect)[chosen] > half[chosen])) if chosen.any() else 0.0
    assert missed / sims <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / sims)
