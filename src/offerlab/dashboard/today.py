"""Today: what needs a person now, and nothing else."""

import asyncio
from datetime import datetime
from typing import Any, Final

from litestar import Response, get
from markupsafe import Markup
from msgspec import Struct

from offerlab.dashboard.doors import PAGE
from offerlab.dashboard.experiments import Reading, facts_of, read_all, sentence_of
from offerlab.dashboard.frame import AnyRequest, enter, html
from offerlab.dashboard.page import Tone
from offerlab.dashboard.speech import Speech
from offerlab.dashboard.view import Chip, chip_of
from offerlab.domain.clock import DAY, to_micros
from offerlab.domain.experiment import Experiment
from offerlab.reporting.report import Report
from offerlab.reporting.sentences import check_sentence

MOST_NEEDS: Final = 7
MOST_DECIDED: Final = 5
_URGENCY: Final[dict[Tone, int]] = {"halt": 0, "look": 1, "go": 2, "rest": 3}


class Need(Struct, frozen=True):
    """Something that waits for a person."""

    name: str
    href: str
    text: str
    tone: Tone
    mark: str


class Line(Struct, frozen=True):
    """An experiment in a few lines."""

    name: str
    href: str
    chip: Chip
    sentence: str
    facts: tuple[str, ...]
    progress: Markup | None = None


@get("/", opt=PAGE)
async def today(request: AnyRequest) -> Response[str]:
    """The front page."""
    return await asyncio.to_thread(_today, request)


def _today(request: AnyRequest) -> Response[str]:
    visit = enter(request)
    speech = Speech(visit.language, visit.snapshot.project.currency, visit.runtime.now())
    known = [each for each in visit.snapshot.experiments.values() if each.status != "archived"]
    read = read_all(request, visit, known)
    needs = sorted((need for each in read for need in _needs(each, speech)), key=lambda need: _URGENCY[need.tone])
    live = [each for each in read if each.experiment.is_live]
    ended = sorted(
        (each for each in read if each.experiment.status == "stopped"),
        key=lambda each: -each.experiment.changes[-1].at,
    )
    return html(
        request,
        "today.html",
        visit=visit,
        any_experiment=bool(visit.snapshot.experiments),
        needs=needs[:MOST_NEEDS],
        next_event=_next_event(live, speech),
        running=[_line(each, speech) for each in live],
        decided=[_line(each, speech) for each in ended[:MOST_DECIDED]],
    )


def _needs(read: Reading, speech: Speech) -> list[Need]:
    report, experiment = read.report, read.experiment
    name, href, words = read.name, read.href, speech.words
    waiting = [Need(name, href, words("need_approval"), "look", "look")] if experiment.proposal is not None else []
    if report is None:
        return waiting

    def need(text: str, tone: Tone, mark: str, at: str = "") -> Need:
        return Need(name, f"{href}{at}", text, tone, mark)

    found: list[Need] = []
    if experiment.status == "running":
        found += [
            need(check_sentence(check, speech.language), "halt", "stop", "#trust")
            for check in report.quality.checks
            if check.level == "stop"
        ]
        if any(effect.limit == "past" for metric in report.metrics for effect in metric.effects):
            found.append(need(words("need_guardrail"), "halt", "stop", "#guardrails"))
        if not found and report.verdict.decision in ("ship", "keep_control"):
            found.append(need(f"{words('need_decision')} {sentence_of(report, speech)}", "go", "pass"))
        elif not found and experiment.ends_at is not None and experiment.ends_at < speech.now:
            found.append(need(words("need_end"), "look", "look"))
    if experiment.status == "paused" and experiment.unread_halts:
        found.append(need(words("need_halt"), "halt", "stop", "#guardrails"))
    final = report.maturity.final_at
    if experiment.status == "stopped" and report.state == "final" and final is not None:
        since = speech.now - _moment(final)
        if since < 7 * DAY:
            found.append(need(words("need_final"), "go", "pass"))
    return [*found, *waiting]


def _moment(text: str) -> int:
    """Microseconds of a report's time."""
    return to_micros(datetime.fromisoformat(text))


def _next_event(live: list[Reading], speech: Speech) -> str | None:
    ends = [(each.experiment.ends_at, each.name) for each in live if (each.experiment.ends_at or 0) > speech.now]
    if not ends:
        return None
    when, name = min((end, name) for end, name in ends if end is not None)
    return speech.words("next_event", what=name, when=speech.date(when))


def _line(read: Reading, speech: Speech) -> Line:
    report = read.report
    chip = chip_of(
        "paused" if read.experiment.status == "paused" else report.verdict.decision if report else "draft", speech
    )
    return Line(
        name=read.name,
        href=read.href,
        chip=chip,
        sentence=sentence_of(report, speech) if report else "",
        facts=tuple(facts_of(read.experiment, report, speech)),
        progress=_progress(read.experiment, report),
    )


def _progress(experiment: Experiment, report: Report | None) -> Markup | None:
    """A bar of customers so far of those planned, a tick for today in the planned time; both written in the facts."""
    if report is None or experiment.status == "stopped":
        return None
    facts = report.facts
    planned, days = facts.planned_customers, facts.days_planned
    if not planned and not days:
        return None
    filled = min(1.0, facts.customers / planned) if planned else 0.0
    tick = min(1.0, (facts.day or 0) / days) if days else None
    width = 240
    drawn = (
        f'<svg class="progress" viewBox="0 0 {width} 12" width="{width}" height="12" aria-hidden="true">'
        f'<path d="M0 6H{width}" stroke="currentColor" stroke-opacity=".25" stroke-width="6"/>'
        f'<path d="M0 6H{round(width * filled)}" stroke="currentColor" stroke-width="6"/>'
    )
    if tick is not None:
        at = round(1 + (width - 2) * tick)
        drawn += f'<path d="M{at} 0V12" stroke="currentColor" stroke-width="2"/>'
    return Markup(drawn + "</svg>")  # noqa: S704 - numbers of this function


HANDLERS: Final[list[Any]] = [today]
