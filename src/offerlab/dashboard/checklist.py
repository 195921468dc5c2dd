"""What to look at before an experiment starts: its offers' words, and whether profit can be told."""

from collections.abc import Iterator
from urllib.parse import quote

from msgspec import Struct

from offerlab.dashboard.speech import Speech
from offerlab.domain.experiment import Experiment
from offerlab.domain.offer import Offer
from offerlab.workflows.proofreading import findings_of
from offerlab.workflows.snapshot import Snapshot


class Point(Struct, frozen=True):
    """One point: the mark of how it stands, and where to look."""

    mark: str
    text: str
    href: str | None = None


def checklist(experiment: Experiment, snapshot: Snapshot, speech: Speech) -> list[Point]:
    """Each offer that an arm shows, then the unit costs of what they name."""
    offers = [snapshot.offers[key] for key in experiment.offer_keys() if key in snapshot.offers]
    return [*(_words(offer, snapshot, speech) for offer in offers), *_costs(offers, snapshot, speech)]


def _words(offer: Offer, snapshot: Snapshot, speech: Speech) -> Point:
    found = findings_of(offer, snapshot.products, snapshot.relations, snapshot.ruleset.settings)
    href = f"/offers/{quote(offer.key, safe='')}"
    if not found:
        return Point("pass", speech.words("before_words", v=offer.key), href)
    return Point("look", speech.words("before_remarks", v=offer.key, n=speech.count(len(found))), href)


def _costs(offers: list[Offer], snapshot: Snapshot, speech: Speech) -> Iterator[Point]:
    named = {sku for offer in offers for sku in offer.products if sku in snapshot.products}
    without = sum(snapshot.products[sku].unit_cost_micro is None for sku in named)
    if without:
        yield Point("look", speech.words("before_costs", n=speech.count(without), N=speech.count(len(named))))
    elif named:
        yield Point("pass", speech.words("before_costs_known"))
