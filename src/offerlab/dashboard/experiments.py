"""The list of experiments: find one, and see where each stands."""

import asyncio
import csv
import io
from typing import Any, Final
from urllib.parse import quote

from litestar import Response, get
from markupsafe import Markup
from msgspec import Struct

from offerlab.dashboard import glyphs
from offerlab.dashboard.doors import PAGE
from offerlab.dashboard.frame import AnyRequest, Visit, enter, html, with_query
from offerlab.dashboard.readings import readings_of
from offerlab.dashboard.speech import NOTHING, Speech
from offerlab.dashboard.view import Chip, chip_of, status_chip
from offerlab.domain.clock import DAY
from offerlab.domain.experiment import Experiment
from offerlab.reporting import plots
from offerlab.reporting.report import Effect, Interval, Report
from offerlab.reporting.sentences import reason_sentence
from offerlab.reporting.spreadsheet import plain_cell

PAGE_SIZE: Final = 50
STATES: Final = ("draft", "running", "maturing", "final", "archived")


class Reading(Struct, frozen=True):
    """An experiment with its report, where it has one."""

    experiment: Experiment
    report: Report | None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.experiment.name or self.experiment.key

    @property
    def href(self) -> str:
        """Its page."""
        return f"/experiments/{quote(self.experiment.key, safe='')}"

    @property
    def state(self) -> str:
        """The tab it stands in."""
        if self.experiment.status == "stopped":
            return "maturing" if self.report is not None and self.report.state == "maturing" else "final"
        return "running" if self.experiment.status == "paused" else self.experiment.status


class ListedEffect(Struct, frozen=True):
    """A treatment's primary effect in the list."""

    variant: str
    mark: Markup
    glyph: Markup | None
    text: str


class ListedRow(Struct, frozen=True, kw_only=True):
    """One experiment of the list."""

    name: str
    href: str
    hypothesis: str
    status: Chip
    verdict: Chip | None
    sentence: str
    effects: tuple[ListedEffect, ...]
    customers: str
    days_left: str


class Tab(Struct, frozen=True):
    """A state with the number of experiments in it."""

    word: str
    href: str
    count: int
    current: bool


@get("/experiments", opt=PAGE)
async def experiments(request: AnyRequest) -> Response[Any]:
    """The list."""
    return await asyncio.to_thread(_list, request)


def _list(request: AnyRequest) -> Response[Any]:
    visit = enter(request)
    query = visit.query
    speech = Speech(visit.language, visit.snapshot.project.currency, visit.runtime.now())
    wanted, state = query.get("q", "").strip()[:100], query.get("state", "")
    state = state if state in STATES else ""
    everything = sorted(visit.snapshot.experiments.values(), key=_newest_first)
    found = [each for each in everything if _matches(each, wanted)]
    read = read_all(request, visit, found)
    counts = {name: sum(each.state == name for each in read) for name in STATES}
    shown = (
        [each for each in read if each.state == state] if state else [each for each in read if each.state != "archived"]
    )
    if query.get("format") == "csv":
        return _csv(shown, speech)
    keys = [each.experiment.key for each in shown]
    begin = keys.index(query["after"]) + 1 if query.get("after") in keys else 0
    part = shown[begin : begin + PAGE_SIZE]
    reaches = _reaches(part)
    more = visit.url(after=part[-1].experiment.key) if begin + PAGE_SIZE < len(shown) else None
    tabs = [Tab(speech.words("tab_all"), visit.url(state=None, after=None), len(read) - counts["archived"], not state)]
    tabs += [
        Tab(speech.words(f"tab_{name}"), visit.url(state=name, after=None), counts[name], name == state)
        for name in STATES
    ]
    return html(
        request,
        "experiments.html",
        visit=visit,
        total=len(everything),
        rows=[_row(each, speech, reaches) for each in part],
        tabs=tabs,
        q=wanted,
        state=state,
        more=more,
        csv=with_query("/experiments", {"q": wanted, "state": state, "format": "csv"}),
    )


def read_all(request: AnyRequest, visit: Visit, known: list[Experiment]) -> list[Reading]:
    """Experiments with their reports; drafts have none."""
    readings = readings_of(request.app.state)
    return [
        Reading(
            each,
            readings.recent(visit.runtime, visit.visitor.project_id, each.key)
            if each.epochs and each.status != "archived"
            else None,
        )
        for each in known
    ]


def sentence_of(report: Report, speech: Speech) -> str:
    """The headline of a report."""
    return reason_sentence(report.verdict.reasons[0], report, speech.language)


def facts_of(experiment: Experiment, report: Report | None, speech: Speech) -> list[str]:
    """Day, customers and next date in words."""
    if report is None:
        return []
    facts, words = report.facts, speech.words
    said: list[str] = []
    if facts.day is not None and experiment.is_live:
        planned = facts.days_planned
        code = "day_n" if not planned else "day_of" if facts.day <= planned else "day_past"
        said.append(words(code, n=facts.day, N=planned))
    said.append(words("one_customer" if facts.customers == 1 else "n_customers", n=speech.count(facts.customers)))
    if experiment.ends_at is not None and experiment.status == "running":
        said.append(
            words("next_end", date=speech.date(experiment.ends_at), days=speech.distance(experiment.ends_at)).rstrip(
                "."
            )
        )
    if report.state == "maturing" and report.maturity.final_at:
        said.append(words("next_final", date=speech.date(report.maturity.final_at)).rstrip("."))
    return said


def _newest_first(experiment: Experiment) -> tuple[int, str]:
    at = experiment.epochs[0].started_at if experiment.epochs else experiment.created_at
    return -at, experiment.key


def _matches(experiment: Experiment, wanted: str) -> bool:
    text = f"{experiment.key} {experiment.name} {experiment.hypothesis}".casefold()
    return all(word in text for word in wanted.casefold().split())


def _reaches(read: list[Reading]) -> dict[str, float]:
    """Half of the glyphs' scale by unit, the same for all rows."""
    reaches: dict[str, float] = {}
    for each in read:
        if each.report is None or not each.report.quality.srm.ok:
            continue
        metric = each.report.metrics[0]
        for effect in metric.effects:
            said = effect.absolute
            ends = [abs(end) for end in (said.lower, said.upper) if end is not None] if said else []
            reaches[metric.unit] = max([reaches.get(metric.unit, 0.0), *ends])
    return reaches


def _row(read: Reading, speech: Speech, reaches: dict[str, float]) -> ListedRow:
    report, experiment = read.report, read.experiment
    left = NOTHING
    if experiment.ends_at is not None and experiment.is_live:
        left = speech.count(max(0, -((speech.now - experiment.ends_at) // DAY)))
    elif report is not None and report.verdict.days_left is not None and experiment.status == "running":
        left = f"~{speech.count(report.verdict.days_left)}"
    return ListedRow(
        name=read.name,
        href=read.href,
        hypothesis=experiment.hypothesis,
        status=status_chip(experiment, report, speech),
        verdict=chip_of(report.verdict.decision, speech) if report else None,
        sentence=sentence_of(report, speech) if report else "",
        effects=_effects(report, speech, reaches) if report else (),
        customers=speech.count(report.facts.customers) if report else NOTHING,
        days_left=left,
    )


def _effects(report: Report, speech: Speech, reaches: dict[str, float]) -> tuple[ListedEffect, ...]:
    metric = report.metrics[0]
    stopped = any(check.level == "stop" for check in report.quality.checks)
    return tuple(
        _effect(effect, report, speech, reaches.get(metric.unit, 0.0), hidden=stopped) for effect in metric.effects
    )


def _effect(effect: Effect, report: Report, speech: Speech, reach: float, *, hidden: bool) -> ListedEffect:
    mark = glyphs.arm(plots.arm_index(report, effect.variant))
    said = effect.absolute
    if hidden:
        return ListedEffect(effect.variant, mark, None, speech.words("hidden_effect"))
    if said is None:
        return ListedEffect(effect.variant, mark, None, speech.words("too_few_short"))
    unit = report.metrics[0].unit
    return ListedEffect(
        effect.variant, mark, _glyph(said, reach), plots.brief(said, unit, speech.currency, speech.language)
    )


def _glyph(said: Interval, reach: float) -> Markup | None:
    if said.shape != "bounded" or said.lower is None or said.upper is None:
        return None
    return glyphs.effect(said.lower, said.estimate, said.upper, reach=reach)


def _csv(read: list[Reading], speech: Speech) -> Response[Any]:
    """The list as a file; texts that a spreadsheet would run as formulas are quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["key", "name", "hypothesis", "status", "state", "decision", "sentence", "customers", "as_of"])
    for each in read:
        report = each.report
        writer.writerow(
            [
                plain_cell(each.experiment.key),
                plain_cell(each.experiment.name),
                plain_cell(each.experiment.hypothesis),
                each.experiment.status,
                each.state,
                report.verdict.decision if report else "",
                plain_cell(sentence_of(report, speech)) if report else "",
                report.facts.customers if report else "",
                report.as_of if report else "",
            ]
        )
    headers = {"Content-Disposition": 'attachment; filename="experiments.csv"', "Cache-Control": "no-store"}
    return Response(out.getvalue().encode(), media_type="text/csv", headers=headers)


HANDLERS: Final[list[Any]] = [experiments]
