"""The product matching table, mined from the shop's own orders, reviews weighing in; and what changed since then.

What mines is imported when something is mined: it brings scipy, and a service should listen before that.
"""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from offerlab.domain.clock import DAY, iso
from offerlab.errors import InvalidInput
from offerlab.storage import builds, consents
from offerlab.storage.baskets import purchases
from offerlab.storage.database import reading
from offerlab.workflows.defining import put_relations
from offerlab.workflows.desk import Desk
from offerlab.workflows.runtime import Runtime

if TYPE_CHECKING:
    from offerlab.affinity.baskets import Baskets
    from offerlab.affinity.mining import Build

DEFAULT_DAYS: Final = 365
WHOLESALE: Final = 100
"""Distinct products above which a basket is a reseller's and says nothing about what goes together."""

BUNDLES: Final = 20
BUNDLE_SUPPORT: Final = 0.01
BUNDLE_BASKETS: Final = 10
"""A set is worth trying from this share of the baskets and this many of them on, as a pair is a match from ten on."""

LARGEST_BUNDLE: Final = 4
BUNDLE_SETS: Final = 20_000
"""Where more sets than that are frequent, the share is doubled."""

NAMED: Final = 200
"""Pairs that the log of a build names of each kind; their number is told in full."""


class Pair(Struct, frozen=True):
    """A product and what is offered with it."""

    sku: str
    target: str


class Together(Struct, frozen=True):
    """A set of products worth trying as a bundle.

    Attributes:
        skus: what belongs together.
        baskets: how many held all of it. support: their share.
        synergy: how much more often than its weakest two parts would meet by chance.
        appeal: what reviews weigh in; 1 without any.
    """

    skus: tuple[str, ...]
    baskets: int
    support: float
    synergy: float
    appeal: float


class Told(Struct, frozen=True, kw_only=True):
    """One build as it is told.

    Attributes:
        since, until: days of its first and last basket.
        matches, substitutes: relations that it made. reviewed: products whose reviews weighed in.
        new, lost: pairs that the build before had not, or that it had and this has not (at most 200 named).
        new_count, lost_count, moved_count, kept_count: all of them.
        bundles: the sets most worth trying, best first (at most 20).
    """

    built_at: str
    baskets: int
    items: int
    matches: int
    substitutes: int
    reviewed: int
    periods: int
    since: str | None
    until: str | None
    new_count: int
    lost_count: int
    moved_count: int
    kept_count: int
    new: tuple[Pair, ...]
    lost: tuple[Pair, ...]
    bundles: tuple[Together, ...] = ()


def build_matches(desk: Desk, *, days: int = DEFAULT_DAYS, fewest_baskets: int = 5, periods: int = 0) -> "Build":
    """Mine the orders of the last `days` and put the matches beside the curated relations.

    Args:
        desk: who acts where.
        days: how far back orders count.
        fewest_baskets: baskets that a product needs to be counted.
        periods: months in which a pair must have been bought together, so that one season alone makes none.
    """
    return _build(desk, days=days, fewest_baskets=fewest_baskets, periods=periods)[0]


def rebuild(desk: Desk, *, days: int = DEFAULT_DAYS, periods: int = 0) -> Told:
    """As `build_matches`, told with its difference to the build before."""
    return _build(desk, days=days, fewest_baskets=5, periods=periods)[1]


def _build(desk: Desk, *, days: int, fewest_baskets: int, periods: int) -> "tuple[Build, Told]":
    from offerlab.affinity.baskets import BasketRules, collect  # noqa: PLC0415 - see above
    from offerlab.affinity.counting import count  # noqa: PLC0415 - likewise
    from offerlab.affinity.evidence import Floor, examine  # noqa: PLC0415 - likewise
    from offerlab.affinity.mining import difference, mine, relations  # noqa: PLC0415 - likewise
    from offerlab.affinity.ratings import weights  # noqa: PLC0415 - likewise
    from offerlab.affinity.standins import stand_ins  # noqa: PLC0415 - likewise

    now = desk.runtime.now()
    snapshot = desk.runtime.snapshot(desk.project_id)
    kept = snapshot.ruleset.settings.retention.contracts
    before = [one for some in snapshot.relations.values() for one in some if one.source == "affinity"]
    with reading(desk.runtime.engine) as connection:
        objecting = consents.objecting(connection, desk.project_id)
        since = now - min(days, kept if kept is not None else days) * DAY
        lines = purchases(connection, desk.project_id, since=since, until=now, without=objecting)
        reviews = builds.ratings(connection, desk.project_id)
    rules = BasketRules(is_product=snapshot.products.__contains__, largest=WHOLESALE, fewest_baskets=fewest_baskets)
    baskets = collect(lines, rules)
    findings = examine(count(baskets), Floor(fewest_periods=periods))
    liked = weights(baskets.items, reviews) if reviews else None
    build = mine(baskets, findings=findings, weights=liked)
    found = (*relations(build), *stand_ins(findings, snapshot.products))
    changed = difference(before, found)
    told = Told(
        built_at=iso(now),
        baskets=build.baskets,
        items=build.items,
        matches=len(build.matches),
        substitutes=len(found) - len(build.matches),
        reviewed=len(reviews.keys() & set(baskets.items)),
        periods=periods,
        since=_day(build.first_day),
        until=_day(build.last_day),
        new_count=len(changed.new),
        lost_count=len(changed.lost),
        moved_count=len(changed.moved),
        kept_count=changed.kept,
        new=tuple(Pair(*pair) for pair in changed.new[:NAMED]),
        lost=tuple(Pair(*pair) for pair in changed.lost[:NAMED]),
        bundles=_bundles(baskets, {} if liked is None else dict(zip(baskets.items, liked.tolist(), strict=True))),
    )
    with desk.change() as connection:
        put_relations(desk, found, source="affinity")
        builds.add(connection, desk.project_id, now, {**msgspec.to_builtins(told), "days": days})
    return build, told


def _bundles(baskets: "Baskets", appeal: Mapping[str, float]) -> tuple[Together, ...]:
    """Sets of two to four products whose every part belongs to the rest; best first by what chance does not explain."""
    from offerlab.affinity.bundles import bundles  # noqa: PLC0415 - see above
    from offerlab.affinity.itemsets import frequent_itemsets  # noqa: PLC0415 - likewise

    support = max(BUNDLE_SUPPORT, BUNDLE_BASKETS / max(baskets.count, 1))
    while support <= 1:
        try:
            found = frequent_itemsets(baskets, support=support, largest=LARGEST_BUNDLE, most=BUNDLE_SETS)
        except InvalidInput:  # baskets so full that nearly everything meets: only what meets more often is looked at
            support *= 2
            continue
        best = bundles(found, appeal=appeal, largest=LARGEST_BUNDLE)[:BUNDLES]
        return tuple(Together(one.items, one.baskets, one.support, one.synergy, one.appeal) for one in best)
    return ()


def _day(ordinal: int) -> str | None:
    return date.fromordinal(ordinal).isoformat() if ordinal else None


def builds_of(runtime: Runtime, project_id: int, *, limit: int = 20) -> list[dict[str, Any]]:
    """The newest builds, newest first."""
    with reading(runtime.engine) as connection:
        return [body for _, body in builds.latest(connection, project_id, limit=limit)]


def is_due(runtime: Runtime, project_id: int, now: int) -> dict[str, int] | None:
    """With what the table is to be mined anew; None when it is not, or was never mined: a schedule begins by hand."""
    every = runtime.snapshot(project_id).ruleset.settings.rebuild_days
    if every is None:
        return None
    with reading(runtime.engine) as connection:
        last = builds.latest(connection, project_id, limit=1)
    if not last or now - last[0][0] < every * DAY:
        return None
    body = last[0][1]
    return {"days": int(body.get("days", DEFAULT_DAYS)), "periods": int(body.get("periods", 0))}
