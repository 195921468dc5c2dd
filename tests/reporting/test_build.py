"""A report from cells: what every report holds, and that it says nothing twice or differently."""

import msgspec
import pytest

from offerlab.domain.experiment import Experiment, MetricPlan, Variant
from offerlab.domain.metric import METRICS
from offerlab.reporting.build import build_report
from offerlab.reporting.cells import Cells
from offerlab.reporting.report import Report
from reporting.crowd import AS_OF, crowd, plan


def report_of(experiment: Experiment, cells: Cells, as_of: int = AS_OF) -> Report:
    """A report in dollars."""
    return build_report(experiment, cells, as_of=as_of, currency="USD", version="test")


def test_every_metric_of_the_plan_is_in_the_report() -> None:
    """All twenty metrics of the contract are there, each with its arms and, where it can't be said, the reason."""
    experiment = plan(metrics=MetricPlan(primary="aov", secondary=tuple(METRICS)))
    report = report_of(experiment, crowd(experiment, sizes=(300, 300, 300)))
    assert set(METRICS) == {metric.metric for metric in report.metrics}


def test_nobody_exposed_is_a_report_too() -> None:
    """Without a single customer every effect is undetermined with its reason, and the verdict is to go on."""
    experiment = plan(metrics=MetricPlan(primary="aov", secondary=tuple(METRICS)))
    report = report_of(experiment, crowd(experiment, sizes=(0, 0, 0)))
    effects = [effect for metric in report.metrics for effect in metric.effects]
    assert all(effect.undetermined is not None and effect.p_value is None for effect in effects)
    assert report.verdict.decision == "keep_running"


def test_same_cells_give_the_same_bytes() -> None:
    """The order in which an engine hands over its cells changes nothing."""
    experiment = plan()
    cells = crowd(experiment, sizes=(200, 210, 190), segments=("new", "repeat"))
    turned = msgspec.structs.replace(cells, cells=cells.cells[::-1])
    assert msgspec.json.encode(report_of(experiment, cells)) == msgspec.json.encode(report_of(experiment, turned))


def test_broken_split_is_investigated() -> None:
    """48 to 52 with 50,000 customers stops the report, whatever the effects say."""
    experiment = plan(variants=(Variant(key="control", weight=0.5), Variant(key="new", weight=0.5, offer="x")))
    report = report_of(experiment, crowd(experiment, sizes=(24_000, 26_000)))
    assert report.verdict.decision == "investigate"
    assert not report.quality.srm.ok


@pytest.mark.parametrize(
    ("key", "companion"), [("aov", "revenue_per_customer"), ("acceptance_rate", "offered_item_rate")]
)
def test_what_misleads_alone_has_its_companion(key: str, companion: str) -> None:
    """S104, S105: order value comes with revenue per customer, acceptance with who bought anyway; asked for, once."""
    experiment = plan(metrics=MetricPlan(primary=key))
    report = report_of(experiment, crowd(experiment, sizes=(300, 300, 300)))
    assert [(one.metric, one.companion) for one in report.metrics] == [(key, False), (companion, True)]
    both = plan(metrics=MetricPlan(primary=key, secondary=(companion,)))
    report = report_of(both, crowd(both, sizes=(300, 300, 300)))
    assert [(one.metric, one.companion) for one in report.metrics] == [(key, False), (companion, False)]


@pytest.mark.parametrize("seed", [35, 48, 61, 65])
def test_a_segment_where_all_or_none_did_has_a_report(seed: int) -> None:
    """A handful of customers, all of one arm converted and none of the other: said or undetermined, never a crash."""
    sizes = {35: (8, 2, 5), 48: (5, 3, 12), 61: (3, 8, 5), 65: (5, 3, 30)}[seed]
    for primary in ("revenue_per_customer", "acceptance_rate", "conversion_rate", "aov"):
        metrics = MetricPlan(primary=primary, secondary=("offered_item_rate",), guardrails=("refund_rate",))
        experiment = plan(segments=("new", "repeat"), metrics=metrics)
        cells = crowd(experiment, sizes=sizes, segments=("new", "repeat"), seed=seed)
        assert report_of(experiment, cells).metrics[0].metric == primary
