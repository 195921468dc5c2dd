"""A shop file compared with what is stored, then brought about.

The plan is made of the very steps that are then taken, all in one transaction: what was shown is what happens, or
nothing does. Applying a file twice finds nothing to do. What a file does not name is left alone; nothing is deleted.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct

from offerlab.affinity.matching_table import read_matching_table
from offerlab.api.shopexperiment import experiment_steps
from offerlab.api.shopfile import ShopFile
from offerlab.api.shopstep import Action, Planned, Step, changed
from offerlab.domain.layer import Layer
from offerlab.domain.metric import CustomMetric
from offerlab.domain.presets import Preset
from offerlab.domain.product import Product, Relation
from offerlab.errors import ApprovalNeeded, InvalidDefinition, InvalidInput
from offerlab.workflows import configuring, defining
from offerlab.workflows.audience import Audience, suggested
from offerlab.workflows.desk import Desk
from offerlab.workflows.snapshot import Snapshot


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
        *(step for one in file.experiments for step in experiment_steps(one, snapshot)),
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
        yield Step(planned, configuring.put_settings, (wanted,))


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
        planned = Planned(kind="product", key=one.sku, action=action, fields=changed(known, one))
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
                Planned(kind="segment", key=one.key, action="change", fields=changed(known, one)),
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
        fields = tuple(name for name in changed(known, one) if name != "version")
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
            planned = Planned(kind="metric", key=one.key, action="change", fields=changed(known, one))
            yield Step(planned, defining.update_metric, (one,))
