"""A report as Markdown, CSV or a page of its own. The JSON form is the struct itself."""

import csv
import io
from collections.abc import Iterator
from html import escape
from typing import Final

from offerlab.reporting import figures
from offerlab.reporting.report import Effect, MetricResult, Report
from offerlab.reporting.sentences import check_sentence, extra_orders_sentence, reason_sentence
from offerlab.reporting.small import WITHHELD
from offerlab.reporting.words import Language, metric_name, say

_COLUMNS: Final = (
    "metric",
    "role",
    "segment",
    "variant",
    "n",
    "mean",
    "se",
    "reference",
    "absolute",
    "absolute_lower",
    "absolute_upper",
    "relative",
    "relative_lower",
    "relative_upper",
    "p_value",
    "p_value_adjusted",
    "chance_to_beat",
    "expected_loss",
    "method",
    "adjusted",
    "undetermined",
)
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
_STYLE: Final = (
    "body{font:16px/1.55 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;color:#1A1E1C}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #DADDD9}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}h1{font-size:2rem}h2{font-size:1.125rem;margin-top:3rem}"
)


def as_markdown(report: Report, language: Language = "en") -> str:
    """The report as Markdown: verdict, trust, then every metric."""
    lines = [
        f"# {report.experiment}",
        "",
        *(f"**{one}**" if i == 0 else one for i, one in enumerate(_why(report, language))),
    ]
    lines += ["", _facts(report, language), "", f"## {_HEADS[language][0]}", ""]
    lines += [f"- {'✓' if check.ok else '!'} {check_sentence(check, language)}" for check in report.quality.checks]
    for metric in report.metrics:
        lines += ["", f"## {_title(metric, language)} ({metric.role})", "", _row(_ARM_HEADS[language])]
        lines.append(_row(["---"] * len(_ARM_HEADS[language])))
        lines += [_row(cells) for cells in _arm_rows(report, metric, language)]
        lines += ["", *(f"- {sentence}" for sentence in _effect_lines(report, metric, language))]
    told = _money_lines(report, language)
    lines += ["", f"## {_HEADS[language][1]}", "", *(f"- {one}" for one in told)] if told else []
    lines += ["", f"`{report.reproduce.command}`", ""]
    return "\n".join(lines)


def as_html(report: Report, language: Language = "en") -> str:
    """The report as one page that needs nothing else; every text of the shop is escaped."""
    why = _why(report, language)
    parts = [f"<h1>{escape(report.experiment)}</h1>", f"<p><strong>{escape(why[0])}</strong></p>"]
    parts += [f"<p>{escape(one)}</p>" for one in [*why[1:], _facts(report, language)]]
    parts.append(f"<h2>{escape(_HEADS[language][0])}</h2><ul>")
    parts += [
        f"<li>{'✓' if check.ok else '!'} {escape(check_sentence(check, language))}</li>"
        for check in report.quality.checks
    ]
    parts.append("</ul>")
    for metric in report.metrics:
        heads = "".join(f"<th>{escape(head)}</th>" for head in _ARM_HEADS[language])
        rows = "".join(
            "<tr>" + "".join(f'<td class="n">{escape(cell)}</td>' for cell in cells) + "</tr>"
            for cells in _arm_rows(report, metric, language)
        )
        said = "".join(f"<li>{escape(sentence)}</li>" for sentence in _effect_lines(report, metric, language))
        name = escape(_title(metric, language))
        parts.append(
            f"<h2>{name}</h2><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table><ul>{said}</ul>"
        )
    told = _money_lines(report, language)
    said = "".join(f"<li>{escape(one)}</li>" for one in told)
    parts += [f"<h2>{escape(_HEADS[language][1])}</h2><ul>{said}</ul>"] if told else []
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(report.experiment)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def as_csv(report: Report) -> str:
    """One row for each metric, segment and arm, with its effect; texts can't be taken for formulas."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for metric in report.metrics:
        writer.writerows(_csv_rows(metric, "", report.facts.control))
    for segment in report.segments:
        if segment.withheld is not None:
            blank = [""] * (len(_COLUMNS) - 4)
            writer.writerow(["", "", _text(segment.segment or ""), *blank, segment.withheld])
        for metric in segment.metrics:
            writer.writerows(_csv_rows(metric, segment.segment or "", report.facts.control))
    return sink.getvalue()


def _title(metric: MetricResult, language: Language) -> str:
    name = metric.name or metric_name(metric.metric, language)
    return name[:1].upper() + name[1:]


def _csv_rows(metric: MetricResult, segment: str, control: str | None) -> Iterator[list[object]]:
    effects = {effect.variant: effect for effect in metric.effects}
    for arm in metric.arms:
        effect = effects.get(arm.variant)
        head = [metric.metric, metric.role, _text(segment), _text(arm.variant), arm.n, arm.mean, arm.se]
        if effect is None:
            why = "" if arm.variant == control or metric.undetermined is None else metric.undetermined.reason
            why = WITHHELD if arm.n is None else why
            yield [*head, *[""] * (len(_COLUMNS) - len(head) - 1), why]
            continue
        yield [
            *head,
            _text(effect.reference),
            *_ends(effect, relative=False),
            *_ends(effect, relative=True),
            effect.p_value,
            effect.p_value_adjusted,
            effect.chance_to_beat,
            effect.expected_loss,
            effect.method,
            effect.adjusted,
            "" if effect.undetermined is None else effect.undetermined.reason,
        ]


def _ends(effect: Effect, *, relative: bool) -> tuple[float | None, float | None, float | None]:
    found = effect.relative if relative else effect.absolute
    return (None, None, None) if found is None else (found.estimate, found.lower, found.upper)


def _text(value: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if value.lstrip(" \"'").startswith(_FORMULA_STARTS) else value


_HEADS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Can we trust it?", "What an extra order costs"),
    "ko": ("믿을 수 있나요?", "추가 주문 한 건의 비용"),
}
_ARM_HEADS: Final[dict[Language, list[str]]] = {
    "en": ["arm", "customers", "mean"],
    "ko": ["안", "고객", "평균"],
}


def _why(report: Report, language: Language) -> list[str]:
    return [reason_sentence(reason, report, language) for reason in report.verdict.reasons] or [
        say("state", report.state, language)
    ]


def _facts(report: Report, language: Language) -> str:
    count = figures.count(report.facts.customers, language)
    return {"en": f"{count} customers · as of {report.as_of}", "ko": f"고객 {count}명 · {report.as_of} 기준"}[language]


def _arm_rows(report: Report, metric: MetricResult, language: Language) -> Iterator[list[str]]:
    for arm in metric.arms:
        mean = "–" if arm.mean is None else figures.level(arm.mean, metric.unit, report.facts.currency, language)
        yield [arm.variant, "–" if arm.n is None else figures.count(arm.n, language), mean]


def _money_lines(report: Report, language: Language) -> list[str]:
    told = [extra_orders_sentence(money, language) for money in report.money]
    return [one for one in told if one is not None]


def _effect_lines(report: Report, metric: MetricResult, language: Language) -> Iterator[str]:
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
    lift = "" if effect.relative is None else f", {figures.relative(effect.relative.estimate, language, signed=True)}"
    return f"{pair[language]}: {text[language]}{lift}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
