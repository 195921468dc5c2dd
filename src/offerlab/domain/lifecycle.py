"""The life of an experiment from draft to archive: which step follows which, and what may still change on the way."""

from typing import Final, Literal

from msgspec import structs

from offerlab.domain.experiment import Change, Experiment, Status
from offerlab.errors import Conflict

Action = Literal["start", "pause", "resume", "stop", "archive"]


_NEXT: Final[dict[tuple[Status, Action], Status]] = {
    ("draft", "start"): "running",
    ("running", "pause"): "paused",
    ("paused", "resume"): "running",
    ("running", "stop"): "stopped",
    ("paused", "stop"): "stopped",
    ("draft", "archive"): "archived",
    ("stopped", "archive"): "archived",
}


MAY_CHANGE: Final = ("weights", "allocation", "traffic", "ramp", "auto_pause", "name", "hypothesis")
"""What may change on a started experiment; everything else froze at its start."""


def may_change(status: Status) -> tuple[str, ...]:
    """Settings that may still change in this status; `*` is all of them."""
    if status == "draft":
        return ("*",)
    return MAY_CHANGE if status in ("running", "paused") else ()


def after(experiment: Experiment, action: Action) -> Status:
    """The status that `action` leads to.

    Raises:
        Conflict: the experiment's life has no such step.
    """
    status = _NEXT.get((experiment.status, action))
    if status is None:
        raise Conflict(
            f"experiment {experiment.key!r} is {experiment.status}: it cannot {action}",
            extra={"status": experiment.status, "action": action},
        )
    return status


def moved(experiment: Experiment, action: Action, *, now: int, serve: dict[str, str] | None = None) -> Experiment:
    """The experiment after `action` at `now`; `serve` only with `stop`."""
    status = after(experiment, action)
    change = Change(at=now, status=status, serve=serve or {})
    if status == "archived" and experiment.changes:
        change = structs.replace(change, serve={})
    return structs.replace(
        experiment, status=status, changes=(*experiment.changes, change), revision=experiment.revision + 1
    )


def started_at(experiment: Experiment) -> int:
    """When it first ran, microseconds UTC; the planned start (or zero) of one that never did."""
    first = next((change.at for change in experiment.changes if change.status == "running"), None)
    return first if first is not None else experiment.starts_at or 0


def stopped_at(experiment: Experiment) -> int | None:
    """When it was stopped for good, microseconds UTC; None before."""
    return next((change.at for change in experiment.changes if change.status == "stopped"), None)
