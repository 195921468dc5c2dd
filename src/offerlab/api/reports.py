"""The report: as JSON, HTML, CSV or Markdown."""

import asyncio
from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath
from msgspec import Struct

from offerlab.api.changes import caller_of, runtime_of
from offerlab.api.routing import Parameter, operation, reply
from offerlab.errors import InvalidInput
from offerlab.reporting.lowest import OfferResult
from offerlab.reporting.report import Report
from offerlab.workflows.reading import as_text, moment_of, read_report, tried_offers

AnyRequest = Request[Any, Any, Any]


class OfferResults(Struct, frozen=True):
    """All of them: there are as many as arms with offers."""

    items: list[OfferResult]


_MEDIA: Final = {
    "json": "application/json",
    "html": "text/html",
    "csv": "text/csv",
    "md": "text/markdown",
}
_QUERY: Final = (
    Parameter("as_of", str | None, "what was known then: ISO 8601 with a zone; now without"),
    Parameter(
        "segment_by",
        str | None,
        "the cut of its segments: segment, channel, placement, slot, device, agent, even_slice",
    ),
    Parameter("format", str | None, "json, html, csv or md"),
)


@get(
    "/v1/experiments/{key:str}/report",
    opt=operation("read", "The significance report of an experiment", answers={200: Report}, query=_QUERY),
)
async def get_report(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    """Covers every event acknowledged before the request; with `as_of` the same answer for ever."""
    query = request.query_params
    form = query.get("format", "json")
    if form not in _MEDIA:
        raise InvalidInput("a report comes as json, html, csv or md", field="format")
    report = await asyncio.to_thread(
        read_report,
        runtime_of(request),
        caller_of(request).project_id,
        key,
        as_of=moment_of(query.get("as_of")),
        segment_by=query.get("segment_by"),
    )
    return Response(as_text(report, form).encode(), media_type=_MEDIA[form])


@get(
    "/v1/offer-results",
    opt=operation("read", "Offers that were tried, the lowest acceptance first", answers={200: OfferResults}),
)
async def list_offer_results(request: AnyRequest) -> Response[bytes]:
    """With what customers said and the lineage, as of the last reading of each experiment."""
    found = await asyncio.to_thread(tried_offers, runtime_of(request), caller_of(request).project_id)
    return reply(OfferResults(found))


HANDLERS: Final[list[Any]] = [get_report, list_offer_results]
