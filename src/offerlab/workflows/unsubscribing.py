"""The way out of a message: a signed link that needs no key, works with one POST (RFC 8058) and names nobody."""

import asyncio
import base64
import binascii
import hashlib
import hmac
from typing import Final

import msgspec
from msgspec import Struct

from offerlab.domain.event import Event, Interaction
from offerlab.storage import contacts
from offerlab.storage.database import reading
from offerlab.storage.timed_offers import TimedOffer
from offerlab.workflows.runtime import Runtime

_SIGNATURE: Final = 16
_LONGEST: Final = 500
PATH: Final = "/unsubscribe"


class WayOut(Struct, frozen=True, array_like=True):
    """What a link says: whose project, the customer's internal number, the channel, the offer that carried it."""

    project: int
    customer: int
    channel: str
    timed_offer: int
    experiment: int


_DECODER: Final = msgspec.msgpack.Decoder(WayOut)


def link_for(secret: bytes, base_url: str, timed: TimedOffer) -> str:
    """The link in a message about this offer."""
    planned = timed.planned
    said = WayOut(timed.project_id, timed.customer, planned.channel, timed.id, planned.experiment_id)
    body = msgspec.msgpack.encode(said)
    text = base64.urlsafe_b64encode(body + _mac(secret, body)).rstrip(b"=").decode()
    return f"{base_url}{PATH}/{text}"


def way_out(runtime: Runtime, text: str) -> WayOut | None:
    """What a link says; None when this service did not make it."""
    if len(text) > _LONGEST:
        return None
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        body, mac = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
        said = _DECODER.decode(body)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    project = next((one for one in runtime.projects() if one.id == said.project), None)
    if project is None or not hmac.compare_digest(mac, _mac(project.secret, body)):
        return None
    return said


async def unsubscribe(runtime: Runtime, said: WayOut) -> None:
    """End messages through this channel; on disk when it returns. A second click changes nothing.

    Raises:
        Unavailable: it could not be written; try again.
    """
    unit = await asyncio.to_thread(_unit, runtime, said)
    if unit is None:  # erased meanwhile: nobody is left to write to
        return
    event_id = f"unsubscribe:{said.timed_offer}"
    event = Event(
        id=event_id,
        type="unsubscribe",
        customer=unit,
        occurred_at=runtime.now(),
        digest=hashlib.blake2b(event_id.encode(), digest_size=16).digest(),
        fact=Interaction(experiment_id=said.experiment, data={"channel": said.channel, "source": "link"}),
    )
    await runtime.writer.submit(runtime.snapshot(said.project).project, [event])


def _unit(runtime: Runtime, said: WayOut) -> str | None:
    with reading(runtime.engine) as connection:
        return contacts.recall(connection, said.customer).get(contacts.CUSTOMER_ID)


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, b"unsubscribe:" + body, "sha256")[:_SIGNATURE]
