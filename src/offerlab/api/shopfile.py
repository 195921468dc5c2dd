"""A whole shop in one file: the four steps as definitions, compared with what is stored, then brought about.

The plan is made of the very steps that are then taken, all in one transaction: what was shown is what happens, or
nothing does. Applying a file twice finds nothing to do. What a file does not name is left alone; nothing is deleted.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from offerlab.affinity.matching_table import read_matching_table
from offerlab.api.body import decode
from offerlab.api.experiment_requests import NewExperiment
from offerlab.api.requests import (
    Name,
    NewAttribute,
    NewLayer,
    NewMetric,
    NewOffer,
    NewProduct,
    NewRelation,
    NewSegment,
    Prose,
)
from offerlab.api.responses import ExperimentView, experiment_view, offer_view, product_view, segment_view
from offerlab.domain.experiment import Experiment
from offerlab.domain.layer import Layer
from offerlab.domain.metric import CustomMetric
from offerlab.domain.presets import Preset, PresetKey
from offerlab.domain.product import Product, Relation
from offerlab.domain.project import ProjectSettings
from offerlab.domain.schedule import check_ramp
from offerlab.errors import ApprovalNeeded, Conflict, InvalidDefinition, InvalidInput
from offerlab.workflows import approving, authoring, defining
from offerlab.workflows.audience import Audience, suggested
from offerlab.workflows.desk import Desk
from offerlab.workflows.snapshot import Snapshot

Action = Literal["create", "change", "start", "reweigh"]

FILE_LIMIT: Final = 20_000_000
_SAME: Final = 1e-6
_MAY_CHANGE: Final = frozenset(("name", "hypothesis", "traffic", "allocation", "ramp", "auto_pause"))


class ShopExperiment(NewExperiment, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment, and whether it is to run."""

    start: bool = False


class ShopFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shop's definitions, by step. Every part may be absent.

    Attributes:
        currency: must be the project's, where it is said. settings: those that differ from what is stored.
        presets: segments with limits from the shop's own buyers; one that stands already is left as it is.
        matching: the table `product,cross_sell,upsell` as text; with `relations` it replaces all curated ones.
    """

    currency: str | None = None
    settings: dict[str, object] = {}
    attributes: tuple[NewAttribute, ...] = ()
    presets: tuple[PresetKey, ...] = ()
    segments: tuple[NewSegment, ...] = ()
    products: Annotated[tuple[NewProduct, ...], Meta(max_length=100_000)] = ()
    matching: Prose | None = None
    relations: tuple[NewRelation, ...] = ()
    offers: tuple[NewOffer, ...] = ()
    layers: tuple[NewLayer, ...] = ()
    metrics: tuple[NewMetric, ...] = ()
    experiments: tuple[ShopExperiment, ...] = ()


class Planned(Struct, frozen=True, kw_only=True):
    """One thing that applying the file does, in the order in which it is done.

    Attributes:
        fields: what changes of it, where it exists.
    """

    kind: str
    key: Name
    action: Action
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for a person."""
        changed = f" ({', '.join(self.fields)})" if self.fields else ""
        return f"{self.action:8} {self.kind} {self.key}{changed}"


class Step(Struct, frozen=True):
    """What is shown, and what is done: a verb of a desk with what it is told."""

    planned: Planned
    verb: Callable[..., object]
    told: tuple[object, ...]
    named: dict[str, object] = {}


_DECODER: Final = msgspec.json.Decoder(ShopFile)
_EXPERIMENT: Final = tuple(field.name for field in msgspec.structs.fields(NewExperiment))


def read_shop(body: bytes) -> ShopFile:
    """A shop file from JSON.

    Raises:
        Malformed, InvalidInput: as for any other body; the field at fault is named.
    """
    return decode(body, _DECODER)


class Standing(Struct, frozen=True):
    """What a snapshot does not hold, and a plan needs: layers and own metrics that stand, and the shop's presets."""

    layers: Collection[str] = ()
    metrics: Mapping[str, CustomMetric] = {}
    presets: Mapping[str, Preset] = {}


def steps(file: ShopFile, snapshot: Snapshot, standing: Standing) -> list[Step]:
    """What it takes to make the stored shop what the file says; empty when it is so already.

    Args:
        file: the definitions.
        snapshot: what is stored.
        standing: what else stands; presets are asked for only where the file names one that does not.

    Raises:
        InvalidInput, InvalidDefinition: a definition that can't be taken.
        Conflict: a running experiment would have to change in what froze at its start.
    """
    if file.currency is not None and file.currency != snapshot.project.currency:
        raise InvalidDefinition(f"the project's currency is {snapshot.project.currency}", field="currency")
    return [
        *_settings(file, snapshot),
        *_attributes(file, snapshot),
        *_products(file, snapshot),
        *_relations(file, snapshot),
        *_segments(file, snapshot, standing.presets),
        *_layers(file, standing.layers),
        *_offers(file, snapshot),
        *_metrics(file, standing.metrics),
        *(step for one in file.experiments for step in _experiment(one, snapshot)),
    ]


def plan(desk: Desk, file: ShopFile) -> list[Step]:
    """The steps from what is stored now; see `steps`."""
    runtime, project_id = desk.runtime, desk.project_id
    snapshot = runtime.snapshot(project_id)
    found: Mapping[str, Preset] = {}
    if any(key not in snapshot.segments for key in file.presets):
        _, items = suggested(Audience(runtime), runtime, project_id)
        found = {one.key: one for one in items}
    layers, metrics = defining.layers_of(runtime, project_id), defining.metrics_of(runtime, project_id)
    return steps(file, snapshot, Standing(layers, metrics, found))


def exported(desk: Desk) -> dict[str, Any]:
    """The stored shop in the shape of a shop file; see `definitions`."""
    layers = defining.layers_of(desk.runtime, desk.project_id)
    metrics = defining.metrics_of(desk.runtime, desk.project_id)
    snapshot = desk.runtime.snapshot(desk.project_id)
    return definitions(snapshot, list(layers.values()), [metrics[key] for key in sorted(metrics)])


def carry_out(desk: Desk, todo: Sequence[Step]) -> None:
    """Take all steps in one transaction: all of them stand, or none."""
    if not todo:
        return
    with desk.change():
        for step in todo:
            with suppress(ApprovalNeeded):  # the file is taken; what another person has to approve waits for them
                step.verb(desk, *step.told, **step.named)


def _settings(file: ShopFile, snapshot: Snapshot) -> Iterator[Step]:
    stored: dict[str, object] = msgspec.to_builtins(snapshot.ruleset.settings)
    changed = tuple(name for name, value in file.settings.items() if stored.get(name) != _like(stored.get(name), value))
    if changed:
        wanted = {name: file.settings[name] for name in changed}
        planned = Planned(kind="settings", key="of the project", action="change", fields=changed)
        yield Step(planned, defining.put_settings, (wanted,))


def _like(stored: object, sent: object) -> object:
    """A sent mapping completed by what is stored, so that naming one part of a setting is no change of the others."""
    if isinstance(stored, dict) and isinstance(sent, dict):
        return {**stored, **{name: _like(stored.get(name), value) for name, value in sent.items()}}
    return sent


def _attributes(file: ShopFile, snapshot: Snapshot) -> Iterator[Step]:
    known = snapshot.ruleset.settings.attributes
    for sent in file.attributes:
        one = sent.to_domain()
        if known.get(one.name) != one:
            action: Action = "change" if one.name in known else "create"
            planned = Planned(kind="attribute", key=one.name, action=action)
            yield Step(planned, defining.put_attribute, (one,))


def _products(file: ShopFile, snapshot: Snapshot) -> Iterator[Step]:
    fresh: list[Product] = []
    for sent in file.products:
        one = sent.to_domain()
        known = snapshot.products.get(one.sku)
        if known != one:
            fresh.append(one)
    for one in fresh:
        known = snapshot.products.get(one.sku)
        action: Action = "create" if known is None else "change"
        planned = Planned(kind="product", key=one.sku, action=action, fields=_changed(known, one))
        yield Step(planned, defining.put_products, ([one],))


def _relations(file: ShopFile, snapshot: Snapshot) -> Iterator[Step]:
    if file.matching is None and not file.relations:
        return
    known = {*snapshot.products, *(one.sku for one in file.products)}
    wanted = {(one.sku, one.kind, one.target): one for one in _table(file.matching, known)}
    wanted |= {(one.sku, one.kind, one.target): one for one in (sent.to_domain() for sent in file.relations)}
    stored = {
        (one.sku, one.kind, one.target): one
        for some in snapshot.relations.values()
        for one in some
        if one.source == "curated"
    }
    if wanted != stored:
        changed = tuple(f"{sku} → {target}" for sku, _, target in sorted(wanted.keys() ^ stored.keys()))
        action: Action = "change" if stored else "create"
        planned = Planned(kind="relations", key=f"{len(wanted)} curated", action=action, fields=changed[:5])
        yield Step(planned, defining.put_relations, (tuple(wanted.values()),), {"source": "curated"})


def _table(text: str | None, known: set[str]) -> tuple[Relation, ...]:
    if text is None:
        return ()
    table = read_matching_table(text, known=known)
    if table.bad_rows:
        bad = table.bad_rows[0]
        raise InvalidInput(f"line {bad.line} of the matching table: {bad.problem} {bad.value!r}", field="matching")
    return table.relations


def _segments(file: ShopFile, snapshot: Snapshot, presets: Mapping[str, Preset]) -> Iterator[Step]:
    wanted = [one.to_domain() for one in file.segments]
    for key in file.presets:
        if key in snapshot.segments:
            continue
        preset = presets[key]
        if preset.segment is None:
            raise InvalidDefinition(f"the shop has too few buyers for the preset {key!r}", field="presets")
        wanted.append(preset.segment)
    for one in wanted:
        known = snapshot.segments.get(one.key)
        if known is None:
            yield Step(
                Planned(kind="segment", key=one.key, action="create"),
                defining.create_segment,
                (one,),
            )
        elif known != one:
            yield Step(
                Planned(kind="segment", key=one.key, action="change", fields=_changed(known, one)),
                defining.update_segment,
                (one,),
            )


def _layers(file: ShopFile, known: Collection[str]) -> Iterator[Step]:
    for sent in file.layers:
        if sent.key not in known:
            layer = Layer(key=sent.key, name=sent.name, salt="")
            yield Step(Planned(kind="layer", key=sent.key, action="create"), defining.create_layer, (layer,))


def _offers(file: ShopFile, snapshot: Snapshot) -> Iterator[Step]:
    for sent in file.offers:
        one = sent.to_domain()
        known = snapshot.offers.get(one.key)
        if known is None:
            yield Step(
                Planned(kind="offer", key=one.key, action="create"),
                defining.create_offer,
                (one,),
            )
            continue
        fields = tuple(name for name in _changed(known, one) if name != "version")
        if fields:
            yield Step(
                Planned(kind="offer", key=one.key, action="change", fields=fields),
                defining.update_offer,
                (one,),
            )


def _metrics(file: ShopFile, stored: Mapping[str, CustomMetric]) -> Iterator[Step]:
    for sent in file.metrics:
        one = sent.to_domain()
        known = stored.get(one.key)
        if known is None:
            yield Step(Planned(kind="metric", key=one.key, action="create"), defining.create_metric, (one,))
        elif known != one:
            planned = Planned(kind="metric", key=one.key, action="change", fields=_changed(known, one))
            yield Step(planned, defining.update_metric, (one,))


def _experiment(sent: ShopExperiment, snapshot: Snapshot) -> Iterator[Step]:
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
        yield Step(planned, authoring.set_auto_pause, (known.key,), {"on": one.auto_pause})


def _changed_split(desk: Desk, key: str, names: dict[str, Any], split: dict[str, Any]) -> None:
    if names:
        authoring.reweigh(desk, key, **names)
    if split:
        approving.reweigh(desk, key, **split)


def _alike(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return all(abs(a.get(key, 0.0) - b.get(key, 0.0)) <= _SAME for key in {*a, *b})


def _differing(known: Experiment, one: Experiment) -> tuple[str, ...]:
    """Settings in which two experiments differ; a planned sample that the start worked out is none."""
    before, after = (_sent(experiment_view(each)) for each in (known, one))
    if after["analysis"]["planned_customers"] is None:
        before["analysis"]["planned_customers"] = None
    return tuple(name for name in _EXPERIMENT if before[name] != after[name])


def _sent(view: ExperimentView) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(view)
    return {name: plain[name] for name in _EXPERIMENT}


def _changed(known: Struct | None, one: Struct) -> tuple[str, ...]:
    if known is None:
        return ()
    return tuple(name for name in one.__struct_fields__ if getattr(known, name) != getattr(one, name))


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
    plain = _sent(view)
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
