"""The split within each period and segment, and the test that may be read every day."""

import numpy as np
import pytest
from scipy.stats import chisquare

from offerlab.domain.experiment import Variant
from offerlab.reporting.build import build_report
from offerlab.reporting.cells import Cells
from offerlab.reporting.mismatch import read_split
from offerlab.reporting.report import Report
from offerlab.simulate import cells_from
from reporting.crowd import AS_OF, needed, plan

ASKED = plan(
    segments=("new", "repeat"),
    variants=(Variant(key="control", weight=0.5), Variant(key="offer", weight=0.5, offer="x")),
)
EVEN = {"new": (5_000, 5_000), "repeat": (5_030, 4_970)}
HIDDEN = {"new": (5_300, 4_700), "repeat": (4_700, 5_300)}
"""Off by 6 % in each segment, to opposite sides: the whole is split as planned."""


def cells(counts: dict[str, tuple[int, int]]) -> Cells:
    """Customers of each arm by segment, spread over ten days."""
    arm = np.concatenate([np.repeat(np.arange(2), pair) for pair in counts.values()])
    names = [name for name, pair in counts.items() for _ in range(sum(pair))]
    day = 20_000 + np.arange(arm.size) % 10
    return cells_from({}, arm, needed(ASKED), segment=names, day=day)


def report(counts: dict[str, tuple[int, int]]) -> Report:
    """The report of these customers."""
    return build_report(ASKED, cells(counts), as_of=AS_OF, currency="USD", version="test")


def test_each_segment_is_judged_by_its_own_chi_square() -> None:
    """The p-value of each segment is scipy's; both together are Holm's."""
    srm = read_split(ASKED, cells(EVEN)).srm
    expected = [float(chisquare(pair).pvalue) for pair in EVEN.values()]
    assert [one.p_value for one in srm.strata] == pytest.approx(expected)
    assert [one.p_value_adjusted for one in srm.strata] == pytest.approx([1.0, min(2 * expected[1], 1.0)])
    assert srm.ok
    assert all(one.ok for one in srm.strata)


def test_a_break_that_cancels_out_is_found() -> None:
    """The whole looks perfect, each segment is broken: the report is investigated and names the segment."""
    told = report(HIDDEN)
    checks = {check.code: check for check in told.quality.checks}
    assert told.quality.srm.p_value == 1.0
    assert checks["srm"].level == "pass"
    assert checks["srm_strata"].level == "stop"
    assert (told.verdict.decision, told.verdict.reasons[0].code) == ("investigate", "srm_strata")


def test_an_honest_split_passes() -> None:
    """The twin with a fair split in each segment: no check stops anything."""
    told = report(EVEN)
    assert {check.code: check.level for check in told.quality.checks}["srm_strata"] == "pass"
    assert told.verdict.decision != "investigate" or told.verdict.reasons[0].code == "silence"


def test_the_daily_test_finds_a_drift() -> None:
    """47 to 53 all along is caught by the test that may be read every day, without the chi-square's help."""
    drift = {"new": (4_700, 5_300), "repeat": (4_700, 5_300)}
    found, fair = read_split(ASKED, cells(drift)).srm, read_split(ASKED, cells(EVEN)).srm
    assert found.anytime_p_value is not None
    assert found.anytime_p_value < 0.001
    assert fair.anytime_p_value is not None
    assert fair.anytime_p_value > 0.05
