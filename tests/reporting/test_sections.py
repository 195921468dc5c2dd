"""What leaves as a file says what the page says: each block in Markdown, HTML and CSV, in both languages."""

import csv
import io
import re
from html import escape

import pytest
from msgspec.structs import replace

from offerlab.domain.experiment import AnalysisPlan, Experiment, MetricPlan
from offerlab.reporting.build import build_report
from offerlab.reporting.formats import as_markdown
from offerlab.reporting.report import (
    CoursePart,
    DeclineCount,
    FactorChoice,
    FactorContrast,
    Factors,
    FactorTerm,
    Interval,
    Looking,
    Money,
    MoneyStep,
    Novelty,
    Report,
    Voice,
)
from offerlab.reporting.sections import sections
from offerlab.reporting.spreadsheet import as_csv
from offerlab.reporting.webpage import as_html
from offerlab.reporting.words import Language
from reporting.crowd import AS_OF, crowd, plan

NOVELTY = Novelty(
    variant="filter",
    value="revenue",
    customers=900,
    course="fading",
    parts=(CoursePart(1.0, 0.5, 0.25, 0.75), CoursePart(3.0, 0.25, -0.125, 0.5)),
)
LOOKING = Looking(
    rule="fixed", speaks="fixed", note="before_end", planned=4_000, fraction=0.25, spent=0.05, looks=11, early=10,
    false_alarm=0.19, level="stop",
)  # fmt: skip
MONEY = Money(
    variant="filter",
    currency="USD",
    steps=(
        MoneyStep(code="refunds", estimate=-120.0, lower=-200.0, upper=-40.0),
        MoneyStep(code="net", estimate=410.0, lower=90.0, upper=None),
    ),
    roi=Interval(0.5, 0.25, 0.75),
    quantiles=(),
    incremental_revenue=None,
    attributed_revenue=None,
    undetermined=None,
)
FACTORS = Factors(
    metric="revenue_per_customer",
    factors={"timing": ("now", "later"), "product": ("filter", "smart")},
    terms=(
        FactorTerm(
            factors=("timing",),
            p_value=0.01,
            p_value_adjusted=0.02,
            contrasts=(
                FactorContrast(levels=("later",), effect=Interval(1.5, 0.5, 2.5), p_value=0.01, p_value_adjusted=0.02),
            ),
        ),
    ),
    choices=(
        FactorChoice(factors=("timing",), levels=("later",), chance=0.97, expected_loss=0.01),
        FactorChoice(factors=("product",)),
    ),
)


def asked() -> Experiment:
    """Three arms in two segments, read by a group plan."""
    return plan(
        segments=("new", "repeat"),
        metrics=MetricPlan(primary="revenue_per_customer", secondary=("aov", "conversion_rate")),
        analysis=AnalysisPlan(sequential="group", planned_customers=6_000),
    )


@pytest.fixture(scope="module")
def report() -> Report:
    """A report of the crowd, with the blocks that a small crowd has not."""
    experiment = asked()
    cells = crowd(experiment, sizes=(900, 900, 900), segments=("new", "repeat"))
    found = build_report(experiment, cells, as_of=AS_OF, currency="USD", version="test")
    return replace(
        found,
        novelty=(NOVELTY,),
        looking=LOOKING,
        factors=FACTORS,
        money=(MONEY,),
        declines=(DeclineCount("filter", "too dear", 21),),
        voices=(Voice("filter", "decline", "<b>no</b> | thanks", "2024-10-11T00:00:00Z"),),
    )


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_block_stands_in_markdown_and_html_alike(report: Report, language: Language) -> None:
    """Both forms hold each section's heading, sentences and figures; the shop's texts are escaped in each."""
    markdown, html = as_markdown(report, language), as_html(report, language)
    made = sections(report, language)
    assert len(made) >= 7
    for section in made:
        assert f"## {section.title}" in markdown
        assert f"<h2>{section.title}</h2>" in html
        for row in section.rows:
            assert len(row) == len(section.heads)
            assert all(escape(cell) in html for cell in row)
    assert "&lt;b&gt;no&lt;/b&gt; | thanks" in html
    assert "<b>" not in html
    assert report.reproduce.command in html


def test_the_blocks_say_what_their_fields_say(report: Report) -> None:
    """A fading effect fades, the plan was read eleven times, the better level is named with its chance."""
    text = as_markdown(report)
    for part in (
        "filter: the effect fades with the days.",
        "| 1 | +$0.50 ($0.25 … $0.75) |",
        "Readings: 11, of these before the planned end: 10.",
        "shows an effect where there is none: 19 % (planned 5 %)",
        "Best timing: later (the best with a chance of 97 %).",
        "product: not enough data to tell the levels apart.",
        "| timing | later | +$1.50 ($0.50 … $2.50) | 0.02 |",
        "| filter | too dear | 21 |",
        "| filter | Net profit | +$410.00 ($90.00 … ∞) |",
        "filter: return on its cost +50 % (25 % … 75 %).",
    ):
        assert part in text


def test_korean_exports_hold_no_english_sentence(report: Report) -> None:
    """Outside keys, numbers and what customers wrote, a section in Korean is in Korean."""
    for section in sections(report, "ko"):
        for text in (section.title, *section.heads, *section.sentences):
            if "thanks" not in text:
                assert not re.search(r"[A-Za-z]{3,} [a-z]{2,} ", text), text


def test_a_small_report_has_no_empty_block() -> None:
    """Nobody exposed: every section that is there has something to say, and no table without rows."""
    experiment = asked()
    found = build_report(experiment, crowd(experiment, sizes=(0, 0, 0)), as_of=AS_OF, currency="USD", version="test")
    for section in sections(found, "en"):
        assert section.sentences or section.rows
        assert "nan" not in " ".join(cell for row in section.rows for cell in row).lower()


def test_the_table_for_spreadsheets_has_the_blocks_by_role(report: Report) -> None:
    """Raw, capped and simultaneous ranges stand beside each effect; factors, course and money have their rows."""
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    by_role = {role: [row for row in rows if row["role"] == role] for role in ("primary", "factor", "course", "money")}
    effect = report.metrics[0].effects[0]
    wide = effect.simultaneous
    assert wide is not None
    told = next(row for row in by_role["primary"] if row["variant"] == effect.variant and not row["segment"])
    assert told["correction"] == "dunnett"
    assert float(told["simultaneous_lower"]) == wide.lower
    assert effect.raw.absolute is not None
    assert float(told["raw_absolute"]) == effect.raw.absolute.estimate
    assert [row["segment"] for row in by_role["course"]] == ["1", "3"]
    assert (by_role["factor"][0]["variant"], by_role["factor"][0]["absolute_upper"]) == ("later", "2.5")
    steps = [step.code for money in report.money for step in money.steps]
    assert [row["segment"] for row in by_role["money"]] == steps
    assert by_role["money"][1]["absolute_upper"] == ""
    within = [row for row in by_role["primary"] if row["segment"]]
    assert any(row["shrunk"] for row in within)
