"""The trust rule, capping, the batch's edge and the root finder."""

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from offerlab.errors import InvalidPlan
from offerlab.stats import trust
from offerlab.stats.capping import Cap, capped, pooled_cap
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.means import mean_differences
from offerlab.stats.moments import Moments, from_values, stack
from offerlab.stats.roots import solve, widen

Values = NDArray[np.float64]


def _arm(values: Values) -> Moments:
    return stack([from_values(("x",), values)])


def test_pooled_skewness_is_scipys_of_all_customers() -> None:
    """Blind to assignment: the skewness of both arms thrown together."""
    rng = np.random.default_rng(1)
    x, y = rng.gamma(0.5, 1, 300), rng.gamma(0.5, 3, 100)
    got = trust.pooled_squared_skewness(_arm(x), _arm(y))
    assert got[0] == pytest.approx(float(stats.skew(np.concatenate([x, y]))) ** 2, rel=1e-9)


@pytest.mark.parametrize(
    ("converters", "n_c", "n_t", "told"),
    [
        pytest.param(80, 1000, 1000, False, id="80 of even arms: 40 each"),
        pytest.param(78, 1000, 1000, True, id="78 of even arms"),
        pytest.param(400, 9000, 1000, False, id="400 at nine to one"),
        pytest.param(390, 9000, 1000, True, id="390 at nine to one"),
    ],
)
def test_converters_of_both_arms_are_weighed_by_the_smaller_share(
    converters: int, n_c: int, n_t: int, *, told: bool
) -> None:
    """Too few below forty expected in the smaller arm, wherever they happened to fall."""
    x, y = np.zeros(n_c), np.zeros(n_t)
    x[: converters // 2], y[: converters // 2] = 1.0, 1.0
    few, _ = trust.cautions(_arm(x), _arm(y))
    assert bool(few.mask[0]) is told


def test_the_rule_looks_at_pooled_sums_only() -> None:
    """Moving converters from one arm to the other changes no trust."""
    x, y = np.zeros(1000), np.zeros(1000)
    x[:50] = 1.0
    few, skewed = trust.cautions(_arm(x), _arm(y))
    fewer, skewer = trust.cautions(_arm(y), _arm(x))
    assert (few.mask[0], skewed.mask[0]) == (fewer.mask[0], skewer.mask[0])
    assert few.values[0] == 25


def test_the_limit_is_a_percentile_of_those_who_spent() -> None:
    """99 % of the non-zero values stay as they are; everybody counts, whatever the arm."""
    rng = np.random.default_rng(2)
    spent = rng.gamma(1, 10, 1000)
    values = np.concatenate([np.zeros(5000), spent])
    cap = pooled_cap(values)
    assert cap.limit == pytest.approx(float(np.quantile(spent, 0.99)))
    assert cap == Cap(cap.limit, 10)
    assert capped(values, cap).max() == cap.limit
    assert np.array_equal(capped(values, cap)[:5000], values[:5000])


def test_a_cap_that_changes_nothing_says_so() -> None:
    """Data with a natural maximum are not touched; nor is an arm without any value."""
    assert pooled_cap(np.repeat([0.0, 5.0], [90, 10])) == Cap(5.0, 0)
    assert pooled_cap(np.zeros(10)) == Cap(float("inf"), 0)
    with pytest.raises(InvalidPlan, match="share"):
        pooled_cap(np.ones(3), share=0.0)


def test_rows_carry_reasons_shapes_and_words() -> None:
    """From arrays to single outcomes: effects with cautions, and reasons where there is none."""
    rng = np.random.default_rng(3)
    good = rng.gamma(2, 1, 200)
    control = stack([from_values(("x",), v) for v in (good, good, good[:20], good - good.mean())])
    treatment = stack([from_values(("x",), v) for v in (good + 1, good[:1], good[20:40], good + 0.01 - good.mean())])
    rows = mean_differences(control, treatment, alpha=0.05).rows()
    assert isinstance(rows[0], Effect)
    assert not rows[0].warnings
    assert isinstance(rows[1], Undetermined)
    assert rows[1].reason == "one_unit"
    assert isinstance(rows[2], Effect)
    assert {caution.code for caution in rows[2].warnings} >= {"too_few"}
    assert "20" in rows[2].warnings[0].detail
    assert isinstance(rows[3], Effect)
    assert isinstance(rows[3].relative, Interval)
    assert rows[3].relative.shape == "whole_line"
    assert not rows[3].relative.is_finite


def test_outcomes_survive_json() -> None:
    """An effect and a reason can be stored and read back; kinds are told apart by their tag."""
    rng = np.random.default_rng(4)
    x = rng.gamma(2, 1, 200)
    rows = mean_differences(
        stack([from_values(("x",), x)] * 2), stack([from_values(("x",), v) for v in (x + 1, x[:1])]), alpha=0.05
    ).rows()
    decoder = msgspec.json.Decoder(Outcome)
    assert [decoder.decode(msgspec.json.encode(row)) for row in rows] == rows


def test_an_interval_knows_what_it_holds() -> None:
    """Bounded, everything but a gap, and the whole line."""
    assert Interval(1, 0, 2).contains(2)
    assert not Interval(1, 0, 2).contains(2.1)
    gap = Interval(5, -1, 2, "disjoint")
    assert gap.contains(-1)
    assert gap.contains(5)
    assert not gap.contains(0)
    assert Interval(0, float("-inf"), float("inf"), "whole_line").contains(1e9)


def test_roots_of_many_functions_are_found_at_once() -> None:
    """Cubes, logs and a step: each to its last digits, from brackets of either order."""
    targets = np.array([8.0, 1e-9, 1e12, -27.0])

    def cube(x: Values) -> Values:
        return np.asarray(x**3 - targets, dtype=np.float64)

    start = np.zeros(4)
    end, at_end, found = widen(cube, start, np.array([1.0, 1.0, 1.0, -1.0]), cube(start))
    roots = solve(cube, start, end, cube(start), at_end, np.full(4, 1e-3))
    assert found.all()
    assert roots == pytest.approx([2, 1e-3, 1e4, -3], rel=1e-12)


def test_a_function_that_never_turns_has_no_root() -> None:
    """The search for a change of sign ends and says that it found none."""
    start = np.zeros(1)
    _, _, found = widen(lambda x: 1 + 0 * x, start, np.ones(1), np.ones(1))
    assert not found.any()
