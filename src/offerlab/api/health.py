"""Is it alive, is it ready, what does it count, what can it do."""

from collections.abc import Iterator
from typing import Any, Final

from litestar import Request, Response, get
from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from offerlab.api.changes import runtime_of
from offerlab.api.openapi import document
from offerlab.api.routing import operation, reply
from offerlab.domain.clock import SECOND
from offerlab.workflows.runtime import Runtime

AnyRequest = Request[Any, Any, Any]
FRESH_S: Final = 10


class Alive(Struct, frozen=True):
    """The process listens."""

    status: str = "alive"


class Ready(Struct, frozen=True, kw_only=True):
    """Every route works; `store` says whether events can be written right now.

    Attributes:
        rules_age_s: seconds since the rules in memory were last compared with the store.
        rules_from: `disk` after a start without the store, until it is back.
    """

    status: str
    store: str
    rules_age_s: float
    rules_from: str


@get("/livez", opt=operation("open", "The process listens", answers={200: Alive}))
async def livez() -> Response[bytes]:
    """Touches nothing."""
    return reply(Alive())


@get("/readyz", opt=operation("open", "Every route works", answers={200: Ready}))
async def readyz(request: AnyRequest) -> Response[bytes]:
    """200 once every route works; decisions stay ready while the store is away."""
    runtime = runtime_of(request)
    age = (runtime.now() - runtime.refreshed_at) / SECOND
    store = "reachable" if age < FRESH_S else "unreachable"
    source = "disk" if runtime.from_disk else "store"
    return reply(Ready(status="ready", store=store, rules_age_s=round(age, 3), rules_from=source))


@get("/metrics", opt=operation("inspect", "Prometheus metrics", answers={200: None}, media=CONTENT_TYPE_LATEST))
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Counters of this process."""
    registry: CollectorRegistry = request.app.state.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8"))


class Intake(Collector):
    """What becomes of events, read when a monitor asks.

    Args:
        runtime: whose.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        """The families."""
        told = CounterMetricFamily("offerlab_events", "Events by outcome: a code is a rejection", labels=["outcome"])
        for outcome, count in sorted(self._runtime.tally.counts().items()):
            told.add_metric([outcome], count)
        yield told
        waiting = self._runtime.writer.waiting
        yield GaugeMetricFamily("offerlab_events_waiting", "Events queued and not yet on disk", value=waiting)
        off = CounterMetricFamily("offerlab_events_clock_off", "Events taken with a corrected time: a clock was wrong")
        off.add_metric([], self._runtime.tally.clock_off())
        yield off
        lag = self._runtime.tally.lag_s()
        yield GaugeMetricFamily("offerlab_event_lag_seconds", "From happening to disk, of the newest event", value=lag)


@get("/schema/openapi.json", opt=operation("inspect", "This document", answers={200: None}))
async def openapi(request: AnyRequest) -> Response[bytes]:
    """OpenAPI 3.1, made from the running application."""
    return reply(document(request.app))


HANDLERS: Final[list[Any]] = [livez, readyz, metrics, openapi]
