"""Experiments of a shop file: a draft is changed at will, a started one in what may still change, and else refused."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from offerlab.api.experiment_requests import NewExperiment
from offerlab.api.experiment_responses import ExperimentView, experiment_view
from offerlab.api.shopfile import ShopExperiment
from offerlab.api.shopstep import Planned, Step
from offerlab.domain.experiment import Experiment
from offerlab.domain.schedule import check_ramp
from offerlab.errors import Conflict
from offerlab.workflows import approving, authoring, lifecycle, splitting
from offerlab.workflows.desk import Desk
from offerlab.workflows.snapshot import Snapshot

_SAME: Final = 1e-6
_MAY_CHANGE: Final = frozenset(("name", "hypothesis", "traffic", "allocation", "ramp", "auto_pause"))
_FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(NewExperiment))


def experiment_steps(sent: ShopExperiment, snapshot: Snapshot) -> Iterator[Step]:
    """What it takes to make a stored experiment what the file says.

    Raises:
        Conflict: it has started, and would have to change in what froze.
    """
    one, key = sent.to_domain(), sent.key
    known = snapshot.experiments.get(key)
    if known is None:
        yield Step(Planned(kind="experiment", key=key, action="create"), authoring.draft, (one,))
    elif known.status in ("stopped", "archived"):
        return
    elif known.status == "draft":
        fields = _differing(known, one)
        if fields:
            yield Step(
                Planned(kind="experiment", key=key, action="change", fields=fields),
                authoring.edit,
                (one,),
            )
    else:
        yield from _running(known, one)
        return
    if sent.start:
        yield Step(Planned(kind="experiment", key=key, action="start"), approving.start, (key,))


def _running(known: Experiment, one: Experiment) -> Iterator[Step]:
    """What may still change on a started experiment; all else is refused by name."""
    frozen = [name for name in _differing(known, one) if name not in _MAY_CHANGE and name != "variants"]
    arms, sent_arms = ([(arm.key, arm.role, arm.offer) for arm in each.variants] for each in (known, one))
    if arms != sent_arms:
        frozen.append("variants")
    if frozen:
        raise Conflict(
            f"experiment {known.key!r} has started: {', '.join(frozen)} can't change any more",
            extra={"experiment": known.key, "frozen": frozen},
        )
    epoch = experiment_view(known).epochs[-1]
    weights = {arm.key: arm.weight for arm in one.variants}
    changes: dict[str, Any] = {}
    split: dict[str, Any] = {}
    if known.adaptive is None and not _alike(epoch.weights.get("*", weights), weights):
        split["weights"] = weights
    if any(not _alike(epoch.weights.get(segment, {}), shares) for segment, shares in one.allocation.items()):
        split["allocation"] = one.allocation
    if not one.ramp and abs(epoch.traffic - one.traffic) > _SAME:
        split["traffic"] = one.traffic
    changes |= {
        name: getattr(one, name) for name in ("name", "hypothesis") if getattr(known, name) != getattr(one, name)
    }
    if split or changes:
        planned = Planned(kind="experiment", key=known.key, action="reweigh", fields=(*split, *changes))
        yield Step(planned, _changed_split, (known.key, changes, split))
    if one.ramp != known.ramp:
        check_ramp(one)
        fields = ("ramp", "ramp_halted") if known.ramp_halted else ("ramp",)
        planned = Planned(kind="experiment", key=known.key, action="change", fields=fields)
        yield Step(planned, approving.reweigh, (known.key,), {"ramp": one.ramp})
    if one.auto_pause != known.auto_pause:
        planned = Planned(kind="experiment", key=known.key, action="change", fields=("auto_pause",))
        yield Step(planned, lifecycle.set_auto_pause, (known.key,), {"on": one.auto_pause})


def _changed_split(desk: Desk, key: str, names: dict[str, Any], split: dict[str, Any]) -> None:
    if names:
        splitting.reweigh(desk, key, **names)
    if split:
        approving.reweigh(desk, key, **split)


def _alike(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return all(abs(a.get(key, 0.0) - b.get(key, 0.0)) <= _SAME for key in {*a, *b})


def _differing(known: Experiment, one: Experiment) -> tuple[str, ...]:
    """Settings in which two experiments differ; a planned sample that the start worked out is none."""
    before, after = (sent_fields(experiment_view(each)) for each in (known, one))
    if after["analysis"]["planned_customers"] is None:
        before["analysis"]["planned_customers"] = None
    return tuple(name for name in _FIELDS if before[name] != after[name])


def sent_fields(view: ExperimentView) -> dict[str, Any]:
    """Of an experiment as it is shown, what can be sent."""
    plain: dict[str, Any] = msgspec.to_builtins(view)
    return {name: plain[name] for name in _FIELDS}
