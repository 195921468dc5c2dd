"""Small experiments for the tests of this room: every argument stands where the test is read."""

from msgspec import structs

from offerlab.assignment.allocation import claim_layers, first_epoch
from offerlab.assignment.ruleset import Rules, Ruleset, compile_ruleset
from offerlab.domain.decision import Decision
from offerlab.domain.experiment import Claim, Experiment, MetricPlan, Variant
from offerlab.domain.layer import Layer
from offerlab.domain.lifecycle import moved
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product, Relation
from offerlab.domain.project import ProjectSettings
from offerlab.domain.segment import Segment, parse_rule

START = 1_790_000_000_000_000
"""When experiments start, microseconds UTC (September 2026)."""

NOW = START + 86_400_000_000
"""A day later."""

ARMS = (Variant(key="control", weight=0.5), Variant(key="capsules-20", weight=0.5))


def draft(number: int = 1, key: str = "", *, variants: tuple[Variant, ...] = ARMS, **fields: object) -> Experiment:
    """An experiment of two equal arms, unless told otherwise."""
    experiment = Experiment(
        id=number,
        key=key or f"e{number}",
        salt=f"salt-{number}",
        variants=variants,
        metrics=MetricPlan(primary="revenue_per_customer"),
    )
    return structs.replace(experiment, **fields)


def started(experiment: Experiment, claims: tuple[Claim, ...] = (), *, at: int = START) -> Experiment:
    """The experiment running since `at`."""
    epoch = first_epoch(experiment, at, claims)
    return moved(structs.replace(experiment, epochs=(epoch,)), "start", now=at)


def running(number: int = 1, key: str = "", *, variants: tuple[Variant, ...] = ARMS, **fields: object) -> Experiment:
    """A running experiment without layers."""
    return started(draft(number, key, variants=variants, **fields))


def in_layer(experiment: Experiment, *layers: Layer, taken: tuple[Experiment, ...] = ()) -> Experiment:
    """The experiment running with its share of the layers that `taken` leaves."""
    experiment = structs.replace(experiment, layer=tuple(layer.key for layer in layers))
    slots = {
        layer.key: [claim.slots for other in taken for claim in other.claims if claim.layer == layer.key]
        for layer in layers
    }
    return started(experiment, claim_layers(layers, slots, experiment.traffic))


def holdout(number: int, share: float, *, covers: str = "*") -> Experiment:
    """A running holdout that keeps `share` of the customers from what it covers."""
    arms = (Variant(key="held_out", weight=share), Variant(key="programme", weight=1 - share))
    return running(number, f"holdout-{number}", variants=arms, holdout=covers)


def segment(key: str, rule: object, *, priority: int = 100) -> Segment:
    """A segment from its rule as it goes over the wire."""
    return Segment(key=key, rule=parse_rule(rule), priority=priority)


def said(decision: Decision) -> Decision:
    """The decision without its outcome's number, which only tells where a caller may keep what it rendered."""
    return structs.replace(decision, outcome=structs.replace(decision.outcome, index=0))


def ruleset(
    *experiments: Experiment,
    segments: tuple[Segment, ...] = (),
    offers: tuple[Offer, ...] = (),
    products: tuple[Product, ...] = (),
    relations: tuple[Relation, ...] = (),
    settings: ProjectSettings = ProjectSettings(),  # noqa: B008 - frozen
) -> Ruleset:
    """These definitions, compiled."""
    return compile_ruleset(
        Rules(
            version=1,
            settings=settings,
            experiments=experiments,
            offers=offers,
            products=products,
            segments=segments,
            relations=relations,
        )
    )
