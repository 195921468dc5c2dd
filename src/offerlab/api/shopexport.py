"""The stored shop as a shop file: what was taken in goes out again."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from offerlab.api.experiment_responses import experiment_view
from offerlab.api.responses import offer_view, product_view, segment_view
from offerlab.api.shopexperiment import sent_fields
from offerlab.domain.experiment import Experiment
from offerlab.domain.layer import Layer
from offerlab.domain.metric import CustomMetric
from offerlab.domain.project import ProjectSettings
from offerlab.workflows import defining
from offerlab.workflows.desk import Desk
from offerlab.workflows.snapshot import Snapshot


def exported(desk: Desk) -> dict[str, Any]:
    """The stored shop in the shape of a shop file; see `definitions`."""
    layers = defining.layers_of(desk.runtime, desk.project_id)
    metrics = defining.metrics_of(desk.runtime, desk.project_id)
    snapshot = desk.runtime.snapshot(desk.project_id)
    return definitions(snapshot, list(layers.values()), [metrics[key] for key in sorted(metrics)])


def definitions(snapshot: Snapshot, layers: Sequence[Layer], metrics: Sequence[CustomMetric]) -> dict[str, Any]:
    """The stored shop in the shape of a shop file: applied to an empty project it makes the same shop.

    Archived experiments and mined relations stay out, and so does who started what when. A running experiment has the
    weights of its current epoch.
    """
    currency = snapshot.project.currency
    settings = _set(snapshot.ruleset.settings)
    attributes = [msgspec.to_builtins(one) for _, one in sorted(snapshot.ruleset.settings.attributes.items())]
    curated = [one for some in snapshot.relations.values() for one in some if one.source == "curated"]
    live = [one for one in snapshot.experiments.values() if one.status != "archived"]
    found: dict[str, Any] = {
        "currency": currency,
        "settings": settings,
        "attributes": attributes,
        "segments": [_plain(segment_view(one)) for one in snapshot.segments.values()],
        "products": [_plain(product_view(one, currency)) for one in snapshot.products.values()],
        "relations": [
            {"sku": one.sku, "kind": one.kind, "target": one.target, "rank": one.rank, "features": list(one.features)}
            for one in curated
        ],
        "offers": [
            {name: value for name, value in _plain(offer_view(one, currency)).items() if name != "version"}
            for one in snapshot.offers.values()
        ],
        "layers": [{"key": one.key, "name": one.name} for one in layers],
        "metrics": [_plain(one) for one in metrics],
        "experiments": [_exported(one) for one in sorted(live, key=lambda one: one.id)],
    }
    return {name: part for name, part in found.items() if part}


def _set(settings: ProjectSettings) -> dict[str, Any]:
    """Settings that differ from their defaults; the currency and the registry of attributes stand elsewhere."""
    plain: dict[str, Any] = msgspec.to_builtins(settings)
    usual: dict[str, Any] = msgspec.to_builtins(ProjectSettings())
    own = ("currency", "attributes")
    return {name: value for name, value in plain.items() if name not in own and value != usual[name]}


def _exported(experiment: Experiment) -> dict[str, Any]:
    view = experiment_view(experiment)
    plain = sent_fields(view)
    if view.epochs:
        epoch = view.epochs[-1]
        for arm in plain["variants"]:
            arm["weight"] = round(epoch.weights.get("*", {}).get(arm["key"], arm["weight"]) or 0.0, 9)
        if not experiment.ramp:
            plain["traffic"] = epoch.traffic
        plain["allocation"] = {
            segment: {key: round(share, 9) for key, share in shares.items()}
            for segment, shares in epoch.weights.items()
            if segment in experiment.allocation
        }
    for arm in plain["variants"]:
        for name in ("role", "offer", "value"):
            if arm[name] is None:
                del arm[name]
    return {**plain, "start": experiment.is_live}


def _plain(view: Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(view)
    return plain
