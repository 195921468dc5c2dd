"""Many arms, segments, beliefs and the rest of the plan: each figure against an outside judge."""

from math import sqrt
from typing import Literal

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import multivariate_normal, norm
from statsmodels.stats.multitest import multipletests

from offerlab.domain.experiment import AnalysisPlan, Experiment, MetricPlan, Variant
from offerlab.reporting.build import Past, build_report, lift_in
from offerlab.reporting.cells import Cells
from offerlab.reporting.looking import PastLook
from offerlab.reporting.report import Report
from offerlab.simulate import CONTROL, Treatment, cells_from, simulate
from offerlab.stats.dunnett import dunnett
from offerlab.stats.effect import Effect
from offerlab.stats.group_sequential import Plan
from offerlab.stats.prior import Prior
from offerlab.stats.rare import rate_ratio
from offerlab.stats.repeated import repeated_p_value
from reporting.crowd import AS_OF, needed, plan

FIXED = AnalysisPlan(sequential="fixed")
ARMS = (CONTROL, Treatment(key="filter", value=1.08), Treatment(key="smart", value=1.05))


def shop(**changes: object) -> Experiment:
    """Control and two offers, revenue decides, read once."""
    base: dict[str, object] = {"metrics": MetricPlan(primary="revenue_per_customer"), "analysis": FIXED}
    return plan(**(base | changes))


def read(asked: Experiment, cells: Cells, past: Past | None = None) -> Report:
    """The report in dollars."""
    return build_report(asked, cells, as_of=AS_OF, currency="USD", version="test", past=past or Past())


def three(asked: Experiment, *, size: int = 6_000, seed: int = 4) -> Cells:
    """Cells of the three arms."""
    return simulate(*ARMS, customers=size, seed=seed).cells(needed(asked))


def test_several_arms_are_corrected_for_their_shared_control() -> None:
    """The adjusted p-value is the chance that the larger of two correlated normals goes so far; Holm's is larger."""
    asked = shop()
    metric = read(asked, three(asked)).metrics[0]
    errors = [arm.se or 0.0 for arm in metric.arms]
    loads = [errors[0] / sqrt(errors[0] ** 2 + each**2) for each in errors[1:]]
    spread = [[1.0, loads[0] * loads[1]], [loads[0] * loads[1], 1.0]]
    for effect in metric.effects:
        assert effect.p_value is not None
        c = -norm.ppf(effect.p_value / 2)
        inside = multivariate_normal(cov=spread).cdf([c, c], lower_limit=[-c, -c])
        assert effect.correction == "dunnett"
        assert effect.p_value_adjusted == pytest.approx(1 - inside, abs=1e-4)


def test_an_adjusted_p_value_and_its_range_agree() -> None:
    """Zero is outside the simultaneous range exactly when the adjusted p-value is below alpha."""
    for seed in range(6):
        asked = shop()
        for effect in read(asked, three(asked, size=3_000, seed=seed)).metrics[0].effects:
            wide = effect.simultaneous
            assert wide is not None
            assert wide.lower is not None
            assert wide.upper is not None
            assert effect.p_value_adjusted is not None
            assert (effect.p_value_adjusted < 0.05) == (not wide.lower <= 0 <= wide.upper)


GROUP = AnalysisPlan(sequential="group", planned_customers=18_000)
EARLIER = PastLook(9_000, {"revenue_per_customer": {"filter": 1.0, "smart": 0.5}}, 18_000)


@pytest.mark.parametrize("how", ["group", "always"])
@pytest.mark.parametrize("size", [1_500, 4_500])
def test_at_every_look_the_adjusted_p_value_and_its_range_agree(how: Literal["group", "always"], size: int) -> None:
    """Several arms looked at early, by either rule: Dunnett's, and below alpha exactly when its range excludes zero."""
    asked = shop(analysis=replace(GROUP, sequential=how))
    looks = (EARLIER,) if size > 3_000 else ()
    for effect in read(asked, three(asked, size=size), Past(looks=looks)).metrics[0].effects:
        wide = effect.simultaneous
        assert wide is not None
        assert wide.lower is not None
        assert wide.upper is not None
        assert effect.correction == "dunnett"
        assert effect.p_value_adjusted is not None
        assert (effect.p_value_adjusted < 0.05) == (not wide.lower <= 0 <= wide.upper)


def test_an_early_crossing_of_one_arm_is_judged_by_the_familys_boundary() -> None:
    """At half of the plan an arm may cross its own boundary and not the family's: one p-value, two ranges."""
    asked = shop(analysis=GROUP)
    half = three(asked, size=3_000, seed=1)
    effect = max(read(asked, half).metrics[0].effects, key=lambda each: abs(each.z or 0.0))
    alone = float(repeated_p_value((0.5,), np.array([effect.z]), Plan(0.05))[0])
    loads = [sqrt(0.5)] * 2
    assert effect.p_value_adjusted is not None
    assert effect.p_value_adjusted == pytest.approx(float(dunnett([alone, 1.0], loads).p_values[0]), rel=0.05)
    assert effect.p_value_adjusted > (effect.p_value or 0.0)


def test_an_overrun_plan_is_corrected_by_holm() -> None:
    """Two rules have read the arms, the boundaries and then the sequence: Holm's larger p-values stand."""
    asked = shop(analysis=replace(GROUP, planned_customers=8_000))
    report = read(asked, three(asked), Past(looks=(EARLIER,)))
    assert {effect.correction for effect in report.metrics[0].effects} == {"holm"}
    assert report.looking is not None
    assert report.looking.note == "overrun"


def test_secondary_metrics_are_corrected_for_false_discoveries() -> None:
    """All of them and all arms are one family: statsmodels' step-up p-values, and ranges at R q / m that agree."""
    metrics = MetricPlan(
        primary="revenue_per_customer", secondary=("aov", "conversion_rate", "orders_per_customer", "refund_rate")
    )
    asked = shop(metrics=metrics)
    told = [
        effect
        for metric in read(asked, three(asked)).metrics
        if metric.role == "secondary"
        for effect in metric.effects
        if effect.p_value is not None
    ]
    rejected, expected, *_ = multipletests([each.p_value for each in told], 0.05, "fdr_bh")
    assert {each.correction for each in told} == {"bh"}
    assert [each.p_value_adjusted for each in told] == pytest.approx(expected)
    for each, found in zip(told, rejected, strict=True):
        wide = each.simultaneous
        assert wide is not None
        assert found == ((wide.lower is not None and wide.lower > 0) or (wide.upper is not None and wide.upper < 0))


def test_beliefs_come_from_the_statistic_of_the_test() -> None:
    """Without a prior the chance is 1 - p/2; with one the lift shrinks by the closed form of two normals."""
    asked = shop()
    told = read(asked, three(asked), Past(prior=Prior(0.0, 0.03, "programme", 25)))
    for effect in told.metrics[0].effects:
        assert effect.bayes is not None
        assert effect.p_value is not None
        assert effect.z is not None
        flat, informed = effect.bayes.flat, effect.bayes.informed
        one_sided = effect.p_value / 2 if effect.z > 0 else 1 - effect.p_value / 2
        assert flat.chance_to_beat == pytest.approx(1 - one_sided, abs=1e-9)
        error = flat.lift.estimate / effect.z
        kept = 0.03**2 / (0.03**2 + error**2)
        assert informed.lift.estimate == pytest.approx(kept * flat.lift.estimate, rel=1e-9)
        assert (effect.bayes.prior_source, effect.bayes.prior_experiments) == ("programme", 25)
    assert sum(arm.chance for arm in told.metrics[0].best) == pytest.approx(1.0, abs=1e-9)


def test_two_arms_agree_on_the_better_one() -> None:
    """With one treatment its chance to be best is its chance to beat the reference."""
    asked = shop(variants=(Variant(key="control", weight=0.5), Variant(key="filter", weight=0.5, offer="filter")))
    cells = simulate(CONTROL, ARMS[1], customers=5_000, seed=2).cells(needed(asked))
    metric = read(asked, cells).metrics[0]
    assert metric.effects[0].bayes is not None
    assert metric.best[1].chance == pytest.approx(metric.effects[0].bayes.informed.chance_to_beat, abs=1e-6)


def test_a_running_report_teaches_no_prior() -> None:
    """Only what has ended is evidence for the next experiment, winners or not."""
    asked = shop()
    report = read(asked, three(asked))
    found = lift_in(replace(report, state="final"))
    assert lift_in(report) is None
    assert found is not None
    assert report.metrics[0].effects[0].z == pytest.approx(found[0] / found[1], rel=1e-9)


def test_rare_rates_are_told_by_the_exact_sequence() -> None:
    """With a dozen acceptances the normal ranges are no good yet: the exact sequence stands beside them."""
    asked = shop(metrics=MetricPlan(primary="refund_rate"), variants=shop().variants[:2])
    values = {"refunded": np.repeat([1, 0, 1, 0], [4, 396, 11, 389])}
    cells = cells_from(values, np.repeat([0, 1], 400), needed(asked))
    effect = read(asked, cells).metrics[0].effects[0]
    judged = rate_ratio(4, 11, 800, 0.5, alpha=0.05)
    assert effect.exact is not None
    assert isinstance(judged, Effect)
    assert effect.exact.p_value == pytest.approx(judged.p_value)
    assert any(each.code == "too_few" for each in effect.cautions)


def within(asked: Experiment, *, new: float, repeat: float, seed: int = 3) -> Report:
    """A report where the offer multiplies order values by these factors in the two segments."""
    parts = [
        simulate(CONTROL, Treatment(key="filter", value=factor), customers=8_000, seed=seed + i)
        for i, factor in enumerate((new, repeat))
    ]
    values = {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values}
    arm = np.concatenate([part.arm for part in parts])
    names = ["new"] * parts[0].arm.size + ["repeat"] * parts[1].arm.size
    day = 20_000 + np.arange(arm.size) % 10
    return read(asked, cells_from(values, arm, needed(asked), segment=names, day=day))


def segmented() -> Experiment:
    """Two arms, two segments."""
    return shop(
        segments=("new", "repeat"),
        variants=(Variant(key="control", weight=0.5), Variant(key="filter", weight=0.5, offer="filter")),
    )


def test_an_offer_that_helps_one_segment_is_shipped_there() -> None:
    """It gains among new customers and loses among repeat ones; segments differ beyond chance: ship it to the new."""
    report = within(segmented(), new=1.3, repeat=0.75)
    assert (report.verdict.decision, report.verdict.variant, report.verdict.segment) == ("ship", "filter", "new")
    assert report.verdict.reasons[0].code == "ship_segment"
    gain = report.segments[0].metrics[0].effects[0]
    assert gain.correction == "bh"
    assert gain.simultaneous is not None
    assert gain.simultaneous.lower is not None
    assert gain.simultaneous.lower > 0


def test_segments_that_do_not_differ_are_not_served_apart() -> None:
    """The twin without an interaction: whatever one segment shows by itself, nothing is shipped to it alone."""
    for seed in (3, 9):
        assert within(segmented(), new=1.0, repeat=1.0, seed=seed).verdict.segment is None


def test_a_fixed_plan_halfway_says_how_it_will_end() -> None:
    """The chance of a shown gain at the end is the conditional power in closed form (two-sided, trend as seen)."""
    asked = shop(analysis=AnalysisPlan(sequential="fixed", planned_customers=24_000), variants=shop().variants[:2])
    cells = simulate(CONTROL, Treatment(key="filter", value=1.01), customers=6_000, seed=8).cells(needed(asked))
    report = read(asked, cells)
    said, effect = report.projections[0], report.metrics[0].effects[0]
    assert effect.z is not None
    drift = effect.z / sqrt(0.5)
    ahead = (norm.ppf(0.975) - effect.z * sqrt(0.5) - drift * 0.5) / sqrt(0.5)
    assert said.chance_as_seen == pytest.approx(1 - norm.cdf(ahead), abs=1e-6)
    assert said.smallest_gain == pytest.approx(2.801585 * (effect.standard_error or 0) * sqrt(0.5), rel=1e-4)
