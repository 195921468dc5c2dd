"""The ASGI server around the application: uvicorn, with what it lacks.

uvicorn waits for ever for a request whose headers never end; here a connection that has not sent a whole request
within `RECEIPT_S` seconds, or none for `IDLE_S`, is closed a second or two later. One process: a worker that outlives
its parent would keep port and lock.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from offerlab.api.front import Application, Front
from offerlab.errors import OfferLabError
from offerlab.settings import Settings
from offerlab.storage.lock import held

if TYPE_CHECKING:
    from offerlab.workflows.access import FirstStart

RECEIPT_S: Final = 10.0
IDLE_S: Final = 75.0
LOOK_S: Final = 1.0
DRAIN_S: Final = 15
END_S: Final = 18.0
"""So long after it was asked to end the process is gone: a store that says nothing holds threads for ever."""
COLLECT_AFTER: Final = (10_000, 50, 10)
"""Cycles are rare here: looked for a tenth as often as Python would, a twentieth of a busy server's time is saved."""
_log: Final = logging.getLogger(__name__)


class PunctualProtocol(HttpToolsProtocol):
    """Closes a connection whose request does not arrive in time, and one that is idle for long.

    A look at all connections once a second, because a timer for each request costs more than the request's parsing.
    """

    _connected: ClassVar[set["PunctualProtocol"]] = set()
    _seen: tuple[object, float | None] = (None, None)
    _since = 0.0

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's own
        """Expect the first request."""
        super().connection_made(transport)
        if not self._connected:
            self.loop.call_later(LOOK_S, self._look, self.loop)
        self._connected.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is expected any more."""
        self._connected.discard(self)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Be ready for the next request, without the timer that uvicorn would start here."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()

    def patience_s(self) -> float | None:
        """How long is waited for what this connection is to send next; None while it is being answered."""
        cycle: Any = self.cycle  # uvicorn says that there always is one
        if cycle is None or self.scope is not cycle.scope or cycle.more_body:
            return RECEIPT_S
        return IDLE_S if cycle.response_complete else None

    def is_late(self, now: float) -> bool:
        """Whether one and the same has been waited for longer than that, as far as one look after the other can tell.

        Args:
            now: by the loop's clock, at this look.
        """
        patience_s = self.patience_s()
        seen = (self.scope, patience_s)
        if seen[0] is not self._seen[0] or seen[1] != self._seen[1]:
            self._seen, self._since = seen, now
        return patience_s is not None and now - self._since >= patience_s

    @classmethod
    def _look(cls, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for late in [one for one in cls._connected if one.is_late(now)]:
            late.transport.abort()
        if cls._connected:
            loop.call_later(LOOK_S, cls._look, loop)


class DrainingServer(uvicorn.Server):
    """Ends when it is asked to: streams first, then requests, and at last whatever hangs.

    Streams would keep it until its patience is over, a store that says nothing for ever. Nothing acknowledged is lost
    by the last step: whoever still waits was not told that anything is on disk.
    """

    def __init__(self, front: Front, settings: Settings) -> None:
        """Serve `front`."""
        super().__init__(configuration(front, settings))
        self._front = front

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Asked to stop: its time runs."""
        if not self.should_exit:
            last = threading.Timer(END_S, _cut)
            last.daemon = True
            last.start()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Told to stop."""
        self._front.drain()
        await super().shutdown(sockets)


def _cut() -> None:
    _log.error("asked to end %d s ago and still waiting for the store: ended without it", END_S)
    logging.shutdown()
    os._exit(0)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish what is under way and write what is queued.

    Raises:
        Misconfigured: the data folder is in use.
    """
    failures: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True  # not a signal: uvicorn raises that again when it has ended, before we could say why

    def load() -> Application:
        from offerlab.app import create_app  # noqa: PLC0415 - the process listens before it loads the service

        app = create_app(settings)
        gc.collect()
        gc.freeze()  # what was loaded stays: no collection need look through it again while requests wait
        gc.set_threshold(*COLLECT_AFTER)
        announce(app.first)
        app.courier.start(alone=settings.embedded)
        app.housekeeper.start()
        app.calendar.start()
        app.watch.start()
        return app

    front = Front(load, origins=settings.origins, on_failure=failed)
    server = DrainingServer(front, settings)
    with ExitStack() as stack:
        if settings.embedded:
            stack.enter_context(held(settings.data_dir))
        click.echo(f"OfferLab listens on http://{settings.host}:{settings.port}")
        signal.signal(signal.SIGTERM, _leave)  # uvicorn raises the signal again once it has drained
        server.run()
    if failures:
        error = failures[0]
        if isinstance(error, OfferLabError):
            raise error
        click.echo(f"offerlab: {type(error).__name__}: {error}", err=True)
        sys.exit(1)


def _leave(_number: int, _frame: object) -> None:
    """End with status 0: being asked to stop is no failure."""
    sys.exit(0)


def announce(first: "FirstStart") -> None:
    """Print a new admin key: the only time it is seen."""
    if first.admin_key is not None:
        click.echo(f"admin key (shown once, keep it): {first.admin_key}")


def configuration(front: Front, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves OfferLab."""
    return uvicorn.Config(
        front,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=PunctualProtocol,
        access_log=False,
        log_level="warning",
        proxy_headers=False,  # the application looks at them, where it matters who calls
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=DRAIN_S,
        lifespan="on",
    )
