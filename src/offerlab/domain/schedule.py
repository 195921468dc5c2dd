"""What the calendar asks of an experiment: start it, widen its traffic step by step, end it. Pure."""

from itertools import pairwise
from typing import Final, Literal

from offerlab.domain.experiment import Experiment, RampStep
from offerlab.errors import InvalidPlan

Due = Literal["start", "stop"]
ON_TIME: Final = "ended on its planned date"
"""The note of an experiment that nobody but the calendar stopped; pages say it in their own language."""


def due(experiment: Experiment, now: int) -> Due | RampStep | None:
    """What is due at `now` (microseconds UTC), or None.

    A draft starts at `starts_at` unless that had passed before it was drafted; a started experiment ends at `ends_at`;
    of several ramp steps that were missed only the last counts. A pause or a halt stops the ramp, never the end.
    """
    if experiment.status == "draft":
        starts, ends = experiment.starts_at, experiment.ends_at
        planned = starts is not None and experiment.created_at < starts <= now
        return "start" if planned and (ends is None or now < ends) else None
    if not experiment.is_live or not experiment.epochs:
        return None
    if experiment.ends_at is not None and experiment.epochs[0].started_at < experiment.ends_at <= now:
        return "stop"
    if experiment.status != "running" or experiment.ramp_halted:
        return None
    passed = [step for step in experiment.ramp if step.at <= now]
    return passed[-1] if passed and passed[-1].traffic > experiment.epochs[-1].traffic else None


def check_ramp(experiment: Experiment) -> None:
    """Refuse a ramp that does not rise, in time and in traffic.

    Raises:
        InvalidPlan: names the step at fault.
    """
    for i, step in enumerate(experiment.ramp):
        if not 0 < step.traffic <= 1:
            raise InvalidPlan(f"traffic {step.traffic} is outside (0, 1]", field=f"ramp[{i}].traffic")
    for i, (earlier, later) in enumerate(pairwise(experiment.ramp), start=1):
        if later.at <= earlier.at:
            raise InvalidPlan("a step comes after the one before", field=f"ramp[{i}].at")
        if later.traffic <= earlier.traffic:
            raise InvalidPlan("a ramp only rises: who is in stays in", field=f"ramp[{i}].traffic")
    if experiment.ramp and experiment.ends_at is not None and experiment.ramp[-1].at >= experiment.ends_at:
        raise InvalidPlan("the last step comes before the end", field=f"ramp[{len(experiment.ramp) - 1}].at")
