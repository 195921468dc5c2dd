"""SQL on the store against brute force, over histories as they come, on both databases."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from aggregation.history import (
    OFFERS,
    PROJECT,
    START,
    History,
    add_project,
    experiment,
    histories,
    write,
)
from aggregation.oracle import World, figures, product_sum
from offerlab.aggregation.needs import Needs, needs_of
from offerlab.aggregation.sql import SqlEngine
from offerlab.domain.clock import DAY
from offerlab.domain.metric import METRICS
from offerlab.reporting.cells import Cells
from offerlab.storage.database import open_engine
from offerlab.storage.tables import metadata

EVERYTHING = needs_of(METRICS, course="money").merge(needs_of((), money=False, course="count"))
NOW = START + 400 * DAY


@pytest.fixture(scope="module")
def connection(database_url: str) -> Iterator[Connection]:
    """An empty store; what a test writes is rolled back."""
    engine = open_engine(database_url)
    metadata.create_all(engine)
    with engine.connect() as opened:
        with opened.begin():
            add_project(opened)
        yield opened
    engine.dispose()


def cells_of(connection: Connection, history: History, *, as_of: int = NOW, needs: Needs = EVERYTHING) -> Cells:
    """Write, read, forget."""
    with connection.begin() as transaction:
        write(connection, history)
        cells = SqlEngine(connection, PROJECT).cells(experiment(), needs, offers=OFFERS, currency="USD", as_of=as_of)
        transaction.rollback()
    return cells


def expected_sums(history: History, as_of: int = NOW) -> dict[tuple[object, ...], int]:
    """The oracle's non-zero sums by group and product."""
    found: dict[tuple[object, ...], int] = {}
    for group, rows in figures(World(history, experiment(), OFFERS, as_of)).items():
        found[*group, "n"] = len(rows)
        found[*group, "exposures"] = sum(row["exposures"] for row in rows)
        found |= {(*group, *product): product_sum(rows, product) for product in EVERYTHING.monomials}
    return {name: value for name, value in found.items() if value}


def sums(cells: Cells) -> dict[tuple[object, ...], int]:
    """Cells in the oracle's shape."""
    found: dict[tuple[object, ...], int] = {}
    for c in cells.cells:
        group = (c.variant, c.segment, c.epoch, c.day)
        found[*group, "n"] = c.n
        found[*group, "exposures"] = c.exposures
        found |= {(*group, *product): value for product, value in zip(cells.monomials, c.sums, strict=True)}
    return {name: value for name, value in found.items() if value}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking a history takes longer than reading it
)
@given(history=histories(), as_of=st.sampled_from((1, 3, 6, 9, 14)))
def test_sql_equals_brute_force(connection: Connection, history: History, as_of: int) -> None:
    """Every sum of every metric, at a moment in the middle of the history, is what loops over the rows give."""
    moment = START + as_of * DAY
    assert expected_sums(history, moment) == sums(cells_of(connection, history, as_of=moment))
