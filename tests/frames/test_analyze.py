"""`offerlab.analyze`: the engine's own answers from any frame, said, drawn and exported."""

import doctest
import json
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy import stats
from statsmodels.stats.multitest import multipletests

import offerlab
from offerlab.errors import InvalidInput, InvalidMoments, InvalidPlan
from offerlab.frames import analysis
from offerlab.frames.families import Correction
from offerlab.frames.result import COLUMNS, Analysis
from offerlab.stats.effect import Effect, Interval
from offerlab.stats.gatekeeping import gated
from offerlab.stats.looks import Kind
from offerlab.stats.means import mean_difference
from offerlab.stats.moments import from_values

SIZE = 900


@pytest.fixture(scope="module")
def crowd() -> pd.DataFrame:
    """Three arms with everything that a frame may hold."""
    rng = np.random.default_rng(5)
    arm = rng.choice(["none", "mens", "womens"], SIZE)
    before = rng.gamma(1.0, 20.0, SIZE)
    visit = rng.random(SIZE) < 0.3 + 0.1 * (arm == "mens")
    spend = np.where(visit, before + rng.gamma(2.0, 10.0, SIZE), 0.0)
    return pd.DataFrame(
        {
            "arm": arm,
            "visit": visit,
            "spend": spend,
            "cost": np.where(arm == "none", 0.0, 1.0 + rng.random(SIZE)),
            "before": np.where(rng.random(SIZE) < 0.1, np.nan, before),
            "city": rng.choice(["Rural", "Urban"], SIZE, p=[0.3, 0.7]),
            "store": [f"{name}-{number}" for name, number in zip(arm, rng.integers(0, 8, SIZE), strict=True)],
            "home": [f"{name}-{number}" for name, number in zip(arm, rng.integers(0, 120, SIZE), strict=True)],
        }
    )


def _ask(frame: Any, *metrics: Any, **more: Any) -> Analysis:
    return offerlab.analyze(frame, variant="arm", control="none", metrics=metrics, **more)


def _p(value: float | None) -> float:
    assert value is not None
    return value


def _said(result: Analysis, *key: str) -> Effect:
    outcome = result.effect(*key).outcome
    assert isinstance(outcome, Effect)
    return outcome


def test_the_example_runs() -> None:
    """What the docstring shows is what comes out."""
    assert doctest.testmod(analysis).failed == 0


def test_the_effect_is_the_engines(crowd: pd.DataFrame) -> None:
    """A mean is compared by the very test of moments, with raw figures of each arm beside it."""
    said = _ask(crowd, offerlab.Mean("spend")).effect("spend", "mens")
    arms = [from_values(("spend",), crowd.loc[crowd["arm"] == name, "spend"].to_numpy()) for name in ("none", "mens")]
    assert said.outcome == mean_difference(*arms, alpha=0.05)
    assert (said.n, said.control_n) == (int(arms[1].n), int(arms[0].n))
    assert said.mean == pytest.approx(float(arms[1].mean[0]))


@pytest.mark.parametrize("kind", ["dict", "arrow", "lists"])
def test_any_frame_gives_the_same(crowd: pd.DataFrame, kind: str) -> None:
    """Pandas, Arrow, a dict of arrays or lists: one answer."""
    columns = ["arm", "visit", "spend"]
    frames: dict[str, Any] = {
        "dict": {name: crowd[name].to_numpy() for name in columns},
        "lists": {name: crowd[name].tolist() for name in columns},
        "arrow": pa.table({name: crowd[name].tolist() for name in columns}),
    }
    metrics = (offerlab.Proportion("visit"), offerlab.Mean("spend"))
    assert _ask(frames[kind], *metrics).to_json() == _ask(crowd, *metrics).to_json()


@pytest.mark.parametrize("kind", ["polars", "polars lazy", "duckdb"])
def test_frames_of_other_libraries_give_the_same(crowd: pd.DataFrame, kind: str) -> None:
    """Polars frames, lazy ones too, and DuckDB's relations are read as pandas' are, gaps and texts included."""
    with duckdb.connect() as connection:
        connection.register("crowd", crowd)
        frames: dict[str, Any] = {
            "polars": pl.from_pandas(crowd),
            "polars lazy": pl.from_pandas(crowd).lazy(),
            "duckdb": connection.sql("select * from crowd"),
        }
        metrics = (offerlab.Proportion("visit"), offerlab.Mean("spend", covariates=["before", "city"]))
        found = _ask(frames[kind], *metrics, segment="city")
    assert found.to_json() == _ask(crowd, *metrics, segment="city").to_json()


def test_own_slopes_are_lins_regression(crowd: pd.DataFrame) -> None:
    """`slopes="own"`: the interacted regression on centred covariates, as statsmodels has it with HC2."""
    two = crowd[crowd["arm"] != "womens"].fillna({"before": 0.0})
    own, common = (
        _said(_ask(two, offerlab.Mean("spend", covariates="before", slopes=slopes)), "spend")
        for slopes in ("own", "common")
    )
    centred = two.assign(t=(two["arm"] == "mens").astype(float), x=two["before"] - two["before"].mean())
    fitted = smf.ols("spend ~ t * x", centred).fit(cov_type="HC2")
    assert own.absolute.estimate == pytest.approx(fitted.params["t"])
    assert own.standard_error == pytest.approx(fitted.bse["t"], rel=0.02)
    assert common.absolute.estimate == pytest.approx(smf.ols("spend ~ t + x", centred).fit().params["t"])
    assert abs(own.absolute.estimate - common.absolute.estimate) > 1e-4
    ratios = [
        _said(_ask(two, offerlab.Ratio("spend", "visit", covariates="before", slopes=slopes, name="r")), "r")
        for slopes in ("own", "common")
    ]
    assert ratios[0] != ratios[1]


def test_the_frame_has_the_columns_of_the_contract(crowd: pd.DataFrame) -> None:
    """One row per metric, variant (control too) and segment; what is not said is null."""
    found = _ask(crowd, offerlab.Proportion("visit"), offerlab.Mean("spend"), segment="city").to_frame()
    assert tuple(found.columns) == COLUMNS
    assert len(found) == 2 * 3 * (1 + 2)
    control = found[found["variant"] == "none"]
    assert control["p_value"].isna().all()
    assert control["mean"].notna().all()
    assert found["undetermined"].isna().all()


def test_every_kind_of_metric_has_an_answer(crowd: pd.DataFrame) -> None:
    """Proportion, mean, ratio, return, quantile and any statistic, with and without covariates and caps."""

    def gini(rows: np.ndarray) -> float:
        ordered = np.sort(rows[:, 0])
        n = ordered.size
        return float(2 * (ordered @ np.arange(1, n + 1)) / (n * ordered.sum()) - (n + 1) / n)

    result = _ask(
        crowd,
        offerlab.Proportion("visit"),
        offerlab.Proportion("visit", method="newcombe", name="visit by Newcombe"),
        offerlab.Mean("spend", covariates=["before", "city"], cap=0.99),
        offerlab.Mean("spend", covariates="before", slopes="own", name="own slopes"),
        offerlab.Ratio("spend", "visit"),
        offerlab.Ratio("spend", "visit", covariates=["before"], name="order value, adjusted"),
        offerlab.Return("spend", "cost"),
        offerlab.Quantile("spend", 0.8),
        offerlab.Statistic(["spend"], gini, resamples=200),
        alpha=0.1,
    )
    assert [each.metric for each in result.effects if each.undetermined] == []
    methods = {each.metric: _said(result, each.metric, "mens").method for each in result.effects}
    assert methods["visit by Newcombe"] == "newcombe"
    assert methods["return on cost"] == "fieller"
    assert methods["gini"] == "poisson_bootstrap"


def test_gaps_in_what_was_known_are_a_column_of_their_own(crowd: pd.DataFrame) -> None:
    """A missing covariate counts as zero and is told apart: the regression on both columns comes out."""
    pair = crowd[crowd["arm"] != "womens"]
    said = offerlab.analyze(pair, variant="arm", control="none", metrics=offerlab.Mean("spend", covariates="before"))
    x = np.column_stack([pair["before"].fillna(0.0), pair["before"].isna()])
    y, t = pair["spend"].to_numpy(), (pair["arm"] == "mens").to_numpy()
    within = np.concatenate([x[t] - x[t].mean(axis=0), x[~t] - x[~t].mean(axis=0)])
    out = np.concatenate([y[t] - y[t].mean(), y[~t] - y[~t].mean()])
    slopes = np.linalg.lstsq(within, out, rcond=None)[0]
    gap = y[t].mean() - y[~t].mean() - (x[t].mean(axis=0) - x[~t].mean(axis=0)) @ slopes
    assert _said(said, "spend").absolute.estimate == pytest.approx(gap, rel=1e-6)


def test_a_cap_is_one_for_all_arms_and_the_raw_effect_stands_beside(crowd: pd.DataFrame) -> None:
    """The capped metric is compared; `raw` is the uncapped test."""
    said = _ask(crowd, offerlab.Mean("spend", cap=0.9)).effect("spend", "mens")
    spend = crowd["spend"]
    limit = np.quantile(spend[spend > 0], 0.9)
    arms = [np.minimum(spend[crowd["arm"] == name], limit) for name in ("none", "mens")]
    assert said.absolute is not None
    assert said.absolute.estimate == pytest.approx(arms[1].mean() - arms[0].mean())
    assert said.raw == _ask(crowd, offerlab.Mean("spend")).effect("spend", "mens").outcome


def test_few_clusters_are_read_by_their_own_small_sample_test(crowd: pd.DataFrame) -> None:
    """Eight stores an arm: Student's t with less than sixteen degrees of freedom, wider than by customer."""
    by_row = _said(_ask(crowd, offerlab.Mean("spend")), "spend", "mens")
    by_store = _said(_ask(crowd, offerlab.Mean("spend"), cluster="store"), "spend", "mens")
    assert by_store.method == "welch"
    assert by_store.absolute.estimate == pytest.approx(by_row.absolute.estimate)
    width = by_store.absolute.upper - by_store.absolute.lower
    assert width / (2 * by_store.standard_error) > stats.t(15).ppf(0.975)


def test_many_clusters_are_customers_with_several_rows(crowd: pd.DataFrame) -> None:
    """A mean over rows is a ratio of sums by household, whose error is the delta method's."""
    found = _ask(crowd, offerlab.Mean("spend"), cluster="home")
    said = _said(found, "spend", "mens")
    errors = []
    for name in ("none", "mens"):
        part = crowd[crowd["arm"] == name].groupby("home")["spend"].agg(["sum", "count"])
        spread = part["sum"] - part["sum"].sum() / part["count"].sum() * part["count"]
        errors.append(len(part) * spread.var() / part["count"].sum() ** 2)
    assert said.standard_error == pytest.approx(sum(errors) ** 0.5)
    assert found.effect("spend", "mens").n == crowd.loc[crowd["arm"] == "mens", "home"].nunique()


@pytest.mark.parametrize(
    ("metric", "more"),
    [
        (offerlab.Proportion("visit"), {}),
        (offerlab.Quantile("spend", 0.9), {}),
        (offerlab.Ratio("spend", "visit"), {}),
        (offerlab.Return("spend", "cost"), {}),
        (offerlab.Mean("spend", covariates=["before"]), {}),
        (offerlab.Mean("spend", cap=0.95), {}),
        (offerlab.Statistic(["spend"], lambda rows: float(np.mean(rows)), resamples=200), {"seed": 3}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_clusters_widen_what_rows_would_say(crowd: pd.DataFrame, metric: Any, more: dict[str, Any]) -> None:
    """Every kind of metric knows clusters: three copies of each customer tell no more than one."""
    once = crowd.assign(home=np.arange(SIZE))
    thrice = pd.concat([once] * 3, ignore_index=True)
    name = next(each.metric for each in _ask(once, metric).effects)
    naive = _said(_ask(thrice, metric, **more), name, "mens").standard_error
    clustered = _said(_ask(thrice, metric, cluster="home", **more), name, "mens").standard_error
    assert clustered / naive > 1.4


@pytest.mark.parametrize("correction", ["bonferroni", "holm", "hochberg", "bh", "by"])
def test_adjusted_p_values_are_statsmodels(crowd: pd.DataFrame, correction: Correction) -> None:
    """All variants of all primary metrics are one family; a guardrail stays out of it."""
    guard = offerlab.Proportion("visit", role="guardrail", name="guard")
    found = _ask(crowd, offerlab.Proportion("visit"), offerlab.Mean("spend"), guard, correction=correction)
    p = [_p(each.p_value) for each in found.effects if each.role == "primary"]
    names = {"hochberg": "simes-hochberg", "bh": "fdr_bh", "by": "fdr_by"}
    expected = np.asarray(multipletests(p, method=names.get(correction, correction))[1])
    adjusted = [_p(each.p_value_adjusted) for each in found.effects if each.role == "primary"]
    assert_allclose(adjusted, expected, rtol=1e-9)
    assert {each.p_value_adjusted for each in found.effects if each.role == "guardrail"} == {None}


def test_a_range_matches_its_adjusted_p_value(crowd: pd.DataFrame) -> None:
    """Under Bonferroni, BH, Dunnett and the gate: zero is outside the matching range exactly when shown."""
    for correction in ("bonferroni", "bh", "dunnett", "weighted"):
        found = _ask(crowd, offerlab.Proportion("visit"), offerlab.Mean("spend"), correction=correction)
        for each in found.effects:
            assert isinstance(each.simultaneous, Effect)
            shown = each.p_value_adjusted is not None and each.p_value_adjusted < 0.05
            assert shown != each.simultaneous.absolute.contains(0.0) or each.conservative


def test_the_gate_is_the_procedures(crowd: pd.DataFrame) -> None:
    """Each variant's secondary waits for its primary, whatever the order in which metrics are named."""
    spend, visit = offerlab.Mean("spend", role="secondary"), offerlab.Proportion("visit")
    found = _ask(crowd, spend, visit, correction="gated")
    p = {(each.metric, each.variant): _p(each.p_value) for each in found.effects}
    expected = gated([p["visit", v] for v in ("mens", "womens")], [[p["spend", v]] for v in ("mens", "womens")])
    for i, variant in enumerate(("mens", "womens")):
        assert found.effect("visit", variant).p_value_adjusted == pytest.approx(expected.p_values[i, 0])
        assert found.effect("spend", variant).p_value_adjusted == pytest.approx(expected.p_values[i, 1])


def test_a_fixed_sequence_asks_in_the_order_of_the_metrics(crowd: pd.DataFrame) -> None:
    """Each question waits for all before it: its p-value is the largest so far, and nothing else is added."""
    found = _ask(crowd, offerlab.Mean("spend"), offerlab.Proportion("visit"), correction="fixed_sequence")
    assert [(each.metric, each.variant) for each in found.effects[:2]] == [("spend", "mens"), ("spend", "womens")]
    expected = np.maximum.accumulate([_p(each.p_value) for each in found.effects])
    assert_allclose([_p(each.p_value_adjusted) for each in found.effects], expected)


def test_dunnett_is_less_strict_than_bonferroni(crowd: pd.DataFrame) -> None:
    """The shared control is used: between the single p-value and twice it."""
    single, dunnett = (_ask(crowd, offerlab.Mean("spend"), correction=how) for how in ("none", "dunnett"))
    for one, two in zip(single.effects, dunnett.effects, strict=True):
        assert _p(one.p_value) < _p(two.p_value_adjusted) < 2 * _p(one.p_value)


@pytest.mark.parametrize(("kind", "more"), [("group", {"planned": 2_000.0, "looks": [300.0]}), ("always", {})])
def test_looking_early_widens_the_range(crowd: pd.DataFrame, kind: Kind, more: dict[str, Any]) -> None:
    """A reading before the end is wider than the fixed one, and its p larger."""
    fixed = _said(_ask(crowd, offerlab.Mean("spend")), "spend", "mens")
    early = _said(_ask(crowd, offerlab.Mean("spend"), sequential=kind, **more), "spend", "mens")
    assert early.absolute.lower < fixed.absolute.lower
    assert early.absolute.upper > fixed.absolute.upper
    assert early.p_value > fixed.p_value


def test_rare_conversions_are_exact_before_the_burn_in(crowd: pd.DataFrame) -> None:
    """With known weights the exact sequence speaks; without them the reading carries a caution."""
    few = crowd.assign(visit=np.arange(SIZE) % 40 == 0)
    weights = {"none": 1.0, "mens": 1.0, "womens": 1.0}
    known = _ask(few, offerlab.Proportion("visit"), sequential="always", weights=weights).effect("visit", "mens")
    assert isinstance(known.outcome, Effect)
    assert (known.outcome.method, known.note) == ("exact_sequence", "exact_sequence")
    unknown = _ask(few, offerlab.Proportion("visit"), sequential="always").effect("visit", "mens")
    assert "burn_in" in {caution.code for caution in unknown.cautions}


def test_the_split_is_checked_against_the_weights(crowd: pd.DataFrame) -> None:
    """Right weights pass, wrong ones stop, an arm that nobody is in counts, and none given is no check."""
    right = _ask(crowd, offerlab.Mean("spend"), weights={"none": 1, "mens": 1, "womens": 1})
    wrong = _ask(crowd, offerlab.Mean("spend"), weights={"none": 2, "mens": 1, "womens": 1})
    empty = _ask(crowd, offerlab.Mean("spend"), weights={"none": 1, "mens": 1, "womens": 1, "lost": 1})
    states = [result.split.state if result.split else None for result in (right, wrong, empty)]
    assert states == ["pass", "stop", "stop"]
    assert "NOT AS PLANNED" in str(wrong)
    assert _ask(crowd, offerlab.Mean("spend")).split is None


def test_a_guardrail_says_on_which_side_of_its_limit(crowd: pd.DataFrame) -> None:
    """A rise in a metric that must not rise is past its limit; a wide range cannot tell."""
    bad = crowd.assign(visit=np.where(crowd["arm"] == "mens", np.arange(SIZE) % 2, np.arange(SIZE) % 5 == 0))
    found = _ask(bad, offerlab.Proportion("visit", role="guardrail", better="lower", mde=0.1))
    assert "visit, mens: PAST ITS LIMIT, harm shown" in str(found)
    assert "visit, womens: cannot tell" in str(found)


def test_segments_tell_whether_effects_differ(crowd: pd.DataFrame) -> None:
    """An effect in one city alone is an interaction; the whole and each city have a row."""
    rng = np.random.default_rng(1)
    changed = crowd.assign(visit=rng.random(SIZE) < 0.2 + 0.5 * ((crowd["arm"] == "mens") & (crowd["city"] == "Urban")))
    found = _ask(changed, offerlab.Proportion("visit"), segment="city")
    cut = next(each for each in found.segments if each.variant == "mens")
    assert cut.names == ("Rural", "Urban")
    assert cut.p_value is not None
    assert cut.p_value < 0.001
    assert "effects differ by city" in str(found)
    assert [each.segment for each in found.effects if each.variant == "mens"] == [None, "Rural", "Urban"]


def test_segments_with_the_same_effect_are_suggested_for_merging() -> None:
    """Two alike segments are shown to differ by less than what matters; a third that differs stays apart."""
    rng = np.random.default_rng(2)
    size = 120_000
    frame = {"arm": np.where(rng.random(size) < 0.5, "none", "offer"), "city": rng.choice(["A", "B", "C"], size)}
    lift = np.where(frame["city"] == "C", 0.0, 0.1) * (frame["arm"] == "offer")
    metric = offerlab.Proportion("visit", mde=0.15)
    found = _ask(frame | {"visit": rng.random(size) < 0.2 + lift}, metric, segment="city")
    assert [each.merges for each in found.segments] == [(("A", "B"),)]
    assert "may be merged: A & B" in str(found)


def test_thin_data_is_an_answer() -> None:
    """One customer an arm, no variance, nobody with a denominator, an empty segment: a reason, never a NaN."""
    frame = {
        "arm": ["none", "none", "offer", "offer"],
        "y": [1.0, 1.0, 1.0, 1.0],
        "none": [0.0, 0.0, 0.0, 0.0],
        "city": ["A", "A", "B", "B"],
        "before": [1.0, np.nan, 3.0, 4.0],
    }
    metrics: tuple[Any, ...] = (
        offerlab.Mean("y"),
        offerlab.Mean("y", covariates="before", name="adjusted"),
        offerlab.Ratio("y", "none"),
        offerlab.Return("y", "none"),
        offerlab.Quantile("y", name="median"),
        offerlab.Statistic("y", lambda rows: float(rows.mean()) if len(rows) else 0.0, name="any", resamples=100),
    )
    found = _ask(frame, *metrics, segment="city")
    reasons = {(each.metric, each.segment): each.undetermined and each.undetermined.reason for each in found.effects}
    assert reasons["y", None] == reasons["adjusted", None] == "no_variance"
    assert reasons["y / none", None] == "denominator_zero"
    assert all(reasons.values())
    assert "NaN" not in found.to_json()
    assert "nan" not in str(found) + found.to_markdown() + found.to_csv()


def test_everything_comes_out(crowd: pd.DataFrame) -> None:
    """JSON, dict, Markdown, HTML, CSV and a picture say the same."""
    found = _ask(crowd, offerlab.Proportion("visit"), offerlab.Mean("spend", covariates="before"), segment="city")
    assert json.loads(found.to_json())["effects"][0]["metric"] == "visit"
    assert found.to_markdown().count("\n| visit |") == 2 * 3
    assert found._repr_html_().count("<tr>") == 1 + len(found.effects)
    assert found.to_csv().splitlines()[0] == ",".join(COLUMNS)
    lifts = found.plot().to_dict()
    drawn = max(lifts["datasets"].values(), key=len)
    assert len(drawn) == len(found.effects)
    one = found.plot("spend", relative=False).to_dict()
    assert {row["label"].split(" · ")[0] for row in max(one["datasets"].values(), key=len)} == {"spend"}
    with pytest.raises(KeyError):
        found.plot("nothing")
    with pytest.raises(KeyError, match="2 comparisons"):
        found.effect("visit")


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"control": "nobody"}, InvalidInput, "there are mens, none, womens"),
        ({"variant": "absent"}, InvalidInput, "no column 'absent'"),
        ({"metrics": []}, InvalidPlan, "no metric"),
        ({"metrics": [offerlab.Mean("spend"), offerlab.Mean("spend")]}, InvalidPlan, "same name"),
        ({"metrics": [offerlab.Mean("city")]}, InvalidInput, "not numbers"),
        ({"metrics": [offerlab.Mean("before")]}, InvalidInput, "fill it in"),
        ({"metrics": [offerlab.Proportion("spend")]}, InvalidMoments, "zero and one"),
        ({"metrics": [offerlab.Mean("spend", covariates=["home"])]}, InvalidInput, "different texts"),
        ({"sequential": "group"}, InvalidPlan, "planned"),
        ({"weights": {"none": 1.0}}, InvalidPlan, "no weight for mens, womens"),
        ({"alpha": 2.0}, InvalidPlan, "alpha"),
        ({"cluster": "city"}, InvalidInput, "more than one variant"),
        ({"correction": "magic"}, InvalidPlan, "magic"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_calls_are_refused(
    crowd: pd.DataFrame, change: dict[str, Any], error: type[Exception], told: str
) -> None:
    """Each with the rule that is broken."""
    call: dict[str, Any] = {"variant": "arm", "control": "none", "metrics": [offerlab.Mean("spend")]} | change
    with pytest.raises(error, match=told):
        offerlab.analyze(crowd, **call)


def test_what_is_no_frame_is_refused() -> None:
    """A number, columns of different lengths, a single arm."""
    with pytest.raises(InvalidInput, match="no data frame"):
        _ask(7, offerlab.Mean("y"))
    with pytest.raises(InvalidInput, match="equally long"):
        _ask({"arm": ["none", "offer"], "y": [1.0]}, offerlab.Mean("y"))
    with pytest.raises(InvalidInput, match="nothing to compare"):
        _ask({"arm": ["none", "none"], "y": [1.0, 2.0]}, offerlab.Mean("y"))
    with pytest.raises(InvalidInput, match="1 rows have no 'arm'"):
        _ask(pd.DataFrame({"arm": ["none", None, "offer"], "y": [1.0, 2.0, 3.0]}), offerlab.Mean("y"))


def test_lift_and_difference_never_contradict_each_other(crowd: pd.DataFrame) -> None:
    """Zero is outside both ranges exactly when p is below alpha, for every row that is printed."""
    found = _ask(crowd, offerlab.Proportion("visit"), offerlab.Mean("spend", covariates="before"), segment="city")
    for each in found.effects:
        assert isinstance(each.outcome, Effect)
        assert isinstance(each.outcome.relative, Interval)
        shown = each.outcome.p_value < 0.05
        assert shown == (not each.outcome.absolute.contains(0.0)) == (not each.outcome.relative.contains(0.0))
