"""Who a segment holds, before anything is launched: size, value, habits, overlap, reach, and how long a test takes.

Previews read all profiles once into columns. A large shop keeps its columns for a minute: sizing does not need the
order of a second ago, and the answer says of when it is.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from offerlab.assignment.columns import Truths, select
from offerlab.assignment.crowd import Crowd, crowd_of
from offerlab.assignment.profile import is_barred
from offerlab.assignment.rules import reads
from offerlab.domain.clock import DAY, MINUTE, iso
from offerlab.domain.customer import Profile
from offerlab.domain.money import exponent
from offerlab.domain.presets import FEWEST_BUYERS, HIGH, LAPSED, TOP, Limits, Preset, presets
from offerlab.domain.segment import Segment
from offerlab.errors import NotFound
from offerlab.reporting.small import SMALLEST, WITHHELD, told
from offerlab.stats.effect import Undetermined
from offerlab.stats.planning import power
from offerlab.storage.database import reading
from offerlab.storage.profiles import every_profile, stamp
from offerlab.workflows.runtime import Runtime

TOP_PRODUCTS: Final = 5
TRAFFIC_DAYS: Final = 28
_KEPT: Final = MINUTE
_LARGE: Final = 50_000


class TopProduct(Struct, frozen=True):
    """A product that members bought, and how many of them did; null: fewer than ten."""

    sku: str
    name: str
    customers: int | None


class Overlap(Struct, frozen=True):
    """How many members another segment holds too (null: fewer than ten); `first` if it takes them, by its priority."""

    segment: str
    customers: int | None
    first: bool


class Trial(Struct, frozen=True):
    """What a test of two equal arms in this segment would take.

    Attributes:
        baseline: of the metric in the last window, per customer (money in major units).
        customers: needed in both arms together; weeks: to enrol them, whole; final_days: until the last refund window.
        undetermined: why none of it can be said.
    """

    metric: str
    baseline: float | None
    mde: float
    customers: int | None = None
    weeks: int | None = None
    final_days: int | None = None
    undetermined: str | None = None


class Preview(Struct, frozen=True, kw_only=True):
    """A segment as the shop's customers stand now: those who take part in offers, so neither objectors nor children.

    A number of customers below ten is null, wherever it stands; zero is said.

    Attributes:
        customers: of the shop; size: of the segment; left: those that no segment before it takes.
        withheld: `under_10` where the members are too few to speak of; all figures about them are then empty.
        aov, revenue, orders_per_customer, orders_per_year, days_since_last_order: of the members who ever ordered; the
            last is the median. Money in major units.
        reach: members by channel whose consent to offers is known.
        per_day: members who bought or looked at something, on a day of the last four weeks.
    """

    segment: str
    as_of: str
    currency: str
    customers: int
    size: int | None
    share: float | None
    left: int | None
    withheld: Literal["under_10"] | None
    buyers: int | None = None
    aov: float | None = None
    revenue: float | None = None
    orders_per_customer: float | None = None
    orders_per_year: float | None = None
    days_since_last_order: float | None = None
    per_day: float | None = None
    reach: dict[str, int | None] = {}
    top_products: tuple[TopProduct, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    trials: tuple[Trial, ...] = ()


class _Kept(Struct, frozen=True):
    names: frozenset[str]
    version: int
    stamp: tuple[int, int, int]
    crowd: Crowd


class Audience:
    """The columns of each project, read when they are asked for."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._kept: dict[int, _Kept] = {}
        self._reading = threading.Lock()

    def crowd(self, project_id: int, wanted: Iterable[str]) -> Crowd:
        """All customers of a project, with the columns that are wanted."""
        names = frozenset(wanted)
        with self._reading:
            kept = self._kept.get(project_id)
            names |= frozenset() if kept is None else kept.names
            snapshot = self._runtime.snapshot(project_id)
            with reading(self._runtime.engine) as connection:
                now, found = self._runtime.now(), stamp(connection, project_id)
                version = snapshot.project.version
                if kept is not None and kept.names == names and kept.version == version and _fresh(kept, found, now):
                    return kept.crowd
                behaviour = snapshot.ruleset.settings.retention.behaviour
                crowd = crowd_of(
                    _willing(
                        every_profile(connection, project_id), None if behaviour is None else now - behaviour * DAY
                    ),
                    names,
                    now=now,
                    currency=snapshot.project.currency,
                    products=snapshot.products,
                )
            self._kept[project_id] = _Kept(names, version, found, crowd)
            return crowd


def _willing(profiles: Iterable[Profile], since: int | None) -> Iterator[Profile]:
    """Customers who let themselves be profiled, without what they looked at before `since`: it has served its time."""
    for profile in profiles:
        if is_barred(profile, {}):
            continue
        if since is not None and profile.viewed and min(profile.viewed.values()) < since:
            yield replace(profile, viewed={sku: at for sku, at in profile.viewed.items() if at >= since})
        else:
            yield profile


def _fresh(kept: _Kept, found: tuple[int, int, int], now: int) -> bool:
    """Whether columns may still be used: nothing changed, or the shop is large and it is a minute at most."""
    age = now - kept.crowd.now
    return age < _KEPT and (kept.stamp == found or kept.crowd.customers >= _LARGE)


def preview_of(audience: Audience, runtime: Runtime, project_id: int, key: str, *, mde: float = 0.05) -> Preview:
    """The preview of a segment by its key.

    Raises:
        NotFound: no such segment.
    """
    segment = runtime.snapshot(project_id).segments.get(key)
    if segment is None:
        raise NotFound(f"no segment has the key {key!r}")
    return preview(audience, runtime, project_id, segment, mde=mde)


def preview(audience: Audience, runtime: Runtime, project_id: int, segment: Segment, *, mde: float = 0.05) -> Preview:
    """What a segment holds now, stored or not yet.

    Args:
        audience: of this process.
        runtime: whose project.
        project_id: which.
        segment: one that is stored, or the draft of one; in place of a stored one of its key.
        mde: smallest relative effect that a test in it should find.
    """
    snapshot = runtime.snapshot(project_id)
    others = {key: one for key, one in snapshot.segments.items() if key != segment.key}
    names = frozenset[str]().union(*(reads(one.rule) for one in (segment, *others.values())))
    crowd = audience.crowd(project_id, names)
    member = _members(crowd, segment)
    size = int(member.sum())
    overlaps, left = _overlaps(crowd, segment, member, others)
    head = Preview(
        segment=segment.key,
        as_of=iso(crowd.now),
        currency=snapshot.project.currency,
        customers=crowd.customers,
        size=told(size),
        share=_share(size, crowd.customers),
        left=told(left),
        withheld=WITHHELD if size < SMALLEST else None,
    )
    if size < SMALLEST:
        return head
    return _told(head, crowd, member, overlaps, {sku: one.name for sku, one in snapshot.products.items()}, mde)


def _share(size: int, customers: int) -> float | None:
    if told(size) is None:
        return None
    return size / customers if customers else 0.0


def _members(crowd: Crowd, segment: Segment) -> Truths:
    return select(segment.rule, crowd.columns, customers=crowd.customers, now=crowd.now)


def _overlaps(
    crowd: Crowd, segment: Segment, member: Truths, others: Mapping[str, Segment]
) -> tuple[tuple[Overlap, ...], int]:
    """Members of other segments too, and how many members no segment before this one takes."""
    found: list[tuple[int, Overlap]] = []
    left = member.copy()
    for key, other in others.items():
        held = _members(crowd, other)
        first = (other.priority, other.key) < (segment.priority, segment.key)
        both = int((member & held).sum())
        if both:
            found.append((both, Overlap(key, told(both), first)))
        if first:
            left &= ~held
    found.sort(key=lambda one: (-one[0], one[1].segment))
    return tuple(one for _, one in found), int(left.sum())


def _told(
    head: Preview, crowd: Crowd, member: Truths, overlaps: tuple[Overlap, ...], names: Mapping[str, str], mde: float
) -> Preview:
    scale = 10 ** exponent(head.currency)
    orders, spend = int(crowd.orders[member].sum()), int(crowd.spend[member].sum())
    bought = member & (crowd.orders > 0)
    buyers = int(bought.sum())
    since = (crowd.now - crowd.last[bought]) / DAY
    yearly = crowd.orders[bought] * 365.0 / np.maximum((crowd.now - crowd.first[bought]) / DAY, 30.0)
    seen = member & (crowd.seen >= crowd.now - TRAFFIC_DAYS * DAY)
    per_day = int(seen.sum()) / TRAFFIC_DAYS
    few = told(buyers) is None
    return Preview(
        **{
            name: getattr(head, name) for name in ("segment", "as_of", "currency", "customers", "size", "share", "left")
        },
        withheld=None,
        buyers=told(buyers),
        aov=spend / scale / orders if orders and not few else None,
        revenue=None if few else spend / scale,
        orders_per_customer=None if few else orders / int(member.sum()),
        orders_per_year=float(np.mean(yearly)) if buyers and not few else None,
        days_since_last_order=float(np.median(since)) if buyers and not few else None,
        per_day=per_day,
        reach={channel: told(int((member & reached).sum())) for channel, reached in crowd.reach.items()},
        top_products=_top(crowd, member, names),
        overlaps=overlaps,
        trials=_trials(crowd, member, per_day, scale, mde),
    )


def _top(crowd: Crowd, member: Truths, names: Mapping[str, str]) -> tuple[TopProduct, ...]:
    """What most members bought; ties by sku."""
    owner = np.repeat(member, np.diff(crowd.owned))
    counts = np.bincount(crowd.owned_items[owner], minlength=len(crowd.skus))
    order = sorted(range(len(crowd.skus)), key=lambda i: (-counts[i], crowd.skus[i]))
    best = [i for i in order[:TOP_PRODUCTS] if counts[i]]
    return tuple(TopProduct(crowd.skus[i], names.get(crowd.skus[i], crowd.skus[i]), told(int(counts[i]))) for i in best)


def _trials(crowd: Crowd, member: Truths, per_day: float, scale: int, mde: float) -> tuple[Trial, ...]:
    paid = crowd.paid[member] / scale
    rate = float((crowd.bought[member] > 0).mean())
    spread = float(paid.std(ddof=1)) if paid.size > 1 else 0.0
    return (
        _trial("conversion_rate", rate, None, per_day, crowd.window_days, mde),
        _trial("revenue_per_customer", float(paid.mean()), spread, per_day, crowd.window_days, mde),
    )


def _trial(metric: str, mean: float, spread: float | None, per_day: float, window: int, mde: float) -> Trial:
    if mean <= 0 or spread == 0 or (spread is None and mean >= 1):
        return Trial(metric, mean, mde, undetermined="no_orders_lately" if mean <= 0 else "no_variance")
    if spread is None and mean * (1 + mde) >= 1:
        return Trial(metric, mean, mde, undetermined="more_than_everybody")
    if not per_day:
        return Trial(metric, mean, mde, undetermined="no_traffic_lately")
    sizing = power(mean, sd=spread, mde=mde, sequential="always", customers_per_day=per_day, window_days=window)
    if sizing.duration is None or isinstance(sizing.duration, Undetermined):
        return Trial(metric, mean, mde, sizing.customers, undetermined="never_at_this_traffic")
    weeks = sizing.duration.weeks
    return Trial(metric, mean, mde, sizing.customers, weeks, weeks * 7 + window + 30)


def suggested(audience: Audience, runtime: Runtime, project_id: int) -> tuple[Limits, tuple[Preset, ...]]:
    """The presets with limits from the shop's own buyers."""
    crowd = audience.crowd(project_id, ())
    scale = 10 ** exponent(runtime.snapshot(project_id).project.currency)
    bought = crowd.orders > 0
    buyers = int(bought.sum())
    limits = Limits(buyers=buyers)
    if buyers >= FEWEST_BUYERS:
        spend = crowd.spend[bought] / scale
        since = (crowd.now - crowd.last[bought]) / DAY
        limits = Limits(
            buyers=buyers,
            high_order=_rounded(spend / crowd.orders[bought], HIGH, scale),
            top_spend=_rounded(spend, TOP, scale),
            quiet_days=float(np.ceil(np.quantile(since, LAPSED))),
        )
    return limits, presets(limits)


def _rounded(values: np.ndarray[tuple[int], np.dtype[np.float64]], share: float, scale: int) -> float:
    """A percentile, up to the next whole minor unit: a limit that can be said."""
    return float(np.ceil(np.quantile(values, share) * scale - 1e-6) / scale)
