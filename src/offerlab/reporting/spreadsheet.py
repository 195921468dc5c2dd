"""A report as rows for a spreadsheet: CSV whose texts can't be taken for formulas."""

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

from offerlab.reporting.report import Effect, Interval, MetricResult, Report, SegmentResult
from offerlab.reporting.small import WITHHELD

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
