"""Batches of an adaptive allocation: from the moments so far to the weights of those who come next.

A batch opens an epoch like any change of weights: whoever was exposed keeps arm and propensity, and later exposures
carry the new one. Every replica looks; the first to store the batch wins and the others find it done.
"""

from typing import Final

from msgspec.structs import replace

from offerlab.aggregation.needs import needs_of_plan
from offerlab.aggregation.sql import SqlEngine
from offerlab.domain.clock import MINUTE
from offerlab.domain.experiment import Experiment, MetricPlan
from offerlab.domain.lifecycle import started_at
from offerlab.reporting.batches import next_weights
from offerlab.storage import offers
from offerlab.storage.database import reading
from offerlab.workflows import splitting
from offerlab.workflows.desk import Desk
from offerlab.workflows.rounds import apart
from offerlab.workflows.runtime import Runtime

ACTOR: Final = "allocation"


def adapt(runtime: Runtime, project_id: int) -> list[str]:
    """Open the batches that are due.

    Returns:
        Keys of the experiments whose weights this replica moved.
    """
    moved: list[str] = []
    for key in batches_due(runtime, project_id):
        experiment = runtime.snapshot(project_id).experiments[key]
        with apart(key, "its weights can't follow its results"):
            weights = _weights(runtime, project_id, experiment)
            if weights is not None:
                splitting.adapt(Desk(runtime, project_id, ACTOR), key, weights, seen=experiment.revision)
                moved.append(key)
    return moved


def batches_due(runtime: Runtime, project_id: int) -> list[str]:
    """Keys of the experiments whose next batch may begin."""
    now = runtime.now()
    return [key for key, one in runtime.snapshot(project_id).experiments.items() if is_due(one, now)]


def is_due(experiment: Experiment, now: int) -> bool:
    """Whether the next batch may begin at `now`, microseconds UTC."""
    adaptive = experiment.adaptive
    if adaptive is None or experiment.status != "running" or not experiment.epochs:
        return False
    return experiment.epochs[-1].started_at + adaptive.every_hours * 60 * MINUTE <= now


def _weights(runtime: Runtime, project_id: int, experiment: Experiment) -> tuple[float, ...] | None:
    plan = experiment.metrics
    own = tuple(each for each in plan.custom if each.key == plan.primary)
    lean = replace(experiment, metrics=MetricPlan(primary=plan.primary, custom=own))
    with reading(runtime.engine) as connection:
        cells = SqlEngine(connection, project_id).cells(
            lean,
            needs_of_plan(lean.metrics),
            offers=offers.in_force(connection, project_id, lean.offer_keys(), at=started_at(lean)),
            currency=runtime.snapshot(project_id).project.currency,
            as_of=runtime.instant(connection),
            segment_by="segment",
        )
    return next_weights(lean, cells)
