"""Codes in the wrong hands: redeemed by a customer whom the experiment never gave them (S61)."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from offerlab.domain.experiment import Experiment
from offerlab.domain.offer import Offer
from offerlab.errors import NotFound
from offerlab.storage import codes
from offerlab.storage.codes import Redeemed
from offerlab.storage.database import reading
from offerlab.workflows.presenting import own_code
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.snapshot import Snapshot

SHOWN: Final = 100
_LENGTH: Final = 12


class CodeUse(Struct, frozen=True, kw_only=True):
    """How an offer's codes were used.

    Attributes:
        redeemed: orders that carried one. leaked: those of customers who were never given it.
        orders: the leaked ones, at most a hundred.
    """

    offer: str
    code: str
    redeemed: int
    leaked: int
    orders: list[str]


def code_uses(runtime: Runtime, project_id: int, key: str) -> list[CodeUse]:
    """Every offer with a code that the experiment shows, in order of their keys.

    Raises:
        NotFound: no such experiment.
    """
    snapshot = runtime.snapshot(project_id)
    experiment = snapshot.experiments.get(key)
    if experiment is None:
        raise NotFound(f"no experiment has the key {key!r}")
    coded = [snapshot.offers[name] for name in sorted(set(experiment.offer_keys())) if name in snapshot.offers]
    coded = [offer for offer in coded if offer.discount.code != "none"]
    started = experiment.epochs[0].started_at if experiment.epochs else runtime.now()
    with reading(runtime.engine) as connection:
        orders = codes.redeemed(connection, project_id, experiment.id, since=started) if coded else []
        return [_use(snapshot, connection, experiment, offer, orders) for offer in coded]


def _use(
    snapshot: Snapshot, connection: Connection, experiment: Experiment, offer: Offer, orders: Sequence[Redeemed]
) -> CodeUse:
    arms = frozenset(i for i, arm in enumerate(experiment.variants) if arm.offer == offer.key)
    if offer.discount.code == "shared":
        used = [one for one in orders if one.code == offer.discount.shared_code]
        leaked = [one.order_id for one in used if one.variant not in arms]
        return _told(offer, len(used), leaked)
    secret = snapshot.project.secret
    own = [one for one in orders if one.code == own_code(secret, offer.key, one.digest)]
    kept = {one.order_id for one in own}
    foreign = {one.code for one in orders if one.order_id not in kept and len(one.code) == _LENGTH}
    if foreign:
        given = codes.enrolled(connection, snapshot.project.id, experiment.id, arms)
        foreign &= {own_code(secret, offer.key, digest) for digest in given}
    leaked = [one.order_id for one in orders if one.order_id not in kept and one.code in foreign]
    leaked += [one.order_id for one in own if one.variant not in arms]
    return _told(offer, len(own) + sum(one.order_id not in kept and one.code in foreign for one in orders), leaked)


def _told(offer: Offer, redeemed: int, leaked: list[str]) -> CodeUse:
    return CodeUse(
        offer=offer.key,
        code=offer.discount.code,
        redeemed=redeemed,
        leaked=len(leaked),
        orders=sorted(leaked)[:SHOWN],
    )
