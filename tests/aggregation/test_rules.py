"""The written rules one by one, each at its edge: windows, ties, crossovers, merges, refunds, moments of receipt."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, delete

from aggregation.history import (
    OFFERS,
    PROJECT,
    START,
    History,
    add_project,
    experiment,
    write,
)
from offerlab.aggregation.needs import needs_of
from offerlab.aggregation.sql import SqlEngine
from offerlab.domain.clock import DAY, SECOND
from offerlab.domain.metric import METRICS
from offerlab.reporting.build import build_report
from offerlab.reporting.cells import Cells
from offerlab.reporting.sections import sections
from offerlab.storage.database import open_engine
from offerlab.storage.tables import metadata, vault

NOW = START + 400 * DAY
WINDOW = 3 * DAY
COFFEE = {"sku": "spoon", "net_minor": 1_000}
FILTER = {"sku": "filter", "net_minor": 2_000}


@pytest.fixture(scope="module")
def store(database_url: str) -> Iterator[Connection]:
    """A store with the project and nothing else."""
    engine = open_engine(database_url)
    metadata.create_all(engine)
    with engine.connect() as opened:
        with opened.begin():
            add_project(opened)
        yield opened
    engine.dispose()


def cells_of(store: Connection, history: History, *, as_of: int = NOW, **changes: Any) -> Cells:
    """Write, read, forget."""
    asked = experiment(**changes)
    with store.begin() as transaction:
        write(store, history)
        engine = SqlEngine(store, PROJECT)
        cells = engine.cells(asked, needs_of(METRICS), offers=OFFERS, currency="USD", as_of=as_of)
        transaction.rollback()
    return cells


@pytest.mark.parametrize(
    ("after", "counted"),
    [
        pytest.param(-1, 0, id="a microsecond before"),
        pytest.param(0, 1, id="at the instant of exposure"),
        pytest.param(WINDOW - 1, 1, id="last microsecond"),
        pytest.param(WINDOW, 0, id="window closed"),
    ],
)
def test_window_is_half_open(store: Connection, after: int, counted: int) -> None:
    """An order counts from the instant of the first exposure until just before the window's end."""
    history = History()
    history.expose(1, 1, START)
    history.order(1, "A", START + after, [COFFEE])
    assert counted == cells_of(store, history).total("orders")


def test_earliest_exposure_wins_a_tie_by_id(store: Connection) -> None:
    """Of two exposures at one instant the smaller event id gives segment and epoch, however they arrived."""
    history = History()
    history.expose(1, 1, START, epoch=2, segment="new", event_id="b")
    history.expose(1, 1, START, epoch=1, segment="repeat", event_id="B-2")
    (cell,) = cells_of(store, history).cells
    assert (cell.segment, cell.epoch, cell.exposures) == ("repeat", 1, 2)


def test_crossovers_are_left_out_and_counted(store: Connection) -> None:
    """Of 1,000 customers 37 met two arms, some of them only because two numbers turned out to be one person."""
    history = History()
    for customer in range(1_000):
        history.expose(customer, customer % 2, START + customer)
    for customer in range(30):
        history.expose(customer, 1 - customer % 2, START + DAY)
    for customer in range(30, 37):
        history.expose(5_000 + customer, 1 - customer % 2, START + DAY)
        history.merge(5_000 + customer, customer, START + 2 * DAY)
    cells = cells_of(store, history)
    assert (cells.n - cells.analysed.n, cells.analysed.n) == (37, 963)


def test_merge_brings_the_orders_of_both_numbers(store: Connection) -> None:
    """A customer known under two numbers is one customer with the orders of both, through a chain of merges."""
    history = History()
    history.expose(1, 1, START)
    history.order(2, "A", START + DAY, [COFFEE])
    history.order(3, "B", START + DAY, [COFFEE])
    history.merge(3, 2, START + DAY)
    history.merge(2, 1, START + 2 * DAY)
    before = cells_of(store, history, as_of=START + DAY)
    after = cells_of(store, history)
    assert [(before.n, before.total("orders")), (after.n, after.total("orders"))] == [(1, 0), (1, 2)]


def test_order_before_a_merged_exposure_is_out(store: Connection) -> None:
    """The earlier exposure of a merged number is the first one; what was bought before it does not count."""
    history = History()
    history.expose(1, 1, START + DAY)
    history.expose(2, 1, START)
    history.order(1, "A", START - 1, [COFFEE])
    history.order(1, "B", START + SECOND, [COFFEE])
    history.merge(2, 1, START + 2 * DAY)
    cells = cells_of(store, history)
    assert (cells.n, cells.total("orders")) == (1, 1)


def test_highest_revision_of_an_order_counts(store: Connection) -> None:
    """An order sent three times counts once, with the lines of its highest revision."""
    history = History()
    history.expose(1, 1, START)
    for revision, amount in ((1, 700), (2, 900), (0, 500)):
        history.order(1, "A", START + DAY, [{"sku": "spoon", "net_minor": amount}], revision=revision)
    cells = cells_of(store, history)
    assert (cells.total("orders"), cells.total("revenue")) == (1, 900)


@pytest.mark.parametrize(
    ("refunds", "revenue", "over"),
    [
        pytest.param([{"amount": 300}], 700, 0, id="partial"),
        pytest.param([{"amount": 300}, {"amount": 300, "refund_id": "refund-0"}], 700, 0, id="sent twice"),
        pytest.param([{"amount": 700}, {"amount": 700}], 0, 1, id="more than the order"),
        pytest.param([{"lines": [{"line_id": "1", "quantity": 1}]}], 667, 0, id="one of three, rounded half up"),
        pytest.param([{"lines": [{"line_id": "1", "quantity": 9}]}], 0, 0, id="more pieces than bought"),
        pytest.param([{"lines": [{"line_id": "1"}]}], 0, 0, id="whole line"),
        pytest.param([{"amount": 300, "currency": "EUR"}], 1_000, 0, id="another currency"),
        pytest.param([{"amount": 300}, {"refund_id": None}], 0, 0, id="cancelled after a refund"),
        pytest.param([{"refund_id": None}, {"refund_id": None}], 0, 0, id="cancelled twice"),
    ],
)
def test_refunds_lower_revenue_once(store: Connection, refunds: list[dict[str, Any]], revenue: int, over: int) -> None:
    """Refunds are taken off once, never below zero; what exceeds the order is flagged."""
    history = History()
    history.expose(1, 1, START)
    history.order(1, "A", START + DAY, [{"sku": "spoon", "net_minor": 1_000, "quantity": 3}])
    for refund in refunds:
        history.refund("A", START + 2 * DAY, **refund)
    cells = cells_of(store, history)
    assert (revenue, over) == (cells.total("revenue"), cells.total("over_refunds"))


@pytest.mark.parametrize(
    ("after", "revenue"),
    [
        pytest.param(5 * DAY - 1, 0, id="last microsecond of the refund window"),
        pytest.param(5 * DAY, 1_000, id="too late"),
        pytest.param(-DAY, 0, id="stamped before the order"),
    ],
)
def test_refund_window_is_half_open(store: Connection, after: int, revenue: int) -> None:
    """A refund counts when it occurs before first exposure + window + refund days, whatever its place to the order."""
    history = History()
    history.expose(1, 1, START)
    history.order(1, "A", START, [COFFEE])
    history.refund("A", START + after, amount=1_000)
    assert revenue == cells_of(store, history).total("revenue")


def test_refund_may_arrive_before_its_order(store: Connection) -> None:
    """What was known at a moment decides: a refund without its order is nothing, with it the order is worth nothing."""
    history = History()
    history.expose(1, 1, START)
    history.refund("A", START + DAY, amount=1_000, received_at=START + DAY)
    history.order(1, "A", START, [COFFEE], received_at=START + 3 * DAY)
    early, late = (cells_of(store, history, as_of=START + days * DAY) for days in (2, 3))
    assert [(each.total("orders"), each.total("revenue")) for each in (early, late)] == [(0, 0), (1, 0)]


def test_orders_in_another_currency_are_orders_without_money(store: Connection) -> None:
    """They count as conversions and as acceptances, and stand outside every amount."""
    history = History()
    history.expose(1, 1, START)
    history.order(1, "A", START, [FILTER], currency="EUR")
    cells = cells_of(store, history)
    found = [cells.total(name) for name in ("converted", "accepted", "paid_orders", "revenue", "other_currency")]
    assert found == [1, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("variant", "skus", "accepted"),
    [
        pytest.param(1, ["filter"], 1, id="cross-sell: any of its items"),
        pytest.param(1, ["spoon"], 0, id="cross-sell: something else"),
        pytest.param(2, ["smart-fridge"], 1, id="upsell: the upgrade"),
        pytest.param(2, ["smart-fridge", "fridge"], 0, id="upsell: the upgrade beside its base"),
        pytest.param(3, ["cup", "filter"], 1, id="bundle: all items"),
        pytest.param(3, ["cup"], 0, id="bundle: one of two"),
        pytest.param(4, ["cup"], 0, id="order bump: bought by another path"),
        pytest.param(5, ["cup"], 0, id="engagement: nothing bought counts"),
        pytest.param(0, ["filter"], 0, id="control accepts nothing"),
    ],
)
def test_acceptance_by_kind(store: Connection, variant: int, skus: list[str], accepted: int) -> None:
    """Accepted is what the offer's kind says about one order."""
    history = History()
    history.expose(1, variant, START)
    history.order(1, "A", START, [{"sku": sku, "net_minor": 100} for sku in skus])
    assert accepted == cells_of(store, history).total("accepted")


@pytest.mark.parametrize(
    ("orders", "counted"),
    [
        pytest.param([["cup"]], (0, 1), id="one of two"),
        pytest.param([["cup"], ["filter"]], (0, 1), id="all, in two orders"),
        pytest.param([["cup"], ["cup", "filter"]], (1, 0), id="the best order has all"),
        pytest.param([["spoon"]], (0, 0), id="none"),
        pytest.param([], (0, 0), id="no order"),
    ],
)
def test_a_part_of_a_bundle_is_counted_apart(
    store: Connection, orders: list[list[str]], counted: tuple[int, int]
) -> None:
    """S37: some of the items are no acceptance: a customer is in at most one of the two counts, as the report says."""
    history = History()
    for customer, variant in enumerate((3, 1), start=1):
        history.expose(customer, variant, START)
        for i, skus in enumerate(orders):
            lines = [{"sku": sku, "net_minor": 100} for sku in skus]
            history.order(customer, f"{customer}-{i}", START + i * SECOND, lines)
    cells = cells_of(store, history)
    bundle = cells.where(lambda cell: cell.variant == 3)
    assert (bundle.total("accepted"), bundle.total("partial_bundle")) == counted
    assert cells.total("partial_bundle") == counted[1]
    report = build_report(experiment(), cells, as_of=NOW, currency="USD", version="1")
    assert [(each.variant, each.n) for each in report.funnel.partial_bundles] == [("set", 1)][: counted[1]]
    told = [row for section in sections(report, "en") for row in section.rows if "bundle's items" in row[0]]
    assert [row[1] for row in told] == ["1"][: counted[1]]


@pytest.mark.parametrize(
    ("shown", "sku", "accepted", "bought"),
    [
        pytest.param([(0, ["spoon"], None)], "spoon", 1, 1, id="what a match picked"),
        pytest.param([(0, ["spoon"], None)], "purifier", 0, 1, id="another product of the offer"),
        pytest.param([(DAY, ["spoon"], None), (0, [], "cap")], "spoon", 0, 1, id="before it was shown"),
        pytest.param([(0, ["spoon"], None), (0, ["cup"], None)], "cup", 1, 1, id="picked another time"),
        pytest.param([(0, ["spoon"], None), (0, [], None)], "filter", 1, 1, id="all of it, another time"),
        pytest.param([(0, ["spoon"], None), (0, [], "cap")], "filter", 0, 1, id="held back, another time"),
        pytest.param([(0, [], "cap")], "filter", 1, 1, id="never picked: the offer's own"),
        pytest.param([(0, ["cup"], None)], "fridge", 0, 0, id="never offered"),
    ],
)
def test_what_was_shown_counts(
    store: Connection, shown: list[tuple[int, list[str], str | None]], sku: str, accepted: int, bought: int
) -> None:
    """Where products were picked for a customer, buying those accepts, from the moment they were shown."""
    history = History()
    for after, picked, held in shown:
        history.expose(1, 1, START + after, picked=picked, suppressed=held)
    history.order(1, "A", START + SECOND, [{"sku": sku, "net_minor": 100}])
    cells = cells_of(store, history)
    assert (accepted, bought) == (cells.total("accepted"), cells.total("bought"))


def test_what_anybody_was_shown_is_an_offered_item_for_all(store: Connection) -> None:
    """A product picked for one customer is an offered item in every arm, and rides along with the offer's trigger."""
    history = History()
    history.expose(1, 1, START, picked=["spoon"])
    history.expose(2, 0, START)
    history.order(2, "A", START, [{"sku": "spoon", "net_minor": 100}, {"sku": "fridge", "net_minor": 900}])
    cells = cells_of(store, history)
    found = [cells.total(name) for name in ("bought", "offered_full", "trigger_orders", "attached_orders", "accepted")]
    assert found == [1, 100, 1, 1, 0]


def test_order_bump_is_told_by_the_line(store: Connection) -> None:
    """The order line names the offer."""
    history = History()
    history.expose(1, 4, START)
    history.order(1, "A", START, [{"sku": "cup", "net_minor": 100, "offer": "bump"}])
    assert cells_of(store, history).total("accepted") == 1


def test_click_on_accept_decides_for_engagement_alone(store: Connection) -> None:
    """`offer_accepted` accepts an engagement offer and is otherwise a click."""
    history = History()
    for customer, variant in ((1, 5), (2, 1)):
        history.expose(customer, variant, START)
        history.act(customer, "offer_accepted", START + DAY, experiment_id=7)
    cells = cells_of(store, history).analysed
    assert {cell.variant: cell.sums[cells.monomials.index(("accepted",))] for cell in cells.cells} == {5: 1, 1: 0}


def test_offered_item_counts_in_every_arm(store: Connection) -> None:
    """One set for all arms: control too can buy what any arm offers."""
    history = History()
    history.expose(1, 0, START)
    history.order(1, "A", START, [{"sku": "smart-fridge", "net_minor": 100}])
    assert cells_of(store, history).total("bought") == 1


def test_giants_are_capped_at_the_pooled_percentile(store: Connection) -> None:
    """Of 200 buyers in two arms the two largest are cut to the 198th; those who bought nothing play no part."""
    history = History()
    for i in range(300):
        history.expose(i, i % 2, START)
        if i < 200:
            history.order(i, f"o{i}", START, [{"sku": "spoon", "net_minor": 10_000 if i > 197 else 100 + i}])
    cells = cells_of(store, history)
    limit = cells.limits["revenue"]
    assert (limit.limit, limit.touched) == (297, 2)
    assert cells.total("capped_revenue") == sum(100 + i for i in range(198)) + 2 * 297
    assert cells.total("revenue") == sum(100 + i for i in range(198)) + 2 * 10_000


def test_returned_item_was_no_need_fit(store: Connection) -> None:
    """An accepted item that came back was accepted and did not fit."""
    history = History()
    for customer in (1, 2):
        history.expose(customer, 1, START)
        history.order(customer, f"A{customer}", START, [COFFEE, FILTER])
    history.refund("A1", START + 4 * DAY, lines=[{"line_id": "2", "quantity": 1}])
    cells = cells_of(store, history)
    assert (cells.total("accepted"), cells.total("fit")) == (2, 1)


def test_same_moment_same_cells(store: Connection) -> None:
    """A moment in the past answers the same after later events came in."""
    history = History()
    history.expose(1, 1, START)
    history.order(1, "A", START, [COFFEE], received_at=START + SECOND)
    then = cells_of(store, history, as_of=START + SECOND)
    history.refund("A", START, amount=400, received_at=START + 2 * SECOND)
    history.order(1, "A", START, [FILTER], revision=5, received_at=START + 3 * SECOND)
    history.expose(1, 2, START - DAY, received_at=START + 4 * SECOND)
    assert then == cells_of(store, history, as_of=START + SECOND)


def test_erasing_a_customer_changes_no_total(store: Connection) -> None:
    """What is erased is who a number was; the number's events stay in every total."""
    history = History()
    history.expose(1, 1, START)
    history.order(1, "A", START, [COFFEE])
    before = cells_of(store, history)
    with store.begin():
        store.execute(delete(vault).where(vault.c.customer == 1))
    assert before == cells_of(store, history)


def shop_of(rng: random.Random, customers: int) -> History:
    """A busy shop with amounts in won, whose cubes exceed what a double holds."""
    history = History()
    for customer in range(customers):
        at = START + rng.randrange(3 * DAY)
        history.expose(customer, rng.randrange(6), at, segment=rng.choice((None, "new")))
        for k in range(rng.randrange(3)):
            amount = rng.randrange(1_000, 4_000_000)
            lines = [{"sku": rng.choice(("filter", "spoon", "cup")), "net_minor": amount, "cost_minor": amount // 3}]
            history.order(customer, f"{customer}-{k}", at + rng.randrange(-DAY, 2 * DAY), lines)
            if rng.random() < 0.2:
                history.refund(f"{customer}-{k}", at + 2 * DAY, amount=rng.randrange(amount))
    return history


def test_order_of_arrival_and_numbering_change_no_byte(store: Connection) -> None:
    """The same happenings give the same report to the byte, whatever order they came in and numbers they were given."""
    history = shop_of(random.Random(3), 150)  # noqa: S311 - a seeded shop
    asked = experiment(segments=("new",))

    def report(told: History) -> bytes:
        cells = cells_of(store, told, segments=("new",))
        return msgspec.json.encode(build_report(asked, cells, as_of=NOW, currency="KRW", version="test"))

    first = report(history)
    for seed in range(3):
        rng = random.Random(seed)  # noqa: S311 - a seeded shuffle
        numbers = rng.sample(range(10**12), 150)
        told = History()
        for name in ("exposures", "orders", "order_lines", "refunds", "refund_lines"):
            rows = [dict(row) for row in getattr(history, name)]
            for row in rows:
                if "customer" in row and name != "refunds":
                    row["customer"] = numbers[row["customer"]]
            rng.shuffle(rows)
            setattr(told, name, rows)
        assert first == report(told)
