"""A replica starts without its database, from the rules on its own disk."""

import asyncio
import logging
from pathlib import Path

import httpx
import pytest

from offerlab.api.front import Front
from offerlab.app import App, create_app
from offerlab.errors import Unavailable
from offerlab.settings import Settings
from offerlab.workflows import keeping
from support.service import ADMIN, AT_CHECKOUT, Loop, Service

NOWHERE = "postgresql+psycopg://offerlab@127.0.0.1:1/nothing"
"""A server that refuses every connection."""


def stocked(service: Service, path: Path) -> None:
    """Write what a replica of this service would keep."""
    runtime = service.app.runtime
    kept = [keeping.Kept(project, runtime.snapshot(project.id).ruleset.rules) for project in runtime.projects()]
    keeping.keep(path, kept, runtime._keys, now=service.now())


def decisions(app: App, customers: range) -> list[tuple[int, bool, list[str]]]:
    """Status, staleness and variants for each customer."""

    async def ask() -> list[tuple[int, bool, list[str]]]:
        transport = httpx.ASGITransport(Front.around(app))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            found: list[tuple[int, bool, list[str]]] = []
            for i in customers:
                body = {"customer_id": f"c-{i}", "context": AT_CHECKOUT, "expose": True}
                answer = await client.post("/v1/decisions", json=body, headers={"Authorization": f"Bearer {ADMIN}"})
                told = answer.json()
                assert not any(one["exposed"] for one in told["decisions"]) or not told["stale"]
                found.append((answer.status_code, told["stale"], [one["variant"] for one in told["decisions"]]))
            ready = (await client.get("/readyz")).json()
            assert (ready["rules_from"], ready["store"]) == ("disk", "unreachable")
            return found

    runner = Loop()
    try:
        return runner.run(asyncio.wait_for(ask(), 60))
    finally:
        runner.run(app.close())
        runner.close()


def test_the_same_variants_are_served_from_disk(tmp_path: Path) -> None:
    """With the database refusing, 200 for everybody, the variant of before, `stale`, and nobody exposed."""
    service = Service(f"sqlite:///{tmp_path / 'offerlab.sqlite'}")
    service.coffee_shop()
    stocked(service, tmp_path / "replica" / keeping.FILE)
    before = [service.decide(f"c-{i}", context=AT_CHECKOUT)["decisions"][0]["variant"] for i in range(50)]
    service.close()
    app = create_app(Settings(database_url=NOWHERE, data_dir=tmp_path / "replica", admin_key=ADMIN, currency="KRW"))
    assert decisions(app, range(50)) == [(200, True, [variant]) for variant in before]


def test_without_rules_on_disk_the_start_fails(tmp_path: Path) -> None:
    """The broken twin: nothing kept, nothing served."""
    with pytest.raises(Unavailable):
        create_app(Settings(database_url=NOWHERE, data_dir=tmp_path, admin_key=ADMIN))


def test_what_is_kept_is_read_back_and_its_owner_s_alone(tmp_path: Path) -> None:
    """Every project with all its rules, in a file of mode 0600."""
    service = Service(f"sqlite:///{tmp_path / 'offerlab.sqlite'}")
    service.coffee_shop()
    path = tmp_path / keeping.FILE
    stocked(service, path)
    stock = keeping.kept(path)
    assert stock is not None
    assert [one.rules for one in stock.projects] == [service.app.runtime.snapshot(1).ruleset.rules]
    assert stock.keys == service.app.runtime._keys
    assert path.stat().st_mode & 0o777 == 0o600
    service.close()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80", b"junk", b'{"format":1}', b"\x81\xa8projects\x91\x81\xa7project\x81\xa8currency\xa1\xe9"],
    ids=["empty", "map", "junk", "json", "text"],
)
def test_a_broken_file_is_no_file(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """What can't be read is said in the log and not served."""
    (tmp_path / keeping.FILE).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert keeping.kept(tmp_path / keeping.FILE) is None
    assert "kept on disk" in caplog.text
