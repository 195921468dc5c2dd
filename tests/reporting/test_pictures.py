"""Pictures of a report: what stands in them follows from the numbers, and the exported page carries them."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from offerlab.domain.experiment import AnalysisPlan, Experiment, MetricPlan
from offerlab.reporting import plots
from offerlab.reporting.build import build_report
from offerlab.reporting.charts import INK, Look
from offerlab.reporting.earnings import dots
from offerlab.reporting.figures import PER_CENT, Language
from offerlab.reporting.formats import as_markdown
from offerlab.reporting.report import CoursePart, Interval, Money, Novelty, Report
from offerlab.reporting.webpage import as_html
from reporting.crowd import AS_OF, crowd, plan

LIGHT = Look(theme="light", wide=True, language="en", currency="USD")
SVG = b"<svg><script>alert(1)</script></svg>"


def asked() -> Experiment:
    """Three arms, read by a group plan."""
    return plan(
        metrics=MetricPlan(primary="revenue_per_customer", secondary=("aov",)),
        analysis=AnalysisPlan(sequential="group", planned_customers=6_000),
    )


@pytest.fixture(scope="module")
def report() -> Report:
    """A report of the crowd with a course that fades."""
    experiment = asked()
    found = build_report(
        experiment, crowd(experiment, sizes=(900, 900, 900)), as_of=AS_OF, currency="USD", version="test"
    )
    parts = tuple(CoursePart(1.0 + 2 * i, 7.0 - i, 5.0 - i, 9.0 - i) for i in range(7))
    variant = found.facts.variants[1]
    return replace(
        found, novelty=(Novelty(variant=variant, value="revenue", customers=1_800, course="fading", parts=parts),)
    )


def test_a_course_has_a_picture_with_its_own_numbers(report: Report) -> None:
    """Each part of the window is a point on its range, at the days since exposure; an arm without parts has none."""
    assert [name for name in plots.names(report) if name.startswith("novelty")] == ["novelty-1"]
    spec = plots.plot(report, "novelty-1", LIGHT)
    points = [layer for layer in spec["layer"] if layer["mark"]["type"] == "point"]
    drawn = [(row["day"], row["x"], row["lower"], row["upper"]) for row in points[0]["data"]["values"]]
    assert drawn == [(part.day, part.estimate, part.lower, part.upper) for part in report.novelty[0].parts]
    assert plots.size(report, "novelty-1", wide=True) == (spec["width"], spec["height"])


def _labels(part: object) -> list[str]:
    """Every expression that writes an axis label, anywhere in a specification."""
    if isinstance(part, dict):
        own = [str(value) for name, value in part.items() if name == "labelExpr"]
        return own + [label for value in part.values() for label in _labels(value)]
    return [label for each in part for label in _labels(each)] if isinstance(part, list | tuple) else []


@pytest.mark.parametrize(("language", "other"), [("en", "'%'"), ("ko", "' %'")])
def test_axes_write_per_cent_as_sentences_do(report: Report, language: Language, other: str) -> None:
    """English has a space before the sign and Korean none, on every axis of every picture."""
    look = replace(LIGHT, language=language)
    labels = [label for name in plots.names(report) for label in _labels(plots.plot(report, name, look))]
    assert sum(f"'{PER_CENT[language]}'" in label for label in labels) > 1
    assert [label for label in labels if other in label] == []


@given(
    quantiles=st.lists(st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-3), min_size=20, max_size=20),
    wide=st.booleans(),
)
def test_a_dot_stands_on_the_side_of_zero_that_its_fill_says(quantiles: list[float], *, wide: bool) -> None:
    """Filled dots lie right of zero, hollow ones left; no case is lost, and all lie within the axis."""
    look = Look(theme="light", wide=wide, language="en", currency="USD")
    money = Money(
        variant="a",
        currency="USD",
        steps=(),
        roi=None,
        quantiles=tuple(quantiles),
        incremental_revenue=None,
        attributed_revenue=None,
        undetermined=None,
    )
    spec = dots(money, look, 1, 190)
    rows = spec["layer"][-1]["data"]["values"]
    low, high = spec["layer"][-1]["encoding"]["x"]["scale"]["domain"]
    assert sum(row["fill"] != INK["light"]["ground"] for row in rows) == sum(value > 0 for value in quantiles)
    assert all((row["x"] > 0) == (row["fill"] != INK["light"]["ground"]) for row in rows)
    assert all(low <= row["x"] <= high for row in rows)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_exported_page_carries_its_pictures(report: Report, language: str) -> None:
    """Every picture stands in the page once, with a caption, as data: nothing in it becomes part of the page."""
    drawn = dict.fromkeys(plots.names(report), SVG)
    html = as_html(report, "ko" if language == "ko" else "en", drawn)
    assert html.count(b64encode(SVG).decode()) == len(drawn) == html.count("<figcaption>")
    assert "<script>" not in html
    assert "<figure>" not in as_html(report, "en")


def test_a_range_that_leaves_nothing_out_is_not_written_as_one(report: Report) -> None:
    """Where every value but a gap is possible, the text says so in place of two ends that look like a range."""
    effect = report.metrics[0].effects[0]
    said = replace(effect, absolute=Interval(3.0, 1.0, 2.0, "disjoint"))
    first = replace(report.metrics[0], effects=(said, *report.metrics[0].effects[1:]))
    told = as_markdown(replace(report, metrics=(first, *report.metrics[1:])))
    assert "+$3.00 (any size is possible)" in told
    assert "$1.00 to $2.00" not in told
