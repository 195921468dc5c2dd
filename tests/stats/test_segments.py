"""Segments as a report shows them, merges among them: judged by statsmodels' TOST, by laws and by Hillstrom's test."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from offerlab.errors import InvalidInput, InvalidPlan
from offerlab.stats.effect import Effect, Interval, Outcome, Undetermined
from offerlab.stats.means import mean_difference
from offerlab.stats.merging import equivalence_p_values, suggest_merges
from offerlab.stats.moments import Moments, from_values
from offerlab.stats.multiplicity import adjust
from offerlab.stats.segments import read_segments
from realdata import shared_file

MARGIN = 0.02  # two points of the visit rate: the smallest difference between segments that would change an offer


@pytest.fixture(scope="module")
def hillstrom() -> pd.DataFrame:
    """Hillstrom's e-mail test, 64,000 customers."""
    return pd.read_parquet(shared_file("hillstrom_email.parquet"))


def visits(frame: pd.DataFrame, arm: str) -> Moments:
    """Moments of `visit` in one arm."""
    return from_values(("visit",), frame.loc[frame["segment"] == arm, ["visit"]].to_numpy(np.float64))


def visit_effects(frame: pd.DataFrame, arm: str, by: str) -> list[Outcome]:
    """Effect of a mail on visits in each segment of the column `by`, in its sorted order."""
    parts = [part for _, part in frame.groupby(by)]
    return [mean_difference(visits(part, "No E-Mail"), visits(part, arm), alpha=0.05) for part in parts]


def test_the_published_interaction_is_found(hillstrom: pd.DataFrame) -> None:
    """The Womens mail works for past womens buyers (+7.3 points) and hardly for others (+1.1 points)."""
    reading = read_segments(visit_effects(hillstrom, "Womens E-Mail", "womens"), margin=MARGIN)
    assert not isinstance(reading.interaction, Undetermined)
    assert reading.interaction.p_value < 1e-20
    assert reading.merges == ()
    others, buyers = reading.shrunk
    assert isinstance(others, Interval)
    assert isinstance(buyers, Interval)
    assert others.estimate == pytest.approx(0.0111, abs=5e-4)
    assert buyers.estimate == pytest.approx(0.0731, abs=5e-4)


@pytest.mark.parametrize(
    ("by", "merged"),
    [pytest.param("newbie", (0, 1), id="new and known customers"), pytest.param("channel", (1, 2), id="phone and web")],
)
def test_merge_candidates_of_the_mens_mail_are_suggested(
    hillstrom: pd.DataFrame, by: str, merged: tuple[int, ...]
) -> None:
    """New and known customers (+7.5 and +7.8 points), phone and web customers (+7.6 both): alike for the Mens mail."""
    reading = read_segments(visit_effects(hillstrom, "Mens E-Mail", by), margin=MARGIN)
    assert [merge.segments for merge in reading.merges] == [merged]
    assert not isinstance(reading.interaction, Undetermined)
    assert reading.interaction.p_value > 0.5


def test_only_the_real_interactions_survive_correction(hillstrom: pd.DataFrame) -> None:
    """Of six cuts times two mails bh keeps exactly the Womens mail by past womens and past mens buyers."""
    cuts = ["newbie", "womens", "mens", "channel", "zip_code", "history_segment"]
    p = np.array(
        [[interaction_p(visit_effects(hillstrom, arm, by)) for by in cuts] for arm in ("Mens E-Mail", "Womens E-Mail")]
    )
    found = adjust(p, method="bh").rejected
    assert [(int(arm), cuts[cut]) for arm, cut in np.argwhere(found)] == [(1, "womens"), (1, "mens")]


def interaction_p(outcomes: list[Outcome]) -> float:
    """The interaction's p-value, NaN where there is none."""
    test = read_segments(outcomes).interaction
    return np.nan if isinstance(test, Undetermined) else test.p_value


def effect(estimate: float, error: float) -> Effect:
    """An effect with a normal interval."""
    half, z = 1.96 * error, estimate / error
    return Effect(
        Interval(estimate, estimate - half, estimate + half),
        Undetermined("control_mean_zero", "none"),
        float(2 * stats.norm.sf(abs(z))),
        z,
        error,
        0.05,
        "welch",
    )


def test_an_undetermined_segment_keeps_its_reason() -> None:
    """Thin segments pass through; the others are compared without them."""
    thin = Undetermined("too_few", "3 customers")
    reading = read_segments([effect(1.0, 0.1), thin, effect(1.0, 0.1)], margin=1.0)
    assert reading.shrunk[1] is thin
    assert reading.against_rest[1] is thin
    assert [merge.segments for merge in reading.merges] == [(0, 2)]
    assert not isinstance(reading.interaction, Undetermined)
    assert reading.interaction.degrees == 1


def test_a_single_segment_is_shown_without_comparison() -> None:
    """Nothing to differ from: said, not zero."""
    reading = read_segments([effect(1.0, 0.1)], margin=1.0)
    assert isinstance(reading.interaction, Undetermined)
    assert isinstance(reading.tau, Undetermined)
    assert isinstance(reading.against_rest[0], Undetermined)
    assert isinstance(reading.shrunk[0], Interval)
    assert reading.shrunk[0].estimate == pytest.approx(1.0)


def test_equivalence_is_two_one_sided_z_tests() -> None:
    """The larger of the two one-sided p-values, from the normal distribution."""
    p = equivalence_p_values([0.08, 0.075], [0.005, 0.004], 0.02)
    spread = np.hypot(0.005, 0.004)
    expected = max(stats.norm.sf((0.005 + 0.02) / spread), stats.norm.cdf((0.005 - 0.02) / spread))
    assert p[0, 1] == pytest.approx(float(expected))
    assert p[1, 0] == p[0, 1]


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.floats(0.1, 2))
def test_two_segments_merge_exactly_when_their_interval_is_inside_the_margin(
    a: float, b: float, s: float, t: float, margin: float
) -> None:
    """TOST and the interval at 1 - 2 alpha agree."""
    half = float(-stats.norm.ppf(0.05) * np.hypot(s, t))
    lower, upper = a - b - half, a - b + half
    inside = -margin < lower and upper < margin
    if min(abs(lower + margin), abs(upper - margin)) > 1e-9:
        assert bool(suggest_merges([a, b], [s, t], margin=margin)) == inside


def test_nobody_is_merged_by_a_chain_of_small_steps() -> None:
    """Neighbours are equivalent, the ends are not: two groups of two, not one of four."""
    merges = suggest_merges([0.0, 0.9, 1.8, 2.7], [0.01] * 4, margin=1.0)
    assert sorted(merge.segments for merge in merges) == [(0, 1), (2, 3)]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 0.5)), min_size=2, max_size=7))
def test_every_pair_inside_a_group_is_equivalent(segments: list[tuple[float, float]]) -> None:
    """The suggestion never holds a pair whose difference could be as large as the margin."""
    d, s = np.array([a for a, _ in segments]), np.array([b for _, b in segments])
    merges = suggest_merges(d, s, margin=0.6)
    raw = equivalence_p_values(d, s, 0.6)
    members = [k for merge in merges for k in merge.segments]
    assert len(members) == len(set(members))
    assert all(raw[i, j] <= 0.05 for m in merges for i in m.segments for j in m.segments if i != j)
    assert all(merge.p_value <= 0.05 for merge in merges)


def test_a_margin_must_matter() -> None:
    """A margin of zero, unfitting shapes and errors of zero are refused."""
    with pytest.raises(InvalidPlan):
        suggest_merges([1.0, 1.0], [0.1, 0.1], margin=0.0)
    with pytest.raises(InvalidInput):
        suggest_merges([1.0, 1.0], [0.1], margin=1.0)
    with pytest.raises(InvalidInput):
        suggest_merges([1.0, 1.0], [0.1, 0.0], margin=1.0)


def test_thin_segments_are_not_merged_for_lack_of_a_difference() -> None:
    """Equal estimates with wide errors prove nothing; precise ones do."""
    assert suggest_merges([0.5, 0.5], [1.0, 1.0], margin=0.5) == ()
    assert [merge.segments for merge in suggest_merges([0.5, 0.5], [0.01, 0.01], margin=0.5)] == [(0, 1)]


@pytest.mark.slow
def test_wrong_merges_stay_under_their_level() -> None:
    """Three segments a margin apart: any of them merged in at most 5 % of 20,000 experiments."""
    rng, sims, wrong = np.random.default_rng(8), 20_000, 0
    for _ in range(sims):
        d = np.array([0.0, 1.0, 2.0]) + 0.2 * rng.standard_normal(3)
        wrong += bool(suggest_merges(d, np.full(3, 0.2), margin=1.0))
    assert wrong / sims <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / sims)
