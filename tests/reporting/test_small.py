"""P11: a cell of fewer than ten customers is named, with the reason, and nothing is said of it, in any form."""

import csv
import io

import msgspec
import pytest

from offerlab.domain.experiment import Experiment, MetricPlan, Variant
from offerlab.reporting.build import build_report
from offerlab.reporting.report import Report
from offerlab.reporting.small import told
from offerlab.reporting.spreadsheet import as_csv
from offerlab.simulate import CONTROL, Treatment, cells_from, simulate
from reporting.crowd import AS_OF, needed, plan

SIZES = {"few": (4, 5), "lopsided": (40, 6), "large": (156, 189)}
"""Customers of control and treatment, by segment."""


def asked() -> Experiment:
    """Control and one offer, in three segments."""
    return plan(
        variants=(Variant(key="control", weight=0.5, role="control"), Variant(key="new", weight=0.5, offer="x")),
        segments=tuple(SIZES),
        metrics=MetricPlan(primary="revenue_per_customer", secondary=("conversion_rate", "acceptance_rate")),
    )


@pytest.fixture(scope="module")
def report() -> Report:
    """200 customers in each arm."""
    crowd = simulate(CONTROL, Treatment(key="new"), customers=200, seed=1)
    segments = [name for arm in (0, 1) for name, sizes in SIZES.items() for _ in range(sizes[arm])]
    cells = cells_from(crowd.values, crowd.arm, needed(asked()), segment=segments)
    return build_report(asked(), cells, as_of=AS_OF, currency="USD", version="test")


def test_a_small_segment_is_named_with_the_reason(report: Report) -> None:
    """Nine customers: the segment's key and `under_10`, no number."""
    few = next(each for each in report.segments if each.segment == "few")
    assert (few.n, few.withheld, few.metrics, few.shrunk) == (None, "under_10", (), {})


def test_a_small_arm_of_a_segment_is_withheld(report: Report) -> None:
    """Six treated customers in a segment of 46: their figures and every effect that rests on them are withheld."""
    lopsided = next(each for each in report.segments if each.segment == "lopsided")
    assert (lopsided.n, lopsided.withheld, lopsided.shrunk) == (46, None, {})
    for metric in lopsided.metrics:
        arms = {arm.variant: arm for arm in metric.arms}
        assert (arms["new"].n, arms["new"].mean, arms["new"].converted, arms["new"].shown) == (None, None, None, None)
        if "control" in arms:
            assert arms["control"].n == 40
            assert arms["control"].mean is not None
        for effect in metric.effects:
            assert effect.undetermined is not None
            assert (effect.undetermined.reason, effect.absolute, effect.p_value, effect.z) == (
                "under_10",
                None,
                None,
                None,
            )


def test_a_large_segment_is_told(report: Report) -> None:
    """Where both arms have ten customers, everything is said."""
    large = next(each for each in report.segments if each.segment == "large")
    assert (large.n, large.withheld) == (345, None)
    assert [arm.n for arm in large.metrics[0].arms] == [156, 189]
    assert large.metrics[0].effects[0].absolute is not None


def test_the_split_by_segment_hides_small_numbers_too(report: Report) -> None:
    """The check of the split counts every segment, and names how many only from ten on."""
    counts = {each.segment: each.n for each in report.quality.srm.strata}
    assert counts == {"few": None, "lopsided": 46, "large": 345}


def test_no_export_tells_more(report: Report) -> None:
    """JSON holds no cell of one to nine customers within a segment; CSV names the small segment with its reason."""
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    few = [row for row in rows if row["segment"] == "few"]
    assert [(row["metric"], row["n"], row["undetermined"]) for row in few] == [("", "", "under_10")]
    hidden = [row for row in rows if row["segment"] == "lopsided" and row["variant"] == "new"]
    assert {(row["n"], row["mean"], row["absolute"], row["undetermined"]) for row in hidden} == {
        ("", "", "", "under_10")
    }
    plain = msgspec.to_builtins(report.segments)
    counts = [arm["n"] for segment in plain for metric in segment["metrics"] for arm in metric["arms"]]
    assert all(n is None or n >= 10 for n in counts)


def test_zero_says_nothing_of_anybody() -> None:
    """None at all may be said, and ten; one to nine may not."""
    assert [told(n) for n in (0, 1, 9, 10)] == [0, None, None, 10]
