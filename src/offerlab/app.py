"""create_app: the only place where all rooms are wired together."""

import asyncio
import os
import secrets
import time
from array import array
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from copy import copy
from email.utils import parseaddr
from functools import cache
from typing import Any, Final

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from prometheus_client import CollectorRegistry
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from offerlab.api import (
    affinity,
    audit,
    consents,
    customers,
    decisions,
    events,
    experiments,
    health,
    hooks,
    keys,
    layers,
    metrics,
    offers,
    ofrep,
    outgoing,
    products,
    project,
    rejected,
    reports,
    ruleset,
    segment,
    segments,
    shop,
    unsubscribe,
    webhooks,
)
from offerlab.api.front import labelled
from offerlab.api.problems import on_http_error, on_our_error, on_surprise
from offerlab.api.rights import guard
from offerlab.api.routing import check_rights
from offerlab.api.streams import Streams
from offerlab.dashboard import routes as dashboard
from offerlab.delivery.guard import Guard
from offerlab.delivery.mailing import mail_server
from offerlab.delivery.steady import FILE as CLOCK_FILE
from offerlab.delivery.steady import Anchor, SteadyClock, boot
from offerlab.errors import Misconfigured, OfferLabError, Unavailable
from offerlab.settings import Settings
from offerlab.storage import schema
from offerlab.storage.database import open_engine
from offerlab.workflows.access import FirstStart, prepare
from offerlab.workflows.audience import Audience
from offerlab.workflows.courier import Courier, PostOffice
from offerlab.workflows.desk import Desk
from offerlab.workflows.guarding import Watch
from offerlab.workflows.housekeeping import Housekeeper
from offerlab.workflows.keeping import FILE
from offerlab.workflows.releasing import Sender
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.scheduling import Calendar
from offerlab.workflows.serving import Serving

_HANDLERS: Final = [
    *health.HANDLERS,
    *products.HANDLERS,
    *offers.HANDLERS,
    *segments.HANDLERS,
    *layers.HANDLERS,
    *customers.HANDLERS,
    *shop.HANDLERS,
    *metrics.HANDLERS,
    *experiments.HANDLERS,
    *decisions.HANDLERS,
    *events.HANDLERS,
    *ofrep.HANDLERS,
    *affinity.HANDLERS,
    *reports.HANDLERS,
    *keys.HANDLERS,
    *project.HANDLERS,
    *ruleset.HANDLERS,
    *segment.HANDLERS,
    *hooks.HANDLERS,
    *rejected.HANDLERS,
    *audit.HANDLERS,
    *webhooks.HANDLERS,
    *consents.HANDLERS,
    *outgoing.HANDLERS,
    *unsubscribe.HANDLERS,
]
_PLAIN: Final = {**decisions.PLAIN, **events.PLAIN}


def clock() -> int:
    """Microseconds UTC of the system's clock."""
    return time.time_ns() // 1000


def new_number() -> int:
    """62 random bits."""
    while True:
        try:
            return _drawn.pop()
        except IndexError:  # the system is asked for many at once
            _drawn.extend(number >> 2 for number in array("Q", os.urandom(_DRAWN_BYTES)))


_drawn: Final[list[int]] = []
_DRAWN_BYTES: Final = 2_048


def new_salt() -> str:
    """128 random bits in hexadecimal."""
    return secrets.token_hex(16)


class App:
    """The whole service behind one ASGI entry: what `Front` loads.

    Attributes:
        web: the framework's application.
        runtime, serving: what its handlers work with.
        first: what the first start made.
        courier: sends messages, once it is started.
        housekeeper: purges and mines on schedule, once it is started.
        calendar: keeps experiments' dates, once it is started.
        streams: tell clients that flags have changed. listen: where the holder of a key hears that.
        watch: pauses experiments that do harm, once it is started.
    """

    def __init__(
        self,
        web: Litestar,
        runtime: Runtime,
        serving: Serving,
        first: FirstStart,
        courier: Courier,
        *,
        streams: int,
    ) -> None:
        self.web = web
        application: Any = web
        self._framework: Any = ProxyHeadersMiddleware(application, os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"))
        self.streams = Streams(runtime, most=streams)
        self.listen = self.streams.listen
        self.courier = courier
        self.housekeeper = Housekeeper(runtime)
        self.calendar = Calendar(runtime)
        self.watch = Watch(runtime)
        self.runtime = runtime
        self.serving = serving
        self.first = first

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:  # noqa: ANN401 - ASGI's shapes, spelled differently by everybody
        """Answer one request: plain routes at once, all others through the framework."""
        path = scope["path"]
        route = _PLAIN.get(path) or ofrep.route(path)
        scope["house"] = self
        if route is not None:
            return route(scope, receive, send)
        answering: Awaitable[None] = self._framework(scope, receive, labelled(send, scope.get("labels", ())))
        return answering

    def drain(self) -> None:
        """End what would never end by itself: called when the process was told to stop, before requests are awaited."""
        self.streams.drain()

    async def close(self) -> None:
        """Finish what is under way and write what is queued."""
        self.drain()
        await asyncio.to_thread(self.calendar.close)
        await asyncio.to_thread(self.watch.close)
        await asyncio.to_thread(self.courier.close)
        await asyncio.to_thread(self.housekeeper.close)
        await asyncio.to_thread(self.web.state.studio.close)
        await asyncio.to_thread(self.serving.close)
        await asyncio.to_thread(self.runtime.close)


def create_app(settings: Settings, *, now: Callable[[], int] = clock, new_salt: Callable[[], str] = new_salt) -> App:
    """The service: store opened, migrated (when embedded) and loaded, every route ready.

    Args:
        settings: how this process runs.
        now: the clock, microseconds UTC.
        new_salt: draws salts; a demo that shows the same numbers every time passes its own.

    Raises:
        Misconfigured: the store is newer or not migrated, the currency differs, or a route declares no right.
        Unavailable: the store can't be reached.
    """
    first, runtime, serving = _prepared(settings, now, new_salt, serves=True)
    web = copy(_routed())
    web.state = State()
    web.state.registry = CollectorRegistry()
    web.state.registry.register(health.Intake(runtime))
    web.state.hook_secrets = {"shopify": settings.shopify_secret, "woocommerce": settings.woocommerce_secret}
    web.state.runtime, web.state.serving = runtime, serving
    web.state.audience = Audience(runtime)
    web.state.guard = Guard(allow_private=settings.webhook_private)
    courier = Courier(
        runtime,
        guard=web.state.guard,
        post_office=_post_office(settings),
        clock=SteadyClock(now, anchor=Anchor(settings.data_dir / CLOCK_FILE, boot())) if now is clock else now,
    )
    dashboard.furnish(web.state)
    return App(web, runtime, serving, first, courier, streams=settings.streams)


@cache
def _routed() -> Litestar:
    """Every route, registered once a process, which takes longer than all else at a start: routes know no store.

    Raises:
        Misconfigured: a route declares no right.
    """
    web = Litestar(
        route_handlers=[*_HANDLERS, dashboard.ROUTER],
        guards=[guard],
        exception_handlers={
            OfferLabError: on_our_error,
            HTTPException: _on_http_error,
            Exception: on_surprise,
        },
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )
    check_rights(web)
    return web


def _on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """A person who mistyped an address sees a page; a program that speaks JSON gets a problem."""
    is_person = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_MACHINES)
    return dashboard.on_http_error(request, error) if is_person else on_http_error(request, error)


_MACHINES: Final = ("/v1/", "/ofrep/")


def _post_office(settings: Settings) -> PostOffice | None:
    if settings.smtp_url is None or settings.mail_from is None or settings.base_url is None:
        return None
    name, address = parseaddr(settings.mail_from)
    if "@" not in address:
        raise Misconfigured(f"OFFERLAB_MAIL_FROM names no address: {settings.mail_from!r}")
    sender = Sender(address=address, name=name, base_url=settings.base_url)
    return PostOffice(mail_server(settings.smtp_url), sender)


@contextmanager
def open_desk(settings: Settings, *, actor: str = "command line") -> Generator[Desk]:
    """A desk on the project `default`, for commands that run beside a server on the same store.

    Raises:
        Misconfigured: the store is not at this release's schema.
    """
    _, runtime, serving = _prepared(settings, clock, new_salt)
    try:
        yield Desk(runtime, runtime.projects()[0].id, actor)
    finally:
        serving.close()
        runtime.close()


def _prepared(
    settings: Settings, now: Callable[[], int], new_salt: Callable[[], str], *, serves: bool = False
) -> tuple[FirstStart, Runtime, Serving]:
    if settings.embedded:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.url)
    keep_at = settings.data_dir / FILE if serves and not settings.embedded else None
    runtime = Runtime(engine, now=now, new_number=new_number, new_salt=new_salt, keep_at=keep_at)

    def open_store() -> FirstStart:
        if settings.embedded:
            schema.upgrade(engine)
        else:
            schema.check_current(engine)
        return prepare(engine, currency=settings.currency, admin_key=settings.admin_key, now=now)

    try:
        first = open_store()
        runtime.start()
    except OfferLabError as error:
        if not isinstance(error, Unavailable) or not runtime.start_from_disk(open_store):
            runtime.close()
            raise
        first = FirstStart(runtime.projects()[0], None)
    return first, runtime, Serving(runtime, patience_s=settings.state_timeout_ms / 1000)
