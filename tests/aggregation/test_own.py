"""A shop's own metrics, counted by the query and by hand, on both databases."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from aggregation.history import OFFERS, PROJECT, START, History, add_project, experiment, write
from offerlab.aggregation.needs import needs_of_plan
from offerlab.aggregation.sql import SqlEngine
from offerlab.domain.clock import DAY
from offerlab.domain.experiment import MetricPlan
from offerlab.domain.metric import Counted, CustomMetric
from offerlab.reporting.cells import Cells
from offerlab.storage.database import open_engine
from offerlab.storage.tables import metadata

HOUR = DAY // 24
SPOON = {"sku": "spoon", "net_minor": 1_000, "quantity": 2, "discount_minor": 100}
CUP = {"sku": "cup", "net_minor": 3_000, "quantity": 1, "discount_minor": 0}


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


def history() -> History:
    """One customer buys spoons early, a cup late and gets half back; another views, scores and buys a cup."""
    told = History()
    told.expose(1, 0, START)
    told.expose(2, 0, START)
    told.order(1, "a", START + HOUR, [SPOON, CUP])
    told.order(1, "b", START + 30 * HOUR, [CUP])
    told.order(1, "late", START + 4 * DAY, [SPOON])
    told.refund("b", START + 40 * HOUR, amount=1_500)
    told.order(2, "c", START + 2 * HOUR, [CUP])
    told.order(2, "euro", START + 2 * HOUR, [CUP], currency="EUR")
    for i in range(3):
        told.act(2, "product_viewed", START + i * HOUR, sku="spoon" if i else "cup")
    told.act(2, "product_viewed", START - 1, sku="spoon")
    told.act(2, "feedback", START, number=4.5)
    told.act(2, "feedback", START + HOUR, number=2.0)
    return told


def total(store: Connection, value: Counted, *, kind: str = "mean") -> Cells:
    """The cells of a plan with one metric of the shop's own."""
    own = CustomMetric(key="own", kind="proportion" if kind == "proportion" else "mean", value=value)
    asked = experiment(metrics=MetricPlan(primary="own", custom=(own,)))
    with store.begin() as transaction:
        write(store, history())
        engine = SqlEngine(store, PROJECT)
        needs = needs_of_plan(asked.metrics)
        cells = engine.cells(asked, needs, offers=OFFERS, currency="USD", as_of=START + 400 * DAY)
        transaction.rollback()
    return cells


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        pytest.param(Counted(event="order"), "own_0_value", 4, id="orders in the window"),
        pytest.param(Counted(event="order", sum="revenue"), "own_0_value_money", 8_500, id="revenue after refunds"),
        pytest.param(
            Counted(event="order_line", sum="quantity", where={"sku": ("spoon",)}), "own_0_value", 2, id="pieces"
        ),
        pytest.param(
            Counted(event="order_line", sum="revenue", where={"sku": ("cup", "spoon")}, to_hours=24),
            "own_0_value_money",
            7_000,
            id="lines of the first day",
        ),
        pytest.param(Counted(event="order_line", sum="discount"), "own_0_value_money", 100, id="discount"),
        pytest.param(Counted(event="order", from_hours=24), "own_0_value", 1, id="after the first day"),
        pytest.param(
            Counted(event="product_viewed", where={"sku": ("spoon",)}), "own_0_value", 2, id="views in the window"
        ),
        pytest.param(Counted(event="feedback", sum="number"), "own_0_value_hundredths", 650, id="scores"),
    ],
)
def test_own_metrics_are_counted_inside_the_window(store: Connection, value: Counted, name: str, expected: int) -> None:
    """Events count from the first exposure to the window's end, inside their hours, where the fields fit."""
    assert total(store, value).total(name) == expected


def test_a_share_counts_customers_not_events(store: Connection) -> None:
    """Three views are one viewer."""
    assert total(store, Counted(event="product_viewed"), kind="proportion").total("own_0_value") == 1
