"""A real SMTP server on loopback: what it took is kept, and its answers are as told."""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from support.process import free_port

if TYPE_CHECKING:
    from email.message import EmailMessage


class Mailbox:
    """Everything that was handed over.

    Attributes:
        taken: mails in order, each with its recipient.
        answers: replies to the next mails at the end of DATA; afterwards 250.
        slow_s: how long it takes to say so. times: when each mail came, seconds UTC.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, EmailMessage]] = []
        self.answers: list[str] = []
        self.port = 0
        self.slow_s = 0.0
        self.times: list[float] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one mail, or refuse it."""
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer.startswith("250"):
            content = envelope.content
            raw = content if isinstance(content, bytes) else str(content).encode()
            made: Any = message_from_bytes(raw, policy=policy.default)
            self.taken.append((envelope.rcpt_tos[0], made))
            self.times.append(time.time())
            await asyncio.sleep(self.slow_s)
        return answer

    @property
    def url(self) -> str:
        """As the setting wants it."""
        return f"smtp://127.0.0.1:{self.port}?tls=none"


@contextmanager
def mailbox() -> Generator[Mailbox]:
    """A mail server while the block runs."""
    box = Mailbox()
    box.port = free_port()  # the controller can't be told to choose one
    controller = Controller(box, hostname="127.0.0.1", port=box.port, ready_timeout=60)
    controller.start()
    yield box
    controller.stop()
