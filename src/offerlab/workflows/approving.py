"""A second pair of eyes, where a project wants it: what one person proposes another one lets happen.

Whoever drafted or edited an experiment can't be who starts it, and a change of a running split waits for somebody else.
People are told apart by their keys: each has one of their own, with which they also sign in to the dashboard. A key
that somebody made for the purpose, after the draft was written or the change was asked for, is still theirs, and so is
one that such a key made. A pause, a stop, an end by the calendar and what follows from an approved plan (its ramp, its
adaptive weights) wait for nobody: what limits harm is never held back.
"""

from collections.abc import Callable
from typing import Final, Literal

from msgspec.structs import replace
from sqlalchemy import Connection

from offerlab.assignment.allocation import next_epoch
from offerlab.domain.approval import Proposal, person_of
from offerlab.domain.experiment import Experiment, RampStep
from offerlab.errors import ApprovalNeeded, Conflict, SamePerson
from offerlab.storage import audit, projects
from offerlab.workflows import lifecycle, revising, splitting
from offerlab.workflows.desk import Desk
from offerlab.workflows.snapshot import settings_of
from offerlab.workflows.webhooks import announce

_WORDS: Final[dict[Literal["start", "reweigh"], str]] = {"start": "its start", "reweigh": "this change of its split"}


def start(desk: Desk, key: str) -> Experiment:
    """Start a draft, or propose to, where the project wants a second pair of eyes and its author starts it.

    Raises:
        ApprovalNeeded: it waits for another person now.
        NotFound, Conflict, InvalidDefinition: as `lifecycle.start`.
    """

    def settled(known: Experiment) -> bool:
        authors = {person_of(author) for author in known.authors}
        second = bool(authors) and _is_another(desk, authors, since=known.created_at)
        return known.status != "draft" or bool(known.approved_by) or second

    wanted = Proposal(action="start", by=desk.actor, at=0)
    return _gated(desk, key, wanted, settled, lambda: lifecycle.start(desk, key))


def reweigh(
    desk: Desk,
    key: str,
    *,
    weights: dict[str, float] | None = None,
    allocation: dict[str, dict[str, float]] | None = None,
    traffic: float | None = None,
    ramp: tuple[RampStep, ...] | None = None,
) -> Experiment:
    """Change the split of a started experiment, or how its traffic is to grow; or propose to.

    Raises:
        ApprovalNeeded: it waits for another person now.
        NotFound, Conflict, InvalidDefinition, InvalidPlan: as `splitting.reweigh` and `splitting.plan_ramp`.
    """
    wanted = Proposal(
        action="reweigh",
        by=desk.actor,
        at=0,
        weights=weights,
        allocation=allocation,
        traffic=traffic,
        ramp=None if ramp is None else tuple((step.at, step.traffic) for step in ramp),
    )

    def settled(known: Experiment) -> bool:
        if known.is_live:  # what could not be done is refused now, not when somebody approves it
            now = known.epochs[-1].started_at + 1
            next_epoch(known, now, weights=weights, allocation=allocation, traffic=traffic)
        return not known.is_live

    return _gated(desk, key, wanted, settled, lambda: _reweighed(desk, key, wanted))


def approve(desk: Desk, key: str, *, revision: int | None = None) -> Experiment:
    """Let happen what waits; a draft that has a date of its own starts then.

    Args:
        desk: who acts where.
        key: of the experiment.
        revision: what was looked at; None: as it stands.

    Raises:
        NotFound: no such experiment.
        Conflict: nothing waits, or it was changed since it was looked at.
        SamePerson: the caller wrote or proposed it.
    """
    with desk.change() as connection:
        known, proposal = _waiting(connection, desk, key)
        if revision not in (None, known.revision):
            raise Conflict(f"experiment {key!r} was changed meanwhile; look at it again")
        behind = {person_of(one) for one in (proposal.by, *(known.authors if proposal.action == "start" else ()))}
        since = known.created_at if proposal.action == "start" else proposal.at
        if not _is_another(desk, behind, since=since):
            raise SamePerson(
                f"you wrote or proposed {_WORDS[proposal.action]} yourself: somebody else has to approve it",
                extra={"action": proposal.action, "by": proposal.by},
            )
        approved = desk.actor if proposal.action == "start" else known.approved_by
        fresh = replace(known, proposal=None, approved_by=approved)
        fresh = revising.save(connection, desk, known, fresh, "approve", before=proposal)
        if proposal.action == "reweigh":
            return _reweighed(desk, key, proposal)
        if fresh.starts_at is not None and desk.runtime.now() < fresh.starts_at:
            return fresh
        return lifecycle.start(desk, key)


def decline(desk: Desk, key: str, *, note: str = "") -> Experiment:
    """Take away what waits, also one's own.

    Raises:
        NotFound: no such experiment.
        Conflict: nothing waits.
    """
    with desk.change() as connection:
        known, proposal = _waiting(connection, desk, key)
        fresh = replace(known, proposal=None)
        return revising.save(connection, desk, known, fresh, "decline", before=proposal, after={"note": note})


def _is_another(desk: Desk, behind: set[str], *, since: int) -> bool:
    """Whether the caller is none of these people: neither by their key, nor by one that they made since then."""
    with desk.change() as connection:
        who = person_of(desk.actor)
        while who not in behind:
            made = audit.last_of(connection, desk.project_id, action="create_key", name=who)
            if made is None or made.at < since:
                return True
            who = person_of(made.actor)
    return False


def _gated(
    desk: Desk, key: str, wanted: Proposal, settled: Callable[[Experiment], bool], do: Callable[[], Experiment]
) -> Experiment:
    with desk.change() as connection:
        if not settings_of(projects.load(connection, desk.project_id)).approval:
            return do()
        known = revising.find(connection, desk, key)
        if settled(known):
            return do()
        wanted = replace(wanted, at=desk.runtime.now())
        fresh = replace(known, proposal=wanted)
        fresh = revising.save(connection, desk, known, fresh, "propose", before=known.proposal, after=wanted)
        announce(desk, connection, "experiment.proposed", {"experiment": key, "action": wanted.action})
    raise ApprovalNeeded(
        f"{_WORDS[wanted.action]} waits for another person's approval",
        extra={"experiment": key, "action": wanted.action, "revision": fresh.revision},
    )


def _reweighed(desk: Desk, key: str, wanted: Proposal) -> Experiment:
    with desk.change() as connection:
        fresh = revising.find(connection, desk, key)
        if not (wanted.weights is None and wanted.allocation is None and wanted.traffic is None):
            fresh = splitting.reweigh(
                desk, key, weights=wanted.weights, allocation=wanted.allocation, traffic=wanted.traffic
            )
        if wanted.ramp is not None:
            fresh = splitting.plan_ramp(desk, key, tuple(RampStep(at=at, traffic=share) for at, share in wanted.ramp))
    return fresh


def _waiting(connection: Connection, desk: Desk, key: str) -> tuple[Experiment, Proposal]:
    known = revising.find(connection, desk, key)
    if known.proposal is None:
        raise Conflict(f"nothing of experiment {key!r} waits for approval", extra={"status": known.status})
    return known, known.proposal
