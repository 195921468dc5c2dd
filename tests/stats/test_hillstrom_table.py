"""The published Hillstrom table, from raw rows to the printed digits.

Kevin Hillstrom, MineThatData E-Mail Analytics And Data Mining Challenge, 2008-03-20: 64,000 customers, three arms.
"""

from functools import cache

import pandas as pd
import pytest
from scipy import stats

import offerlab
from offerlab.stats.effect import Effect, Interval
from offerlab.stats.means import mean_difference, mean_differences
from offerlab.stats.moments import Moments, from_values, stack
from offerlab.stats.proportions import proportion_differences
from realdata import shared_file

OUTCOMES = ("visit", "conversion", "spend")
CRITICAL = 1.959963984540054
MENS, WOMENS, NONE = "Mens E-Mail", "Womens E-Mail", "No E-Mail"


@cache
def _rows() -> pd.DataFrame:
    return pd.read_parquet(shared_file("hillstrom_email.parquet"))


@cache
def _arm(name: str) -> Moments:
    rows = _rows()
    return from_values(OUTCOMES, rows.loc[rows["segment"] == name, list(OUTCOMES)].to_numpy())


@pytest.mark.parametrize(
    ("arm", "n", "visits", "conversions", "spend"),
    [(MENS, 21_307, 3_894, 267, 1.4226), (WOMENS, 21_387, 3_238, 189, 1.0772), (NONE, 21_306, 2_262, 122, 0.6528)],
)
def test_arms_have_the_published_counts_and_means(
    arm: str, n: int, visits: int, conversions: int, spend: float
) -> None:
    """Customers, visits, conversions and spend per customer of each arm."""
    moments = _arm(arm)
    counts = moments.mean * float(moments.n)
    assert int(moments.n) == n
    assert [round(float(counts[i])) for i in (0, 1)] == [visits, conversions]
    assert round(float(moments.mean[2]), 4) == spend


def test_the_split_is_as_planned() -> None:
    """Equal thirds: chi-square p = 0.904."""
    sizes = [float(_arm(arm).n) for arm in (MENS, WOMENS, NONE)]
    assert round(float(stats.chisquare(sizes).pvalue), 3) == 0.904


@pytest.mark.parametrize(
    ("treatment", "control", "outcome", "digits", "estimate", "z", "ends"),
    [
        (MENS, NONE, "visit", 5, 0.07659, 22.62, (0.06995, 0.08323)),
        (MENS, NONE, "conversion", 6, 0.006805, 7.39, (0.00500, 0.00861)),
        (MENS, NONE, "spend", 4, 0.7698, 5.30, (0.4852, 1.0545)),
        (WOMENS, NONE, "visit", 5, 0.04523, 13.99, (0.03889, 0.05157)),
        (WOMENS, NONE, "conversion", 6, 0.003111, 3.78, (0.00150, 0.00472)),
        (WOMENS, NONE, "spend", 4, 0.4244, 3.26, (0.1690, 0.6799)),
        (MENS, WOMENS, "visit", 5, 0.03136, 8.69, None),
        (MENS, WOMENS, "conversion", 5, 0.00369, 3.71, None),
        (MENS, WOMENS, "spend", 4, 0.3454, 2.16, None),
    ],
)
def test_contrasts_have_the_published_figures(
    treatment: str,
    control: str,
    outcome: str,
    digits: int,
    estimate: float,
    z: float,
    ends: tuple[float, float] | None,
) -> None:
    """Difference, z and interval of every contrast, from our moments with the table's divisor n.

    Plain Welch on request divides by n - 1: the same to one unit of the last printed digit.
    """
    c, t = _arm(control), _arm(treatment)
    i = c.position(outcome)
    gap = float(t.mean[i] - c.mean[i])
    error = float(c.second[i, i] / c.n**2 + t.second[i, i] / t.n**2) ** 0.5
    places = 4 if outcome == "spend" else 5
    assert round(gap, digits) == estimate
    assert round(gap / error, 2) == z
    if ends is not None:
        assert (round(gap - CRITICAL * error, places), round(gap + CRITICAL * error, places)) == ends
    effect = mean_difference(c, t, alpha=0.05, column=outcome, method="welch")
    assert isinstance(effect, Effect)
    assert round(effect.absolute.estimate, digits) == estimate
    assert effect.absolute.estimate / effect.standard_error == pytest.approx(z, abs=0.006)
    if ends is not None:
        assert (effect.absolute.lower, effect.absolute.upper) == pytest.approx(ends, abs=1.01 * 10.0**-places)


@pytest.mark.parametrize("treatment", [MENS, WOMENS])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_default_tests_find_the_same_effects(treatment: str, outcome: str) -> None:
    """Score test and corrected log ratio agree with the table on sign and verdict, and carry no caution here."""
    control, treated = stack([_arm(NONE)]), stack([_arm(treatment)])
    test = mean_differences if outcome == "spend" else proportion_differences
    effect = test(control, treated, alpha=0.05, column=outcome).only()
    assert isinstance(effect, Effect)
    assert isinstance(effect.relative, Interval)
    assert effect.p_value < 0.01
    assert effect.absolute.lower > 0
    assert effect.relative.lower > 0
    assert not effect.warnings


@pytest.mark.parametrize(
    ("arm", "womens", "rate"),
    [(WOMENS, 1, 0.1845), (NONE, 1, 0.1114), (WOMENS, 0, 0.1109), (NONE, 0, 0.0998)],
)
def test_visits_by_past_womens_purchase_are_the_published_ones(arm: str, womens: int, rate: float) -> None:
    """The womens mail lifts visits where womens goods were bought before, and hardly elsewhere."""
    rows = _rows()
    chosen = rows.loc[(rows["segment"] == arm) & (rows["womens"] == womens), "visit"]
    assert round(float(from_values(("visit",), chosen.to_numpy()).mean[0]), 4) == rate


@pytest.mark.parametrize(
    ("cut", "merges"),
    [("newbie", {(MENS, ("0", "1"))}), ("channel", {(MENS, ("Phone", "Web"))}), ("womens", set())],
)
def test_segments_are_read_as_published(cut: str, merges: set[tuple[str, tuple[str, ...]]]) -> None:
    """The womens mail and past womens buyers interact; under the mens mail two merges are suggested, no others.

    Alike means: effects shown to differ by less than a fifth of the overall effect.
    """
    found = offerlab.analyze(
        _rows(), variant="segment", control=NONE, metrics=offerlab.Proportion("visit"), segment=cut
    )
    assert {(each.variant, group) for each in found.segments for group in each.merges} == merges
    p = {each.variant: each.p_value for each in found.segments}[WOMENS]
    assert p is not None
    assert (p < 1e-15) == (cut == "womens")
