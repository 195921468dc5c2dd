"""What the webhooks of all shop systems share: they tell the same thing again and again, under several topics."""

from collections.abc import Callable, Iterable, Mapping

from offerlab.errors import InvalidInput
from offerlab.intake.arrival import Arrival, digest_over, native_of, read_object, refused
from offerlab.intake.mapping import Body, text_at


def told(raw: bytes, topic: str, read: Callable[[Body], Iterable[Arrival]]) -> list[Arrival]:
    """What one webhook says by its reader; what can't be taken is one rejection with the shop's own number."""
    body: Body = {}
    try:
        body = read_object(raw)
        return list(read(body))
    except InvalidInput as error:
        return [refused(0, error, raw, event_id=text_at(body, "id"), kind=topic)]


def state(said: Mapping[str, object], raw: bytes) -> Arrival:
    """An order as it is now: two tellings are the same where they say the same, whatever else stands around it."""
    return Arrival(said=native_of(said), raw=raw, digest=digest_over(said, frozenset()), kept=True)


def once(said: Mapping[str, object], raw: bytes) -> Arrival:
    """What several topics tell with more or less around it: its id alone says that it is the same."""
    return Arrival(said=native_of(said), raw=raw, digest=digest_over({"id": said["id"]}, frozenset()))


def nothing(raw: bytes) -> Arrival:
    """It means nothing here, and that is all right."""
    return Arrival(said=None, raw=raw)


def cancelled(source: str, number: str, *, customer: str, at: str, raw: bytes) -> Arrival:
    """The end of an order."""
    said: dict[str, object] = {
        "type": "order_cancelled",
        "id": f"{source}:cancelled:{number}",
        "order_id": number,
        "customer_id": customer,
        "occurred_at": at,
    }
    return once(said, raw)
