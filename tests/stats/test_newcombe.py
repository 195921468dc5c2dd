"""Newcombe's interval against his own table and statsmodels; one verdict with its p-value and lift. Barnard's test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from offerlab.errors import InvalidMoments
from offerlab.stats.effect import Effect, Interval, Undetermined
from offerlab.stats.effects import Effects
from offerlab.stats.exact import barnard
from offerlab.stats.newcombe import newcombe_counts
from offerlab.stats.proportions import compare_counts


def _ask(x_t: int, n_t: int, x_c: int, n_c: int, alpha: float = 0.05) -> Effects:
    cells = [np.array([float(part)]) for part in (x_c, n_c, x_t, n_t)]
    return newcombe_counts(cells[0], cells[1], cells[2], cells[3], alpha=alpha)


@pytest.mark.parametrize(
    ("table", "lower", "upper"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_ends_are_the_published_ones(table: tuple[int, int, int, int], lower: float, upper: float) -> None:
    """Newcombe (1998), table II, method 10."""
    said = _ask(*table)
    assert (round(float(said.lower[0]), 4), round(float(said.upper[0]), 4)) == (lower, upper)


@given(n_t=st.integers(1, 500), n_c=st.integers(1, 500), t=st.floats(0, 1), c=st.floats(0, 1))
def test_ends_are_statsmodels_and_one_verdict(n_t: int, n_c: int, t: float, c: float) -> None:
    """Zero is outside both ranges exactly when p is below alpha."""
    x_t, x_c = round(t * n_t), round(c * n_c)
    said = _ask(x_t, n_t, x_c, n_c).only()
    assert isinstance(said, Effect)
    ends = confint_proportions_2indep(x_t, n_t, x_c, n_c, method="newcomb")
    assert (said.absolute.lower, said.absolute.upper) == pytest.approx(ends, abs=1e-9)
    if abs(said.p_value - 0.05) < 1e-9:
        return
    assert (said.p_value < 0.05) == (not said.absolute.contains(0.0))
    if isinstance(said.relative, Interval):
        assert (said.p_value < 0.05) == (not said.relative.contains(0.0))
        assert said.relative.lower <= said.relative.estimate <= said.relative.upper
    turned = _ask(x_c, n_c, x_t, n_t).only()
    assert isinstance(turned, Effect)
    assert turned.p_value == pytest.approx(said.p_value, rel=1e-9, abs=1e-300)


def test_nobody_and_impossible_counts() -> None:
    """An empty arm is undetermined; more converted than customers are refused."""
    assert isinstance(_ask(0, 0, 1, 5).only(), Undetermined)
    with pytest.raises(InvalidMoments, match="none and all"):
        _ask(6, 5, 1, 5)


def _by_enumeration(x: int, n: int, y: int, m: int) -> float:
    """Barnard's p with every table and 4,000 common rates written out."""
    a, b = np.arange(n + 1)[:, None], np.arange(m + 1)[None]
    share = (a + b) / (n + m)
    variance = share * (1 - share) * (1 / n + 1 / m)
    score = np.where(variance > 0, np.abs(a / n - b / m) / np.sqrt(np.where(variance > 0, variance, 1.0)), 0.0)
    extreme = score >= score[x, y] * (1 - 1e-9)
    rates = np.linspace(0.0005, 0.9995, 4_000)
    one = stats.binom.pmf(np.arange(n + 1)[:, None], n, rates)
    two = stats.binom.pmf(np.arange(m + 1)[:, None], m, rates)
    return float(np.einsum("ar,ab,br->r", one, extreme.astype(float), two).max())


@pytest.mark.parametrize("table", [(7, 12, 1, 10), (15, 60, 5, 70), (3, 40, 11, 45), (0, 9, 4, 9)])
def test_barnards_p_is_the_enumerated_one(table: tuple[int, int, int, int]) -> None:
    """Every table as extreme, at the worst common rate."""
    assert barnard(*table) == pytest.approx(_by_enumeration(*table), abs=2e-5)


def test_barnards_published_example() -> None:
    """Mehta and Senchaudhuri (2003): 7 of 15 against 12 of 15 vaccinated give .0341 one-sided, .068 two-sided."""
    assert barnard(7, 15, 12, 15) == pytest.approx(0.0682, abs=5e-4)


@pytest.mark.parametrize("table", [(15, 60, 5, 70), (3, 40, 11, 45)])
def test_barnard_is_never_below_scipys_search(table: tuple[int, int, int, int]) -> None:
    """Scipy's search for the worst rate may miss it, so that its p is at most ours; here both find it."""
    x, n, y, m = table
    assert barnard(*table) == pytest.approx(stats.barnard_exact([[x, y], [n - x, m - y]], n=256).pvalue, abs=1e-6)


def test_asked_for_barnard_speaks_and_the_interval_follows() -> None:
    """The method says so; zero is outside the interval exactly when its p is below alpha."""
    for x in range(3, 13):
        cells = [np.array([float(part)]) for part in (x, 40, 2, 38)]
        said = compare_counts(cells[0], cells[1], cells[2], cells[3], alpha=0.05, exact="barnard").only()
        assert isinstance(said, Effect)
        assert said.method == "barnard"
        assert said.p_value == pytest.approx(barnard(2, 38, x, 40))
        assert (said.p_value < 0.05) == (not said.absolute.contains(0.0))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m", "rate"), [(15, 60, 0.2), (40, 40, 0.05), (30, 30, 0.5)])
def test_barnard_keeps_its_level_and_beats_boschloo_at_times(n: int, m: int, rate: float) -> None:
    """By enumeration at the true rate: at most 5 %."""
    weight = np.outer(stats.binom.pmf(np.arange(n + 1), n, rate), stats.binom.pmf(np.arange(m + 1), m, rate))
    shown = np.array([[barnard(x, n, y, m) < 0.05 for y in range(m + 1)] for x in range(n + 1)])
    level = float((weight * shown).sum())
    assert level <= 0.05
