"""How a started experiment splits its customers: weights and traffic by hand, by results, or by a planned ramp.

Each verb is one transaction that also raises the project's version and writes the audit log; when it returns, this
process already serves by it. A new split opens an epoch: nobody who is in moves.
"""

from collections.abc import Sequence

from msgspec.structs import replace
from sqlalchemy import Connection

from offerlab.assignment.adapting import adapted, shares_now
from offerlab.assignment.allocation import Slots, claim_layers, next_epoch
from offerlab.domain.experiment import Claim, Epoch, Experiment, RampStep
from offerlab.domain.schedule import check_ramp, due
from offerlab.errors import Conflict
from offerlab.storage import experiments, segments
from offerlab.workflows import revising
from offerlab.workflows.desk import Desk
from offerlab.workflows.webhooks import announce


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
        known = revising.find_live(connection, desk, key)
        fresh = replace(
            known,
            name=known.name if name is None else name,
            hypothesis=known.hypothesis if hypothesis is None else hypothesis,
        )
        if known.adaptive is not None and not (weights is None and allocation is None):
            raise Conflict(
                f"the weights of {key!r} follow its results: nobody sets them by hand",
                field="weights",
                extra={"adaptive": True},
            )
        if not (weights is None and allocation is None and traffic is None):
            now = _next_instant(desk, known)
            slots = None if traffic is None else claims(connection, desk, known, traffic)
            epoch = next_epoch(known, now, weights=weights, allocation=allocation, traffic=traffic, claims=slots)
            fresh = replace(fresh, epochs=(*known.epochs, epoch), traffic=epoch.traffic)
        fresh = revising.save(connection, desk, known, fresh, "reweigh", before=_epoch(known), after=_epoch(fresh))
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
        known = revising.find(connection, desk, key)
        if known.revision != seen or known.status != "running" or known.adaptive is None:
            raise Conflict(f"experiment {key!r} was changed meanwhile: this batch is not due any more")
        fresh = replace(known, epochs=(*known.epochs, adapted(known, _next_instant(desk, known), weights)))
        fresh = revising.save(connection, desk, known, fresh, "adapt", before=_shares(known), after=_shares(fresh))
        announce(desk, connection, "experiment.reweighed", {"experiment": key, "epoch": fresh.epochs[-1].number})
    return fresh


def plan_ramp(desk: Desk, key: str, ramp: tuple[RampStep, ...]) -> Experiment:
    """Plan how traffic grows from now on; a halted ramp goes on by the new plan.

    Raises:
        NotFound: no such experiment.
        Conflict: it is neither running nor paused.
        InvalidPlan: a step that does not rise.
    """
    with desk.change() as connection:
        known = revising.find_live(connection, desk, key)
        fresh = replace(known, ramp=ramp, ramp_halted="")
        check_ramp(fresh)
        return revising.save(connection, desk, known, fresh, "plan_ramp", before=known.ramp, after=ramp)


def widen(desk: Desk, key: str, step: RampStep) -> Experiment:
    """Take one step of the ramp; nobody who is in moves.

    Raises:
        Conflict: somebody was faster, or a layer has no room.
    """
    with desk.change() as connection:
        known = revising.find(connection, desk, key)
        if due(known, desk.runtime.now()) != step:
            raise Conflict(f"experiment {key!r}: this step is not due any more", extra={"status": known.status})
        return reweigh(desk, key, traffic=step.traffic)


def halt_ramp(desk: Desk, key: str, why: str) -> Experiment:
    """Let the ramp stand still until a person plans it anew.

    Raises:
        Conflict: somebody was faster.
    """
    with desk.change() as connection:
        known = revising.find(connection, desk, key)
        if known.ramp_halted:
            raise Conflict(f"the ramp of {key!r} stands still already")
        fresh = revising.save(connection, desk, known, replace(known, ramp_halted=why), "halt_ramp", after=why)
        announce(desk, connection, "experiment.ramp_halted", {"experiment": key, "reason": why})
    return fresh


def claims(connection: Connection, desk: Desk, experiment: Experiment, traffic: float) -> tuple[Claim, ...]:
    """Slots in each of the experiment's layers for this share of traffic, beside what the others hold.

    The desk lets nobody else claim any meanwhile.

    Raises:
        Conflict: a layer has no room.
    """
    if not experiment.layers:
        return ()
    known = segments.layers_of(connection, desk.project_id)
    taken: dict[str, list[Slots]] = {key: [] for key in experiment.layers}
    for other in experiments.everything(connection, desk.project_id, archived=False):
        if other.id != experiment.id and other.is_live:
            for claim in other.claims:
                taken.setdefault(claim.layer, []).append(claim.slots)
    return claim_layers([known[key] for key in experiment.layers], taken, traffic, experiment.claims)


def _shares(experiment: Experiment) -> dict[str, float]:
    return {arm.key: share for arm, share in zip(experiment.variants, shares_now(experiment), strict=True)}


def _epoch(experiment: Experiment) -> Epoch | None:
    return experiment.epochs[-1] if experiment.epochs else None


def _next_instant(desk: Desk, experiment: Experiment) -> int:
    """When a new epoch begins: now, but after the last one also where a clock was set back."""
    return max(desk.runtime.now(), experiment.epochs[-1].started_at + 1)
