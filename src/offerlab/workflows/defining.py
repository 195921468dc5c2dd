"""What a shop defines: products, relations, offers, segments, attributes, metrics, layers.

Each verb is one transaction that also raises the project's version and writes the audit log; when it returns, this
process already serves by it. What a running experiment uses is frozen.
"""

from collections.abc import Callable, Sequence

from msgspec import to_builtins
from msgspec.structs import replace
from sqlalchemy import Connection

from offerlab.domain.attribute import Attribute, check_attribute, check_rule
from offerlab.domain.experiment import Experiment
from offerlab.domain.layer import Layer
from offerlab.domain.metric import CustomMetric, check_metric
from offerlab.domain.offer import Offer, check_offer
from offerlab.domain.product import Product, Relation, check_relation
from offerlab.domain.segment import Segment
from offerlab.errors import Conflict, InvalidDefinition, NotFound
from offerlab.messaging.message import compile_message
from offerlab.storage import experiments, metrics, offers, products, projects, segments
from offerlab.storage.database import reading
from offerlab.workflows.desk import Desk, same_or_conflict
from offerlab.workflows.proofreading import proofread
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.snapshot import settings_of


def put_products(desk: Desk, items: Sequence[Product]) -> tuple[int, int]:
    """Create or update products.

    Returns:
        How many were created and how many updated.
    """
    with desk.change() as connection:
        counts = products.upsert(connection, desk.project_id, items, now=desk.runtime.now())
        name = f"product:{items[0].sku}" if len(items) == 1 else f"{len(items)} products"
        desk.log(connection, "define", name, after=items[0] if len(items) == 1 else None)
    return counts


def create_product(desk: Desk, product: Product) -> bool:
    """Store a new product.

    Returns:
        Whether it was created (False: it stood there already, identical).

    Raises:
        Conflict: another product has this sku.
    """
    with desk.change() as connection:
        known = products.by_sku(connection, desk.project_id, [product.sku]).get(product.sku)
        if known is not None:
            same_or_conflict(known, product, f"product {product.sku!r}")
            return False
        products.upsert(connection, desk.project_id, [product], now=desk.runtime.now())
        desk.log(connection, "define", f"product:{product.sku}", after=product)
    return True


def put_relations(desk: Desk, items: Sequence[Relation], *, source: str) -> None:
    """Replace the relations of one source (curated by a person, or mined) by these.

    Raises:
        InvalidDefinition: a product that the catalogue does not have, one that goes with itself, or an upgrade that
            is not dearer than its base.
    """
    with desk.change() as connection:
        skus = sorted({sku for item in items for sku in (item.sku, item.target)})
        known = products.by_sku(connection, desk.project_id, skus)
        for item in items:
            check_relation(item, known.get)
        products.replace_relations(connection, desk.project_id, items, source=source)
        desk.log(connection, "define", f"{len(items)} relations ({source})")


def create_offer(desk: Desk, offer: Offer) -> tuple[Offer, bool]:
    """Store a new offer.

    Returns:
        The offer, and whether it was created (False: it stood there already, identical).

    Raises:
        Conflict: another offer has this key.
        InvalidDefinition: it contradicts itself or the catalogue.
    """
    with desk.change() as connection:
        known = offers.find(connection, desk.project_id, offer.key)
        if known is not None:
            return same_or_conflict(known, replace(offer, version=known.version), f"offer {offer.key!r}"), False
        _check_offer(connection, desk, offer)
        offers.save(connection, desk.project_id, offer, now=desk.runtime.now())
        desk.log(connection, "define", f"offer:{offer.key}", after=offer)
    return offer, True


def update_offer(desk: Desk, offer: Offer) -> Offer:
    """Store the next version of an offer.

    Raises:
        NotFound: no such offer.
        Conflict: a running experiment shows it.
    """
    with desk.change() as connection:
        known = offers.find(connection, desk.project_id, offer.key)
        if known is None:
            raise NotFound(f"no offer has the key {offer.key!r}")
        if replace(offer, version=known.version) == known:
            return known
        _refuse_if_used(connection, desk, f"offer {offer.key!r}", lambda one: offer.key in one.offer_keys())
        _check_offer(connection, desk, offer)
        fresh = replace(offer, version=known.version + 1)
        offers.save(connection, desk.project_id, fresh, now=desk.runtime.now())
        desk.log(connection, "change", f"offer:{offer.key}", before=known, after=fresh)
    return fresh


def _check_offer(connection: Connection, desk: Desk, offer: Offer) -> None:
    found = products.by_sku(connection, desk.project_id, [*offer.products, *offer.trigger_products])
    check_offer(offer, found.get)
    _check_lineage(connection, desk, offer)
    compile_message(offer.message)
    snapshot = desk.runtime.snapshot(desk.project_id)
    proofread(offer, found or snapshot.products, snapshot.relations, snapshot.ruleset.settings)


def _check_lineage(connection: Connection, desk: Desk, offer: Offer) -> None:
    """A successor follows an offer that exists, and never itself, however many steps away."""
    key, seen = offer.replaces, {offer.key}
    while key is not None:
        before = offers.find(connection, desk.project_id, key)
        if before is None:
            raise InvalidDefinition(f"no offer has the key {key!r}", field="replaces")
        if key in seen:
            raise InvalidDefinition(f"offer {offer.key!r} would be its own successor", field="replaces")
        seen.add(key)
        key = before.replaces


def create_segment(desk: Desk, segment: Segment) -> tuple[Segment, bool]:
    """Store a new segment; see `create_offer`."""
    with desk.change() as connection:
        known = segments.find(connection, desk.project_id, segment.key)
        if known is not None:
            return same_or_conflict(known, segment, f"segment {segment.key!r}"), False
        _check_segment(connection, desk, segment)
        segments.save(connection, desk.project_id, segment, now=desk.runtime.now())
        desk.log(connection, "define", f"segment:{segment.key}", after=segment)
    return segment, True


def update_segment(desk: Desk, segment: Segment) -> Segment:
    """Replace a segment.

    Raises:
        NotFound: no such segment.
        Conflict: a running experiment uses it.
    """
    with desk.change() as connection:
        known = segments.find(connection, desk.project_id, segment.key)
        if known is None:
            raise NotFound(f"no segment has the key {segment.key!r}")
        if known != segment:
            _refuse_if_used(connection, desk, f"segment {segment.key!r}", lambda one: segment.key in one.segments)
            _check_segment(connection, desk, segment)
            segments.save(connection, desk.project_id, segment, now=desk.runtime.now())
            desk.log(connection, "change", f"segment:{segment.key}", before=known, after=segment)
    return segment


def _check_segment(connection: Connection, desk: Desk, segment: Segment) -> None:
    check_rule(segment.rule, settings_of(projects.load(connection, desk.project_id)).attributes)


def put_attribute(desk: Desk, attribute: Attribute) -> Attribute:
    """Register an attribute of customers, in place of what was said of it before.

    Raises:
        InvalidDefinition: a sensitive one without a purpose, a special one without consent, or one that is folded.
        Conflict: a segment looks at it in a way that the new registration forbids.
    """
    check_attribute(attribute)
    with desk.change() as connection:
        stored = projects.load(connection, desk.project_id).settings
        known = settings_of(projects.load(connection, desk.project_id)).attributes
        if known.get(attribute.name) == attribute:
            return attribute
        for segment in segments.everything(connection, desk.project_id).values():
            try:
                check_rule(segment.rule, {**known, attribute.name: attribute})
            except InvalidDefinition as error:
                raise Conflict(f"segment {segment.key!r} contradicts it: {error.detail}") from error
        fresh = {**stored.get("attributes", {}), attribute.name: to_builtins(attribute)}
        projects.save_settings(connection, desk.project_id, {**stored, "attributes": fresh})
        before = known.get(attribute.name)
        desk.log(connection, "define", f"attribute:{attribute.name}", before=before, after=attribute)
    return attribute


def create_metric(desk: Desk, metric: CustomMetric) -> tuple[CustomMetric, bool]:
    """Store a metric of the shop's own; see `create_offer`.

    Raises:
        Conflict: another metric has this key.
        InvalidDefinition: it contradicts itself, or has the key of a metric that every shop has.
    """
    check_metric(metric)
    with desk.change() as connection:
        known = metrics.find(connection, desk.project_id, metric.key)
        if known is not None:
            return same_or_conflict(known, metric, f"metric {metric.key!r}"), False
        metrics.save(connection, desk.project_id, metric, now=desk.runtime.now())
        desk.log(connection, "define", f"metric:{metric.key}", after=metric)
    return metric, True


def update_metric(desk: Desk, metric: CustomMetric) -> CustomMetric:
    """Replace a metric of the shop's own.

    Raises:
        NotFound: no such metric.
        Conflict: an experiment measures it: its plan keeps the definition that it was made with.
        InvalidDefinition: it contradicts itself.
    """
    check_metric(metric)
    with desk.change() as connection:
        known = metrics.find(connection, desk.project_id, metric.key)
        if known is None:
            raise NotFound(f"no metric of this shop has the key {metric.key!r}")
        if known != metric:
            for experiment in experiments.everything(connection, desk.project_id, archived=False):
                if metric.key in experiment.metrics.roles():
                    raise Conflict(
                        f"metric {metric.key!r} is measured by the experiment {experiment.key!r}: it stays as it is",
                        extra={"experiment": experiment.key},
                    )
            metrics.save(connection, desk.project_id, metric, now=desk.runtime.now())
            desk.log(connection, "define", f"metric:{metric.key}", before=known, after=metric)
    return metric


def metrics_of(runtime: Runtime, project_id: int) -> dict[str, CustomMetric]:
    """All metrics of the shop's own by key."""
    with reading(runtime.engine) as connection:
        return metrics.everything(connection, project_id)


def create_layer(desk: Desk, layer: Layer) -> tuple[Layer, bool]:
    """Store a new layer; its salt is drawn here. See `create_offer`."""
    with desk.change() as connection:
        known = segments.find_layer(connection, desk.project_id, layer.key)
        if known is not None:
            return same_or_conflict(known, replace(layer, salt=known.salt), f"layer {layer.key!r}"), False
        layer = replace(layer, salt=desk.runtime.new_salt())
        segments.add_layer(connection, desk.project_id, layer, now=desk.runtime.now())
        desk.log(connection, "define", f"layer:{layer.key}")
    return layer, True


def layers_of(runtime: Runtime, project_id: int) -> dict[str, Layer]:
    """All layers of a project by key."""
    with reading(runtime.engine) as connection:
        return segments.layers_of(connection, project_id)


def _refuse_if_used(connection: Connection, desk: Desk, what: str, uses: Callable[[Experiment], bool]) -> None:
    for experiment in experiments.everything(connection, desk.project_id, archived=False):
        if experiment.is_live and uses(experiment):
            raise Conflict(
                f"{what} is in use by the running experiment {experiment.key!r}: it is frozen until that stops",
                extra={"experiment": experiment.key},
            )
