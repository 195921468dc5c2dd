"""Files of a shop's own: columns mapped, bad rows listed with their lines, and going on where it stopped."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # carries no types
import pytest
from click.testing import CliRunner
from pyarrow import csv, parquet
from sqlalchemy import select

from offerlab.cli import cli
from offerlab.errors import InvalidInput
from offerlab.intake import sheets
from offerlab.storage.database import reading
from offerlab.storage.tables import order_lines, orders
from offerlab.workflows import importing, sheet
from offerlab.workflows.desk import Desk
from offerlab.workflows.importing import import_file
from support.find import ROOT
from support.service import ADMIN, COFFEE, Service

ORDERS = """Invoice,Who,When,Item,Qty,Price
1001,c1,2026-09-01T10:00:00Z,capsule-set,2,18000
1002,c2,2026-09-02,coffee-machine,1,129000
1001,c1,2026-09-01T10:00:00Z,coffee-machine,1,129000
1003,c3,yesterday,capsule-set,1,18000
1004,guest,2026-09-02,capsule-set,1,18000
1005,c5,2026-09-02,capsule-set,-1,18000
1006,c6,2026-09-02,capsule-set
1007,c7,2026-09-03,capsule-set,1,free
"""
COLUMNS = {"order_id": "Invoice", "customer_id": "Who", "occurred_at": "When", "sku": "Item"} | {
    "quantity": "Qty",
    "unit_price": "Price",
}


@pytest.fixture
def service(fresh_database_url: str) -> Iterator[Service]:
    """A service with two products."""
    running = Service(fresh_database_url)
    running.made("/v1/products", COFFEE)
    yield running
    running.close()


@pytest.fixture
def fresh_sqlite(tmp_path: Path) -> Iterator[Service]:
    """A service without products on a store of its own."""
    running = Service(f"sqlite:///{tmp_path / 'offerlab.sqlite'}")
    yield running
    running.close()


def desk_of(service: Service) -> Desk:
    """A desk on its project."""
    runtime = service.app.runtime
    return Desk(runtime, runtime.projects()[0].id, "test")


def silent(_done: int, _rows: int) -> None:
    """Nobody watches."""


def test_orders_come_in_with_their_lines_and_bad_rows_with_theirs(service: Service, tmp_path: Path) -> None:
    """Two orders of three lines; five bad rows, each named by its line; the second run knows them all."""
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS)
    found = import_file(desk_of(service), "orders", file, COLUMNS, silent)
    assert (found.rows, found.done, found.skipped) == (7, 2, 0)
    assert sorted(one.line for one in found.bad) == [5, 6, 7, 8, 9]
    seen = service.get("/v1/customers/c1/export").json()
    assert [(order["order_id"], order["net_minor"], len(order["lines"])) for order in seen["orders"]] == [
        ("1001", 165000, 2)
    ]
    again = import_file(desk_of(service), "orders", file, COLUMNS, silent)
    assert (again.done, again.rows) == (0, 7)


def test_an_import_goes_on_where_it_was_cut(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after two chunks, the next run stores only the rest, and every order is there once."""
    file = tmp_path / "orders.parquet"
    rows = [{"order_id": str(i), "customer_id": f"c{i % 7}", "occurred_at": "2026-09-01"} for i in range(50)]
    table = pa.table(
        {name: [row[name] for row in rows] for name in rows[0]} | {"sku": ["a"] * 50, "unit_price": ["5"] * 50}
    )
    parquet.write_table(table, file)
    monkeypatch.setattr(importing, "CHUNK", 10)

    def cut(done: int, _rows: int) -> None:
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(desk_of(service), "orders", file, {}, cut)
    found = import_file(desk_of(service), "orders", file, {}, silent)
    assert (found.rows, found.done, found.skipped, found.bad) == (50, 30, 20, ())


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_lines_may_stand_anywhere(
    fresh_sqlite: Service, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shuffled lines make the same orders, each once, its lines in the order of the file, whenever the run is cut."""
    monkeypatch.setattr(importing, "CHUNK", 4)
    monkeypatch.setattr(sheet, "PAGE", 7)
    rows = [(f"o{i}", f"c{i % 3}", "2026-09-01", f"s{k}", "5") for i in range(20) for k in range(1 + i % 4)]
    random.Random(3).shuffle(rows)  # noqa: S311 - repeatable
    table = pa.table(dict(zip((*sheets.FIELDS["orders"][:4], "unit_price"), zip(*rows, strict=True), strict=True)))
    file = tmp_path / f"orders.{kind}"
    (csv.write_csv if kind == "csv" else parquet.write_table)(table, file)
    told: list[int] = []

    def cut(done: int, _rows: int) -> None:
        told.append(done)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(desk_of(fresh_sqlite), "orders", file, {}, cut)
    found = import_file(desk_of(fresh_sqlite), "orders", file, {}, cut)
    assert (found.rows, found.done, found.skipped, found.bad) == (len(rows), 20 - 3 * 4, told[2], ())
    assert (told, told[-1]) == (sorted(told), len(rows))
    with reading(fresh_sqlite.app.runtime.engine) as connection:
        lines = connection.execute(
            select(orders.c.order_id, order_lines.c.sku)
            .join(order_lines, order_lines.c.event_id == orders.c.event_id)
            .order_by(orders.c.order_id, order_lines.c.position)
        ).all()
    assert [tuple(line) for line in lines] == sorted(
        ((row[0], row[3]) for row in rows), key=lambda pair: pair[0]
    )  # stable: the lines of an order keep their order


def test_every_line_without_an_order_is_bad(fresh_sqlite: Service, tmp_path: Path) -> None:
    """Lines that name no order are listed one by one."""
    file = tmp_path / "orders.csv"
    file.write_text(
        "order_id,customer_id,occurred_at,sku,unit_price\n,c1,2026-09-01,a,5\no1,c1,2026-09-01,a,5\n ,c1,,,\n"
    )
    found = import_file(desk_of(fresh_sqlite), "orders", file, {}, silent)
    assert (found.rows, found.done, [one.line for one in found.bad]) == (3, 1, [2, 4])


def test_an_empty_sheet_is_no_error(fresh_sqlite: Service, tmp_path: Path) -> None:
    """A head without rows brings nothing."""
    file = tmp_path / "orders.csv"
    file.write_text("order_id,customer_id,occurred_at,sku,unit_price\n")
    found = import_file(desk_of(fresh_sqlite), "orders", file, {}, silent)
    assert (found.rows, found.done, found.skipped, found.bad) == (0, 0, 0, ())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_import_killed_again_and_again_ends_whole(tmp_path: Path, kind: str) -> None:
    """Kill -9 five times somewhere under way, then once to the end: every order there once, with all its lines."""
    orders, lines = 8_000, 3
    file = tmp_path / f"orders.{kind}"
    table = pa.table(
        {
            "order_id": [f"o{i}" for i in range(orders) for _ in range(lines)],
            "customer_id": [f"c{i % 900}" for i in range(orders) for _ in range(lines)],
            "occurred_at": ["2026-09-01"] * (orders * lines),
            "sku": [f"s{k}" for _ in range(orders) for k in range(lines)],
            "unit_price": ["5"] * (orders * lines),
        }
    )
    (csv.write_csv if kind == "csv" else parquet.write_table)(table, file)
    command = [
        sys.executable,
        "-m",
        "offerlab.cli",
        "import",
        "orders",
        str(file),
        "--data-dir",
        str(tmp_path / "shop"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OFFERLAB_ADMIN_KEY": ADMIN}

    def imported() -> int:
        if not (tmp_path / "shop" / "offerlab.db").exists():
            return 0
        try:
            with sqlite3.connect(tmp_path / "shop" / "offerlab.db") as store:
                return int(store.execute("SELECT count(*) FROM orders").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # the schema is being made

    stops = list[int]()
    for kill in range(5):
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as running:  # noqa: S603 - ours
            before = imported()
            while running.poll() is None and imported() < before + 300 * (kill + 1):
                time.sleep(0.005)
            running.kill()
        stops.append(imported())
    assert 0 < stops[0] < stops[-1]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    with sqlite3.connect(tmp_path / "shop" / "offerlab.db") as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = store.execute("SELECT count(*), count(DISTINCT order_id), sum(lines) FROM orders").fetchone()
    print(f"{kind}: killed at {stops} orders of {orders}; {done.stdout.splitlines()[-1:]}")  # noqa: T201 - for `pytest -s`
    assert found == (orders, orders, orders * lines)


def test_customers_bring_attributes_and_no_names(service: Service, tmp_path: Path) -> None:
    """Columns become attributes of their type; names and addresses stay out."""
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,email,country,age,vip,zip_prefix\nc1,a@b.example,KR,41,true,01\n")
    assert import_file(desk_of(service), "customers", file, {}, silent).done == 1
    attributes = service.get("/v1/customers/c1/export").json()["attributes"]
    assert {name: told["value"] for name, told in attributes.items()} == {
        "country": "KR",
        "age": 41,
        "vip": True,
        "zip_prefix": "01",
    }


def test_products_and_the_matching_table_come_in(service: Service, tmp_path: Path) -> None:
    """A catalogue, then pairs with several products in a cell; an unknown product is a bad row."""
    goods = tmp_path / "products.csv"
    goods.write_text(
        "sku,name,price,unit_cost,kind\nfilter,필터,9000,4000,good\nwifi,스마트,199000,,good\ncare,A/S,5,x,good\n"
    )
    found = import_file(desk_of(service), "products", goods, {}, silent)
    assert (found.done, [one.line for one in found.bad]) == (2, [4])
    table = tmp_path / "matching.csv"
    table.write_text("product,cross_sell,upsell\ncoffee-machine,capsule-set; filter,wifi\ncoffee-machine,tea,\n")
    found = import_file(desk_of(service), "matching", table, {}, silent)
    assert (found.done, [one.line for one in found.bad]) == (3, [3])


@pytest.mark.parametrize(
    ("mapping", "field"),
    [({}, "customer_id"), ({"order_id": "Nothing"}, "order_id"), ({"colour": "Item"}, "colour")],
    ids=["missing", "no such column", "no such field"],
)
def test_a_column_that_is_missing_is_named(mapping: dict[str, str], field: str) -> None:
    """The error says which field lacks its column, or which name is wrong."""
    with pytest.raises(InvalidInput) as caught:
        sheets.mapped("orders", ORDERS.splitlines()[0].split(","), mapping)
    assert caught.value.field == field


def test_the_command_tells_what_became_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`offerlab import` counts rows, lists bad ones, and writes all of them where it is told to."""
    monkeypatch.setenv("OFFERLAB_CURRENCY", "KRW")
    file, bad = tmp_path / "orders.csv", tmp_path / "bad.txt"
    file.write_text(ORDERS)
    maps: list[Any] = [part for field, column in COLUMNS.items() for part in ("--map", f"{field}={column}")]
    done = CliRunner().invoke(
        cli, ["import", "orders", str(file), "--data-dir", str(tmp_path / "shop"), "--bad", str(bad), *maps]
    )
    assert done.exit_code == 0, done.output
    assert "7 rows: 2 orders new, 0 known, 5 bad" in done.output
    assert len(bad.read_text().splitlines()) == 5
