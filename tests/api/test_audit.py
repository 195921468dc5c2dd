"""The audit log over HTTP: every deed with its actor, page by page, and a change that does not go unseen."""

from sqlalchemy import update

from offerlab.storage.database import writing
from offerlab.storage.tables import audit
from support.service import Service


def test_every_deed_is_listed_with_who_did_it(service: Service) -> None:
    """Newest first, in pages that meet; what changed stands beside it."""
    service.coffee_shop()
    service.post("/v1/experiments/coffee-addon/pause")
    whole = service.get("/v1/audit?limit=100").json()
    newest = whole["items"][0]
    assert (newest["action"], newest["object"], whole["next"]) == ("pause", "experiment:coffee-addon", None)
    assert newest["actor"].startswith("key:")
    assert (newest["before"]["status"], newest["after"]["status"]) == ("running", "paused")
    first = service.get("/v1/audit?limit=2").json()
    rest = service.get(f"/v1/audit?limit=100&cursor={first['next']}").json()
    assert [*first["items"], *rest["items"]] == whole["items"]


def test_a_changed_row_breaks_the_chain(service: Service) -> None:
    """The log is whole until somebody changes a row behind its back: that row is named."""
    service.coffee_shop()
    assert service.get("/v1/audit/chain").json() == {"intact": True, "broken_at": None}
    oldest = service.get("/v1/audit?limit=1000").json()["items"][-1]["id"]
    with writing(service.app.runtime.engine) as connection:
        connection.execute(update(audit).where(audit.c.id == oldest).values(actor="somebody else"))
    assert service.get("/v1/audit/chain").json() == {"intact": False, "broken_at": oldest}
