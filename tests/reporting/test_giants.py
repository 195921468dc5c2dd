"""Giants, the past and the segment, and effects that fade: against numpy, statsmodels and the law of the cells."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import ttest_ind

from offerlab.aggregation.needs import needs_of
from offerlab.domain.clock import DAY
from offerlab.domain.experiment import AnalysisPlan, Experiment, MetricPlan, Variant
from offerlab.reporting.build import build_report
from offerlab.reporting.cells import Cells
from offerlab.reporting.comparing import Asked, contrast_of
from offerlab.reporting.measures import COURSES, COVARIATES, MEASURES
from offerlab.reporting.report import Report
from offerlab.reporting.split import Strata
from offerlab.simulate import CONTROL, Treatment, cells_from, simulate
from offerlab.stats.effect import Effect
from reporting.crowd import AS_OF, needed, plan

TWO = (Variant(key="control", weight=0.5), Variant(key="filter", weight=0.5, offer="filter"))
REVENUE = Asked(MEASURES["revenue_per_customer"], "mean")
RNG = np.random.default_rng(5)


def shop(**changes: object) -> Experiment:
    """Control and one offer; revenue decides, read once."""
    base: dict[str, object] = {
        "variants": TWO,
        "metrics": MetricPlan(primary="revenue_per_customer"),
        "analysis": AnalysisPlan(sequential="fixed"),
    }
    return plan(**(base | changes))


def read(asked: Experiment, cells: Cells, as_of: int = AS_OF) -> Report:
    """The report in dollars."""
    return build_report(asked, cells, as_of=as_of, currency="USD", version="test")


def test_the_capped_effect_is_that_of_the_clipped_values() -> None:
    """The limit is numpy's 99th percentile of spenders, both arms pooled; the effect is Welch's on clipped values."""
    asked, size = shop(), 4_000
    spend = np.where(RNG.random(2 * size) < 0.4, RNG.lognormal(8, 1.2, 2 * size), 0).astype(np.int64)
    arm = np.repeat([0, 1], size)
    effect = read(asked, cells_from({"revenue": spend}, arm, needed(asked))).metrics[0].effects[0]
    limit = float(np.quantile(spend[spend > 0], 0.99, method="inverted_cdf"))
    clipped = np.minimum(spend, limit) / 100
    assert effect.capped is not None
    assert effect.capped.limit == limit / 100
    assert effect.capped.touched == int((spend > limit).sum())
    assert effect.capped.absolute is not None
    assert effect.capped.absolute.estimate == pytest.approx(clipped[arm == 1].mean() - clipped[arm == 0].mean())
    judged = ttest_ind(clipped[arm == 1], clipped[arm == 0], equal_var=False)
    assert effect.capped.p_value == pytest.approx(float(judged.pvalue), rel=0.05)
    assert effect.raw.absolute != effect.capped.absolute


def test_a_cap_that_does_not_bite_is_not_shown() -> None:
    """Where everybody spends the same nothing is capped, and no second figure pretends otherwise."""
    asked = shop()
    values = {"revenue": np.tile([0, 500], 400)}
    effect = read(asked, cells_from(values, np.repeat([0, 1], 400), needed(asked))).metrics[0].effects[0]
    assert effect.capped is None


def test_the_segment_is_a_covariate_too() -> None:
    """Segments that spend differently: the default estimate is the regression with their dummies and the past."""
    asked = shop(segments=("new", "repeat", "vip"))
    size = 3_000
    arm = RNG.integers(2, size=size)
    kind = RNG.integers(3, size=size)
    past = RNG.poisson(1.0 + kind)
    spend = (RNG.poisson(4 + 6 * kind + past + arm) * 100).astype(np.int64)
    values = {
        "revenue": spend,
        "pre_orders": past,
        "pre_revenue": past * 1_000 + RNG.integers(500, size=size) * (past > 0),
        "pre_days": RNG.integers(90, size=size) * (past > 0),
        "had_orders": (past > 0).astype(np.int64),
    }
    names = [("new", "repeat", "vip")[i] for i in kind]
    cells = cells_from(values, arm, needed(asked), segment=names)
    said = contrast_of(REVENUE, Strata(asked, cells), 0, 1, [0.05])
    x = np.column_stack([arm, *(values[name] for name in COVARIATES), kind == 1, kind == 2]).astype(float)
    judged = sm.OLS(spend / 100, sm.add_constant(x)).fit(cov_type="HC2")
    assert said.adjusted
    effect = said.said[0]
    assert isinstance(effect, Effect)
    assert effect.absolute.estimate == pytest.approx(judged.params[1], abs=0.1 * judged.bse[1])
    assert effect.standard_error == pytest.approx(judged.bse[1], rel=0.03)
    without = contrast_of(REVENUE, Strata(plan(), cells_from(values, arm, needed(asked))), 0, 1, [0.05])
    assert (said.saved or 0) > (without.saved or 0)


def fading(slope: float, *, size: int = 4_000, seed: int = 1) -> Report:
    """A report where the daily gain in revenue changes by `slope` with every seventh of the window."""
    rng = np.random.default_rng(seed)
    arm = np.repeat([0, 1], size)
    parts = {
        name: (rng.poisson(3 + arm * (1 + slope * i)) * 100).astype(np.int64) for i, name in enumerate(COURSES["money"])
    }
    asked = shop(window_days=14)
    wanted = sorted(needs_of(asked.metrics.roles(), course="money").monomials)
    values = {**parts, "revenue": np.asarray(sum(parts.values()), dtype=np.int64)}
    day = 20_000 + np.arange(2 * size) % 5
    return read(asked, cells_from(values, arm, wanted, day=day), as_of=AS_OF + 30 * DAY)


def test_an_effect_that_fades_is_told() -> None:
    """A gain of 1 a day that falls by .15 with each seventh: fading, with the slope inside its range."""
    report = fading(-0.15)
    said = report.novelty[0]
    assert said.course == "fading"
    assert said.slope is not None
    assert said.slope.lower is not None
    assert said.slope.upper is not None
    assert said.slope.lower <= -0.15 / 4 <= said.slope.upper  # per day, of a daily effect: parts are two days long
    assert [part.day for part in said.parts] == [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0]
    assert {check.code: check.sentence for check in report.quality.checks}["novelty"] == "novelty_fading"


def test_an_effect_that_lasts_is_not_called_a_novelty() -> None:
    """The twin with the same gain on every day passes."""
    checks = {check.code: check.level for check in fading(0.0, seed=2).quality.checks}
    assert checks["novelty"] == "pass"


def test_only_customers_with_a_whole_window_tell_the_course() -> None:
    """While every window is open there is no course, and the report says how many it waits for."""
    asked = shop()
    wanted = sorted(needs_of(asked.metrics.roles(), course="money").monomials)
    crowd = simulate(CONTROL, Treatment(key="filter"), customers=300, seed=1)
    said = read(asked, cells_from(crowd.values, crowd.arm, wanted)).novelty[0]
    assert (said.course, said.customers) == (None, 0)
    assert said.undetermined is not None
