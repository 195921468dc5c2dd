"""One experiment: its report, the report's pictures and files, or a draft's set-up."""

import asyncio
from typing import Any, Final
from urllib.parse import quote

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from msgspec import Struct

from offerlab.dashboard.doors import PAGE
from offerlab.dashboard.frame import POLICY, AnyRequest, Visit, enter, html, with_query
from offerlab.dashboard.readings import moment_of, readings_of
from offerlab.dashboard.setup import setup_of
from offerlab.dashboard.speech import Speech
from offerlab.dashboard.studio import studio_of
from offerlab.dashboard.view import ReportView, proposal_line, report_view, status_chip
from offerlab.domain.approval import person_of
from offerlab.domain.experiment import Experiment
from offerlab.errors import NotFound, Unavailable
from offerlab.reporting import plots
from offerlab.reporting.charts import Look, Spec
from offerlab.reporting.report import Report
from offerlab.reporting.words import Language
from offerlab.workflows.reading import as_text

_FILES: Final = {
    "json": "application/json",
    "csv": "text/csv",
    "md": "text/markdown",
    "html": "text/html",
}
_KEEP: Final = "private, max-age=86400"
"""A picture's address names the moment of its numbers: it never changes."""

_STEPS: Final = {
    "draft": ("start", "archive"),
    "running": ("end", "pause", "ramp"),
    "paused": ("resume", "end", "ramp"),
    "stopped": ("archive",),
}


class Action(Struct, frozen=True):
    """A button that leads to a confirmation page."""

    word: str
    href: str
    primary: bool


@get("/experiments/{key:str}", opt=PAGE)
async def experiment_page(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    """The report; a draft shows what was agreed so far."""
    return await asyncio.to_thread(_page, request, key)


def _page(request: AnyRequest, key: str) -> Response[str]:
    visit = enter(request)
    experiment = experiment_of(visit, key)
    speech = Speech(visit.language, visit.snapshot.project.currency, visit.runtime.now())
    common: dict[str, Any] = {
        "visit": visit,
        "key": key,
        "name": experiment.name or key,
        "hypothesis": experiment.hypothesis,
        "waiting": None if experiment.proposal is None else proposal_line(experiment.proposal, speech),
        "setup": setup_of(experiment, visit.snapshot, speech),
        "actions": actions_of(visit, experiment, speech),
    }
    if not experiment.epochs:
        standing = status_chip(experiment, None, speech)
        return html(request, "setup.html", standing=standing, draft=experiment.status == "draft", **common)
    asked = visit.query.get("as_of")
    report = _read(request, visit, key)
    view = report_view(report, experiment, speech, show=visit.query.get("show") == "anyway")
    return html(
        request,
        "report.html",
        view=view,
        past=speech.moment(moment_of(asked)) if asked else None,
        base=f"{address_of(key)}/pictures",
        query=with_query("", {"as_of": report.as_of, "lang": visit.language})[1:],
        jumps=_jumps(view, speech),
        formats=list(_FILES),
        **common,
    )


def experiment_of(visit: Visit, key: str) -> Experiment:
    """The experiment of an address.

    Raises:
        NotFound: this project has none of that key.
    """
    found = visit.snapshot.experiments.get(key)
    if found is None:
        raise NotFound(f"no experiment has the key {key!r}", extra={"experiment": key})
    return found


def address_of(key: str) -> str:
    """The page of an experiment."""
    return f"/experiments/{quote(key, safe='')}"


def actions_of(visit: Visit, experiment: Experiment, speech: Speech) -> list[Action]:
    """What may be done now; nothing for those who may only look."""
    if not visit.may_act:
        return []
    steps: tuple[str, ...] = _STEPS.get(experiment.status, ())
    if experiment.adaptive is not None:  # its weights are nobody's to set
        steps = tuple(step for step in steps if step != "ramp")
    if experiment.proposal is not None:
        own = person_of(visit.visitor.actor) == person_of(experiment.proposal.by)
        steps = (*(("decline",) if own else ("approve", "decline")), *(step for step in steps if step != "start"))
    return [
        Action(speech.words(f"a_{step}"), f"{address_of(experiment.key)}/{step}", i == 0 and step != "archive")
        for i, step in enumerate(steps)
    ]


def _read(request: AnyRequest, visit: Visit, key: str) -> Report:
    readings = readings_of(request.app.state)
    asked = visit.query.get("as_of")
    return readings.at(visit.runtime, visit.visitor.project_id, key, moment_of(asked) if asked else None)


def _jumps(view: ReportView, speech: Speech) -> list[tuple[str, str]]:
    shown = {
        "trust": True,
        "primary": True,
        "guardrails": bool(view.guardrails) and not view.hidden,
        "secondary": bool(view.secondary) and not view.hidden,
        "money": bool(view.money) and not view.hidden,
        "segments": view.segments is not None and not view.hidden,
        "factors": view.factors is not None and not view.hidden,
        "time": view.time is not None and not view.hidden,
        "declines": view.declines is not None or view.voices is not None,
        "flow": True,
        "reproduce": True,
        "setup": True,
    }
    return [(block, speech.words(f"b_{block}")) for block, is_shown in shown.items() if is_shown]


@get("/experiments/{key:str}/pictures/{name:str}", opt=PAGE)
async def picture(request: AnyRequest, key: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A picture as SVG, or its specification as JSON, by the ending of its name."""
    return await asyncio.to_thread(_picture, request, key, name)


def _picture(request: AnyRequest, key: str, name: str) -> Response[bytes]:
    visit = enter(request)
    experiment_of(visit, key)
    stem, _, ending = name.rpartition(".")
    report = _read(request, visit, key)
    look = Look(
        theme="dark" if visit.query.get("theme") == "dark" else "light",
        wide=visit.query.get("size") != "narrow",
        language=visit.language,
        currency=report.facts.currency,
    )
    try:
        spec: Spec = plots.plot(report, stem, look)
    except KeyError as error:
        raise NotFound(f"the report has no picture {stem!r}") from error
    headers = {"Cache-Control": _KEEP, "Content-Security-Policy": POLICY}
    if ending == "json":
        return Response(msgspec.json.encode(spec), media_type="application/json", headers=headers)
    if ending != "svg":
        raise NotFound("pictures come as svg or json")
    return Response(studio_of(request.app.state).svg(spec), media_type="image/svg+xml", headers=headers)


@get("/experiments/{key:str}/export/{ending:str}", opt=PAGE)
async def report_file(request: AnyRequest, key: FromPath[str], ending: FromPath[str]) -> Response[bytes]:
    """The report as a file."""
    return await asyncio.to_thread(_file, request, key, ending)


def _file(request: AnyRequest, key: str, ending: str) -> Response[bytes]:
    visit = enter(request)
    experiment_of(visit, key)
    if ending not in _FILES:
        raise NotFound(f"a report comes as {', '.join(_FILES)}")
    headers = {
        "Content-Disposition": f'attachment; filename="{key}.{ending}"',
        "Cache-Control": "no-store",
        "Content-Security-Policy": POLICY,
    }
    report = _read(request, visit, key)
    pictures = _pictures(request, report, visit.language) if ending == "html" else None
    body = as_text(report, ending, visit.language, pictures).encode()
    return Response(body, media_type=_FILES[ending], headers=headers)


def _pictures(request: AnyRequest, report: Report, language: Language) -> dict[str, bytes]:
    """All of the report's pictures as a page on white paper shows them; none when they can't be drawn now."""
    look = Look(theme="light", wide=True, language=language, currency=report.facts.currency)
    studio = studio_of(request.app.state)
    try:
        return {name: studio.svg(plots.plot(report, name, look)) for name in plots.names(report)}
    except Unavailable:
        return {}


HANDLERS: Final[list[Any]] = [experiment_page, picture, report_file]
