"""One verdict, and never against what the blocks of the report say."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from offerlab.domain.clock import DAY
from offerlab.domain.experiment import AnalysisPlan, Change, Experiment, MetricPlan, Variant
from offerlab.reporting.build import build_report
from offerlab.reporting.report import Effect, Interval, Report
from offerlab.reporting.sentences import check_sentence, reason_sentence
from offerlab.simulate import Treatment, cells_from, simulate
from reporting.crowd import AS_OF, START, needed, plan

FIXED = AnalysisPlan(sequential="fixed")
TWO = (Variant(key="control", weight=0.5), Variant(key="filter", weight=0.5, offer="filter"))


def two_arms(**changes: object) -> Experiment:
    """Control and one offer, read once."""
    metrics = MetricPlan(primary="revenue_per_customer", guardrails=("refund_rate",))
    return plan(**({"variants": TWO, "analysis": FIXED, "metrics": metrics} | changes))


def told(asked: Experiment, *, size: int = 20_000, seed: int = 1, as_of: int = AS_OF, **factors: float) -> Report:
    """A report on `size` customers an arm, the second arm with these factors."""
    arms = (Treatment(key="control", offer=False), replace(Treatment(key="filter"), **factors))
    crowd = simulate(*arms, customers=size, seed=seed)
    days = 20_000 + np.arange(crowd.arm.size) % 10
    cells = cells_from(crowd.values, crowd.arm, needed(asked), day=days)
    return build_report(asked, cells, as_of=as_of, currency="USD", version="test")


def holds_zero(said: Interval) -> bool:
    """Whether zero lies inside the range."""
    low, high = said.lower, said.upper
    inside = (low is None or low <= 0) and (high is None or high >= 0)
    if said.shape == "disjoint":
        return (low is None or low >= 0) or (high is None or high <= 0)
    return inside


def test_a_better_offer_is_shipped() -> None:
    """A shown gain on the primary metric, nothing harmed: ship, with the effect as its first reason."""
    report = told(two_arms(), value=1.3)
    assert (report.verdict.decision, report.verdict.variant) == ("ship", "filter")
    assert report.verdict.reasons[0].metric == "revenue_per_customer"


def test_a_plan_to_read_once_ships_nothing_before_its_end() -> None:
    """The same gain with half of the planned customers in: go on; the plan allows for one reading, at the end."""
    asked = two_arms(analysis=AnalysisPlan(sequential="fixed", planned_customers=80_000))
    assert told(asked, value=1.3).verdict.decision == "keep_running"


def test_a_worse_offer_is_not_shipped() -> None:
    """A shown loss keeps control."""
    report = told(two_arms(), value=0.7)
    assert (report.verdict.decision, report.verdict.reasons[0].code) == ("keep_control", "keep_worse")


def test_a_gain_too_small_to_matter_keeps_control() -> None:
    """When the whole range lies below the smallest gain worth having, control stays."""
    asked = two_arms(analysis=AnalysisPlan(sequential="fixed", mde=0.5))
    assert told(asked).verdict.reasons[0].code == "keep_too_small"


@pytest.mark.parametrize(
    ("before", "after", "limit"), [(0, 80, "past"), (0, 1, "cant_tell"), (60, 80, "cant_tell"), (20, 80, "past")]
)
def test_a_guardrail_that_nobody_in_control_touched_has_a_limit_too(before: int, after: int, limit: str) -> None:
    """Of 20,000 an arm nobody is refunded in control and 80 are with the offer: past its limit, as from any level."""
    asked = two_arms()
    values = {"refunded": np.repeat([1, 0, 1, 0], [before, 20_000 - before, after, 20_000 - after])}
    cells = cells_from(values, np.repeat([0, 1], 20_000), needed(asked))
    report = build_report(asked, cells, as_of=AS_OF, currency="USD", version="test")
    (found,) = (metric.effects[0] for metric in report.metrics if metric.metric == "refund_rate")
    assert (found.limit, found.harmed) == (limit, limit == "past")


def test_thin_data_runs_on_while_it_may() -> None:
    """Fifty customers show nothing: go on while the plan runs, keep control when it has ended."""
    running, ended = two_arms(), two_arms(ends_at=START + DAY)
    assert [told(each, size=50).verdict.decision for each in (running, ended)] == ["keep_running", "keep_control"]


def test_stopped_and_unripe_is_locked() -> None:
    """After the stop the verdict is locked until the last refund window has closed, and says until when."""
    changes = (Change(at=START, status="running"), Change(at=START + 8 * DAY, status="stopped"))
    asked = two_arms(status="stopped", changes=changes)
    early, late = told(asked, value=1.3), told(asked, value=1.3, as_of=START + 60 * DAY)
    assert [(each.state, each.verdict.locked) for each in (early, late)] == [("maturing", True), ("final", False)]
    told_early = [reason_sentence(reason, early, "en") for reason in early.verdict.reasons]
    assert "?" not in " ".join(told_early)


def test_lower_is_better_where_the_metric_says_so() -> None:
    """A rise of a metric that should fall is harm."""
    asked = two_arms(metrics=MetricPlan(primary="refund_rate"))
    assert told(asked, orders=2.0).verdict.decision == "keep_control"


@pytest.mark.parametrize("sequential", ["fixed", "always", "group"])
def test_p_value_and_ranges_agree(sequential: str) -> None:
    """Zero is outside both ranges exactly when p is below alpha, and both effects have one sign, under every rule."""
    analysis = AnalysisPlan(sequential=sequential, planned_customers=8_000)  # type: ignore[arg-type] # by name
    metrics = MetricPlan(primary="revenue_per_customer", secondary=("aov", "offered_item_rate", "conversion_rate"))
    asked = two_arms(analysis=analysis, metrics=metrics, ends_at=START + 40 * DAY)
    for seed in range(6):
        for metric in told(asked, size=2_500, seed=seed, value=1.0 + seed / 20, take=1 + seed / 10).metrics:
            for effect in metric.effects:
                _check_coherence(effect)


def _check_coherence(effect: Effect) -> None:
    for said in (effect, effect.raw):
        if said.absolute is None or said.p_value is None:
            continue
        assert holds_zero(said.absolute) == (said.p_value >= 0.05)
        if said.relative is not None:
            assert holds_zero(said.relative) == (said.p_value >= 0.05)
            assert said.absolute.estimate * said.relative.estimate >= 0


@given(
    size=st.integers(0, 60),
    take=st.floats(0.2, 4),
    orders=st.floats(0.1, 3),
    seed=st.integers(0, 10_000),
)
def test_any_crowd_has_a_report_in_both_languages(size: int, take: float, orders: float, seed: int) -> None:
    """Thin, lopsided or empty: a report comes out, every sentence of it in English and in Korean, no number missing."""
    report = told(two_arms(analysis=AnalysisPlan()), size=size, seed=seed, take=take, orders=orders)
    for language in ("en", "ko"):
        sentences = [reason_sentence(reason, report, language) for reason in report.verdict.reasons]
        sentences += [check_sentence(check, language) for check in report.quality.checks]
        assert [one for one in sentences if not one or any(sign in one for sign in ("nan", "{", "?"))] == []
    again = msgspec.json.decode(msgspec.json.encode(report), type=Report)
    assert again == report


def test_rescaled_money_changes_no_p_value() -> None:
    """Amounts in another unit give the same p-values and lifts."""
    asked = two_arms()
    crowd = simulate(Treatment(key="control", offer=False), Treatment(key="filter", value=1.1), customers=4_000, seed=2)
    cells = crowd.cells(needed(asked))
    thousandfold = replace(cells, divisors={name: 1_000 * unit for name, unit in cells.divisors.items()})
    first, second = (
        build_report(asked, each, as_of=AS_OF, currency="USD", version="test").metrics[0].effects[0]
        for each in (cells, thousandfold)
    )
    assert first.p_value == pytest.approx(second.p_value, rel=1e-9)


@pytest.mark.parametrize(("happy", "decision"), [(1.0, "ship"), (0.8, "keep_control")], ids=["as content", "less so"])
def test_a_win_in_money_with_a_loss_of_satisfaction_is_no_win(happy: float, decision: str) -> None:
    """S75: revenue rises alike; where customers are a fifth less often content, past the 5 % allowed, control stays."""
    metrics = MetricPlan(
        primary="revenue_per_customer", guardrails=("satisfaction_score",), margins={"satisfaction_score": 0.05}
    )
    asked = two_arms(metrics=metrics)
    arms = (Treatment(key="control", offer=False), Treatment(key="filter", value=1.3))
    crowd = simulate(*arms, customers=20_000, seed=1)
    rng = np.random.default_rng(7)
    rated = (rng.random(crowd.arm.size) < 0.2).astype(np.int64)
    stars = np.where(rng.random(crowd.arm.size) < np.where(crowd.arm == 1, 0.7 * happy, 0.7), 500, 200)
    values = {**crowd.values, "ratings": rated, "rating_hundredths": rated * stars}
    days = 20_000 + np.arange(crowd.arm.size) % 10
    cells = cells_from(values, crowd.arm, needed(asked), day=days)
    report = build_report(asked, cells, as_of=AS_OF, currency="USD", version="test")
    assert report.metrics[0].effects[0].p_value < 0.001  # type: ignore[operator]  # it has one
    assert report.verdict.decision == decision
    guarded = next(metric for metric in report.metrics if metric.metric == "satisfaction_score").effects[0]
    assert guarded.limit == ("past" if decision == "keep_control" else "within")
    if decision == "keep_control":
        assert (report.verdict.reasons[0].code, report.verdict.reasons[0].metric) == (
            "keep_guardrail",
            "satisfaction_score",
        )
