"""Experiments before they start: drafted, edited, checked against what the shop has defined.

Each verb is one transaction that also raises the project's version and writes the audit log. What experiments are made
of is defined in `defining`; how one lives on is `lifecycle`, and how it splits its customers `splitting`.
"""

from msgspec.structs import replace
from sqlalchemy import Connection

from offerlab.domain.experiment import Experiment
from offerlab.domain.lifecycle import MAY_CHANGE
from offerlab.domain.requirement import check_requirements
from offerlab.domain.schedule import check_ramp
from offerlab.domain.soundness import check_experiment
from offerlab.errors import Conflict, InvalidDefinition
from offerlab.storage import experiments, metrics, offers, segments
from offerlab.workflows import revising
from offerlab.workflows.desk import Desk, same_or_conflict


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
        check_definition(connection, desk, fresh)
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
        known = revising.find(connection, desk, experiment.key)
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
        check_definition(connection, desk, fresh)
        return revising.save(connection, desk, known, fresh, "edit", before=known, after=fresh)


def _with_own_metrics(connection: Connection, desk: Desk, experiment: Experiment) -> Experiment:
    """The plan with the definitions of the shop's own metrics in it, in order of their roles."""
    known = metrics.everything(connection, desk.project_id)
    own = tuple(known[key] for key in experiment.metrics.roles() if key in known)
    return replace(experiment, metrics=replace(experiment.metrics, custom=own))


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


def check_definition(connection: Connection, desk: Desk, experiment: Experiment) -> None:
    """Refuse an experiment that contradicts itself or the shop as it stands now.

    Raises:
        InvalidDefinition, InvalidPlan: names the field at fault.
    """
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
