"""A whole shop in columns: what `profile.py` folds for one customer, for all of them at once.

Filled in one pass over the profiles; rules are then read by `columns.py`, so that a preview of a million customers
and the decision for one obey the same tree. A law of the tests holds the columns to the one-by-one attributes.
"""

from array import array
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from offerlab.assignment.columns import Truths, Values
from offerlab.assignment.profile import SHORTEST_DAYS, YEAR_DAYS, by_category, since_views
from offerlab.domain.clock import DAY
from offerlab.domain.customer import Profile
from offerlab.domain.money import exponent
from offerlab.domain.product import Product
from offerlab.domain.segment import is_folded, needs_catalogue

Ints = NDArray[np.int64]

_NEVER: Final = -1
_LISTS: Final = ("viewed_skus", "cart_skus", "owned_skus")


class Crowd(Struct, frozen=True, eq=False):
    """All customers, one place each.

    Attributes:
        customers: how many. now: microseconds UTC that days since count from.
        orders, spend: orders and their net value in minor units, until now.
        first, last, seen: first and last order, last order or view; microseconds, -1 for never.
        bought, paid: orders and net value of the last `window_days`.
        owned: offsets into `owned_items`, which hold numbers of `skus`: what each customer bought.
        columns: the attributes that were asked for, as rules see them.
        reach: customers by channel of whom a consent to offers is known.
    """

    customers: int
    now: int
    window_days: int
    orders: Ints
    spend: Ints
    first: Ints
    last: Ints
    seen: Ints
    bought: Ints
    paid: Ints
    owned: Ints
    owned_items: NDArray[np.int32]
    skus: tuple[str, ...]
    columns: Mapping[str, Values]
    reach: Mapping[str, Truths]


def crowd_of(
    profiles: Iterable[Profile],
    wanted: Iterable[str],
    *,
    now: int,
    currency: str,
    window_days: int = 14,
    products: Mapping[str, Product] | None = None,
) -> Crowd:
    """Columns of many profiles.

    Args:
        profiles: in the order that the columns will have.
        wanted: attributes that rules will look at, folded or told.
        now: microseconds UTC; orders after it do not count yet.
        currency: of the project.
        window_days: length of the window of `bought` and `paid`.
        products: by sku, for attributes by category.
    """
    names = frozenset(wanted)
    filling = _Filling(names, now, now - window_days * DAY, products or {})
    for profile in profiles:
        filling.take(profile)
    return filling.crowd(currency, window_days)


class _Filling:
    """Columns while they are filled."""

    def __init__(self, wanted: frozenset[str], now: int, since: int, products: Mapping[str, Product]) -> None:
        self.now = now
        self.since = since
        self.products = products
        self.wanted = wanted
        self.lists: dict[str, list[object]] = {name: [] for name in _LISTS if name in wanted}
        self.by_category: dict[str, list[object]] = {name: [] for name in wanted if needs_catalogue(name)}
        self.told: dict[str, tuple[array[int], list[object]]] = {
            name: (array("q"), []) for name in wanted if name not in self.lists and name not in self.by_category
        }
        self.overriding = [name for name in self.told if is_folded(name)]
        self.plain = [name for name in self.told if not is_folded(name)]
        self.numbers = {name: array("q") for name in ("orders", "spend", "first", "last", "seen", "bought", "paid")}
        self.viewed = array("q")
        self.ratings = array("d")
        self.offsets, self.items = array("q", [0]), array("i")
        self.skus: dict[str, int] = {}
        self.reach: dict[str, array[int]] = {}
        self.count = 0

    def take(self, profile: Profile) -> None:
        """Add one customer."""
        self._orders(profile)
        self._things(profile)
        for name in self.plain:
            told = profile.attributes.get(name)
            if told is not None and told[1] is not None:
                self.told[name][0].append(self.count)
                self.told[name][1].append(told[1])
        if self.overriding and profile.attributes:
            for name in self.overriding:
                if name in profile.attributes:
                    self.told[name][0].append(self.count)
                    self.told[name][1].append(profile.attributes[name][1])
        self._lists(profile)
        self.count += 1

    def _orders(self, profile: Profile) -> None:
        count = spend = bought = paid = 0
        first = last = _NEVER
        now, since = self.now, self.since
        for at, net, _, _ in profile.orders.values():
            if at > now:
                continue
            count += 1
            spend += net
            if at >= since:
                bought += 1
                paid += net
            if first == _NEVER or at < first:
                first = at
            last = max(last, at)
        viewed = max(profile.viewed.values()) if profile.viewed else _NEVER
        numbers = self.numbers
        numbers["orders"].append(count)
        numbers["spend"].append(spend)
        numbers["first"].append(first)
        numbers["last"].append(last)
        numbers["seen"].append(max(last, viewed))
        numbers["bought"].append(bought)
        numbers["paid"].append(paid)
        self.viewed.append(viewed)
        marks = profile.ratings
        self.ratings.append(sum(mark for _, mark in marks.values()) / len(marks) if marks else float("nan"))

    def _things(self, profile: Profile) -> None:
        skus = self.skus
        for sku in profile.owned:
            number = skus.get(sku)
            if number is None:
                number = skus[sku] = len(skus)
            self.items.append(number)
        self.offsets.append(len(self.items))
        for key, (_, granted) in profile.consents.items():
            if granted:
                self.reach.setdefault(key.partition(":")[0], array("q")).append(self.count)

    def _lists(self, profile: Profile) -> None:
        if self.by_category:
            found = by_category(profile, self.products) | since_views(profile, self.now)
            for name, values in self.by_category.items():
                values.append(_told(profile, name, found.get(name)))
        for name, values in self.lists.items():
            own = {"viewed_skus": profile.viewed, "owned_skus": profile.owned}.get(name, profile.cart_skus)
            values.append(_told(profile, name, tuple(own)))

    def crowd(self, currency: str, window_days: int) -> Crowd:
        """What was filled, as arrays."""
        numbers = {name: _ints(values) for name, values in self.numbers.items()}
        columns = self._folded(numbers, currency)
        for name, values in (*self.lists.items(), *self.by_category.items()):
            columns[name] = _objects(values)
        for name in self.plain:
            columns[name] = _column(*self.told[name], self.count)
        for name in self.overriding:
            places, values = self.told[name]
            if places:
                columns[name] = _overridden(columns.get(name), places, values, self.count)
        reach = {channel: _truths(places, self.count) for channel, places in sorted(self.reach.items())}
        return Crowd(
            customers=self.count,
            now=self.now,
            window_days=window_days,
            owned=_ints(self.offsets),
            owned_items=np.frombuffer(self.items, dtype=np.int32) if self.items else np.zeros(0, dtype=np.int32),
            skus=tuple(self.skus),
            columns={name: column for name, column in columns.items() if name in self.wanted},
            reach=reach,
            **numbers,
        )

    def _folded(self, numbers: Mapping[str, Ints], currency: str) -> dict[str, Values]:
        """The attributes that are numbers, by the same arithmetic as for one customer."""
        orders, scale = numbers["orders"], 10 ** exponent(currency)
        some = orders > 0
        spend = numbers["spend"] / scale
        counts = np.maximum(orders, 1)
        since_first, since_last = (self.now - numbers["first"]) / DAY, (self.now - numbers["last"]) / DAY
        viewed, ratings = _ints(self.viewed), np.array(self.ratings, dtype=np.float64)
        return {
            "orders_count": Values(orders),
            "spend_total": Values(spend),
            "aov": Values(spend / counts, some),
            "days_since_first_order": Values(since_first, some),
            "days_since_last_order": Values(since_last, some),
            "orders_per_year": Values(orders * YEAR_DAYS / np.maximum(since_first, SHORTEST_DAYS), some),
            "days_since_last_view": Values((self.now - viewed) / DAY, viewed != _NEVER),
            "rating_mean": Values(ratings, ~np.isnan(ratings)),
        }


def _told(profile: Profile, name: str, folded: object) -> object:
    """What a profile event told wins over what is folded."""
    told = profile.attributes.get(name)
    return folded if told is None else told[1]


def _column(places: "array[int]", values: list[object], count: int) -> Values:
    """A told attribute as a column: numbers, texts or truths where all are of one kind, else objects."""
    present = _truths(places, count)
    at = np.frombuffer(places, dtype=np.int64) if places else np.zeros(0, dtype=np.int64)
    kinds = {type(value) for value in values}
    if kinds == {str}:
        wide: Any = np.dtypes.StringDType()  # numpy's own types know texts of any width only in part
        texts: NDArray[Any] = np.full(count, "", dtype=wide)
        texts[at] = np.array(values, dtype=wide)
        return Values(texts, present)
    for kind, dtype in ((bool, np.bool_), (float, np.float64), (int, np.int64)):
        if kinds == {kind} and (kind is not int or all(_fits(value) for value in values)):
            numbers: NDArray[np.generic] = np.zeros(count, dtype=dtype)
            numbers[at] = np.array(values, dtype=dtype)
            return Values(numbers, present)
    mixed = np.full(count, None, dtype=np.object_)
    mixed[at] = _boxed(values)
    return Values(mixed, present)


def _fits(value: object) -> bool:
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _overridden(folded: Values | None, places: "array[int]", values: list[object], count: int) -> Values:
    """A folded column of which some customers' values were told otherwise (null: missing)."""
    column = np.full(count, None, dtype=np.object_)
    if folded is not None:
        plain = folded.values.tolist()
        present = np.ones(count, dtype=np.bool_) if folded.present is None else folded.present
        for place in np.flatnonzero(present).tolist():
            column[place] = plain[place]
    for place, value in zip(places, values, strict=True):
        column[place] = value
    return Values(column)


def _objects(values: list[object]) -> Values:
    return Values(_boxed(values))


def _boxed(values: list[object]) -> NDArray[np.object_]:
    boxed = np.empty(len(values), dtype=np.object_)
    for place, value in enumerate(values):
        boxed[place] = value
    return boxed


def _ints(values: "array[int]") -> Ints:
    return np.array(values, dtype=np.int64)


def _truths(places: "array[int]", count: int) -> Truths:
    found = np.zeros(count, dtype=np.bool_)
    if places:
        found[np.frombuffer(places, dtype=np.int64)] = True
    return found
