"""Histories as plain rows, a writer that puts them into a store, and a Hypothesis strategy for small nasty ones."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection, insert

from offerlab.domain.clock import DAY
from offerlab.domain.experiment import Experiment, MetricPlan, Variant
from offerlab.domain.offer import Offer
from offerlab.storage.tables import (
    exposure_skus,
    exposures,
    interactions,
    merges,
    order_lines,
    orders,
    projects,
    refund_lines,
    refunds,
)

PROJECT = 1
EXPERIMENT = 7
START = 20_000 * DAY

OFFERS = (
    Offer(key="filter", kind="cross_sell", products=("filter", "purifier"), trigger_products=("fridge",)),
    Offer(
        key="smart", kind="upsell", products=("smart-fridge",), trigger_products=("fridge",), delivery_cost_micro=7_500
    ),
    Offer(key="set", kind="bundle", products=("cup", "filter")),
    Offer(key="bump", kind="order_bump", products=("cup",)),
    Offer(key="survey", kind="engagement"),
)
SKUS = ("fridge", "smart-fridge", "filter", "purifier", "cup", "spoon")


def experiment(**changes: object) -> Experiment:
    """Six arms, one for each kind of offer and a bare control; three days, two days for refunds."""
    base = Experiment(
        id=EXPERIMENT,
        key="kitchen",
        salt="s",
        variants=(
            Variant(key="control", weight=0.5, role="control"),
            *(Variant(key=offer.key, weight=0.1, offer=offer.key) for offer in OFFERS),
        ),
        metrics=MetricPlan(primary="revenue_per_customer"),
        window_days=3,
        refund_days=2,
        bases={"smart": 7_000_000},
    )
    return replace(base, **changes)


Row = dict[str, Any]


@dataclass(repr=False)
class History:
    """Rows of the tables; every step is one event with its lines."""

    exposures: list[Row] = field(default_factory=list)
    exposure_skus: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    order_lines: list[Row] = field(default_factory=list)
    refunds: list[Row] = field(default_factory=list)
    refund_lines: list[Row] = field(default_factory=list)
    interactions: list[Row] = field(default_factory=list)
    merges: list[Row] = field(default_factory=list)
    seed: int | None = None

    def __repr__(self) -> str:
        """How to make it again: its rows would fill pages."""
        return f"history_of({self.seed})"

    def expose(self, customer: int, variant: int, at: int, *, picked: Sequence[str] = (), **more: object) -> None:
        """One exposure; `picked` are products chosen for this customer, none are the offer's own."""
        row = {
            "experiment_id": EXPERIMENT,
            "customer": customer,
            "variant": variant,
            "epoch": 1,
            "segment": None,
            "bucket": 0,
            "propensity": 0.5,
            "suppressed": None,
            "offer": None,
            "template": None,
            "channel": None,
            "placement": None,
            "slot": None,
            "device": None,
            "agent": None,
        }
        head = _head(f"x{len(self.exposures)}", at, more)
        for i, sku in enumerate(picked):
            place = {"project_id": PROJECT, "event_id": more.get("event_id", head["event_id"]), "position": i}
            self.exposure_skus.append({**place, "experiment_id": EXPERIMENT, "sku": sku})
        self.exposures.append({**row, **head, **more})

    def order(self, customer: int, order_id: str, at: int, lines: Sequence[Row] = (), **more: object) -> None:
        """One order; a line needs `sku` and `net_minor`."""
        head = _head(f"o{len(self.orders)}", at, more)
        for i, line in enumerate(lines):
            plain = {
                "position": i,
                "line_id": str(i + 1),
                "quantity": 1,
                "price_micro": 0,
                "discount_minor": 0,
                "cost_minor": 0,
                "offer": None,
            }
            self.order_lines.append({"project_id": PROJECT, "event_id": head["event_id"], **plain, **line})
        row = {
            "order_id": order_id,
            "customer": customer,
            "currency": "USD",
            "net_minor": sum(line["net_minor"] for line in lines),
            "shipping_minor": 0,
            "tax_minor": 0,
            "lines": len(lines),
            "code": None,
            "revision": 0,
        }
        self.orders.append({**row, **head, **more})

    def refund(
        self, order_id: str, at: int, *, amount: int | None = None, lines: Sequence[Row] = (), **more: object
    ) -> None:
        """One refund; `refund_id=None` makes it a cancellation."""
        head = _head(f"r{len(self.refunds)}", at, more)
        for i, line in enumerate(lines):
            plain = {"position": i, "quantity": None, "amount_minor": None}
            self.refund_lines.append({"project_id": PROJECT, "event_id": head["event_id"], **plain, **line})
        row = {
            "refund_id": f"refund-{len(self.refunds)}",
            "order_id": order_id,
            "customer": 0,
            "currency": "USD",
            "amount_minor": amount,
            "lines": len(lines),
        }
        self.refunds.append({**row, **head, **more})

    def act(self, customer: int, kind: str, at: int, **more: object) -> None:
        """One interaction."""
        row = {
            "type": kind,
            "customer": customer,
            "experiment_id": None,
            "variant": None,
            "offer": None,
            "sku": None,
            "number": None,
            "body": None,
        }
        self.interactions.append({**row, **_head(f"i{len(self.interactions)}", at, more), **more})

    def merge(self, customer: int, into: int, at: int) -> None:
        """The number `customer` is given up for `into`; a second merge of the same number is ignored."""
        if customer != into and all(row["customer"] != customer for row in self.merges):
            row = {"project_id": PROJECT, "customer": customer, "into_customer": into, "merged_at": at}
            self.merges.append({**row, "event_id": f"m{customer}", "linked_at": at})


def _head(event_id: str, at: int, more: Row) -> Row:
    return {"project_id": PROJECT, "event_id": event_id, "occurred_at": at, "received_at": more.get("received_at", at)}


def add_project(connection: Connection) -> None:
    """The project that all rows belong to."""
    row = {"id": PROJECT, "key": "default", "name": "Shop", "currency": "USD", "secret": b"s" * 32}
    connection.execute(insert(projects), [row | {"settings": {}, "version": 1, "created_at": 0}])


def write(connection: Connection, history: History) -> None:
    """Put the rows into the tables, in the order they stand in."""
    tables = (exposures, exposure_skus, orders, order_lines, refunds, refund_lines, interactions, merges)
    for table in tables:
        rows = getattr(history, table.name)
        if rows:
            connection.execute(insert(table), rows)


_CUSTOMERS = range(1, 5)
_HALF_DAYS = range(-3, 12)  # a coarse clock: equal instants are frequent
_STEPS = ("expose", "expose", "order", "order", "order", "refund", "refund", "cancel", "act", "merge")


def at(half_days: int) -> int:
    """An instant of the coarse clock."""
    return START + half_days * DAY // 2


def histories() -> st.SearchStrategy[History]:
    """Up to 100 steps: exposures, orders and their revisions, refunds, cancellations, clicks, merges, late arrivals.

    Drawn from a seed, because strategies for lists prefer short ones, in which nobody buys anything after an exposure.
    """
    return st.integers(0, 2**64 - 1).map(history_of)


def history_of(seed: int) -> History:
    """The history of a seed."""
    rng = random.Random(seed)  # noqa: S311 - seeded, for tests
    history = History(seed=seed)
    arms = {customer: rng.choice((0, 1, 1, 2, 2, 3, 4, 5)) for customer in _CUSTOMERS}
    picks = rng.choice(((), ("spoon",), ("spoon", "filter")))  # in a third of the histories nothing is ever picked
    for _ in range(rng.randrange(1, 101)):
        when = at(rng.choice(_HALF_DAYS))
        late = when + rng.randrange(4) * DAY
        match rng.choice(_STEPS):
            case "expose":
                _expose(history, rng, when, late, arms, picks)
            case "order":
                history.order(
                    rng.choice(_CUSTOMERS),
                    rng.choice("ABCDEFGH"),
                    when,
                    [_line(rng) for _ in range(rng.choice((0, 1, 1, 2)))],
                    received_at=late,
                    revision=rng.randrange(2),
                    currency=rng.choice(("USD", "USD", "USD", "EUR")),
                )
            case "refund":
                history.refund(
                    rng.choice("ABCDEFGH"),
                    when,
                    amount=rng.choice((None, rng.randrange(3_001))),
                    lines=[_part(rng, line) for line in rng.sample(("1", "2", "9"), rng.randrange(3))],
                    received_at=late,
                    refund_id=rng.choice(("r1", "r2", "r3")),
                    currency=rng.choice(("USD", "USD", "EUR", None)),
                )
            case "cancel":
                history.refund(rng.choice("ABC"), when, received_at=late, refund_id=None, currency=None)
            case "act":
                history.act(
                    rng.choice(_CUSTOMERS),
                    rng.choice(("unsubscribe", "complaint", "offer_accepted", "offer_declined", "feedback")),
                    when,
                    received_at=late,
                    experiment_id=rng.choice((None, EXPERIMENT, 99)),
                    offer=rng.choice((None, "survey")),
                    number=rng.choice((None, 1.0, 4.5)),
                )
            case _ if rng.random() < MERGED:
                history.merge(rng.choice(_CUSTOMERS), rng.choice(_CUSTOMERS), late)
            case _:
                pass
    return history


MERGED = 0.1
"""Share of the merges that take place: more would make one person of everybody."""


def _expose(
    history: History, rng: random.Random, when: int, late: int, arms: dict[int, int], picks: tuple[str, ...]
) -> None:
    customer, held = rng.choice(_CUSTOMERS), rng.choice((None, None, "cap"))
    history.expose(
        customer,
        0 if rng.random() < 1 / 25 else arms[customer],
        when,
        picked=() if held else rng.choice((picks, picks, picks[:1], ())),
        received_at=late,
        epoch=rng.randrange(1, 3),
        segment=rng.choice((None, "new", "repeat")),
        suppressed=held,
        placement=rng.choice((None, "checkout", "tracking_page")),
    )


def _line(rng: random.Random) -> Row:
    return {
        "sku": rng.choice(SKUS),
        "net_minor": rng.randrange(3_001),
        "quantity": rng.randrange(1, 4),
        "discount_minor": rng.randrange(201),
        "cost_minor": rng.choice((None, rng.randrange(501))),
        "offer": rng.choice((None, "bump")),
    }


def _part(rng: random.Random, line: str) -> Row:
    quantity = rng.choice((None, rng.randrange(1, 5)))
    return {"line_id": line, "quantity": quantity, "amount_minor": rng.choice((None, rng.randrange(3_001)))}
