"""A real SMTP server on loopback: what it took is kept, and its answers are as told."""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope

from support.process import free_port

if TYPE_CHECKING:
    from email.message import EmailMessage


class Mailbox:
    """Everything that was handed over.

    Attributes:
        taken: mails in order, each with its recipient.
        answers: replies to the next mails at the end of DATA; afterwards 250.
        slow_s: how long it takes to say so. times: when each mail came, seconds UTC.
        cuts: every so many mails the connection breaks where the answer should come, in turn before and after the mail
            was taken; 0: never.
        sessions: connections that are open.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, EmailMessage]] = []
        self.answers: list[str] = []
        self.port = 0
        self.slow_s = 0.0
        self.times: list[float] = []
        self.cuts = 0
        self.sessions = 0
        self._seen = 0

    async def handle_DATA(self, server: SMTP, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one mail, or refuse it, or break off."""
        self._seen += 1
        turn, rest = divmod(self._seen, self.cuts) if self.cuts else (0, 1)
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer.startswith("250") and (rest or turn % 2):
            content = envelope.content
            raw = content if isinstance(content, bytes) else str(content).encode()
            made: Any = message_from_bytes(raw, policy=policy.default)
            self.taken.append((envelope.rcpt_tos[0], made))
            self.times.append(time.time())
            await asyncio.sleep(self.slow_s)
        if not rest and server.transport is not None:
            server.transport.close()
        return answer

    def has(self, message_id: str) -> bool:
        """What the server's log says of a mail."""
        return any(mail["Message-ID"].startswith(f"<{message_id}@") for _, mail in self.taken)

    @property
    def url(self) -> str:
        """As the setting wants it."""
        return f"smtp://127.0.0.1:{self.port}?tls=none"


class _Counted(SMTP):
    """A server's side of one connection that says whether it is open."""

    event_handler: Mailbox

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """One more."""
        self.event_handler.sessions += 1
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """One less."""
        super().connection_lost(error)
        self.event_handler.sessions -= 1


class _Listening(Controller):
    """Counts what it serves."""

    def factory(self) -> SMTP:
        """One connection's side."""
        return _Counted(self.handler, **self.SMTP_kwargs)


@contextmanager
def mailbox() -> Generator[Mailbox]:
    """A mail server while the block runs."""
    box = Mailbox()
    box.port = free_port()  # the controller can't be told to choose one
    controller = _Listening(box, hostname="127.0.0.1", port=box.port, ready_timeout=60)
    controller.start()
    yield box
    controller.stop()
