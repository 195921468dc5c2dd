"""One e-mail: written with a plain and an HTML part and a way out, and handed to the shop's mail server.

The moment of truth is the dot that ends DATA. Before it a sender may die and nothing has gone: a server drops a mail
whose connection breaks (RFC 5321, 4.1.1.4); after it the server may have taken the mail although nobody heard so. The
caller is told when everything but that dot was sent (`hand_over`), and writes it down.
"""

import re
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from html import escape
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from offerlab.domain.clock import from_micros
from offerlab.errors import Misconfigured
from offerlab.messaging.languages import is_korean

TIMEOUT_S: Final = 30.0
LONGEST_ERROR: Final = 500
"""Characters kept of what a server, or the way to it, said."""
_TLS: Final = ("starttls", "none", "implicit")
_OK: Final = 250
_OK_ELSEWHERE: Final = 251  # taken, and forwarded
_GO_ON: Final = 354
_PERMANENT: Final = 500
Outcome = Literal["taken", "refused", "later", "unknown"]


class MailServer(Struct, frozen=True, kw_only=True):
    """Where mail is handed over.

    Attributes:
        tls: `implicit` (smtps), `starttls`, or `none` for a server on this machine.
    """

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    tls: Literal["starttls", "none", "implicit"] = "starttls"


class Mail(Struct, frozen=True, kw_only=True):
    """What one customer reads, and where it goes.

    Attributes:
        sender: address; sender_name: as customers know it.
        message_id: the outbox's own, so that a mail server can tell a repetition.
        unsubscribe: a link that ends such mail with one POST (RFC 8058).
        sent_at: microseconds UTC.
    """

    to: str
    sender: str
    sender_name: str
    subject: str
    text: str
    message_id: str
    unsubscribe: str
    sent_at: int
    lang: str = "en"


class Handed(Struct, frozen=True):
    """What came of handing a mail over: `later` may be tried again, `unknown` must not."""

    outcome: Outcome
    answer: int | None = None
    error: str | None = None


def mail_server(url: str) -> MailServer:
    """The server behind `smtp://user:password@host:587?tls=starttls` or `smtps://host`.

    Raises:
        Misconfigured: no such URL.
    """
    shape = "a mail server is smtp://user:password@host:587 (?tls=none or starttls) or smtps://host"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Misconfigured(f"{shape}: {error}") from error
    tls = parse_qs(parts.query).get("tls", ["implicit" if parts.scheme == "smtps" else "starttls"])[0]
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or tls not in _TLS:
        raise Misconfigured(shape)
    return MailServer(
        host=parts.hostname,
        port=port or (465 if tls == "implicit" else 587),
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        tls=tls,  # type: ignore[arg-type]  # one of the three, as just seen
    )


def written(mail: Mail) -> bytes:
    """The mail as it goes over the wire; a line break in a header is refused by the library.

    Raises:
        ValueError: a header that can't be written.
    """
    made = EmailMessage(policy=SMTP)
    made["From"] = formataddr((mail.sender_name, mail.sender))
    made["To"] = mail.to
    made["Subject"] = mail.subject
    made["Date"] = format_datetime(from_micros(mail.sent_at))
    made["Message-ID"] = f"<{mail.message_id}@{mail.sender.rpartition('@')[2]}>"
    made["List-Unsubscribe"] = f"<{mail.unsubscribe}>"
    made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(f"{mail.text}\n\n{_way_out(mail.lang)}: {mail.unsubscribe}\n")
    made.add_alternative(_html(mail), subtype="html")
    return made.as_bytes()


def stuffed(body: bytes) -> bytes:
    """A mail as DATA carries it: a dot at the start of a line is doubled, the last line ends (RFC 5321, 4.5.2)."""
    ended = body if body.endswith(b"\r\n") else body + b"\r\n"
    return re.sub(rb"^\.", b"..", ended, flags=re.MULTILINE)


def _way_out(lang: str) -> str:
    return "수신거부" if is_korean(lang) else "Unsubscribe"


def _html(mail: Mail) -> str:
    paragraphs = "".join(f"<p>{escape(part)}</p>".replace("\n", "<br>\n") for part in mail.text.split("\n\n"))
    link = f'<p><a href="{escape(mail.unsubscribe)}">{_way_out(mail.lang)}</a></p>'
    return (
        f'<!doctype html><html lang="{escape(mail.lang)}"><head><meta charset="utf-8"><title>{escape(mail.subject)}'
        f"</title></head><body>{paragraphs}{link}</body></html>"
    )


def send(server: MailServer, mail: Mail, hand_over: Callable[[], bool]) -> Handed:
    """Hand one mail over.

    Args:
        server: takes it.
        mail: it.
        hand_over: called when the next step can't be taken back; False: somebody else sends it.
    """
    try:
        body = written(mail)
    except ValueError as error:
        return Handed("refused", None, f"this mail can't be written: {error}")
    try:
        smtp = _connected(server)
    except (OSError, smtplib.SMTPException) as error:
        return Handed("later", None, _named(error))
    try:
        return _refused(smtp, mail) or _data(smtp, body, hand_over)
    except (OSError, smtplib.SMTPException) as error:
        return Handed("later", None, _named(error))
    finally:
        smtp.close()


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST_ERROR]


def _refused(smtp: smtplib.SMTP, mail: Mail) -> Handed | None:
    """What the server has against the sender or the recipient."""
    for step, address in ((smtp.mail, mail.sender), (smtp.rcpt, mail.to)):
        code, said = step(address)
        if code not in (_OK, _OK_ELSEWHERE):
            return _said(code, said)
    return None


def _connected(server: MailServer) -> smtplib.SMTP:
    smtp: smtplib.SMTP
    if server.tls == "implicit":
        smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    try:
        if server.tls == "starttls":
            smtp.starttls(context=ssl.create_default_context())
        smtp.ehlo_or_helo_if_needed()
        if server.user is not None:
            smtp.login(server.user, server.password or "")
    except BaseException:
        smtp.close()
        raise
    return smtp


def _data(smtp: smtplib.SMTP, body: bytes, hand_over: Callable[[], bool]) -> Handed:
    """The whole mail, then the caller's note, then the dot: only who dies after the note leaves a doubt."""
    code, said = smtp.docmd("DATA")
    if code != _GO_ON:
        return _said(code, said)
    smtp.send(stuffed(body))
    if not hand_over():
        return Handed("unknown", None, "another sender has it")
    try:
        smtp.send(b".\r\n")
        code, said = smtp.getreply()
    except (OSError, smtplib.SMTPException) as error:
        return Handed("unknown", None, _named(error))
    return Handed("taken", code) if code == _OK else _said(code, said)


def _said(code: int, text: bytes) -> Handed:
    error = text.decode("utf-8", "replace")[:LONGEST_ERROR]
    return Handed("refused" if code >= _PERMANENT else "later", code, error)
