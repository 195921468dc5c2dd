"""A report as one page of its own, with its pictures in it: what is sent to somebody who has no account."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from offerlab.reporting.formats import (
    ARM_HEADS,
    HEADS,
    arm_rows,
    check_line,
    effect_lines,
    facts_line,
    money_lines,
    reasons,
    title_of,
)
from offerlab.reporting.report import MetricResult, Report
from offerlab.reporting.sections import Section, sections
from offerlab.reporting.words import Language

Pictures = Mapping[str, bytes]
"""SVG by the picture's name (`plots.names`)."""

_STYLE: Final = (
    "body{font:16px/1.55 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;color:#1A1E1C}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #DADDD9}"
    "figure{margin:1rem 0}img{max-width:100%;height:auto}figcaption{color:#565D59;font-size:.875rem}"
    ".n{text-align:right;font-variant-numeric:tabular-nums}h1{font-size:2rem}h2{font-size:1.125rem;margin-top:3rem}"
)


_CAPTIONS: Final[dict[str, tuple[str, str]]] = {
    "effects": (
        "Difference from control, one row per arm. Point: best guess. Bars: 50, 80 and 95 % ranges.",
        "대조군과의 차이예요. 점은 가장 그럴듯한 값이고 막대는 50%, 80%, 95% 범위예요.",
    ),
    "split": (
        "{v}: share of customers by day. Line: the plan. Band: what chance allows.",
        "날짜별 {v} 안 고객 비율이에요. 가로선은 계획, 띠는 우연으로 생길 수 있는 범위예요.",
    ),
    "course": (
        "{v} against control: the effect so far, day by day, with the range that holds at every look.",
        "{v} 안과 대조군의 차이를 날짜별로 모은 값이에요. 띠는 언제 봐도 맞는 범위예요.",
    ),
    "exposures": ("Customers first exposed each day, by arm.", "날짜별로 처음 노출된 고객 수예요."),
    "novelty": (
        "{v} against control by days since exposure. Bars: 95 % ranges.",
        "노출 뒤 지난 날별 {v} 안과 대조군의 차이예요. 막대는 95% 범위예요.",
    ),
    "segments": (
        "{v} against control in each segment. Thick: pulled towards the overall effect. Hollow: as measured.",
        "고객층별 {v} 안과 대조군의 차이예요. 굵은 점은 전체 효과를 반영한 값, 빈 점은 측정한 값이에요.",
    ),
    "waterfall": (
        "{v}: from extra revenue to net profit, per 1,000 customers, against control. A plus adds to profit.",
        "{v} 안의 추가 매출에서 순이익까지, 고객 1,000명당 대조군과의 차이예요. 플러스는 이익을 늘려요.",
    ),
    "dots": (
        "{v}: net profit in twenty equally likely cases.",
        "{v} 안의 순이익을 똑같이 있을 법한 스무 경우로 나타냈어요.",
    ),
}


def as_html(report: Report, language: Language = "en", pictures: Pictures | None = None) -> str:
    """The report as one page that needs nothing else; every text of the shop is escaped.

    Args:
        report: as built.
        language: of all words.
        pictures: those to be put in, each under the block that it belongs to; none without.
    """
    drawn = pictures or {}
    why = reasons(report, language)
    parts = [f"<h1>{escape(report.experiment)}</h1>", f"<p><strong>{escape(why[0])}</strong></p>"]
    parts += [f"<p>{escape(one)}</p>" for one in [*why[1:], facts_line(report, language)]]
    parts.append(_listed(HEADS[language][0], [check_line(check, language) for check in report.quality.checks]))
    parts += _figures(report, language, drawn, ["split"])
    for metric in report.metrics:
        parts.append(_metric(report, metric, language))
        wanted = [f"effects-{metric.metric}", *(["course", "exposures"] if metric is report.metrics[0] else [])]
        parts += _figures(report, language, drawn, wanted)
    told = money_lines(report, language)
    parts += [_listed(HEADS[language][1], told)] if told else []
    for section in sections(report, language):
        parts += [_section(section), *_figures(report, language, drawn, section.pictures)]
    parts.append(f"<p><code>{escape(report.reproduce.command)}</code></p>")
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(report.experiment)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _metric(report: Report, metric: MetricResult, language: Language) -> str:
    first, *others = ARM_HEADS[language]
    heads = f"<th>{escape(first)}</th>" + "".join(f'<th class="n">{escape(head)}</th>' for head in others)
    rows = "".join(
        f"<tr><td>{escape(arm)}</td>" + "".join(f'<td class="n">{escape(cell)}</td>' for cell in cells) + "</tr>"
        for arm, *cells in arm_rows(report, metric, language)
    )
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in effect_lines(report, metric, language))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<h2>{escape(title_of(metric, language))}</h2>{table}<ul>{said}</ul>"


def _listed(title: str, sentences: Sequence[str]) -> str:
    return f"<h2>{escape(title)}</h2><ul>" + "".join(f"<li>{escape(one)}</li>" for one in sentences) + "</ul>"


def _section(section: Section) -> str:
    said = "".join(f"<li>{escape(one)}</li>" for one in section.sentences)
    heads = "".join(f"<th>{escape(head)}</th>" for head in section.heads)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in section.rows)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    return f"<h2>{escape(section.title)}</h2>" + (f"<ul>{said}</ul>" if said else "") + table


def _figures(report: Report, language: Language, drawn: Pictures, wanted: Sequence[str]) -> Iterator[str]:
    """Pictures by name or by kind, in a form in which no text of the shop becomes part of the page."""
    for name, svg in drawn.items():
        kind, _, place = name.partition("-")
        if name not in wanted and kind not in wanted:
            continue
        variant = report.facts.variants[int(place)] if place.isdecimal() else ""
        caption = escape(_CAPTIONS[kind][language == "ko"].format(v=variant))
        data = b64encode(svg).decode()
        yield (
            f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{caption}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
