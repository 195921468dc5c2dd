"""Metrics: those that every shop has, and a shop's own, by definition over events."""

import asyncio
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post, put
from litestar.params import FromPath

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import caller_of, change, runtime_of
from offerlab.api.definitions import same_key
from offerlab.api.lists import QUERY, Page, page_of
from offerlab.api.requests import NewMetric
from offerlab.api.responses import MetricView, metric_view
from offerlab.api.routing import operation, reply
from offerlab.domain.metric import METRICS, CustomMetric, Metric
from offerlab.errors import NotFound
from offerlab.workflows import defining
from offerlab.workflows.desk import Desk

AnyRequest = Request[Any, Any, Any]

_METRIC: Final = msgspec.json.Decoder(NewMetric)


@post(
    "/v1/metrics",
    opt=operation("define", "Define a metric over events", body=NewMetric, answers={201: MetricView, 200: MetricView}),
)
async def post_metric(request: AnyRequest) -> Response[bytes]:
    """201 when it is new, 200 when it stood there identical, 409 when another one has its key."""
    body = await bounded(request, DEFINITION_LIMIT)
    metric = decode(body, _METRIC).to_domain()

    def work(desk: Desk) -> tuple[int, object]:
        stored, created = defining.create_metric(desk, metric)
        return (201 if created else 200), metric_view(stored)

    return await change(request, work, body=body)


@get(
    "/v1/metrics",
    opt=operation("read", "List the metrics that can be measured", answers={200: Page}, query=QUERY),
    sync_to_thread=True,
)
def list_metrics(request: AnyRequest) -> Response[bytes]:
    """Metrics in order of their keys, the shop's own among them."""
    return reply(page_of(request, _known(request), metric_view))


@get("/v1/metrics/{key:str}", opt=operation("read", "Read a metric", answers={200: MetricView}))
async def get_metric(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """One metric."""
    found = (await asyncio.to_thread(_known, request)).get(key)
    if found is None:
        raise NotFound(f"no metric has the key {key!r}")
    return reply(metric_view(found))


@put(
    "/v1/metrics/{key:str}",
    opt=operation("define", "Replace a metric of the shop's own", body=NewMetric, answers={200: MetricView}),
)
async def put_metric(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Replace a metric; one that an experiment measures is frozen."""
    body = await bounded(request, DEFINITION_LIMIT)
    sent = decode(body, _METRIC)
    same_key(sent.key, key, "key")
    metric = sent.to_domain()
    return await change(request, lambda desk: (200, metric_view(defining.update_metric(desk, metric))), body=body)


def _known(request: AnyRequest) -> dict[str, Metric | CustomMetric]:
    own = defining.metrics_of(runtime_of(request), caller_of(request).project_id)
    return {**METRICS, **own}


HANDLERS: Final[list[Any]] = [post_metric, list_metrics, get_metric, put_metric]
