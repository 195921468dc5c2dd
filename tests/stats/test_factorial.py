"""Factorial experiments: judged by statsmodels' saturated regression and by designs worked by hand."""

import numpy as np
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.effect import Undetermined
from offerlab.stats.factorial import Factor, Factorial, Recommendation, read_factorial

OFFER = Factor("offer", ("none", "capsules", "machine"))
TIMING = Factor("timing", ("now", "later"))
CHANNEL = Factor("channel", ("web", "email"))


def read(*args: object, **options: object) -> Factorial:
    """A reading that must exist."""
    result = read_factorial(*args, **options)  # type: ignore[arg-type]  # forwarded as given
    assert isinstance(result, Factorial)
    return result


def customers(seed: int) -> DataFrame:
    """Unequal cells with a true effect of the offer and of offer x timing."""
    rng = np.random.default_rng(seed)
    n = 3_000
    offer, timing, channel = rng.integers(0, 3, n), rng.integers(0, 2, n), (rng.random(n) < 0.3).astype(int)
    mean = 1 + 0.3 * (offer == 1) + 0.5 * (offer == 2) * (timing == 1)
    return DataFrame({"offer": offer, "timing": timing, "channel": channel, "y": mean + rng.gamma(1.0, 1.0, n)})


def cells(frame: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Means and their variances per cell."""
    grouped = frame.groupby(["offer", "timing", "channel"])["y"]
    shape = (3, 2, 2)
    means, counts = grouped.mean().to_numpy(), grouped.count().to_numpy()
    return means.reshape(shape), (grouped.var().to_numpy() / counts).reshape(shape)


def test_terms_are_the_saturated_regressions() -> None:
    """Each term's Wald test equals statsmodels' with deviation coding, interactions and HC2."""
    frame = customers(1)
    judge = smf.ols("y ~ C(offer, Sum) * C(timing, Sum) * C(channel, Sum)", frame).fit(cov_type="HC2")
    theirs = judge.wald_test_terms(scalar=True).table
    ours = read([OFFER, TIMING, CHANNEL], *cells(frame))
    for term in ours.terms:
        row = theirs.loc[":".join(f"C({name}, Sum)" for name in term.factors)]
        assert term.test.statistic == pytest.approx(float(row["statistic"]), rel=1e-8)
        assert term.test.p_value == pytest.approx(float(row["pvalue"]), rel=1e-6, abs=1e-12)
        assert term.test.degrees == int(row["df_constraint"])


def test_effects_are_averages_of_differences_of_cells() -> None:
    """Main effect and interaction of a 2 x 2 design by hand."""
    ours = read([TIMING, CHANNEL], [[1.0, 2.0], [4.0, 9.0]], np.full((2, 2), 0.01), method="none")
    timing, channel, both = (term.contrasts[0].effect for term in ours.terms)
    assert timing.estimate == pytest.approx(((4 - 1) + (9 - 2)) / 2)
    assert channel.estimate == pytest.approx(((2 - 1) + (9 - 4)) / 2)
    assert both.estimate == pytest.approx((9 - 4) - (2 - 1))
    assert timing.upper - timing.estimate == pytest.approx(1.959964 * np.sqrt(4 * 0.01 / 4), rel=1e-6)
    assert both.upper - both.estimate == pytest.approx(1.959964 * np.sqrt(4 * 0.01), rel=1e-6)


def test_the_true_effects_are_found_and_combined() -> None:
    """Offer and timing need each other and are recommended together; the channel cannot be told."""
    ours = read([OFFER, TIMING, CHANNEL], *cells(customers(2)))
    found = {term.factors for term in ours.terms if term.p_value_adjusted <= 0.05}
    assert ("offer", "timing") in found
    assert ("channel",) not in found
    together, channel = ours.recommendations
    assert isinstance(together, Recommendation)
    assert together.factors == ("offer", "timing")
    assert together.levels == ("machine", "later")
    assert together.chance > 0.8
    assert isinstance(channel, Undetermined)
    assert "channel" in channel.detail


def test_a_factor_that_acts_alone_is_recommended_alone() -> None:
    """No interaction: the level is averaged over all other cells."""
    ours = read([TIMING, CHANNEL], [[1.0, 1.0], [2.0, 2.0]], np.full((2, 2), 0.01))
    timing, channel = ours.recommendations
    assert isinstance(timing, Recommendation)
    assert (timing.factors, timing.levels) == (("timing",), ("later",))
    assert isinstance(channel, Undetermined)


@settings(max_examples=30)
@given(st.integers(0, 1_000), st.floats(0.01, 100))
def test_units_and_a_common_shift_change_no_p_value(seed: int, factor: float) -> None:
    """Other money, or the same amount more everywhere: the same p-values."""
    rng = np.random.default_rng(seed)
    m, v = rng.normal(0, 1, (3, 2)), rng.uniform(0.1, 1.0, (3, 2))
    plain, moved = read([OFFER, TIMING], m, v), read([OFFER, TIMING], (m + 5) * factor, v * factor**2)
    for a, b in zip(plain.terms, moved.terms, strict=True):
        assert b.test.p_value == pytest.approx(a.test.p_value, rel=1e-6, abs=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 1_000))
def test_swapping_two_levels_flips_the_sign(seed: int) -> None:
    """The reference changed: effect and interaction change sign, their tests stay."""
    rng = np.random.default_rng(seed)
    m, v = rng.normal(0, 1, (2, 2)), rng.uniform(0.1, 1.0, (2, 2))
    swapped = Factor("timing", ("later", "now"))
    for a, b in zip(read([TIMING, CHANNEL], m, v).terms, read([swapped, CHANNEL], m[::-1], v[::-1]).terms, strict=True):
        sign = -1.0 if "timing" in a.factors else 1.0
        assert b.contrasts[0].effect.estimate == pytest.approx(sign * a.contrasts[0].effect.estimate)
        assert b.test.p_value == pytest.approx(a.test.p_value)


def test_an_empty_arm_makes_the_design_incomplete() -> None:
    """One cell without customers: said, not guessed."""
    result = read_factorial([TIMING, CHANNEL], [[1.0, float("nan")], [1.0, 2.0]], np.full((2, 2), 0.1))
    assert isinstance(result, Undetermined)
    assert result.reason == "too_few"


def test_designs_that_are_none_are_refused() -> None:
    """Levels, names and shapes are checked."""
    with pytest.raises(InvalidPlan):
        read_factorial([Factor("a", ("x",))], [1.0], [1.0])
    with pytest.raises(InvalidPlan):
        read_factorial([TIMING, TIMING], np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(InvalidInput):
        read_factorial([TIMING, CHANNEL], np.ones((2, 3)), np.ones((2, 3)))


@pytest.mark.slow
def test_false_terms_stay_under_the_familywise_level() -> None:
    """Twelve arms without any effect, skewed values: some term called real in at most 5 % of 4,000 experiments."""
    rng, sims, wrong = np.random.default_rng(4), 4_000, 0
    for _ in range(sims):
        y = rng.gamma(1.0, 1.0, (3, 2, 2, 400))
        ours = read([OFFER, TIMING, CHANNEL], y.mean(axis=-1), y.var(axis=-1, ddof=1) / 400)
        wrong += any(term.p_value_adjusted <= 0.05 for term in ours.terms)
    assert wrong / sims <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / sims)
