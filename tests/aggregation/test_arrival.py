"""Whatever order events arrive in, however often and in whatever batches: one report, and the oracle's."""

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select

from aggregation.history import OFFERS, PROJECT, History, Row, add_project, experiment, histories
from aggregation.test_sql import EVERYTHING, NOW, expected_sums, sums
from offerlab.aggregation.sql import SqlEngine
from offerlab.domain.event import Cancellation, Event, Exposure, Fact, Interaction, Order, OrderLine, Refund, RefundLine
from offerlab.reporting.cells import Cells
from offerlab.storage import events as store
from offerlab.storage import projects
from offerlab.storage.customers import digest_of
from offerlab.storage.database import open_engine
from offerlab.storage.tables import metadata, profiles, vault
from offerlab.storage.tables import projects as projects_table

PERMUTATIONS = 10
CUSTOMERS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def connection(database_url: str) -> Iterator[Connection]:
    """A store that is emptied before each arrival.

    The report's statement has 9,000 nodes; planning it takes PostgreSQL longer than all the rest, so it is planned once
    for all. (Arrivals are not rolled back, because the driver then forgets what it has prepared.)
    """
    engine = open_engine(database_url)
    metadata.create_all(engine)
    with engine.connect() as opened:
        with opened.begin():
            add_project(opened)
        if engine.dialect.name == "postgresql":
            opened.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
            opened.commit()
            driver: Any = opened.connection.driver_connection
            driver.prepare_threshold = 0
        yield opened
    engine.dispose()


def _fields(kind: Any, row: Row) -> dict[str, Any]:
    return {name: row[name] for name in kind.__struct_fields__ if name in row}


def _fact(row: Row, lines: Sequence[Row]) -> tuple[Any, Fact]:
    mine = [line for line in lines if line["event_id"] == row["event_id"]]
    if "variant" in row and "bucket" in row:
        picked = tuple(one["sku"] for one in sorted(mine, key=lambda one: one["position"]))
        shown: dict[str, Any] = {**_fields(Exposure, row), "skus": picked or None}
        return "exposure", Exposure(**shown)
    if "net_minor" in row:
        parts: Any = tuple(OrderLine(**_fields(OrderLine, line)) for line in mine)
        return "order", Order(**{**_fields(Order, row), "lines": parts})
    if "refund_id" in row and row["refund_id"] is None:
        return "order_cancelled", Cancellation(order_id=row["order_id"])
    if "refund_id" in row:
        back: Any = tuple(RefundLine(**_fields(RefundLine, line)) for line in mine)
        return "refund", Refund(**{**_fields(Refund, row), "lines": back})
    return row["type"], Interaction(**_fields(Interaction, row))


def events_of(history: History) -> list[Event]:
    """The canonical events that the rows of a history would have come from."""
    lines = [*history.order_lines, *history.refund_lines, *history.exposure_skus]
    made = []
    for row in (*history.exposures, *history.orders, *history.refunds, *history.interactions):
        kind, fact = _fact(row, lines)
        customer, at = f"c{row['customer'] or 1}", row["occurred_at"]
        made.append(Event(id=row["event_id"], type=kind, customer=customer, occurred_at=at, digest=b"", fact=fact))
    for row in history.merges:
        into, link = f"c{row['into_customer']}", f"c{row['customer']}"
        fact = Interaction()
        at = row["linked_at"]
        made.append(
            Event(id=row["event_id"], type="profile", customer=into, occurred_at=at, digest=b"", fact=fact, link=link)
        )
    return made


def arrived(
    connection: Connection, events: Sequence[Event], chance: random.Random, *, forget: bool = False
) -> tuple[Cells, bytes]:
    """What a report and the profiles say after the events came shuffled, some twice, in one to four batches.

    `forget` is the broken twin: a repeated event is taken for a new one.
    """
    sent = [*events, *(event for event in events if chance.random() < 0.4)]
    chance.shuffle(sent)
    if forget:
        sent = [msgspec.structs.replace(event, id=f"{event.id}.{i}") for i, event in enumerate(sent)]
    cuts = sorted({0, len(sent), *(chance.randint(0, len(sent)) for _ in range(3))})
    numbers = iter(range(1_000, 2_000))
    with connection.begin():
        _forget(connection)
        project = projects.load(connection, PROJECT)
        for start, end in pairwise(cuts):
            batch = sent[start:end]
            store.append(connection, project, batch, new_number=lambda: next(numbers), now=NOW - 1_000 + start)
        cells = SqlEngine(connection, PROJECT).cells(experiment(), EVERYTHING, offers=OFFERS, currency="USD", as_of=NOW)
        known = connection.execute(select(profiles.c.customer, profiles.c.body).order_by(profiles.c.customer)).all()
    return cells, msgspec.json.encode([(row.customer, bytes(row.body)) for row in known])


def _forget(connection: Connection) -> None:
    """Leave the project and four customers whom it knows."""
    for table in reversed(metadata.sorted_tables):
        if table is not projects_table:
            connection.execute(delete(table))
    secret = projects.load(connection, PROJECT).secret
    known = [{"digest": digest_of(secret, f"c{n}"), "customer": n, "root": n} for n in CUSTOMERS]
    connection.execute(insert(vault), [{**one, "project_id": PROJECT, "created_at": 0} for one in known])


def report_of(cells: Cells) -> bytes:
    """Everything that a report is a pure function of, as bytes."""
    return msgspec.json.encode(sorted((str(name), value) for name, value in sums(cells).items()))


@pytest.mark.slow
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(history=histories(), seed=st.integers(0, 2**32))
def test_arrival_changes_nothing(connection: Connection, history: History, seed: int) -> None:
    """Ten arrivals of a history give the same bytes, and the oracle's sums."""
    events, chance = events_of(history), random.Random(seed)  # noqa: S311 - repeatable
    found = [arrived(connection, events, chance) for _ in range(PERMUTATIONS)]
    assert {report_of(cells) for cells, _ in found} == {report_of(found[0][0])}
    assert {profile for _, profile in found} == {found[0][1]}
    assert expected_sums(history) == sums(found[0][0])


@settings(
    max_examples=3,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(history=histories(), seed=st.integers(0, 2**32))
def test_two_arrivals_agree(connection: Connection, history: History, seed: int) -> None:
    """As above, a few times, every day."""
    events, chance = events_of(history), random.Random(seed)  # noqa: S311 - repeatable
    first, second = arrived(connection, events, chance), arrived(connection, events, chance)
    assert (report_of(first[0]), first[1]) == (report_of(second[0]), second[1])
    assert expected_sums(history) == sums(first[0])


def test_a_store_that_counts_twice_is_found(connection: Connection) -> None:
    """The broken twin's sums are not the oracle's."""
    history = History()
    for n in CUSTOMERS:
        history.expose(n, 1, 20_000 * 86_400_000_000)
        history.act(n, "complaint", 20_000 * 86_400_000_000)
    events, chance = events_of(history), random.Random(1)  # noqa: S311 - repeatable
    cells, _ = arrived(connection, events, chance, forget=True)
    assert expected_sums(history) != sums(cells)
