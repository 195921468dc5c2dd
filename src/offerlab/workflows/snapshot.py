"""One project's rules in memory: loaded whole, compiled once, replaced when the version moves."""

import logging
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from offerlab.assignment.ruleset import Rules, Ruleset, compile_ruleset
from offerlab.domain.experiment import Experiment
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product, Relation
from offerlab.domain.project import ProjectSettings
from offerlab.domain.segment import Segment
from offerlab.errors import InvalidDefinition
from offerlab.intake.purchases import Catalogue
from offerlab.messaging.message import Message, compile_message
from offerlab.storage import experiments, offers, products, projects, segments
from offerlab.storage.projects import Project
from offerlab.workflows.planning import automatic_of

_log: Final = logging.getLogger(__name__)


class Snapshot(Struct, frozen=True, kw_only=True, gc=False):
    """Everything a request may ask about a project without touching the store.

    Attributes:
        experiments: all of them by key, archived ones included.
        messages: compiled texts by offer key.
        relations: by sku of the product that gives rise to an offer.
        automatic: keys of the experiments that an event sets off, by trigger.
    """

    project: Project
    ruleset: Ruleset
    experiments: dict[str, Experiment]
    offers: dict[str, Offer]
    products: dict[str, Product]
    segments: dict[str, Segment]
    messages: dict[str, Message]
    relations: dict[str, tuple[Relation, ...]]
    catalogue: Catalogue
    automatic: dict[str, tuple[str, ...]]


def load_snapshot(connection: Connection, project_id: int) -> Snapshot:
    """Read and compile a project's rules."""
    project = projects.load(connection, project_id)
    rules = Rules(
        version=project.version,
        settings=settings_of(project),
        experiments=tuple(experiments.everything(connection, project_id)),
        offers=tuple(offers.everything(connection, project_id).values()),
        products=tuple(products.everything(connection, project_id).values()),
        segments=tuple(segments.everything(connection, project_id).values()),
        relations=tuple(products.relations_of(connection, project_id)),
    )
    return make_snapshot(project, rules)


def make_snapshot(project: Project, rules: Rules) -> Snapshot:
    """Compile a project's rules, wherever they were read."""
    by_key = {experiment.key: experiment for experiment in rules.experiments}
    known_offers = {offer.key: offer for offer in rules.offers}
    known_products = {product.sku: product for product in rules.products}
    return Snapshot(
        project=project,
        ruleset=compile_ruleset(rules),
        experiments=by_key,
        offers=known_offers,
        products=known_products,
        segments={segment.key: segment for segment in rules.segments},
        messages=_messages(known_offers),
        relations=_by_sku(rules.relations),
        catalogue=_catalogue(project.currency, known_products, by_key, known_offers),
        automatic=automatic_of(rules.experiments, known_offers),
    )


def settings_of(project: Project) -> ProjectSettings:
    """The project's own rules; what is stored says only what differs from the defaults."""
    return msgspec.convert({**project.settings, "currency": project.currency}, ProjectSettings)


def _messages(known: dict[str, Offer]) -> dict[str, Message]:
    """Compiled texts; an old offer that a later release can't read must not keep the others from being served."""
    compiled: dict[str, Message] = {}
    for key, offer in known.items():
        try:
            compiled[key] = compile_message(offer.message)
        except InvalidDefinition as error:
            _log.error("offer %s has unreadable texts, its messages stay empty: %s", key, error.detail)
    return compiled


def _catalogue(
    currency: str,
    known: dict[str, Product],
    experiments_by_key: dict[str, Experiment],
    known_offers: Mapping[str, Offer],
) -> Catalogue:
    costs = {sku: product.unit_cost_micro for sku, product in known.items()}
    arms = {
        key: (experiment.id, tuple(arm.key for arm in experiment.variants))
        for key, experiment in experiments_by_key.items()
    }
    alone = {
        key: offer.products[0]
        for key, offer in known_offers.items()
        if offer.match == "curated" and len(offer.products) == 1
    }
    return Catalogue(currency=currency, cost_of=costs.get, experiment=arms.get, offered=alone.get)


def _by_sku(relations: Iterable[Relation]) -> dict[str, tuple[Relation, ...]]:
    grouped: dict[str, list[Relation]] = {}
    for relation in relations:
        grouped.setdefault(relation.sku, []).append(relation)
    return {sku: tuple(items) for sku, items in grouped.items()}
