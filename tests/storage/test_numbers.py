"""Numbers that the vault gives out: side by side, so that what is new lies in few pages (ADR 0010)."""

import sqlite3
from itertools import pairwise
from pathlib import Path

from support.service import Service

CUSTOMERS = 20


def _numbers(path: Path) -> list[int]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT customer FROM vault WHERE root = customer ORDER BY customer").fetchall()
    return [row[0] for row in rows]


def _see(service: Service, run: str) -> None:
    events = [
        {
            "id": f"{run}-{i}",
            "type": "product_viewed",
            "customer_id": f"{run}-{i}",
            "sku": "a",
            "occurred_at": service.at(),
        }
        for i in range(CUSTOMERS)
    ]
    assert service.post("/v1/events", {"events": events}).json()["accepted"] == CUSTOMERS


def test_customers_of_one_process_get_numbers_side_by_side_and_another_process_begins_elsewhere(tmp_path: Path) -> None:
    """A new customer's number is the next one after a random beginning, drawn anew at every start."""
    path = tmp_path / "offerlab.sqlite"
    for run in ("first", "second"):
        service = Service(f"sqlite:///{path}")
        _see(service, run)
        service.close()
    numbers = _numbers(path)
    gaps = [after - before for before, after in pairwise(numbers)]
    assert len(set(numbers)) == 2 * CUSTOMERS
    assert gaps.count(1) == 2 * (CUSTOMERS - 1)
