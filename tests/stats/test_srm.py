"""Sample ratio mismatch: judged by scipy, published numbers and the closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.srm import check_split, check_splits, watch_split

counts = st.integers(min_value=20, max_value=100_000)
weight = st.floats(min_value=0.05, max_value=1.0)


def test_hillstrom_split_has_its_published_p_value() -> None:
    """The three arms of Hillstrom's e-mail test were drawn evenly: p = .904."""
    check = check_split([21_307, 21_387, 21_306], [1, 1, 1])
    assert check.p_value == pytest.approx(0.904, abs=5e-4)
    assert check.state == "pass"


@given(st.lists(st.tuples(counts, weight), min_size=2, max_size=6))
def test_one_stratum_is_pearsons_test(arms: list[tuple[int, float]]) -> None:
    """Without strata the statistic is Pearson's, as scipy computes it."""
    observed = np.array([n for n, _ in arms])
    shares = np.array([w for _, w in arms]) / sum(w for _, w in arms)
    expected = observed.sum() * shares
    if expected.min() < 5:
        return
    judge = stats.chisquare(observed, expected)
    check = check_split(observed, shares)
    assert check.statistic == pytest.approx(float(judge.statistic), rel=1e-6, abs=1e-9)
    assert check.p_value == pytest.approx(float(judge.pvalue), rel=1e-6, abs=1e-12)
    assert check.degrees == len(arms) - 1


@given(counts, counts)
def test_an_arm_of_weight_zero_takes_no_part_in_the_test(a: int, b: int) -> None:
    """Its degree of freedom is not counted, so p does not depend on listing it."""
    assert check_split([a, 0, b], [0.3, 0, 0.7]).p_value == check_split([a, b], [0.3, 0.7]).p_value


def test_a_single_unit_in_an_arm_of_weight_zero_stops() -> None:
    """Nobody may be where nobody was sent, however well the rest agrees."""
    check = check_split([5_000, 5_000, 1], [0.5, 0.5, 0])
    assert (check.state, check.strays, check.is_ok) == ("stop", 1, False)
    assert check.p_value == 1.0


def test_a_stray_stops_even_before_the_test_can_be_made() -> None:
    """The failure of a zero weight needs no minimum count."""
    assert check_split([1, 1, 1], [0.5, 0.5, 0]).state == "stop"


def test_a_changed_allocation_is_no_mismatch() -> None:
    """Two epochs, each exactly as planned, agree although their total looks skewed."""
    check = check_split([[5_000, 5_000], [1_000, 9_000]], [[0.5, 0.5], [0.1, 0.9]])
    assert check.p_value == 1.0
    assert check_split([6_000, 14_000], [0.5, 0.5]).state == "stop"


def test_strata_with_equal_weights_add_up_to_one_stratum() -> None:
    """Days under one allocation may be summed or not: the answer is the same."""
    days = np.array([[510, 480, 20], [530, 470, 15], [500, 500, 31]])
    assert check_split(days, [0.5, 0.48, 0.02]).p_value == pytest.approx(
        check_split(days.sum(axis=0), [0.5, 0.48, 0.02]).p_value, rel=1e-9
    )


def test_joint_statistic_of_two_arms_is_the_closed_form() -> None:
    """Two arms, two epochs: (sum of deviations)^2 / sum n w (1 - w)."""
    expected = (130 - (150 * 0.6 + 110 * 0.2)) ** 2 / (150 * 0.6 * 0.4 + 110 * 0.2 * 0.8)
    check = check_split([[100, 50], [30, 80]], [[0.6, 0.4], [0.2, 0.8]])
    assert check.statistic == pytest.approx(expected, rel=1e-12)
    assert check.degrees == 1


def test_epochs_without_common_arms_are_tested_in_their_own_degrees() -> None:
    """Arms replaced between two epochs leave one degree of freedom in each."""
    check = check_split([[60, 40, 0, 0], [0, 0, 45, 55]], [[1, 1, 0, 0], [0, 0, 1, 1]])
    assert check.degrees == 2
    assert check.statistic == pytest.approx(4.0 + 1.0)


def test_too_few_expected_units_say_not_yet() -> None:
    """Under five expected units in an arm there is neither p-value nor alarm."""
    check = check_split([12, 0], [0.9, 0.1])
    assert (check.state, check.p_value, check.is_ok) == ("not_yet", None, True)


def test_nobody_yet_is_not_yet() -> None:
    """An empty experiment has no mismatch."""
    assert check_split([0, 0], [0.5, 0.5]).state == "not_yet"


def test_a_small_p_value_of_a_deviation_that_cannot_matter_is_only_looked_at() -> None:
    """Forty million units: significant, but every arm within a thousandth of its plan."""
    check = check_split([20_015_000, 19_985_000], [0.5, 0.5])
    assert check.p_value is not None
    assert check.p_value < 1e-5
    assert check.state == "look"


def test_segments_are_corrected_for_their_number() -> None:
    """A p-value of one in a thousand is no alarm among ten segments."""
    quiet = [[5_000, 5_000]] * 9
    alone = check_split([5_170, 4_830], [0.5, 0.5])
    assert alone.state == "stop"
    among = check_splits([*quiet, [5_170, 4_830]], [[0.5, 0.5]] * 10)
    assert among.is_ok
    assert among.p_values_adjusted[-1] == pytest.approx(10 * (alone.p_value or 0.0))
    assert not check_splits([*quiet, [5_300, 4_700]], [[0.5, 0.5]] * 10).is_ok


@pytest.mark.parametrize(
    ("concentration", "expected"),
    [pytest.param(100.0, 1.0, id="savvi"), pytest.param(10_000.0, 0.528, id="optimizely")],
)
def test_anytime_p_value_is_the_published_one(concentration: float, expected: float) -> None:
    """5,000 against 5,200 as savvi (k = 100) and Optimizely's ssrm (k = 10,000) have it."""
    assert watch_split([5_000, 5_200], [0.5, 0.5], concentrations=[concentration])[-1] == pytest.approx(
        expected, abs=5e-4
    )


def test_anytime_evidence_is_the_beta_function_ratio() -> None:
    """One batch: B(k w + n) / B(k w) / prod w^n."""
    n, w, k = np.array([700.0, 300.0, 900.0]), np.array([0.5, 0.2, 0.3]), 1_000.0

    def log_beta(a: np.ndarray) -> float:
        return float(special.gammaln(a).sum() - special.gammaln(a.sum()))

    log_e = log_beta(k * w + n) - log_beta(k * w) - float(n @ np.log(w))
    assert watch_split(n, w, concentrations=[k])[-1] == pytest.approx(np.exp(-log_e), rel=1e-8)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=8))
def test_batches_of_one_allocation_chain_to_their_total(days: list[tuple[int, int, int]]) -> None:
    """Reading by day or at the end gives the same evidence; the p-value keeps the smallest seen."""
    observed, w = np.array(days), [0.5, 0.3, 0.2]
    whole = [watch_split(observed[: i + 1].sum(axis=0), w)[-1] for i in range(len(days))]
    np.testing.assert_allclose(watch_split(observed, w), np.minimum.accumulate(whole), rtol=1e-7)


def test_what_one_epoch_taught_is_kept_in_the_next() -> None:
    """An arm that loses a tenth of its units is caught sooner when the second epoch remembers the first."""
    observed = [[2_000, 1_800], [800, 2_880]]
    together = watch_split(observed, [[0.5, 0.5], [0.2, 0.8]], concentrations=[1_000])[-1]
    apart = [
        watch_split(n, w, concentrations=[1_000])[-1] for n, w in zip(observed, [[0.5, 0.5], [0.2, 0.8]], strict=True)
    ]
    assert together < apart[0] * apart[1]


def test_a_stray_makes_the_anytime_p_value_zero_for_ever() -> None:
    """From the first unit in an arm of weight zero on, there is nothing left to test."""
    p = watch_split([[50, 50, 0], [50, 50, 1], [50, 50, 0]], [[0.5, 0.5, 0], [0.5, 0.5, 0], [0.4, 0.4, 0.2]])
    assert p[0] > 0.5
    assert p[1:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("observed", "weights"),
    [
        pytest.param([1, 2], [0.5, 0.3, 0.2], id="arms"),
        pytest.param([1, 2], [-0.5, 1.5], id="negative"),
        pytest.param([1, 2], [0, 0], id="all zero"),
        pytest.param([1, 2], [float("nan"), 1], id="nan"),
        pytest.param([[1, 2]], [[0.5, 0.5], [0.5, 0.5]], id="strata"),
    ],
)
def test_weights_that_do_not_fit_are_refused(observed: list[int], weights: list[float]) -> None:
    """A wrong call is an error, not an answer."""
    with pytest.raises(InvalidPlan):
        check_split(observed, weights)


@pytest.mark.parametrize("observed", [[-1, 2], [1.5, 2], [float("inf"), 1]], ids=["negative", "half", "infinite"])
def test_counts_that_are_no_counts_are_refused(observed: list[float]) -> None:
    """Counts are whole and not negative."""
    with pytest.raises(InvalidInput):
        check_split(observed, [0.5, 0.5])


def test_a_concentration_must_be_positive() -> None:
    """The prior of the anytime test needs weight."""
    with pytest.raises(InvalidPlan):
        watch_split([1, 1], [0.5, 0.5], concentrations=[0.0])


@pytest.mark.slow
def test_anytime_alarm_stays_under_its_level_when_looked_at_daily() -> None:
    """56 days of honest counts, allocation changed twice: at most one alarm in a thousand experiments."""
    rng, sims, alarms = np.random.default_rng(20_261_122), 20_000, 0
    weights = np.repeat([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1]], [14, 21, 21], axis=0)
    for size in (30, 3_000):
        for _ in range(sims // 2):
            alarms += watch_split(rng.multinomial(size, weights), weights)[-1] < 0.001
    assert alarms / sims <= 0.001


@pytest.mark.slow
def test_chi_square_alarm_is_one_in_a_thousand_and_misses_no_48_to_52() -> None:
    """2,000,000 honest splits: p < .001 as often as promised; 2,000 splits of 48 to 52, n = 50,000: all caught."""
    rng = np.random.default_rng(7)
    honest = rng.binomial(50_000, 0.5, size=2_000_000)
    alarm_at = {int(n): check_split([n, 50_000 - n], [1, 1]).state == "stop" for n in np.unique(honest)}
    values, times = np.unique(honest, return_counts=True)
    alarms = sum(int(t) for v, t in zip(values, times, strict=True) if alarm_at[int(v)])
    assert alarms / honest.size <= 0.001 + 3 * np.sqrt(0.001 / honest.size)
    for n in rng.binomial(50_000, 0.48, size=2_000):
        assert check_split([n, 50_000 - n], [1, 1]).state == "stop"
        assert watch_split([n, 50_000 - n], [1, 1])[-1] < 0.001
