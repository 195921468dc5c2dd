"""In and out: who is let in, what the cookie holds, whose forms are obeyed."""

import pytest

from dashboard.visitor import Visitor
from offerlab.domain.clock import DAY
from support.service import ADMIN, Service


@pytest.fixture
def visitor(shop: Service) -> Visitor:
    """Somebody at the door."""
    return Visitor(shop)


def test_without_a_session_every_page_leads_to_the_door_and_back(visitor: Visitor) -> None:
    """A link into the dashboard asks for a key first and is followed afterwards."""
    sent = visitor.get("/experiments/coffee-addon?lang=ko")
    assert (sent.status_code, sent.headers["location"]) == (
        303,
        "/sign-in?to=%2Fexperiments%2Fcoffee-addon%3Flang%3Dko&lang=ko",
    )
    done = visitor.post("/sign-in", {"key": ADMIN, "to": "/experiments/coffee-addon?lang=ko"})
    assert (done.status_code, done.headers["location"]) == (303, "/experiments/coffee-addon?lang=ko")


def test_the_cookie_holds_a_session_and_never_the_key(visitor: Visitor) -> None:
    """The key stays with its holder; script and other sites get nothing."""
    cookie = visitor.sign_in().headers["set-cookie"]
    assert ADMIN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
def test_nobody_is_sent_to_another_site(visitor: Visitor, to: str) -> None:
    """A forged link to the door cannot lead elsewhere after signing in."""
    assert visitor.post("/sign-in", {"key": ADMIN, "to": to}).headers["location"] == "/"


@pytest.mark.parametrize(("kind", "status"), [("read", 303), ("server", 403), ("client", 403)])
def test_keys_that_may_read_open_the_door(visitor: Visitor, kind: str, status: int) -> None:
    """Storefront and server keys open no dashboard."""
    assert visitor.sign_in(visitor.service.new_key(kind)).status_code == status


@pytest.mark.parametrize("key", ["", "ol_admin_wrong", "열쇠", "x" * 500])
def test_an_unknown_key_is_told_beside_the_field(visitor: Visitor, key: str) -> None:
    """What was typed is never shown again."""
    answer = visitor.sign_in(key)
    assert answer.status_code == 401
    assert 'aria-invalid="true"' in answer.text
    assert not key or key not in answer.text


def test_a_read_key_sees_no_action_and_is_told_why(visitor: Visitor) -> None:
    """Looking is all it may do, also when it sends the form by hand."""
    visitor.sign_in(visitor.service.new_key("read"))
    page = visitor.get("/experiments/coffee-addon?lang=en").text
    assert "You signed in with a read key." in page
    assert "/experiments/coffee-addon/pause" not in page
    assert visitor.get("/experiments/coffee-addon/pause").status_code == 403
    assert visitor.post("/experiments/coffee-addon/pause", {"stamp": "x"}).status_code == 403


def test_forms_of_other_sites_are_refused(visitor: Visitor) -> None:
    """A form needs the session's own stamp and comes from this site."""
    visitor.sign_in()
    path = "/experiments/coffee-addon/pause"
    fields = visitor.form(path)
    assert visitor.post(path, {**fields, "stamp": "forged"}).status_code == 403
    assert visitor.post(path, fields, Origin="https://evil.example").status_code == 403
    assert visitor.post(path, fields, Sec_Fetch_Site="cross-site").status_code == 403
    assert visitor.post("/sign-in", {"key": ADMIN}, Origin="https://evil.example").status_code == 403


def test_sessions_end(visitor: Visitor) -> None:
    """By signing out, and by themselves after a week."""
    visitor.sign_in()
    assert visitor.get("/experiments").status_code == 200
    visitor.post("/sign-out", {})
    assert visitor.get("/experiments").status_code == 303
    visitor.sign_in()
    visitor.service.wait(days=8)
    try:
        assert visitor.get("/experiments").status_code == 303
    finally:
        visitor.service.time -= 8 * DAY


def test_a_huge_form_is_refused(visitor: Visitor) -> None:
    """64 kB are enough for every form."""
    assert visitor.sign_in("x" * 70_000).status_code == 413
