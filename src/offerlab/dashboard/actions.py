"""What changes an experiment: a page that says what will happen, then one button with the verb."""

import asyncio
from typing import Any, Final, Literal

from litestar import Response, get, post
from litestar.params import FromPath
from markupsafe import Markup
from msgspec import Struct

from offerlab.dashboard import glyphs
from offerlab.dashboard.checklist import checklist
from offerlab.dashboard.doors import PAGE
from offerlab.dashboard.experiments import sentence_of
from offerlab.dashboard.forms import form_of
from offerlab.dashboard.frame import AnyRequest, Visit, check_form, enter, html, see_other
from offerlab.dashboard.readings import readings_of
from offerlab.dashboard.reports import address_of, experiment_of
from offerlab.dashboard.speech import Speech
from offerlab.dashboard.view import halt_lines, proposal_line
from offerlab.domain.approval import Proposal
from offerlab.domain.experiment import EVERYONE, SLOTS, Conclusion, Experiment
from offerlab.errors import ApprovalNeeded, Conflict, Forbidden
from offerlab.reporting.report import Report
from offerlab.workflows import approving, lifecycle

Step = Literal["start", "pause", "resume", "archive", "ramp", "end", "approve", "decline"]
STEPS: Final[tuple[Step, ...]] = ("start", "pause", "resume", "archive", "ramp", "end", "approve", "decline")
CONCLUSIONS: Final[tuple[Conclusion, ...]] = ("ship", "keep_control", "undecided", "invalid")
_BY_WORD: Final[dict[str, Conclusion]] = {each: each for each in CONCLUSIONS}
_NOTHING: Final = "-"
_FROM: Final[dict[Step, tuple[str, ...]]] = {
    "start": ("draft",),
    "pause": ("running",),
    "resume": ("paused",),
    "archive": ("draft", "stopped"),
    "ramp": ("running", "paused"),
    "end": ("running", "paused"),
    "approve": ("draft", "running", "paused"),
    "decline": ("draft", "running", "paused"),
}


class Refusal(Exception):
    """The form can't be taken as it is: what to correct, and where."""

    def __init__(self, text: str, at: str) -> None:
        """Keep the sentence and the field's id."""
        super().__init__(text)
        self.text = text
        self.at = at


class Choice(Struct, frozen=True):
    """A radio button; `why` recommends it."""

    value: str
    word: str
    why: str | None
    checked: bool


class Ending(Struct, frozen=True):
    """The two questions of an end."""

    serve: tuple[Choice, ...]
    learn: tuple[Choice, ...]
    against: bool


class ArmWeight(Struct, frozen=True):
    """An arm's share now and as asked for, per cent."""

    key: str
    mark: Markup
    now: str
    value: str


@get([f"/experiments/{{key:str}}/{step}" for step in STEPS], opt=PAGE)
async def confirmation(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    """The page before an action."""
    return await asyncio.to_thread(_asked, request, key)


@post([f"/experiments/{{key:str}}/{step}" for step in STEPS], opt=PAGE, status_code=303)
async def action(request: AnyRequest, key: FromPath[str]) -> Response[Any]:
    """Do it, then show the experiment with one line that says so."""
    form = await form_of(request)
    return await asyncio.to_thread(_done, request, key, form)


def _asked(request: AnyRequest, key: str) -> Response[str]:
    visit = enter(request)
    if not visit.may_act:
        raise Forbidden("a read key may not do this")
    experiment = experiment_of(visit, key)
    step = _step_of(request, experiment)
    return _confirm(request, visit, experiment, step, {})


def _done(request: AnyRequest, key: str, form: dict[str, str]) -> Response[Any]:
    visit = enter(request)
    check_form(request, visit, form)
    experiment = experiment_of(visit, key)
    step = _step_of(request, experiment)
    try:
        if form.get("revision") != str(experiment.revision):
            raise Conflict("the experiment was changed meanwhile; read the page again")
        _perform(request, visit, experiment, step, form)
    except ApprovalNeeded:
        return see_other(f"{address_of(key)}?done=proposed")
    except Refusal as refusal:
        return _confirm(request, visit, experiment, step, form, refusal)
    return see_other(f"{address_of(key)}?done={step}")


def _step_of(request: AnyRequest, experiment: Experiment) -> Step:
    step: Step = next(each for each in STEPS if request.url.path.endswith(f"/{each}"))
    if experiment.status not in _FROM[step] or (step in ("approve", "decline") and experiment.proposal is None):
        raise Conflict(f"experiment {experiment.key!r} is {experiment.status}: this can't be done now")
    return step


def _perform(request: AnyRequest, visit: Visit, experiment: Experiment, step: Step, form: dict[str, str]) -> None:
    desk, key = visit.desk, experiment.key
    match step:
        case "start":
            approving.start(desk, key)
        case "pause":
            lifecycle.pause(desk, key, note=form.get("note", "").strip())
        case "resume":
            if experiment.unread_halts and form.get("acknowledge") != "yes":
                raise Refusal(Speech(visit.language, "USD", 0).words("acknowledge_missing"), "acknowledge")
            acknowledged = form.get("acknowledge") == "yes"
            lifecycle.resume(desk, key, acknowledge=acknowledged, note=form.get("note", "").strip())
        case "archive":
            lifecycle.archive(desk, key)
        case "ramp":
            approving.reweigh(desk, key, weights=_weights(experiment, form, visit))
        case "approve":
            approving.approve(desk, key, revision=experiment.revision)
        case "decline":
            approving.decline(desk, key, note=form.get("note", "").strip())
        case "end":
            _end(request, visit, experiment, form)


def _weights(experiment: Experiment, form: dict[str, str], visit: Visit) -> dict[str, float]:
    words = Speech(visit.language, "USD", 0).words
    shares: dict[str, float] = {}
    for i, arm in enumerate(experiment.variants):
        try:
            shares[arm.key] = round(float(form.get(f"w{i}", "").replace(",", ".")) / 100, 6)
        except ValueError:
            raise Refusal(words("bad_weights"), f"w{i}") from None
    if any(not 0 <= share <= 1 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1 / SLOTS:
        raise Refusal(words("bad_weights"), "w0")
    return shares


def _end(request: AnyRequest, visit: Visit, experiment: Experiment, form: dict[str, str]) -> None:
    words = Speech(visit.language, "USD", 0).words
    served, learnt, note = form.get("serve"), form.get("conclusion"), form.get("note", "").strip()
    conclusion = _BY_WORD.get(learnt or "")
    if served not in (_NOTHING, *(arm.key for arm in experiment.variants)) or conclusion is None:
        raise Refusal(words("end_missing"), "serve")
    if _goes_against(_report(request, visit, experiment), conclusion) and not note:
        raise Refusal(words("end_note_missing"), "note")
    serve = {} if served == _NOTHING else {EVERYONE: served}
    lifecycle.stop(visit.desk, experiment.key, serve=serve, conclusion=conclusion, note=note)


def _goes_against(report: Report, conclusion: Conclusion) -> bool:
    """Whether a person must say why: another decision than recommended, or numbers that may not be used."""
    recommended = {"ship": "ship", "keep_control": "keep_control"}.get(report.verdict.decision)
    return conclusion != recommended or report.verdict.locked


def _report(request: AnyRequest, visit: Visit, experiment: Experiment) -> Report:
    return readings_of(request.app.state).recent(visit.runtime, visit.visitor.project_id, experiment.key)


def _confirm(
    request: AnyRequest,
    visit: Visit,
    experiment: Experiment,
    step: Step,
    form: dict[str, str],
    refusal: Refusal | None = None,
) -> Response[str]:
    speech = Speech(visit.language, visit.snapshot.project.currency, visit.runtime.now())
    report = _report(request, visit, experiment) if experiment.epochs else None
    return html(
        request,
        "confirm.html",
        visit=visit,
        status=422 if refusal else 200,
        title=speech.words(f"{step}_title", key=experiment.name or experiment.key),
        name=experiment.name or experiment.key,
        back=address_of(experiment.key),
        lines=_consequences(visit, experiment, step, report, speech),
        checklist=checklist(experiment, visit.snapshot, speech) if step == "start" else [],
        verb=speech.words(f"a_{step}"),
        revision=experiment.revision,
        problem=refusal.text if refusal else None,
        problem_at=refusal.at if refusal else None,
        weights=_arm_weights(experiment, form) if step == "ramp" else None,
        ending=_ending(experiment, report, form, speech) if step == "end" and report is not None else None,
        acknowledge=step == "resume" and bool(experiment.unread_halts),
        with_note=step in ("pause", "end", "decline") or (step == "resume" and bool(experiment.unread_halts)),
        note=form.get("note", ""),
    )


def _consequences(visit: Visit, experiment: Experiment, step: Step, report: Report | None, speech: Speech) -> list[str]:
    words = speech.words
    if step in ("approve", "decline") and experiment.proposal is not None:
        lines = [proposal_line(experiment.proposal, speech)]
        return [*lines, *(_split_lines(experiment, experiment.proposal, speech)), words(f"{step}_what")]
    customers = speech.count(report.facts.customers if report else 0)
    if step != "start":
        said = words.maybe(f"{step}_what", n=customers)
        halted = halt_lines(experiment, speech) if step == "resume" else []
        return [*halted, said] if said else [sentence_of(report, speech)] if report else []
    known = visit.snapshot.segments
    audience = ", ".join(known[key].name or key if key in known else key for key in experiment.segments)
    split = ", ".join(f"{arm.key} {speech.share(arm.weight)}" for arm in experiment.variants)
    traffic = speech.share(experiment.traffic)
    lines = [words("start_what", traffic=traffic, audience=audience or words("everyone"), split=split)]
    ends = experiment.ends_at
    lines.append(words("start_open") if ends is None else words("start_end", date=speech.date(ends)))
    return [*lines, words("start_frozen"), words("start_undo")]


def _split_lines(experiment: Experiment, proposal: Proposal, speech: Speech) -> list[str]:
    """What a proposed split says, arm by arm, the share of now beside it."""
    now = {each.key: each.now for each in _arm_weights(experiment, {})}
    weights = proposal.weights or {}
    told = [
        speech.words("proposed_weight", v=key, w=speech.share(share), now=now[key]) for key, share in weights.items()
    ]
    if proposal.traffic is not None:
        told.append(f"{speech.words('traffic')}: {speech.share(proposal.traffic)}")
    return told


def _arm_weights(experiment: Experiment, form: dict[str, str]) -> list[ArmWeight]:
    epoch = experiment.epochs[-1].arms.get(EVERYONE, ()) if experiment.epochs else ()
    treatments = [i for i in range(len(experiment.variants)) if i != experiment.control]
    made: list[ArmWeight] = []
    for i, arm in enumerate(experiment.variants):
        slots = sum(part.end - part.start for part in epoch if part.variant == i)
        now = f"{100 * slots / SLOTS:g}" if epoch else f"{100 * arm.weight:g}"
        index = 0 if i == experiment.control else treatments.index(i) + 1
        made.append(ArmWeight(arm.key, glyphs.arm(index), now, form.get(f"w{i}", now)))
    return made


def _ending(experiment: Experiment, report: Report, form: dict[str, str], speech: Speech) -> Ending:
    words, verdict = speech.words, report.verdict
    why = sentence_of(report, speech)
    control = experiment.variants[experiment.control].key if experiment.control is not None else None
    best = verdict.variant if verdict.decision == "ship" else control if verdict.decision == "keep_control" else None
    served = [(arm.key, arm.key) for arm in experiment.variants] + [(_NOTHING, words("end_nothing"))]
    serve = tuple(
        Choice(value, word, why if value == best else None, form.get("serve") == value) for value, word in served
    )
    learn = tuple(
        Choice(
            value, words(f"end_{value}"), why if value == verdict.decision else None, form.get("conclusion") == value
        )
        for value in CONCLUSIONS
    )
    chosen = _BY_WORD.get(form.get("conclusion", ""))
    return Ending(serve, learn, chosen is not None and _goes_against(report, chosen))


HANDLERS: Final[list[Any]] = [confirmation, action]
