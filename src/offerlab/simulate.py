"""Seeded shoppers with a known true lift: for tests, notebooks and demos.

The truth of every metric is written in closed form, not estimated, so that an interval can be held against it.
A shopper's orders in the window are Poisson with a gamma-distributed rate (so spend is sparse, skewed, and the past
tells of the future); an order's value is log-normal; an order holds the offered item with a probability that the offer
raises; some orders are refunded whole.

The module may be called: `offerlab.simulate(...)` and `offerlab.simulate.appliance_case()` are both public, and the
import system sets the package's attribute to this module as soon as anybody imports it.
"""

import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from offerlab.domain.clock import DAY
from offerlab.reporting.cells import Cell, Cells, Limit
from offerlab.reporting.measures import CAPPED, MONEY, Monomial

if TYPE_CHECKING:
    import pandas as pd

Integers = NDArray[np.int64]

PAST_DAYS: Final = 90
"""Length of the time before the first exposure, for what is known of a customer."""

MINOR: Final = 100
"""Cents in a unit of the simulated currency."""


class Treatment(Struct, frozen=True, kw_only=True):
    """One arm: by which factors it changes a shopper.

    Attributes:
        offer: whether the arm offers the item (only then it can be accepted).
        take, value, orders: factors on the chance that an order holds the item, on its value, and on the order rate.
    """

    key: str
    offer: bool = True
    take: float = 1.0
    value: float = 1.0
    orders: float = 1.0


class Shop(Struct, frozen=True, kw_only=True):
    """What shoppers do without an offer.

    Attributes:
        orders: mean orders of a customer in the window. spread: shape of the gamma; small means few loyal customers.
        value, value_sigma: mean order value without the item, in major units, and sigma of its logarithm.
        item_price: of the offered item, major units. take: chance that an order holds it anyway.
        refunds: share of orders given back whole.
        past: length of the time before the first exposure, in windows.
    """

    orders: float = 0.6
    spread: float = 1.0
    value: float = 40.0
    value_sigma: float = 0.6
    item_price: float = 12.0
    take: float = 0.09
    refunds: float = 0.03
    past: float = 3.0


CONTROL: Final = Treatment(key="control", offer=False)


def appliance_case(*, acceptance: float = 0.25, order_value: float = 0.15) -> tuple[Shop, tuple[Treatment, Treatment]]:
    """The seeds' case: a fridge with a plain filter offer against the personal one (filter, purifier, smart fridge).

    Both arms carry an offer, so that both have an acceptance rate: 5 % of exposed customers accept today's.

    Args:
        acceptance: true relative gain of the acceptance rate per exposed customer.
        order_value: true relative gain of the average order value.

    Returns:
        The shop, and today's and the personal offer. `Simulation.truth` gives exactly these gains.

    Example:
        >>> shop, arms = appliance_case()
        >>> crowd = simulate(*arms, customers=100, shop=shop)
        >>> [round(crowd.effect(metric, 1)[1], 6) for metric in ("acceptance_rate", "aov")]
        [0.25, 0.15]
    """
    plain = Shop(orders=0.6, spread=1.0, value=420.0, value_sigma=0.6, item_price=60.0, refunds=0.03)
    today, personal = (_take_of(plain, share) for share in (0.05, 0.05 * (1 + acceptance)))
    shop = structs.replace(plain, take=today)
    wanted = (1 + order_value) * (shop.value + today * shop.item_price)
    value = (wanted - personal * shop.item_price) / shop.value
    return shop, (Treatment(key="today"), Treatment(key="personal", take=personal / today, value=value))


def _take_of(shop: Shop, share: float) -> float:
    """The chance per order at which `share` of the customers take the item at least once (inverse of `_truth`)."""
    return float((1.0 - share) ** (-1.0 / shop.spread) - 1.0) * shop.spread / shop.orders


class Simulation(Struct, frozen=True, eq=False):
    """Customers as they came out, and the truth behind them.

    Attributes:
        arms: in order; the first is the reference.
        values: per-customer integers by name (flags, counts, cents), aligned with `arm`.
        arm: index of each customer's arm.
        shop: what was assumed.
    """

    arms: tuple[Treatment, ...]
    values: dict[str, Integers]
    arm: Integers
    shop: Shop

    @property
    def frame(self) -> "pd.DataFrame":
        """One row per customer: `arm`, and each value in major units."""
        import pandas as pd  # noqa: PLC0415 - a heavy import that serving never needs

        names = np.array([arm.key for arm in self.arms])
        scaled = {name: column / (MINOR if name in MONEY else 1) for name, column in self.values.items()}
        return pd.DataFrame({"arm": names[self.arm], **scaled})

    def truth(self, metric: str, arm: int) -> float:
        """The true level of a metric in an arm, in its unit.

        Raises:
            KeyError: a metric whose truth is not written down here.
        """
        return _truth(self.shop, self.arms[arm])[metric]

    def effect(self, metric: str, arm: int, reference: int = 0) -> tuple[float, float]:
        """The true absolute and relative effect of an arm against `reference`."""
        base = self.truth(metric, reference)
        gap = self.truth(metric, arm) - base
        return gap, gap / base

    def cells(self, monomials: Sequence[Monomial]) -> Cells:
        """The customers as an engine would hand them over; values that were not simulated are zero."""
        return cells_from(self.values, self.arm, monomials)


def simulate(
    *arms: Treatment, customers: int | Sequence[int] = 20_000, shop: Shop | None = None, seed: int = 0
) -> Simulation:
    """Draw customers of every arm.

    Args:
        arms: the first is the reference; without any, a control and an offer that raises acceptance by a quarter and
            order value by 15 %.
        customers: of each arm.
        shop: what shoppers do without an offer.
        seed: the same seed gives the same customers.

    Returns:
        The simulation.

    Example:
        >>> crowd = simulate(customers=1_000, seed=7)
        >>> len(crowd.frame)
        2000
        >>> round(crowd.effect("aov", 1)[1], 3)
        0.147
    """
    arms = arms or (CONTROL, Treatment(key="offer", take=1.25, value=1.15))
    shop = shop or Shop()
    sizes = [customers] * len(arms) if isinstance(customers, int) else list(customers)
    rng = np.random.default_rng(seed)
    parts = [_customers(rng, shop, arm, size) for arm, size in zip(arms, sizes, strict=True)]
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Simulation(arms, values, np.repeat(np.arange(len(arms), dtype=np.int64), sizes), shop)


def _customers(rng: np.random.Generator, shop: Shop, arm: Treatment, size: int) -> dict[str, Integers]:
    rate = rng.gamma(shop.spread, shop.orders / shop.spread, size)
    past = rng.poisson(rate * shop.past)
    orders = rng.poisson(rate * arm.orders)
    past_value = _sum_by(past, _order_values(rng, shop, int(past.sum()), 1.0))
    value = _order_values(rng, shop, int(orders.sum()), arm.value)
    taken = rng.random(value.size) < shop.take * arm.take
    full = value + taken * round(shop.item_price * MINOR)
    back = rng.random(value.size) < shop.refunds
    bought = (_sum_by(orders, taken.astype(np.int64)) > 0).astype(np.int64)
    return {
        "orders": orders.astype(np.int64),
        "paid_orders": orders.astype(np.int64),
        "converted": (orders > 0).astype(np.int64),
        "revenue": _sum_by(orders, full * ~back),
        "refunded": (_sum_by(orders, back.astype(np.int64)) > 0).astype(np.int64),
        "bought": bought,
        "accepted": bought * arm.offer,
        "shown": np.full(size, int(arm.offer), dtype=np.int64),
        "pre_orders": past.astype(np.int64),
        "pre_revenue": past_value,
        "pre_days": _days_ago(rng.spawn(1)[0], past),
        "had_orders": (past > 0).astype(np.int64),
    }


def _days_ago(rng: np.random.Generator, past: NDArray[np.int64]) -> Integers:
    """Whole days since the last of `past` orders that fell anywhere in the last 90 days; 0 without one."""
    latest = rng.random(past.size) ** (1 / np.maximum(past, 1))
    return np.where(past > 0, np.floor(PAST_DAYS * (1 - latest)), 0).astype(np.int64)


def _order_values(rng: np.random.Generator, shop: Shop, size: int, factor: float) -> Integers:
    mu = np.log(shop.value * factor) - shop.value_sigma**2 / 2
    return np.rint(rng.lognormal(mu, shop.value_sigma, size) * MINOR).astype(np.int64)


def _sum_by(counts: NDArray[Any], values: Integers) -> Integers:
    """Sums of consecutive runs of `values`, `counts` long."""
    ends = np.cumsum(counts)
    total = np.concatenate([[0], np.cumsum(values)])
    return np.asarray(total[ends] - total[ends - counts], dtype=np.int64)


def _truth(shop: Shop, arm: Treatment) -> dict[str, float]:
    """Levels in closed form. Thinning a Poisson rate that is gamma(k, t): P(at least one) = 1 - (1 + t q)^-k."""
    scale = shop.orders * arm.orders / shop.spread

    def any_of(share: float) -> float:
        return 1.0 - float((1.0 + scale * share) ** -shop.spread)

    take = shop.take * arm.take
    value = (shop.value * arm.value + take * shop.item_price) * (1 - shop.refunds)
    orders = shop.orders * arm.orders
    return {
        "acceptance_rate": any_of(take) if arm.offer else 0.0,
        "offered_item_rate": any_of(take),
        "conversion_rate": any_of(1.0),
        "orders_per_customer": orders,
        "aov": value,
        "revenue_per_customer": orders * value,
        "refund_rate": any_of(shop.refunds),
    }


def cells_from(
    values: Mapping[str, Integers],
    arm: Integers,
    monomials: Sequence[Monomial],
    *,
    segment: Sequence[str | None] | None = None,
    day: Integers | None = None,
) -> Cells:
    """Per-customer integers as cells.

    Args:
        values: by name; a value that is not here is zero for everybody.
        arm: index of each customer's arm.
        monomials: the products to sum.
        segment: of each customer; None is no segment.
        day: of each customer's first exposure, days since 1970; default 20,000.
    """
    size = arm.size
    values, limits = _with_caps(values)
    days = np.full(size, 20_000, dtype=np.int64) if day is None else day
    names = np.array(["" if each is None else each for each in segment] if segment is not None else [""] * size)
    kept = [product for product in monomials if all(name.removesuffix("?") in values for name in product)]
    keys, place = np.unique(np.rec.fromarrays([arm, days, names]), return_inverse=True)
    sums: dict[Monomial, NDArray[np.float64]] = {}
    for product in kept:
        term = np.ones(size)
        for name in product:
            column = values[name.removesuffix("?")]
            term = term * ((column != 0) if name.endswith("?") else column)
        sums[product] = np.bincount(place, weights=term, minlength=keys.size).astype(np.float64)
    counts = np.bincount(place, minlength=keys.size)
    cells = tuple(
        _cell(key.tolist(), int(counts[i]), tuple(round(float(sums[p][i])) if p in sums else 0 for p in monomials))
        for i, key in enumerate(keys)
    )
    money = {name for product in monomials for name in product if name in MONEY}
    return Cells(
        monomials=tuple(monomials),
        cells=cells,
        divisors=dict.fromkeys(sorted(money), MINOR),
        engine="simulated",
        limits=limits,
    )


def _with_caps(values: Mapping[str, Integers]) -> tuple[dict[str, Integers], dict[str, Limit]]:
    """The values with their capped twins, as an engine makes them."""
    found, limits = dict(values), dict[str, Limit]()
    for name, below in CAPPED.items():
        column = values.get(name)
        if column is not None:
            sizes = np.sort(np.abs(column[column != 0]))
            limit = int(sizes[-(-99 * sizes.size // 100) - 1]) if sizes.size else None
            found[below] = column if limit is None else np.clip(column, -limit, limit)
            limits[name] = Limit(below, limit, int((found[below] != column).sum()))
    return found, limits


def _cell(key: tuple[int, int, str], n: int, sums: tuple[int, ...]) -> Cell:
    variant, day, segment = key
    return Cell(
        variant=variant,
        segment=segment or None,
        cut=segment or None,
        epoch=1,
        day=day,
        n=n,
        exposures=n,
        first_at=day * DAY,
        last_at=(day + 1) * DAY - 1,
        sums=sums,
    )


class _Callable(ModuleType):
    """The module under the name of its main function."""

    def __call__(self, *arms: Treatment, **how: Any) -> Simulation:  # noqa: ANN401 - passed on
        """Draw customers; see `simulate`."""
        return simulate(*arms, **how)


sys.modules[__name__].__class__ = _Callable
