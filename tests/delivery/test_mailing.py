"""A mail on its way to a real server on loopback: before its last dot nothing has gone."""

from email import message_from_bytes
from email.policy import SMTP

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from offerlab.delivery.mailing import Mail, MailServer, mail_server, send, stuffed, written
from offerlab.errors import Misconfigured
from support.mailbox import mailbox

MAIL = Mail(
    to="c1@mail.test",
    sender="shop@shop.test",
    sender_name="상점",
    subject="캡슐 세트",
    text="Hello\n.\n.dots at the start\nend",
    message_id="msg_offer_1_1",
    unsubscribe="https://shop.test/unsubscribe/x",
    sent_at=1_790_000_000_000_000,
)


@pytest.mark.parametrize(
    ("body", "wire"),
    [
        (b"a\r\n", b"a\r\n"),
        (b"a", b"a\r\n"),
        (b".\r\n..\r\na.b\r\n", b"..\r\n...\r\na.b\r\n"),
        (b"a\r\n.\r\n", b"a\r\n..\r\n"),
    ],
)
def test_dots_at_the_start_of_a_line_are_doubled(body: bytes, wire: bytes) -> None:
    """No line of a mail is the dot that ends it (RFC 5321, 4.5.2)."""
    assert stuffed(body) == wire


def test_the_note_is_taken_before_the_last_dot() -> None:
    """Whoever dies before the note mailed nobody; with it the mail comes whole, its dots included, once."""
    with mailbox() as box:
        server = MailServer(host="127.0.0.1", port=box.port, tls="none")
        assert send(server, MAIL, lambda: False).outcome == "unknown"
        with pytest.raises(KeyboardInterrupt):
            send(server, MAIL, _dies)
        assert send(server, replace(MAIL, to="c2@mail.test"), lambda: not box.taken).outcome == "taken"
        ((to, mail),) = box.taken
    assert (to, mail["Message-ID"]) == ("c2@mail.test", "<msg_offer_1_1@shop.test>")
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().splitlines()[:4] == MAIL.text.splitlines()


def _dies() -> bool:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("answer", "outcome"), [("451 later", "later"), ("554 no", "refused"), ("250 yes", "taken")])
def test_the_servers_answer_is_the_outcome(answer: str, outcome: str) -> None:
    """A temporary no may be tried again, a final one not."""
    with mailbox() as box:
        box.answers = [answer]
        assert send(MailServer(host="127.0.0.1", port=box.port, tls="none"), MAIL, lambda: True).outcome == outcome


def test_an_answer_that_never_comes_is_a_doubt() -> None:
    """A connection that breaks where the answer should come is `unknown`, whether the mail was taken or not."""
    with mailbox() as box:
        box.cuts = 1
        server = MailServer(host="127.0.0.1", port=box.port, tls="none")
        assert [send(server, MAIL, lambda: True).outcome for _ in range(2)] == ["unknown", "unknown"]
        assert len(box.taken) == 1


@pytest.mark.parametrize(
    "url", ["host", "http://host", "smtp://", "smtp://host:port", "smtp://host?tls=maybe", "smtp://["]
)
def test_a_url_that_names_no_server_is_refused(url: str) -> None:
    """Whatever is wrong with it, the answer says how such a URL looks."""
    with pytest.raises(Misconfigured, match="smtp://user:password@host:587"):
        mail_server(url)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
@example("<script>alert(1)</script>")
@example('"><img src=x onerror=alert(1)>\n\n<svg/onload=x>')
def test_no_word_can_break_out_of_the_html(words: str) -> None:
    """A29, A30: whatever a customer or a product is called, the HTML part has no tag, quote or entity but its own."""
    made = message_from_bytes(written(replace(MAIL, text=words)), policy=SMTP)
    page = made.get_body(("html",))
    assert page is not None
    body = page.get_content().partition("<body>")[2].partition('<p><a href="')[0]
    for tag in ("<p>", "</p>", "<br>"):
        body = body.replace(tag, "")
    assert not set(body) & set("<>\"'")
