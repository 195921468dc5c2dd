"""P15: data got into wrong hands: whom that concerns, and what of theirs."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from offerlab.cli import cli
from offerlab.domain.clock import SECOND, from_micros
from offerlab.storage import audit
from offerlab.storage.database import reading
from support.service import ADMIN, Service


@pytest.fixture
def service(fresh_database_url: str) -> Iterator[Service]:
    """A shop with three customers: one consented, one bought under two ids, one only looked."""
    running = Service(fresh_database_url)
    running.coffee_shop()
    told = {"email": "mina@mail.test", "first_name": "Mina"}
    lines = [{"sku": "coffee-machine", "unit_price": "129000"}]
    running.send(
        {"id": "1", "type": "profile", "customer_id": "mina", "attributes": told},
        {"id": "2", "type": "consent", "customer_id": "mina", "channel": "email", "granted": True},
        {"id": "3", "type": "order", "customer_id": "jun", "order_id": "o1", "lines": lines},
        {"id": "4", "type": "product_viewed", "customer_id": "=sum(1)", "sku": "capsule-set"},
    )
    yield running
    running.close()


def concerned(service: Service, tmp_path: Path, *options: str, hours: int = 1) -> list[dict[str, str]]:
    """The list as the command prints it."""
    (tmp_path / "ids.txt").write_text("mina\njun\n=sum(1)\nstranger\n")
    until = f"{from_micros(service.time + hours * 3_600 * SECOND):%Y-%m-%dT%H:%M:%S}"
    frame = ["export", "breach", "--database-url", service.url, "--since", "2026-01-01", "--until", until]
    done = CliRunner().invoke(cli, [*frame, *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return sorted(csv.DictReader(io.StringIO(done.stdout)), key=lambda row: row["customer_id"])


def test_a_copied_store_concerns_everybody_in_it(service: Service, tmp_path: Path) -> None:
    """Each person is one line with what was stored by then; ids that only the shop knows are named by its own list."""
    rows = concerned(service, tmp_path)
    assert [row["customer_id"] for row in rows] == ["", "", "mina"]
    ids = ("--ids", str(tmp_path / "ids.txt"))
    named = concerned(service, tmp_path, *ids)
    assert [row["customer_id"] for row in named] == ["'=sum(1)", "jun", "mina"]
    looked, bought, reached = named
    assert (reached["contact"], reached["attributes"], reached["interactions"]) == ("email", "first_name", "2")
    assert (bought["orders"], bought["contact"], looked["orders"], looked["interactions"]) == ("1", "", "0", "1")
    assert concerned(service, tmp_path, *ids, hours=-1) == []
    with reading(service.app.runtime.engine) as connection:
        deeds = [deed for _, deed in audit.newest(connection, 1, limit=3)]
        assert audit.first_broken(connection, 1) is None
    assert [(deed.action, deed.after["listed"]) for deed in deeds] == [
        ("list_breach", 0),
        ("list_breach", 3),
        ("list_breach", 3),
    ]


def test_an_abused_key_concerns_those_it_looked_at(service: Service, tmp_path: Path) -> None:
    """A stolen key read one customer and took another along; another key's look at the third is not among them."""
    made = service.made("/v1/keys", {"kind": "server"})
    for path, key in (("/mina", made["key"]), ("/jun/export", made["key"]), ("/%3Dsum%281%29", ADMIN)):
        assert service.get(f"/v1/customers{path}", key=key).status_code == 200
    ids = ("--ids", str(tmp_path / "ids.txt"))
    assert [row["customer_id"] for row in concerned(service, tmp_path, "--by", f"key:{made['id']}", *ids)] == [
        "jun",
        "mina",
    ]
    assert concerned(service, tmp_path, "--by", f"key:{made['id']}", *ids, hours=-1) == []
    assert service.call("DELETE", "/v1/customers/jun").status_code == 200
    assert [row["customer_id"] for row in concerned(service, tmp_path, "--by", f"key:{made['id']}", *ids)] == ["mina"]
    with reading(service.app.runtime.engine) as connection:
        assert audit.newest(connection, 1, limit=1)[0][1].after["erased_since"] == 1
