"""A report as Markdown, and the sentences that it shares with the page of its own (`webpage`).

The JSON form is the struct itself; rows for a spreadsheet are `spreadsheet`.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from offerlab.reporting import figures
from offerlab.reporting.report import Check, Effect, Level, MetricResult, Report
from offerlab.reporting.sections import Section, sections
from offerlab.reporting.sentences import check_sentence, extra_orders_sentence, reason_sentence
from offerlab.reporting.words import Language, metric_name, say


def as_markdown(report: Report, language: Language = "en") -> str:
    """The report as Markdown: verdict, trust, then every metric."""
    lines = [
        f"# {report.experiment}",
        "",
        *(f"**{one}**" if i == 0 else one for i, one in enumerate(reasons(report, language))),
    ]
    lines += ["", facts_line(report, language), "", f"## {HEADS[language][0]}", ""]
    lines += [f"- {check_line(check, language)}" for check in report.quality.checks]
    for metric in report.metrics:
        lines += ["", f"## {title_of(metric, language)} ({metric.role})", "", _row(ARM_HEADS[language])]
        lines.append(_row(["---"] * len(ARM_HEADS[language])))
        lines += [_row(cells) for cells in arm_rows(report, metric, language)]
        lines += ["", *(f"- {sentence}" for sentence in effect_lines(report, metric, language))]
    told = money_lines(report, language)
    lines += ["", f"## {HEADS[language][1]}", "", *(f"- {one}" for one in told)] if told else []
    lines += [line for section in sections(report, language) for line in _section_lines(section)]
    lines += ["", f"`{report.reproduce.command}`", ""]
    return "\n".join(lines)


def check_line(check: Check, language: Language) -> str:
    """A trust check behind the mark of its level."""
    return f"{_MARKS[check.level]} {check_sentence(check, language)}"


def _section_lines(section: Section) -> Iterator[str]:
    yield from ("", f"## {section.title}")
    if section.sentences:
        yield from ("", *(f"- {one}" for one in section.sentences))
    if section.rows:
        yield from ("", _row(section.heads), _row(["---"] * len(section.heads)))
        yield from (_row(cells) for cells in section.rows)


def title_of(metric: MetricResult, language: Language) -> str:
    """What a metric is called, as a heading."""
    name = metric.name or metric_name(metric.metric, language)
    return name[:1].upper() + name[1:]


_MARKS: Final[dict[Level, str]] = {"pass": "✓", "look": "!", "stop": "×", "wait": "–"}
HEADS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Can we trust it?", "What an extra order costs"),
    "ko": ("믿을 수 있나요?", "추가 주문 한 건의 비용"),
}
ARM_HEADS: Final[dict[Language, list[str]]] = {
    "en": ["arm", "customers", "mean"],
    "ko": ["안", "고객", "평균"],
}


def reasons(report: Report, language: Language) -> list[str]:
    """The verdict's reasons, the headline first."""
    return [reason_sentence(reason, report, language) for reason in report.verdict.reasons] or [
        say("state", report.state, language)
    ]


def facts_line(report: Report, language: Language) -> str:
    """How many customers, as of when."""
    count = figures.count(report.facts.customers, language)
    return {"en": f"{count} customers · as of {report.as_of}", "ko": f"고객 {count}명 · {report.as_of} 기준"}[language]


def arm_rows(report: Report, metric: MetricResult, language: Language) -> Iterator[list[str]]:
    """Arm, customers and mean of each arm."""
    for arm in metric.arms:
        mean = "–" if arm.mean is None else figures.level(arm.mean, metric.unit, report.facts.currency, language)
        yield [arm.variant, "–" if arm.n is None else figures.count(arm.n, language), mean]


def money_lines(report: Report, language: Language) -> list[str]:
    """What an extra order of each arm costs."""
    told = [extra_orders_sentence(money, language) for money in report.money]
    return [one for one in told if one is not None]


def effect_lines(report: Report, metric: MetricResult, language: Language) -> Iterator[str]:
    """A sentence for each effect of a metric, or why there is none."""
    if metric.undetermined is not None:
        yield metric.undetermined.detail
    for effect in metric.effects:
        yield effect_sentence(report, metric, effect, language)


def effect_sentence(report: Report, metric: MetricResult, effect: Effect, language: Language) -> str:
    """One effect in words: absolute before relative, each with its 95 % range."""
    pair = {"en": f"{effect.variant} against {effect.reference}", "ko": f"{effect.reference} 대비 {effect.variant} 안"}
    if effect.absolute is None:
        why = effect.undetermined.detail if effect.undetermined is not None else ""
        return f"{pair[language]}: {why}"
    currency = report.facts.currency
    said = figures.effect(effect.absolute.estimate, metric.unit, currency, language, signed=True)
    lower = figures.end(effect.absolute.lower, metric.unit, currency, language)
    upper = figures.end(effect.absolute.upper, metric.unit, currency, language, last=True)
    percent = round(100 * (1 - report.facts.alpha))
    text = {
        "en": f"{said} ({percent} % range {lower} to {upper})",
        "ko": f"{said} ({percent}% 범위 {lower}에서 {upper} 사이)",
    }
    if effect.absolute.shape != "bounded":
        text = {"en": f"{said} (any size is possible)", "ko": f"{said} (어떤 크기도 가능)"}
    lift = "" if effect.relative is None else f", {figures.relative(effect.relative.estimate, language, signed=True)}"
    return f"{pair[language]}: {text[language]}{lift}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
