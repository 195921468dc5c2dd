"""What happened: native events in batches, each answered on its own, after the commit."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from offerlab.api.body import BATCH_LIMIT, invalid
from offerlab.api.plain import Call, Route, Sent, declared, plain
from offerlab.api.problems import Malformed
from offerlab.api.rights import Caller
from offerlab.api.routing import operation
from offerlab.errors import TooLarge
from offerlab.intake.arrival import Arrival
from offerlab.intake.canonical import decode_all
from offerlab.intake.native import Native
from offerlab.workflows.recording import Recorded, Sender, record_native

MAX_EVENTS: Final = 10_000
READ_AT_ONCE: Final = 262_144
"""A longer body is read on a thread of its own, so that nobody's decision waits for it."""

_ENCODER: Final = msgspec.json.Encoder()


class EventBatch(Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of events, as the OpenAPI document shows it."""

    events: Annotated[list[Native], Meta(max_length=MAX_EVENTS)]


def sender_of(caller: Caller, *, source: str = "native") -> Sender:
    """The sender behind a key; `source` says how what it sends is read."""
    publishable = caller.key.kind == "client"
    return Sender(project_id=caller.project_id, publishable=publishable, source=source, key_id=caller.key.id)


async def _send(call: Call, body: bytes) -> Sent:
    """Each event is accepted, a duplicate, or rejected with a reason; one bad event harms no other."""
    arrivals = await asyncio.to_thread(_read, body) if len(body) > READ_AT_ONCE else _read(body)
    recorded = await record_native(call.house.serving, sender_of(call.caller), arrivals)
    return Sent(_ENCODER.encode(recorded))


def _read(body: bytes) -> list[Arrival]:
    try:
        arrivals = decode_all(body)
    except msgspec.ValidationError as error:
        raise invalid(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is no JSON: {error}") from error
    if len(arrivals) > MAX_EVENTS:
        raise TooLarge(f"a batch has at most {MAX_EVENTS} events")
    return arrivals


PLAIN: Final[dict[str, Route]] = {"/v1/events": plain("send", BATCH_LIMIT, _send)}

HANDLERS: Final[list[Any]] = [
    declared(
        "/v1/events",
        PLAIN["/v1/events"],
        operation("send", "Send events; answered after the commit", body=EventBatch, answers={200: Recorded}),
    ),
]
