"""An analysis in words: lines for a terminal, Markdown, HTML for a notebook, comma-separated values."""

import csv
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from offerlab.stats.effect import Caution, Effect, Interval, Undetermined

if TYPE_CHECKING:
    from offerlab.frames.result import Analysis, Comparing, Segments

_TINY = 1e-15
_SMALL, _LARGE = 1e-4, 1e15
_DIGITS = 4


def lines(said: "Analysis") -> str:
    """For a terminal."""
    parts = [_heading(said)]
    table = _table(said)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    parts += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([*parts, *_notes(said)])


def markdown(said: "Analysis") -> str:
    """A Markdown table with what has to be said beside it."""
    table = [[cell.replace("|", "\\|") for cell in row] for row in _table(said)]
    rows = ["| " + " | ".join(row) + " |" for row in table]
    rule = "|" + "---|" * len(table[0])
    notes = [f"- {note}" for note in _notes(said)]
    return "\n".join([_heading(said), "", rows[0], rule, *rows[1:], *([""] if notes else []), *notes])


def html(said: "Analysis") -> str:
    """A table for a notebook."""
    table = _table(said)
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table[1:])
    notes = "".join(f"<li>{escape(note)}</li>" for note in _notes(said))
    told = f"<ul>{notes}</ul>" if notes else ""
    return f"<p>{escape(_heading(said))}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{told}"


def csv_of(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Comma-separated values with a heading; null is an empty field."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def number(value: float | None) -> str:
    """Four significant digits, thousands apart; powers of ten where nobody would count the zeros."""
    if value is None:
        return "–"
    size = abs(value)
    if size != 0.0 and not _SMALL <= size < _LARGE:
        return f"{value:.4g}"
    rounded = float(f"{value:.4g}")
    whole = len(f"{abs(rounded):.0f}")
    if size < 1.0:
        return f"{rounded:.8f}".rstrip("0").removesuffix(".")
    return f"{rounded:,.{max(_DIGITS - whole, 0)}f}"


def p_value(value: float | None) -> str:
    """Four significant digits; what rounding cannot tell from zero is a bound."""
    if value is None:
        return "–"
    return f"< {_TINY:g}" if value < _TINY else f"{value:.4g}"


def _heading(said: "Analysis") -> str:
    counts = ", ".join(f"{n:,} {name}" for name, n in zip(said.variants, said.counts, strict=True))
    return f"{counts}; alpha {said.alpha:g}, read {said.sequential}, corrected by {said.correction}"


def _table(said: "Analysis") -> list[list[str]]:
    cut = any(each.segment is not None for each in said.effects)
    several = any(each.p_value_adjusted not in {None, each.p_value} for each in said.effects)
    place = ["metric", "variant", *(["segment"] if cut else [])]
    rows = [[*place, "control", "mean", "difference", "lift", "p", *(["p adj"] if several else []), "method"]]
    for each in said.effects:
        place = [each.metric, each.variant, *([each.segment or "(all)"] if cut else [])]
        levels = [number(each.control_mean), number(each.mean)]
        rows.append([*place, *levels, *_effect(each, several=several)])
    return rows


def _effect(each: "Comparing", *, several: bool) -> list[str]:
    if isinstance(each.outcome, Undetermined):
        return ["–", "–", "–", *(["–"] if several else []), each.outcome.reason]
    method = each.outcome.method + ("*" if _doubts(each) else "")
    relative = each.outcome.relative
    lift = relative.reason if isinstance(relative, Undetermined) else interval(relative, share=True)
    return [
        interval(each.outcome.absolute, share=False),
        lift,
        p_value(each.p_value),
        *([p_value(each.p_value_adjusted)] if several else []),
        method,
    ]


def _doubts(each: "Comparing") -> list[Caution]:
    """What must be read with the number; covariates left out change nothing about its worth."""
    return [caution for caution in each.cautions if caution.code != "fallback"]


def interval(said: Interval, *, share: bool) -> str:
    """An estimate and its range; a lift in per cent."""

    def one(value: float) -> str:
        if abs(value) == float("inf"):
            return "∞" if value > 0 else "-∞"
        text = number(100 * value if share else value)
        return text if value < 0 or text == "0" else f"+{text}"

    unit = " %" if share else ""
    if said.shape == "whole_line":
        return f"{one(said.estimate)}{unit} (anything)"
    inside = f"{one(said.lower)} to {one(said.upper)}"
    return f"{one(said.estimate)}{unit} ({'not ' if said.shape == 'disjoint' else ''}{inside})"


def _notes(said: "Analysis") -> list[str]:
    notes: list[str] = []
    if said.split is not None and said.split.p_value is not None:
        state = {"pass": "as planned", "look": "look at it", "stop": "NOT AS PLANNED: trust no effect"}
        told = state.get(said.split.state, said.split.state)
        notes.append(f"split: {told} (p = {p_value(said.split.p_value)})")
    for each in said.effects:
        notes += _of(each)
    for cut in said.segments:
        notes += _of_cut(cut, said.segment or "segment")
    return notes


def _of(each: "Comparing") -> list[str]:
    place = f"{each.metric}, {each.variant}" + (f", {each.segment}" if each.segment is not None else "")
    notes = [f"* {place}: {caution.detail}" for caution in _doubts(each)]
    if isinstance(each.outcome, Undetermined):
        notes.append(f"{place}: {each.outcome.detail}")
    if each.segment is not None:
        return notes
    if each.saved is not None:
        notes.append(f"{place}: covariates save {each.saved:.0%} of the variance{_without(each)}")
    elif isinstance(each.raw, Effect):
        notes.append(f"{place}: capped{_without(each)}")
    if each.guardrail is not None and not isinstance(each.guardrail, Undetermined):
        notes.append(f"{place}: {_SIDES[each.guardrail.state]}{', harm shown' if each.guardrail.harmed else ''}")
    return notes


_SIDES = {
    "within_limit": "within its limit",
    "past_limit": "PAST ITS LIMIT",
    "cannot_tell": "cannot tell on which side of its limit",
}


def _without(each: "Comparing") -> str:
    raw = each.raw.relative if isinstance(each.raw, Effect) else None
    return f"; raw lift {interval(raw, share=True)}" if isinstance(raw, Interval) else ""


def _of_cut(cut: "Segments", name: str) -> list[str]:
    notes: list[str] = []
    if cut.p_value is not None:
        told = f"{cut.metric}, {cut.variant}: effects differ by {name} with p = {p_value(cut.p_value)}"
        notes.append(f"{told} (adjusted {p_value(cut.p_value_adjusted)})")
    notes += [f"{cut.metric}, {cut.variant}: may be merged: {' & '.join(group)}" for group in cut.merges]
    return notes
