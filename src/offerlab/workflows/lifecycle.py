"""The life of an experiment: started, paused by a person or a guardrail, resumed, stopped, archived.

Each verb is one transaction that also raises the project's version and writes the audit log; when it returns, this
process already serves by it.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace
from sqlalchemy import Connection

from offerlab.assignment.adapting import opened
from offerlab.assignment.allocation import first_epoch
from offerlab.domain.clock import DAY
from offerlab.domain.experiment import EVERYONE, Conclusion, Experiment
from offerlab.domain.halt import Halt
from offerlab.domain.lifecycle import Action, moved
from offerlab.domain.webhook import MessageType
from offerlab.errors import Conflict, InvalidDefinition, NotAcknowledged
from offerlab.storage import offers, products
from offerlab.storage.arrivals import recent_customers
from offerlab.storage.database import reading
from offerlab.workflows import revising
from offerlab.workflows.authoring import check_definition
from offerlab.workflows.desk import Desk
from offerlab.workflows.splitting import claims
from offerlab.workflows.webhooks import announce

_TOLD: Final[dict[Action, MessageType]] = {
    "start": "experiment.started",
    "pause": "experiment.paused",
    "resume": "experiment.resumed",
    "stop": "experiment.stopped",
    "archive": "experiment.archived",
}
_TOLD_OF_HALTS: Final = ("metric", "variant", "reference", "estimate", "customers")


def start(desk: Desk, key: str) -> Experiment:
    """Start a draft: the plan freezes and the first epoch opens.

    Raises:
        NotFound: no such experiment.
        Conflict: it is no draft, another start was faster, or its layer is full.
    """
    arrivals = _arrivals(desk, key)
    with desk.change() as connection:
        known = revising.find(connection, desk, key)
        check_definition(connection, desk, known)
        now = desk.runtime.now()
        fresh = moved(known, "start", now=now)
        if known.analysis.planned_customers is None and arrivals is not None:
            fresh = replace(fresh, analysis=replace(known.analysis, planned_customers=arrivals))
        epoch = first_epoch(known, now, claims(connection, desk, known, known.traffic))
        if known.adaptive is not None:
            epoch = opened(known.adaptive, epoch, [arm.weight for arm in known.variants])
        fresh = replace(fresh, epochs=(epoch,), bases=_bases(connection, desk, known))
        fresh = revising.save(connection, desk, known, fresh, "start", after=fresh)
        announce(desk, connection, "experiment.started", {"experiment": key})
    return fresh


def _bases(connection: Connection, desk: Desk, experiment: Experiment) -> dict[str, int]:
    """What the upgrades of an experiment are bought instead of, by arm: the dearest of the named bases, in millionths.

    Kept from the start on, so that no later price changes what a report said.
    """
    found: dict[str, int] = {}
    for arm in experiment.variants:
        offer = None if arm.offer is None else offers.find(connection, desk.project_id, arm.offer)
        if offer is not None and offer.kind == "upsell":
            bases = products.by_sku(connection, desk.project_id, offer.trigger_products).values()
            if bases:
                found[arm.key] = max(base.price_micro for base in bases)
    return found


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
        known = revising.find(connection, desk, key)
        before = {(one.metric, one.variant) for one in known.halts}
        fresh_halts = tuple(one for one in found if (one.metric, one.variant) not in before)
        if not fresh_halts:
            raise Conflict(f"experiment {key!r} was paused for this before")
        fresh = replace(moved(known, "pause", now=desk.runtime.now()), halts=(*known.halts, *fresh_halts), note="")
        why = [{name: getattr(one, name) for name in _TOLD_OF_HALTS} for one in fresh_halts]
        revising.save(connection, desk, known, fresh, "auto_pause", before={"status": known.status}, after=why)
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
        known = revising.find(connection, desk, key)
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
        after: dict[str, object] = {"status": fresh.status, "note": note, "acknowledged": unread}
        revising.save(connection, desk, known, fresh, "resume", before={"status": known.status}, after=after)
        announce(desk, connection, _TOLD["resume"], {"experiment": key, **after})
    return fresh


def set_auto_pause(desk: Desk, key: str, *, on: bool) -> Experiment:
    """Switch the pause by a guardrail on or off while the experiment lives.

    Raises:
        NotFound: no such experiment.
        Conflict: it is neither running nor paused.
    """
    with desk.change() as connection:
        known = revising.find_live(connection, desk, key)
        fresh = replace(known, auto_pause=on)
        return revising.save(connection, desk, known, fresh, "set_auto_pause", before=known.auto_pause, after=on)


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
        known = revising.find(connection, desk, key)
        if check is not None:
            check(known)
        fresh = moved(known, action, now=desk.runtime.now(), serve=serve)
        fresh = replace(fresh, conclusion=conclusion or known.conclusion, note=note or known.note)
        after = {"status": fresh.status, "serve": serve or {}, "conclusion": conclusion, "note": note}
        revising.save(connection, desk, known, fresh, action, before={"status": known.status}, after=after)
        announce(desk, connection, _TOLD[action], {"experiment": key, **after})
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
