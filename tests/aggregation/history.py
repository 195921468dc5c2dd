"""Histories as plain rows, a writer that puts them into a store, and a Hypothesis strategy for small nasty ones."""

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
    )
    return replace(base, **changes)


Row = dict[str, Any]


@dataclass
class History:
    """Rows of the tables; every step is one event with its lines."""

    exposures: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    order_lines: list[Row] = field(default_factory=list)
    refunds: list[Row] = field(default_factory=list)
    refund_lines: list[Row] = field(default_factory=list)
    interactions: list[Row] = field(default_factory=list)
    merges: list[Row] = field(default_factory=list)

    def expose(self, customer: int, variant: int, at: int, **more: object) -> None:
        """One exposure."""
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
            "device": None,
        }
        self.exposures.append({**row, **_head(f"x{len(self.exposures)}", at, more), **more})

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
    tables = (exposures, orders, order_lines, refunds, refund_lines, interactions, merges)
    for table in tables:
        rows = getattr(history, table.name)
        if rows:
            connection.execute(insert(table), rows)


_CUSTOMER = st.integers(1, 4)
_HALF_DAYS = st.integers(-4, 18)  # a coarse clock: equal instants are frequent
_LATE = st.integers(0, 3)
_AMOUNT = st.integers(0, 3_000)
_LINE = st.fixed_dictionaries(
    {
        "sku": st.sampled_from(SKUS),
        "net_minor": _AMOUNT,
        "quantity": st.integers(1, 3),
        "discount_minor": st.integers(0, 200),
        "cost_minor": st.none() | st.integers(0, 500),
        "offer": st.none() | st.just("bump"),
    }
)
_REFUND_LINE = st.fixed_dictionaries(
    {
        "line_id": st.sampled_from(("1", "2", "9")),
        "quantity": st.none() | st.integers(1, 4),
        "amount_minor": st.none() | _AMOUNT,
    }
)


_STEPS = ("expose", "expose", "order", "order", "order", "refund", "refund", "cancel", "act", "merge")


def at(half_days: int) -> int:
    """An instant of the coarse clock."""
    return START + half_days * DAY // 2


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Up to 40 steps: exposures, orders and their revisions, refunds, cancellations, clicks, merges, late arrivals."""
    history = History()
    arms = draw(st.tuples(*[st.sampled_from((0, 1, 1, 2, 2, 3, 4, 5))] * 4))
    steps = draw(st.lists(st.sampled_from(_STEPS), min_size=1, max_size=40))
    for step in steps:
        when = at(draw(_HALF_DAYS))
        received = when + draw(_LATE) * DAY
        match step:
            case "expose":
                customer = draw(_CUSTOMER)
                history.expose(
                    customer,
                    draw(st.sampled_from((*[arms[customer - 1]] * 4, 0))),
                    when,
                    received_at=received,
                    epoch=draw(st.integers(1, 2)),
                    segment=draw(st.sampled_from((None, "new", "repeat"))),
                    suppressed=draw(st.sampled_from((None, None, "cap"))),
                    placement=draw(st.sampled_from((None, "checkout", "tracking_page"))),
                )
            case "order":
                history.order(
                    draw(_CUSTOMER),
                    draw(st.sampled_from(("A", "B", "C", "D", "E"))),
                    when,
                    draw(st.lists(_LINE, min_size=draw(st.sampled_from((0, 1, 1))), max_size=2)),
                    received_at=received,
                    revision=draw(st.integers(0, 1)),
                    currency=draw(st.sampled_from(("USD", "USD", "USD", "EUR"))),
                )
            case "refund":
                history.refund(
                    draw(st.sampled_from(("A", "B", "C", "D", "E"))),
                    when,
                    amount=draw(st.none() | _AMOUNT),
                    lines=draw(st.lists(_REFUND_LINE, max_size=2, unique_by=lambda line: line["line_id"])),
                    received_at=received,
                    refund_id=draw(st.sampled_from(("r1", "r2", "r3"))),
                    currency=draw(st.sampled_from(("USD", "USD", "EUR", None))),
                )
            case "cancel":
                history.refund(
                    draw(st.sampled_from(("A", "B", "C"))), when, received_at=received, refund_id=None, currency=None
                )
            case "act":
                history.act(
                    draw(_CUSTOMER),
                    draw(st.sampled_from(("unsubscribe", "complaint", "offer_accepted", "offer_declined", "feedback"))),
                    when,
                    received_at=received,
                    experiment_id=draw(st.sampled_from((None, EXPERIMENT, 99))),
                    offer=draw(st.sampled_from((None, "survey"))),
                    number=draw(st.sampled_from((None, 1.0, 4.5))),
                )
            case _:
                history.merge(draw(_CUSTOMER), draw(_CUSTOMER), received)
    return history
