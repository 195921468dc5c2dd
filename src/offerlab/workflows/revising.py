"""What every change of a stored experiment shares: find it, see that it may change, store the next revision.

A revision is stored only over the one that it was made from: of two people, or two replicas, who change an experiment
at once, one succeeds and the other is told.
"""

from msgspec.structs import replace
from sqlalchemy import Connection

from offerlab.domain.experiment import Experiment
from offerlab.errors import Conflict, NotFound
from offerlab.storage import experiments
from offerlab.workflows.desk import Desk


def find(connection: Connection, desk: Desk, key: str) -> Experiment:
    """The experiment as it is stored.

    Raises:
        NotFound: no such experiment.
    """
    known = experiments.find(connection, desk.project_id, key)
    if known is None:
        raise NotFound(f"no experiment has the key {key!r}")
    return known


def find_live(connection: Connection, desk: Desk, key: str) -> Experiment:
    """The experiment as it is stored, if customers are split by it or would be but for a pause.

    Raises:
        NotFound: no such experiment.
        Conflict: it is neither running nor paused.
    """
    known = find(connection, desk, key)
    if not known.is_live:
        raise Conflict(f"experiment {key!r} is {known.status}: nothing is split", extra={"status": known.status})
    return known


def save(
    connection: Connection,
    desk: Desk,
    known: Experiment,
    fresh: Experiment,
    deed: str,
    *,
    before: object = None,
    after: object = None,
) -> Experiment:
    """Store the next revision, with a line in the audit log.

    Args:
        connection: of the desk's open change.
        desk: who acts where.
        known: what the change was made from.
        fresh: what it is to be; its revision is set here.
        deed: the verb in the audit log.
        before: what the log tells of it as it was.
        after: what the log tells of it as it is.

    Raises:
        Conflict: somebody else changed it since.
    """
    stored = replace(fresh, revision=known.revision + 1)
    experiments.save(connection, stored, seen=known.revision)
    desk.log(connection, deed, f"experiment:{known.key}", before=before, after=after)
    return stored
