"""The life of an experiment: draft, start, re-weigh, ramp, pause, resume, stop, archive.

Each verb is one transaction that also raises the project's version and writes the audit log; when it returns, this
process already serves by it. What experiments are made of is defined in `defining`.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace
from sqlalchemy import Connection

from offerlab.assignment.adapting import adapted, opened, shares_now
from offerlab.assignment.allocation import Slots, claim_layers, first_epoch, next_epoch
from offerlab.domain.clock import DAY
from offerlab.domain.experiment import (
    EVERYONE,
    MAY_CHANGE,
    Action,
    Claim,
    Conclusion,
    Epoch,
    Experiment,
    RampStep,
    check_experiment,
    moved,
)
from offerlab.domain.halt import Halt
from offerlab.domain.requirement import check_requirements
from offerlab.domain.schedule import check_ramp, due
from offerlab.domain.webhook import MessageType
from offerlab.errors import Conflict, InvalidDefinition, NotAcknowledged, NotFound
from offerlab.storage import experiments, metrics, offers, segments
from offerlab.storage.arrivals import recent_customers
from offerlab.storage.database import reading
from offerlab.workflows.desk import Desk, same_or_conflict
from offerlab.workflows.webhooks import announce

_TOLD: Final[dict[Action, MessageType]] = {
    "start": "experiment.started",
    "pause": "experiment.paused",
    "resume": "experiment.resumed",
    "stop": "experiment.stopped",
    "archive": "experiment.archived",
}


def _with_own_metrics(connection: Connection, desk: Desk, experiment: Experiment) -> Experiment:
    """The plan with the definitions of the shop's own metrics in it, in order of their roles."""
    known = metrics.everything(connection, desk.project_id)
    own = tuple(known[key] for key in experiment.metrics.roles() if key in known)
    return replace(experiment, metrics=replace(experiment.metrics, custom=own))


def draft(desk: Desk, experiment: Experiment) -> tuple[Experiment, bool]:
    """Store a new experiment as a draft; id and salt are drawn here.

    Returns:
        The experiment, and whether it was created (False: it stood there already with the same settings).

    Raises:
        Conflict: another experiment has this key.
        InvalidDefinition, InvalidPlan: it contradicts itself, or names what does not exist.
    """
    with desk.change() as connection:
        experiment = _with_own_metrics(connection, desk, experiment)
        known = experiments.find(connection, desk.project_id, experiment.key)
        if known is not None:
            return same_or_conflict(known, _with_life_of(known, experiment), f"experiment {experiment.key!r}"), False
        salt, now = desk.runtime.new_salt(), desk.runtime.now()
        fresh = replace(experiment, salt=salt, created_at=now, authors=(desk.actor,))
        _check_experiment(connection, desk, fresh)
        fresh = experiments.add(connection, desk.project_id, fresh)
        desk.log(connection, "draft", f"experiment:{fresh.key}", after=fresh)
    return fresh, True


def edit(desk: Desk, experiment: Experiment) -> Experiment:
    """Replace the settings of a draft.

    Raises:
        NotFound: no such experiment.
        Conflict: it has started, its settings are frozen.
    """
    with desk.change() as connection:
        known = _find(connection, desk, experiment.key)
        fresh = _with_life_of(known, _with_own_metrics(connection, desk, experiment))
        if fresh == known:
            return known
        if known.status != "draft":
            raise Conflict(
                f"experiment {known.key!r} has started: its settings are frozen",
                extra={"status": known.status, "may_change": list(MAY_CHANGE)},
            )
        authors = known.authors if desk.actor in known.authors else (*known.authors, desk.actor)
        fresh = replace(fresh, revision=known.revision + 1, authors=authors, proposal=None, approved_by="")
        _check_experiment(connection, desk, fresh)
        experiments.save(connection, fresh, seen=known.revision)
        desk.log(connection, "edit", f"experiment:{fresh.key}", before=known, after=fresh)
    return fresh


def reweigh(
    desk: Desk,
    key: str,
    *,
    weights: dict[str, float] | None = None,
    allocation: dict[str, dict[str, float]] | None = None,
    traffic: float | None = None,
    name: str | None = None,
    hypothesis: str | None = None,
) -> Experiment:
    """Change a started experiment; new weights, allocation or traffic open an epoch.

    Raises:
        NotFound: no such experiment.
        Conflict: it is neither running nor paused, or a layer has no room for more traffic.
        InvalidDefinition, InvalidPlan: shares of unknown arms, or not adding up to 1.
    """
    with desk.change() as connection:
        known = _find(connection, desk, key)
        if not known.is_live:
            raise Conflict(f"experiment {key!r} is {known.status}: nothing is split", extra={"status": known.status})
        fresh = replace(
            known,
            name=known.name if name is None else name,
            hypothesis=known.hypothesis if hypothesis is None else hypothesis,
            revision=known.revision + 1,
        )
        if known.adaptive is not None and not (weights is None and allocation is None):
            raise Conflict(
                f"the weights of {key!r} follow its results: nobody sets them by hand",
                field="weights",
                extra={"adaptive": True},
            )
        if not (weights is None and allocation is None and traffic is None):
            now = max(desk.runtime.now(), known.epochs[-1].started_at + 1)
            claims = None if traffic is None else _claims(connection, desk, known, traffic)
            epoch = next_epoch(known, now, weights=weights, allocation=allocation, traffic=traffic, claims=claims)
            fresh = replace(fresh, epochs=(*known.epochs, epoch), traffic=epoch.traffic)
        experiments.save(connection, fresh, seen=known.revision)
        desk.log(connection, "reweigh", f"experiment:{key}", before=_split(known), after=_split(fresh))
        if fresh.epochs != known.epochs:
            announce(desk, connection, "experiment.reweighed", {"experiment": key, "epoch": fresh.epochs[-1].number})
    return fresh


def adapt(desk: Desk, key: str, weights: Sequence[float], *, seen: int) -> Experiment:
    """Open the next batch of an allocation that follows the results.

    Args:
        desk: who acts where.
        key: of the experiment.
        weights: by arm, for all customers but the even slice.
        seen: the revision that they were worked out on.

    Raises:
        NotFound: no such experiment.
        Conflict: it was changed since, or does not run.
    """
    with desk.change() as connection:
        known = _find(connection, desk, key)
        if known.revision != seen or known.status != "running" or known.adaptive is None:
            raise Conflict(f"experiment {key!r} was changed meanwhile: this batch is not due any more")
        now = max(desk.runtime.now(), known.epochs[-1].started_at + 1)
        fresh = replace(known, epochs=(*known.epochs, adapted(known, now, weights)), revision=known.revision + 1)
        experiments.save(connection, fresh, seen=known.revision)
        desk.log(connection, "adapt", f"experiment:{key}", before=_shares(known), after=_shares(fresh))
        announce(desk, connection, "experiment.reweighed", {"experiment": key, "epoch": fresh.epochs[-1].number})
    return fresh


def _shares(experiment: Experiment) -> dict[str, float]:
    return {arm.key: share for arm, share in zip(experiment.variants, shares_now(experiment), strict=True)}


def set_auto_pause(desk: Desk, key: str, *, on: bool) -> Experiment:
    """Switch the pause by a guardrail on or off while the experiment lives.

    Raises:
        NotFound: no such experiment.
        Conflict: it is neither running nor paused.
    """
    with desk.change() as connection:
        known = _find(connection, desk, key)
        if not known.is_live:
            raise Conflict(f"experiment {key!r} is {known.status}: nothing is split", extra={"status": known.status})
        fresh = replace(known, auto_pause=on, revision=known.revision + 1)
        experiments.save(connection, fresh, seen=known.revision)
        desk.log(connection, "set_auto_pause", f"experiment:{key}", before=known.auto_pause, after=on)
    return fresh


def plan_ramp(desk: Desk, key: str, ramp: tuple[RampStep, ...]) -> Experiment:
    """Plan how traffic grows from now on; a halted ramp goes on by the new plan.

    Raises:
        NotFound: no such experiment.
        Conflict: it is neither running nor paused.
        InvalidPlan: a step that does not rise.
    """
    with desk.change() as connection:
        known = _find(connection, desk, key)
        if not known.is_live:
            raise Conflict(f"experiment {key!r} is {known.status}: nothing is split", extra={"status": known.status})
        fresh = replace(known, ramp=ramp, ramp_halted="", revision=known.revision + 1)
        check_ramp(fresh)
        experiments.save(connection, fresh, seen=known.revision)
        desk.log(connection, "plan_ramp", f"experiment:{key}", before=known.ramp, after=fresh.ramp)
    return fresh


def widen(desk: Desk, key: str, step: RampStep) -> Experiment:
    """Take one step of the ramp; nobody who is in moves.

    Raises:
        Conflict: somebody was faster, or a layer has no room.
    """
    with desk.change() as connection:
        known = _find(connection, desk, key)
        if due(known, desk.runtime.now()) != step:
            raise Conflict(f"experiment {key!r}: this step is not due any more", extra={"status": known.status})
        return reweigh(desk, key, traffic=step.traffic)


def halt_ramp(desk: Desk, key: str, why: str) -> Experiment:
    """Let the ramp stand still until a person plans it anew.

    Raises:
        Conflict: somebody was faster.
    """
    with desk.change() as connection:
        known = _find(connection, desk, key)
        if known.ramp_halted:
            raise Conflict(f"the ramp of {key!r} stands still already")
        fresh = replace(known, ramp_halted=why, revision=known.revision + 1)
        experiments.save(connection, fresh, seen=known.revision)
        desk.log(connection, "halt_ramp", f"experiment:{key}", after=why)
        announce(desk, connection, "experiment.ramp_halted", {"experiment": key, "reason": why})
    return fresh


def _split(experiment: Experiment) -> Epoch | None:
    return experiment.epochs[-1] if experiment.epochs else None


def start(desk: Desk, key: str) -> Experiment:
    """Start a draft: the plan freezes and the first epoch opens.

    Raises:
        NotFound: no such experiment.
        Conflict: it is no draft, another start was faster, or its layer is full.
    """
    arrivals = _arrivals(desk, key)
    with desk.change() as connection:
        known = _find(connection, desk, key)
        _check_experiment(connection, desk, known)
        now = desk.runtime.now()
        fresh = moved(known, "start", now=now)
        if known.analysis.planned_customers is None and arrivals is not None:
            fresh = replace(fresh, analysis=replace(known.analysis, planned_customers=arrivals))
        epoch = first_epoch(known, now, _claims(connection, desk, known, known.traffic))
        if known.adaptive is not None:
            epoch = opened(known.adaptive, epoch, [arm.weight for arm in known.variants])
        fresh = replace(fresh, epochs=(epoch,))
        experiments.save(connection, fresh, seen=known.revision)
        desk.log(connection, "start", f"experiment:{key}", after=fresh)
        announce(desk, connection, "experiment.started", {"experiment": key})
    return fresh


def _arrivals(desk: Desk, key: str) -> int | None:
    """How many customers will have come by the planned end, if the shop goes on as it did lately.

    As many different customers as were seen during a stretch of the same length before the start (scaled up where the
    shop is younger), times the share of them that enters. None without an end or without a day of history: then the
    first look fixes the plan by the calendar.
    """
    experiment = desk.runtime.snapshot(desk.project_id).experiments.get(key)
    if experiment is None or experiment.ends_at is None:
        return None
    now = desk.runtime.now()
    horizon = experiment.ends_at - now
    with reading(desk.runtime.engine) as connection:
        seen, first = recent_customers(connection, desk.project_id, since=now - max(horizon, 0), until=now)
    if first is None or now - first < DAY or horizon <= 0:
        return None
    return max(round(seen * horizon / (now - first) * experiment.traffic), 2)


def pause(desk: Desk, key: str, *, note: str = "") -> Experiment:
    """Pause: everybody sees control, nobody is exposed."""
    return _act(desk, key, "pause", note=note)


def halt(desk: Desk, key: str, found: Sequence[Halt]) -> Experiment:
    """Pause a running experiment because guardrails show harm; once for each of them.

    Args:
        desk: who acts where.
        key: of the experiment.
        found: the guardrails, at least one.

    Raises:
        Conflict: it does not run any more, or was paused for all of them before: somebody was faster.
    """
    with desk.change() as connection:
        known = _find(connection, desk, key)
        before = {(one.metric, one.variant) for one in known.halts}
        fresh_halts = tuple(one for one in found if (one.metric, one.variant) not in before)
        if not fresh_halts:
            raise Conflict(f"experiment {key!r} was paused for this before")
        fresh = replace(moved(known, "pause", now=desk.runtime.now()), halts=(*known.halts, *fresh_halts), note="")
        experiments.save(connection, fresh, seen=known.revision)
        why = [
            {
                "metric": one.metric,
                "variant": one.variant,
                "reference": one.reference,
                "estimate": one.estimate,
                "customers": one.customers,
            }
            for one in fresh_halts
        ]
        desk.log(connection, "auto_pause", f"experiment:{key}", before={"status": known.status}, after=why)
        told: dict[str, object] = {"experiment": key, "status": fresh.status, "note": "", "guardrails": why}
        announce(desk, connection, "experiment.paused", told)
    return fresh


def resume(desk: Desk, key: str, *, acknowledge: bool = False, note: str = "") -> Experiment:
    """Resume after a pause: everybody is in the arm they were in.

    Args:
        desk: who acts where.
        key: of the experiment.
        acknowledge: that the guardrails that paused it were read; these do not pause it again.
        note: why it goes on.

    Raises:
        NotFound: no such experiment.
        NotAcknowledged: a guardrail paused it, and nobody says to have read that.
        Conflict: it is not paused.
    """
    with desk.change() as connection:
        known = _find(connection, desk, key)
        now = desk.runtime.now()
        fresh = moved(known, "resume", now=now)
        unread = [f"{one.metric} in {one.variant!r}" for one in known.unread_halts]
        if unread and not acknowledge:
            raise NotAcknowledged(
                f"experiment {key!r} was paused because of {', '.join(unread)}: acknowledge that to resume",
                field="acknowledge",
                extra={"guardrails": sorted({one.metric for one in known.unread_halts})},
            )
        halts = tuple(
            replace(one, read_at=now, read_by=desk.actor, note=note) if one.read_at is None else one
            for one in known.halts
        )
        fresh = replace(fresh, halts=halts, note=note or known.note)
        experiments.save(connection, fresh, seen=known.revision)
        after: dict[str, object] = {"status": fresh.status, "note": note, "acknowledged": unread}
        desk.log(connection, "resume", f"experiment:{key}", before={"status": known.status}, after=after)
        announce(desk, connection, _TOLD["resume"], {"experiment": key, **after})
    return fresh


def archive(desk: Desk, key: str) -> Experiment:
    """Put away: hidden from lists and decisions, deleted nowhere."""
    return _act(desk, key, "archive")


def stop(
    desk: Desk,
    key: str,
    *,
    serve: dict[str, str] | None = None,
    conclusion: Conclusion | None = None,
    note: str = "",
) -> Experiment:
    """End the experiment.

    Args:
        desk: who acts where.
        key: of the experiment.
        serve: what customers see from now on: arm by segment, `EVERYONE` for all others; nothing shows nothing.
        conclusion: what was learnt.
        note: why, in a person's words.

    Raises:
        InvalidDefinition: `serve` names an arm or segment that the experiment does not have.
    """

    def check(known: Experiment) -> None:
        for segment, arm in (serve or {}).items():
            if segment != EVERYONE and segment not in known.segments:
                raise InvalidDefinition(f"the experiment has no segment {segment!r}", field=f"serve.{segment}")
            if known.index_of(arm) is None:
                raise InvalidDefinition(f"the experiment has no variant {arm!r}", field="serve")

    return _act(desk, key, "stop", serve=serve, conclusion=conclusion, note=note, check=check)


def _act(
    desk: Desk,
    key: str,
    action: Action,
    *,
    serve: dict[str, str] | None = None,
    conclusion: Conclusion | None = None,
    note: str = "",
    check: Callable[[Experiment], None] | None = None,
) -> Experiment:
    with desk.change() as connection:
        known = _find(connection, desk, key)
        if check is not None:
            check(known)
        fresh = moved(known, action, now=desk.runtime.now(), serve=serve)
        fresh = replace(fresh, conclusion=conclusion or known.conclusion, note=note or known.note)
        experiments.save(connection, fresh, seen=known.revision)
        after = {"status": fresh.status, "serve": serve or {}, "conclusion": conclusion, "note": note}
        desk.log(connection, action, f"experiment:{key}", before={"status": known.status}, after=after)
        announce(desk, connection, _TOLD[action], {"experiment": key, **after})
    return fresh


def _find(connection: Connection, desk: Desk, key: str) -> Experiment:
    known = experiments.find(connection, desk.project_id, key)
    if known is None:
        raise NotFound(f"no experiment has the key {key!r}")
    return known


def _with_life_of(known: Experiment, sent: Experiment) -> Experiment:
    if known.epochs and sent.analysis.planned_customers is None:  # the start has worked it out
        analysis = replace(sent.analysis, planned_customers=known.analysis.planned_customers)
        sent = replace(sent, analysis=analysis)
    return replace(
        sent,
        id=known.id,
        salt=known.salt,
        status=known.status,
        epochs=known.epochs,
        changes=known.changes,
        conclusion=known.conclusion,
        note=known.note,
        ramp_halted=known.ramp_halted,
        halts=known.halts,
        authors=known.authors,
        proposal=known.proposal,
        approved_by=known.approved_by,
        created_at=known.created_at,
        revision=known.revision,
        traffic=sent.traffic if known.status == "draft" else known.traffic,
    )


def _check_experiment(connection: Connection, desk: Desk, experiment: Experiment) -> None:
    check_experiment(experiment)
    check_ramp(experiment)
    if experiment.requires:
        _check_requirements(connection, desk, experiment)
    known_offers = offers.everything(connection, desk.project_id)
    for i, arm in enumerate(experiment.variants):
        if arm.offer is not None and arm.offer not in known_offers:
            raise InvalidDefinition(f"no offer has the key {arm.offer!r}", field=f"variants[{i}].offer")
    known_segments = segments.everything(connection, desk.project_id)
    for i, key in enumerate(experiment.segments):
        if key not in known_segments:
            raise InvalidDefinition(f"no segment has the key {key!r}", field=f"segments[{i}]")
    known_layers = segments.layers_of(connection, desk.project_id)
    for key in experiment.layers:
        if key not in known_layers:
            raise InvalidDefinition(f"no layer has the key {key!r}", field="layer")
    if experiment.holdout not in (None, "*") and experiment.holdout not in known_layers:
        raise InvalidDefinition(f"no layer has the key {experiment.holdout!r}", field="holdout")


def _check_requirements(connection: Connection, desk: Desk, experiment: Experiment) -> None:
    others = [
        one
        for one in experiments.everything(connection, desk.project_id, archived=False)
        if one.key != experiment.key and one.holdout is None
    ]
    check_requirements(
        experiment.key,
        experiment.requires,
        arms={one.key: [arm.key for arm in one.variants] for one in others},
        others={one.key: one.requires for one in others},
    )


def _claims(connection: Connection, desk: Desk, experiment: Experiment, traffic: float) -> tuple[Claim, ...]:
    """Slots in each of the experiment's layers, beside what the others hold: the desk lets nobody claim meanwhile."""
    if not experiment.layers:
        return ()
    known = segments.layers_of(connection, desk.project_id)
    taken: dict[str, list[Slots]] = {key: [] for key in experiment.layers}
    for other in experiments.everything(connection, desk.project_id, archived=False):
        if other.id != experiment.id and other.is_live:
            for claim in other.claims:
                taken.setdefault(claim.layer, []).append(claim.slots)
    return claim_layers([known[key] for key in experiment.layers], taken, traffic, experiment.claims)
