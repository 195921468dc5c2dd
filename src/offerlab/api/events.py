"""What happened: native events in batches, each answered on its own, after the commit."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, post
from msgspec import Meta, Struct

from offerlab.api.body import BATCH_LIMIT, bounded, invalid
from offerlab.api.changes import caller_of
from offerlab.api.decisions import serving_of
from offerlab.api.problems import Malformed
from offerlab.api.rights import Caller
from offerlab.api.routing import operation, reply
from offerlab.errors import TooLarge
from offerlab.intake.native import Native
from offerlab.workflows.recording import Recorded, Sender, read_native, record

AnyRequest = Request[Any, Any, Any]
MAX_EVENTS: Final = 10_000


class Envelope(Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of events, each still as sent."""

    events: list[msgspec.Raw]


class EventBatch(Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of events, as the OpenAPI document shows it."""

    events: Annotated[list[Native], Meta(max_length=MAX_EVENTS)]


def sender_of(caller: Caller, *, source: str = "native") -> Sender:
    """The sender behind a key; `source` says how what it sends is read."""
    publishable = caller.key.kind == "client"
    return Sender(project_id=caller.project_id, publishable=publishable, source=source, key_id=caller.key.id)


_ENVELOPE: Final = msgspec.json.Decoder(Envelope)


@post(
    "/v1/events",
    status_code=200,
    opt=operation("send", "Send events; answered after the commit", body=EventBatch, answers={200: Recorded}),
)
async def post_events(request: AnyRequest) -> Response[bytes]:
    """Each event is accepted, a duplicate, or rejected with a reason; one bad event harms no other."""
    body = await bounded(request, BATCH_LIMIT)
    try:
        items = _ENVELOPE.decode(body).events
    except msgspec.ValidationError as error:
        raise invalid(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is no JSON: {error}") from error
    if len(items) > MAX_EVENTS:
        raise TooLarge(f"a batch has at most {MAX_EVENTS} events")
    caller = caller_of(request)
    done = await record(
        serving_of(request),
        sender_of(caller),
        [bytes(item) for item in items],
        read_native,
    )
    return reply(done)


HANDLERS: Final[list[Any]] = [post_events]
