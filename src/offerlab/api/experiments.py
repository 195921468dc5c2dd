"""Experiments: draft, edit, start, re-weigh, pause, resume, stop, archive."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request, Response, get, patch, post, put
from litestar.params import FromPath

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import change
from offerlab.api.definitions import patched, same_key, snapshot_of
from offerlab.api.experiment_requests import (
    ApproveExperiment,
    DeclineExperiment,
    NewExperiment,
    ResumeExperiment,
    Reweigh,
    StopExperiment,
)
from offerlab.api.experiment_responses import ExperimentView, experiment_view
from offerlab.api.lists import QUERY, Page, page_of
from offerlab.api.routing import Parameter, operation, reply
from offerlab.domain.experiment import EVERYONE, Experiment
from offerlab.errors import InvalidInput, NotFound
from offerlab.workflows import approving, authoring, lifecycle, splitting
from offerlab.workflows.desk import Desk

AnyRequest = Request[Any, Any, Any]
Sent = TypeVar("Sent")

_NEW: Final = msgspec.json.Decoder(NewExperiment)
_REWEIGH: Final = msgspec.json.Decoder(Reweigh)
_APPROVE: Final = msgspec.json.Decoder(ApproveExperiment)
_DECLINE: Final = msgspec.json.Decoder(DeclineExperiment)
_RESUME: Final = msgspec.json.Decoder(ResumeExperiment)
_STOP: Final = msgspec.json.Decoder(StopExperiment)
_SETTINGS: Final = tuple(field.name for field in msgspec.structs.fields(NewExperiment))
_STATUS: Final = Parameter("status", str | None, "only experiments in this status")


@post(
    "/v1/experiments",
    opt=operation(
        "define", "Draft an experiment", body=NewExperiment, answers={201: ExperimentView, 200: ExperimentView}
    ),
)
async def post_experiment(request: AnyRequest) -> Response[bytes]:
    """201 when it is new, 200 when it stood there with the same settings, 409 when another one has its key."""
    body = await bounded(request, DEFINITION_LIMIT)
    experiment = decode(body, _NEW).to_domain()

    def work(desk: Desk) -> tuple[int, object]:
        stored, created = authoring.draft(desk, experiment)
        return (201 if created else 200), experiment_view(stored)

    return await change(request, work, body=body)


@get("/v1/experiments", opt=operation("read", "List experiments", answers={200: Page}, query=(*QUERY, _STATUS)))
async def list_experiments(request: AnyRequest) -> Response[bytes]:
    """Experiments in order of their keys."""
    wanted = request.query_params.get("status")
    items = {
        key: experiment
        for key, experiment in snapshot_of(request).experiments.items()
        if wanted is None or experiment.status == wanted
    }
    return reply(page_of(request, items, experiment_view))


@get("/v1/experiments/{key:str}", opt=operation("read", "Read an experiment", answers={200: ExperimentView}))
async def get_experiment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """One experiment."""
    return reply(experiment_view(_found(request, key)))


@put(
    "/v1/experiments/{key:str}",
    opt=operation("define", "Replace the settings of a draft", body=NewExperiment, answers={200: ExperimentView}),
)
async def put_experiment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Replace the settings of a draft; a started experiment is frozen."""
    body = await bounded(request, DEFINITION_LIMIT)
    return await _edit(request, key, body)


@patch(
    "/v1/experiments/{key:str}",
    opt=operation(
        "define",
        "Change some settings of a draft, or the weights of a running experiment (which opens an epoch)",
        body=Reweigh,
        answers={200: ExperimentView},
    ),
)
async def patch_experiment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """On a draft any setting; on a started experiment what its `may_change` lists."""
    body = await bounded(request, DEFINITION_LIMIT)
    known = _found(request, key)
    if known.status == "draft":
        return await _edit(request, key, _draft_patched(body, known))
    sent = decode(body, _REWEIGH)

    def work(desk: Desk) -> Experiment:
        fresh = known
        with desk.change():
            if not sent.splits or (sent.name, sent.hypothesis) != (None, None):
                fresh = splitting.reweigh(desk, key, name=sent.name, hypothesis=sent.hypothesis)
            if sent.auto_pause is not None:
                fresh = lifecycle.set_auto_pause(desk, key, on=sent.auto_pause)
            if sent.splits:  # last: where it waits for another person, all else is done
                fresh = approving.reweigh(
                    desk,
                    key,
                    weights=sent.weights,
                    allocation=sent.allocation,
                    traffic=sent.traffic,
                    ramp=None if sent.ramp is None else tuple(step.to_domain() for step in sent.ramp),
                )
        return fresh

    return await _changed(request, work, body)


def _draft_patched(body: bytes, known: Experiment) -> bytes:
    """The draft's settings with the patch over them; `weights` set the variants' own."""
    view: dict[str, Any] = msgspec.to_builtins(experiment_view(known))
    settings = {name: view[name] for name in _SETTINGS}
    merged: dict[str, Any] = msgspec.json.decode(patched(body, settings))
    weights = merged.pop("weights", None)
    if isinstance(weights, dict):
        for arm in merged["variants"]:
            arm["weight"] = weights.pop(arm["key"], 0.0)
        if weights:
            raise InvalidInput(f"the experiment has no variant {min(weights)!r}", field=f"weights.{min(weights)}")
    return msgspec.json.encode(merged)


async def _edit(request: AnyRequest, key: str, body: bytes) -> Response[bytes]:
    sent = decode(body, _NEW)
    same_key(sent.key, key, "key")
    experiment = sent.to_domain()
    return await _changed(request, lambda desk: authoring.edit(desk, experiment), body)


def _step(name: str, summary: str, body: Any = None) -> dict[str, Any]:  # noqa: ANN401 - any type
    return {
        "path": f"/v1/experiments/{{key:str}}/{name}",
        "opt": operation("define", summary, body=body, answers={200: ExperimentView}),
    }


async def _changed(request: AnyRequest, verb: Callable[[Desk], Experiment], body: bytes = b"") -> Response[bytes]:
    """Answer with the experiment that a verb leaves behind."""
    return await change(request, lambda desk: (200, experiment_view(verb(desk))), body=body)


async def _sent(request: AnyRequest, decoder: msgspec.json.Decoder[Sent]) -> tuple[bytes, Sent]:
    """The body as it came and as it reads; an empty one says nothing."""
    body = await bounded(request, DEFINITION_LIMIT)
    return body, decode(body or b"{}", decoder)


@post(**_step("start", "Start a draft: its settings freeze"))
async def start_experiment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Start; when this answers, decisions already split."""
    return await _changed(request, lambda desk: approving.start(desk, key))


@post(**_step("approve", "Approve what waits for a second pair of eyes: it happens", ApproveExperiment))
async def approve_experiment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """403 `same_person` for whoever wrote or proposed it."""
    body, sent = await _sent(request, _APPROVE)
    return await _changed(request, lambda desk: approving.approve(desk, key, revision=sent.revision), body)


@post(**_step("decline", "Decline what waits for a second pair of eyes", DeclineExperiment))
async def decline_experiment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """The proposal goes; the note stays in the audit log."""
    body, sent = await _sent(request, _DECLINE)
    return await _changed(request, lambda desk: approving.decline(desk, key, note=sent.note), body)


@post(**_step("pause", "Pause: everybody sees control, nobody is exposed"))
async def pause_experiment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Pause."""
    return await _changed(request, lambda desk: lifecycle.pause(desk, key))


@post(**_step("resume", "Resume after a pause; one by a guardrail is acknowledged", ResumeExperiment))
async def resume_experiment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Resume; an empty body acknowledges nothing (409 `not_acknowledged` where a guardrail paused it)."""
    body, sent = await _sent(request, _RESUME)
    return await _changed(
        request, lambda desk: lifecycle.resume(desk, key, acknowledge=sent.acknowledge, note=sent.note), body
    )


@post(**_step("archive", "Put a draft or stopped experiment away"))
async def archive_experiment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Archive."""
    return await _changed(request, lambda desk: lifecycle.archive(desk, key))


@post(**_step("stop", "Stop: say what customers see from now on, and what was learnt", StopExperiment))
async def stop_experiment(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Stop; an empty body serves nothing and concludes nothing."""
    body, sent = await _sent(request, _STOP)
    serve: dict[str, str] = {EVERYONE: sent.serve} if isinstance(sent.serve, str) else dict(sent.serve or {})

    def work(desk: Desk) -> Experiment:
        return lifecycle.stop(desk, key, serve=serve, conclusion=sent.conclusion, note=sent.note)

    return await _changed(request, work, body)


def _found(request: AnyRequest, key: str) -> Experiment:
    found = snapshot_of(request).experiments.get(key)
    if found is None:
        raise NotFound(f"no experiment has the key {key!r}")
    return found


HANDLERS: Final[list[Any]] = [
    post_experiment,
    list_experiments,
    get_experiment,
    put_experiment,
    patch_experiment,
    start_experiment,
    approve_experiment,
    decline_experiment,
    pause_experiment,
    resume_experiment,
    archive_experiment,
    stop_experiment,
]
