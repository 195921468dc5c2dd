"""A process that does nothing but send, made to be killed; and twins of it that are broken on purpose."""

import multiprocessing
import os
import sys
import time
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Event
from typing import Any, Final

from sqlalchemy import update

from offerlab.app import clock, new_number, new_salt
from offerlab.delivery.guard import Guard
from offerlab.delivery.mailing import mail_server
from offerlab.domain.clock import SECOND
from offerlab.storage import outbox
from offerlab.storage.database import open_engine
from offerlab.storage.tables import outbox as table
from offerlab.workflows.courier import Courier, PostOffice
from offerlab.workflows.releasing import Sender
from offerlab.workflows.runtime import Runtime

_NEEDED: Final = ["support.sender", "psycopg", "anyio._backends._asyncio", "sqlalchemy.dialects.sqlite.pysqlite"]


HURRY: Final = 600 * SECOND
"""How far the clock of the twin that hurries is ahead, microseconds."""


def nursery() -> ForkServerContext:
    """Where senders are born with everything imported.

    The server that forks them must be told where our modules are: Python 3.11 gives it no `sys.path`, and what it can't
    import it leaves to each child, without a word: three seconds of processor time for every one.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_NEEDED)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context


def send_until_killed(url: str, smtp_url: str, twin: str | None, ready: Event) -> None:
    """Send what is due in the store at `url`.

    Args:
        url: of the store.
        smtp_url: of the mail server.
        ready: set when it sends.
        twin: `forgets` believes that what was handed over never went; `hurries` lives `HURRY` ahead.
    """
    setattr(outbox, "SETTLING", 0)  # noqa: B010 - whoever asks waits until the mailbox has ended all connections
    if twin == "forgets":
        outbox._settle_abandoned = _forget
    sender = Sender(address="shop@shop.test", name="Shop", base_url="https://shop.test")
    runtime = Runtime(open_engine(url), now=clock, new_number=new_number, new_salt=new_salt)
    runtime.start()
    ahead = HURRY if twin == "hurries" else 0
    courier = Courier(
        runtime,
        guard=Guard(allow_private=True),
        post_office=PostOffice(mail_server(smtp_url), sender),
        clock=lambda: clock() + ahead,
    )
    courier.start(alone=True)
    ready.set()
    while True:
        time.sleep(60)


def _forget(connection: Any, now: int) -> None:
    connection.execute(
        update(table)
        .where(table.c.status.in_(("sending", "handed_over")), table.c.lease_until <= now)
        .values(status="pending", next_at=now, lease_until=None)
    )
