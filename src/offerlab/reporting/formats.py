"""A report as Markdown, CSV or a page of its own. The JSON form is the struct itself."""

import csv
import io
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

from offerlab.reporting import figures
from offerlab.reporting.report import Effect, Interval, MetricResult, Report, SegmentResult
from offerlab.reporting.sections import Section, sections
from offerlab.reporting.sentences import check_sentence, extra_orders_sentence, reason_sentence
from offerlab.reporting.small import WITHHELD
from offerlab.reporting.words import Language, metric_name, say

_COLUMNS: Final[tuple[str, ...]] = (
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
    "correction",
    "simultaneous_lower",
    "simultaneous_upper",
    "saved",
    "raw_absolute",
    "raw_lower",
    "raw_upper",
    "capped_absolute",
    "capped_lower",
    "capped_upper",
    "limit",
    "shrunk",
    "shrunk_lower",
    "shrunk_upper",
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
    lines += [line for section in sections(report, language) for line in _section_lines(section)]
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
    parts += [_section_html(section) for section in sections(report, language)]
    parts.append(f"<p><code>{escape(report.reproduce.command)}</code></p>")
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(report.experiment)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _section_lines(section: Section) -> Iterator[str]:
    yield from ("", f"## {section.title}")
    if section.sentences:
        yield from ("", *(f"- {one}" for one in section.sentences))
    if section.rows:
        yield from ("", _row(section.heads), _row(["---"] * len(section.heads)))
        yield from (_row(cells) for cells in section.rows)


def _section_html(section: Section) -> str:
    said = "".join(f"<li>{escape(one)}</li>" for one in section.sentences)
    heads = "".join(f"<th>{escape(head)}</th>" for head in section.heads)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in section.rows)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    return f"<h2>{escape(section.title)}</h2>" + (f"<ul>{said}</ul>" if said else "") + table


def as_csv(report: Report) -> str:
    """One row for each metric, segment and arm, with its effect; then, by `role`, factors, course and money.

    A factor's row has its name as `segment` and its level as `variant`; a course's the days since exposure, a money
    step's its code. Texts can't be taken for formulas.
    """
    sink = io.StringIO()
    writer: csv.DictWriter[str] = csv.DictWriter(sink, _COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for metric in report.metrics:
        writer.writerows(_csv_rows(metric, None, report.facts.control))
    for segment in report.segments:
        if segment.withheld is not None:
            writer.writerow({"segment": plain_cell(segment.segment or ""), "undetermined": segment.withheld})
        for metric in segment.metrics:
            writer.writerows(_csv_rows(metric, segment, report.facts.control))
    writer.writerows(_csv_blocks(report))
    return sink.getvalue()


def _title(metric: MetricResult, language: Language) -> str:
    name = metric.name or metric_name(metric.metric, language)
    return name[:1].upper() + name[1:]


def _csv_rows(metric: MetricResult, segment: SegmentResult | None, control: str | None) -> Iterator[dict[str, Any]]:
    effects = {effect.variant: effect for effect in metric.effects}
    for arm in metric.arms:
        effect = effects.get(arm.variant)
        row: dict[str, Any] = {
            "metric": metric.metric,
            "role": metric.role,
            "segment": "" if segment is None else plain_cell(segment.segment or ""),
            "variant": plain_cell(arm.variant),
            "n": arm.n,
            "mean": arm.mean,
            "se": arm.se,
        }
        if effect is not None:
            row |= _csv_effect(effect)
        elif arm.n is None:
            row["undetermined"] = WITHHELD
        elif arm.variant != control and metric.undetermined is not None:
            row["undetermined"] = metric.undetermined.reason
        if segment is not None and metric.role == "primary":
            row |= _ends("shrunk", segment.shrunk.get(arm.variant))
        yield row


def _csv_effect(effect: Effect) -> dict[str, Any]:
    wide = effect.simultaneous
    return {
        "reference": plain_cell(effect.reference),
        **_ends("absolute", effect.absolute),
        **_ends("relative", effect.relative),
        "p_value": effect.p_value,
        "p_value_adjusted": effect.p_value_adjusted,
        "chance_to_beat": effect.chance_to_beat,
        "expected_loss": effect.expected_loss,
        "method": effect.method,
        "adjusted": effect.adjusted,
        "undetermined": "" if effect.undetermined is None else effect.undetermined.reason,
        "correction": effect.correction,
        "simultaneous_lower": None if wide is None else wide.lower,
        "simultaneous_upper": None if wide is None else wide.upper,
        "saved": effect.saved,
        **_ends("raw", effect.raw.absolute),
        **_ends("capped", None if effect.capped is None else effect.capped.absolute),
        "limit": effect.limit,
    }


def _csv_blocks(report: Report) -> Iterator[dict[str, Any]]:
    for term in report.factors.terms if report.factors is not None else ():
        for each in term.contrasts:
            yield {
                "metric": report.metrics[0].metric,
                "role": "factor",
                "segment": plain_cell(" x ".join(term.factors)),
                "variant": plain_cell(" x ".join(each.levels)),
                **_ends("absolute", each.effect),
                "p_value": each.p_value,
                "p_value_adjusted": each.p_value_adjusted,
            }
    for course in report.novelty:
        for part in course.parts:
            head = {"metric": course.value, "role": "course", "segment": f"{part.day:g}", "variant": course.variant}
            yield head | _ends("absolute", Interval(part.estimate, part.lower, part.upper))
    for money in report.money:
        for step in money.steps:
            head = {"metric": "per_1000_customers", "role": "money", "segment": step.code, "variant": money.variant}
            yield head | _ends("absolute", Interval(step.estimate, step.lower, step.upper))


def _ends(name: str, found: Interval | None) -> dict[str, Any]:
    """An estimate and its range; the estimate of `raw` and `capped` is an absolute one."""
    if found is None:
        return {}
    first = f"{name}_absolute" if name in {"raw", "capped"} else name
    return {first: found.estimate, f"{name}_lower": found.lower, f"{name}_upper": found.upper}


def plain_cell(value: str) -> str:
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


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
