"""Taking events: each on its own, none lost, answered after the commit."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
from msgspec import Struct

from offerlab.domain.clock import SECOND
from offerlab.domain.event import Rejection
from offerlab.intake.arrival import Arrival
from offerlab.intake.canonical import decode
from offerlab.intake.native import NativeExposure
from offerlab.storage.events import OBJECTIONS, Outcome
from offerlab.workflows.serving import Serving
from offerlab.workflows.tally import REMEMBERED, TAKEN, Latest, Tally
from offerlab.workflows.translating import Read, T, Translator

INLINE: Final = 20
"""Up to so many events are translated on the caller's thread; more go to another one, for one may have to read."""

INLINE_UNREAD: Final = 500
"""The same where none of them reads anything."""

_EXPLAINED: Final[dict[Outcome, str]] = {
    **OBJECTIONS,
    "erased": "this customer asked to be forgotten; nothing more is stored",
}


_TAKEN: Final = (TAKEN, None)
_CLOCK_OFF: Final = ("clock_off", "the sender's clock was wrong by more than five minutes; its time was corrected")


class Refused(Struct, frozen=True, kw_only=True):
    """One event that was not taken."""

    index: int
    code: str
    detail: str


class Recorded(Struct, frozen=True, kw_only=True):
    """What became of a batch, after the commit."""

    accepted: int
    duplicates: int
    rejected: list[Refused]


class Sender(Struct, frozen=True, kw_only=True):
    """Who sends events.

    Attributes:
        project_id: whose events they are.
        publishable: whether it is a client key, which may not send revenue.
        source: how what is rejected is to be read again.
        key_id: whose key; None for a signed webhook.
    """

    project_id: int
    publishable: bool
    source: str = "native"
    key_id: int | None = None


def read_native(raw: bytes, index: int) -> Arrival:
    """A native event."""
    return Arrival(said=decode(raw, index), raw=raw)


def as_read(arrival: Arrival, index: int) -> Arrival:
    """What was read before: a webhook tells several things at once."""
    if isinstance(arrival.said, Rejection):
        return msgspec.structs.replace(arrival, said=msgspec.structs.replace(arrival.said, index=index))
    return arrival


async def record_native(serving: Serving, sender: Sender, arrivals: Sequence[Arrival]) -> Recorded:
    """Take a native batch, as it was read.

    Raises:
        Unavailable: nothing was stored; send it again.
    """
    inline = INLINE
    if len(arrivals) > INLINE and not any(map(_reads, arrivals)):
        inline = INLINE_UNREAD
    return await record(serving, sender, arrivals, as_read, inline=inline)


def _reads(arrival: Arrival) -> bool:
    """Whether translating it asks for a customer's state."""
    return isinstance(arrival.said, NativeExposure) and arrival.said.decision_id is None


async def record(
    serving: Serving, sender: Sender, items: Sequence[T], read: Read[T], *, inline: int = INLINE
) -> Recorded:
    """Take a batch of events.

    Args:
        serving: decides exposures that carry no token.
        sender: who sends them.
        items: what was sent, one by one.
        read: what a source's item says.
        inline: how many are translated on this thread, where no event sets off an experiment.

    Raises:
        Unavailable: nothing was stored; send it again.
    """
    runtime = serving.runtime
    snapshot = runtime.snapshot(sender.project_id)
    translator = Translator(serving, snapshot, publishable=sender.publishable, source=sender.source)
    if len(items) > INLINE and (snapshot.automatic or len(items) > inline):
        await asyncio.to_thread(translator.translate, items, read)
    else:
        translator.translate(items, read)
    outcomes: Sequence[Outcome] = ()
    if translator.events or translator.rejections:
        outcomes = (await runtime.writer.submit(snapshot.project, translator.events, translator.rejections)).outcomes
    count = len(items)
    if 0 < count <= INLINE and outcomes.count("accepted") == len(outcomes) == count and translator.is_plain:
        runtime.tally.take(sender.key_id, sender.source, runtime.now(), translator.events)
        return Recorded(accepted=count, duplicates=0, rejected=[])
    recorded = _recorded(translator, outcomes, count)
    _note(runtime.tally, sender, translator, recorded, runtime.now())
    return recorded


def _note(tally: Tally, sender: Sender, translator: Translator, recorded: Recorded, now: int) -> None:
    """Count a request, and remember the last events of it by id and type alone: no person stands in them."""
    counts = {"accepted": recorded.accepted, "duplicate": recorded.duplicates, "ignored": translator.ignored}
    for item in recorded.rejected:
        counts[item.code] = counts.get(item.code, 0) + 1
    last = translator.events[-REMEMBERED:]
    names: dict[int, tuple[str | None, str | None]] = {
        index: (event.id, event.type) for index, event in zip(translator.owners[-REMEMBERED:], last, strict=True)
    }
    for one in translator.rejections[-REMEMBERED:]:
        names[one.index] = (one.id, one.type)
    lag = (now - max(event.occurred_at for event in last)) / SECOND if last and recorded.accepted else None
    bad = {item.index: (item.code, item.detail) for item in recorded.rejected[-REMEMBERED:]}
    off = {index: _CLOCK_OFF for index in translator.clock_off if index not in bad} if translator.clock_off else {}
    latest = partial(_latest, now, sender.source, names, bad | off)
    tally.note(sender.key_id, counts, latest, min(len(names), REMEMBERED), lag_s=lag, clock_off=len(off))


def _latest(
    now: int,
    source: str,
    names: Mapping[int, tuple[str | None, str | None]],
    told: Mapping[int, tuple[str, str | None]],
) -> list[Latest]:
    return [
        Latest(
            at=now,
            id=names[index][0],
            type=names[index][1],
            source=source,
            outcome=outcome,
            detail=detail,
        )
        for index in sorted(names)[-REMEMBERED:]
        for outcome, detail in (told.get(index, _TAKEN),)
    ]


def _recorded(translator: Translator, outcomes: Sequence[Outcome], count: int) -> Recorded:
    by_item: dict[int, list[Outcome]] = {}
    for index, outcome in zip(translator.owners, outcomes, strict=True):
        by_item.setdefault(index, []).append(outcome)
    rejected = [Refused(index=item.index, code=item.code, detail=item.detail) for item in translator.rejections]
    accepted = duplicates = 0
    for index, found in by_item.items():
        bad = next(((code, detail) for code, detail in _EXPLAINED.items() if code in found), None)
        if bad is not None:
            rejected.append(Refused(index=index, code=bad[0], detail=bad[1]))
        elif "accepted" in found:
            accepted += 1
        else:
            duplicates += 1
    if accepted + duplicates + len(rejected) + translator.ignored != count:
        raise AssertionError("every event is accepted, a duplicate, rejected or of no meaning here")
    return Recorded(accepted=accepted, duplicates=duplicates, rejected=sorted(rejected, key=lambda item: item.index))
