"""What a source sent, as canonical events: each item on its own, and what experiments its events set off."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final, TypeVar

import msgspec

from offerlab.assignment.decide import decide
from offerlab.domain.customer import CustomerState
from offerlab.domain.decision import ANYWHERE, Context, Request
from offerlab.domain.event import CLIENT_MAY_SEND, Event, Exposure, Fact, Planned, Rejection
from offerlab.domain.naming import unit_of
from offerlab.errors import OfferLabError, Unavailable
from offerlab.intake.arrival import Arrival
from offerlab.intake.canonical import customer_of, event_of, fact_of, is_ahead, occurred, type_of
from offerlab.intake.native import Native, NativeExposure, NativeProfile
from offerlab.intake.samples import sample_of
from offerlab.storage.customers import digest_of
from offerlab.workflows.planning import moment_of_event, order_of_event, plan_for, planned_of, state_at, trigger_of
from offerlab.workflows.serving import Serving, exposure_of
from offerlab.workflows.snapshot import Snapshot
from offerlab.workflows.token import Content, read

LONGEST_KEPT: Final = 65_536
"""Of a rejected event so many bytes are kept for a second try; a longer one leaves only its sample."""

T = TypeVar("T")
Read = Callable[[T, int], Arrival]
"""How a source's item is read: what was sent, and its place in the batch."""


class Refusal(OfferLabError):
    """An event that can't be taken, with the code that its item gets."""

    def __init__(self, code: str, detail: str) -> None:
        """Carry the item's code beside the sentence."""
        super().__init__(detail)
        self.item_code = code


class Translator:
    """Turns items into canonical events; what can't be turned becomes a rejection.

    Args:
        serving: decides exposures that carry no token, and knows what an event sets off.
        snapshot: the rules.
        publishable: whether a client key sends, which may not speak of revenue.
        source: how what is rejected is to be read again.

    Attributes:
        events: made so far; owners: the place of the item that each was made of.
        rejections: what could not be taken. ignored: items that mean nothing here.
        clock_off: places of items whose sender's clock was wrong.
    """

    def __init__(self, serving: Serving, snapshot: Snapshot, *, publishable: bool, source: str) -> None:
        """Nothing is translated yet."""
        self.events: list[Event] = []
        self.owners: list[int] = []
        self.rejections: list[Rejection] = []
        self.ignored = 0
        self.clock_off: list[int] = []
        self._serving = serving
        self._snapshot = snapshot
        self._publishable = publishable
        self._source = source
        self._now = serving.runtime.now()

    @property
    def is_plain(self) -> bool:
        """Whether every item made events, and nothing else is to be said of any."""
        return not (self.rejections or self.ignored or self.clock_off)

    def translate(self, items: Sequence[T], read: Read[T]) -> None:
        """Translate every item."""
        for index, item in enumerate(items):
            arrival = read(item, index)
            if arrival.said is None:
                self.ignored += 1
            elif isinstance(arrival.said, Rejection):
                self._reject(arrival.said, arrival.raw)
            else:
                self._take(arrival, arrival.said, index)
        if self._snapshot.automatic:
            self._set_off_all()

    def _take(self, arrival: Arrival, native: Native, index: int) -> None:
        try:
            events = self._events(native)
        except Unavailable:
            raise
        except OfferLabError as error:
            code = error.item_code if isinstance(error, Refusal) else _code(error)
            said = Rejection(index=index, code=code, detail=error.detail, id=native.id, type=type_of(native))
            self._reject(said, arrival.raw, customer=_unit(native))
            return
        if arrival.digest is not None:
            raw = arrival.raw if arrival.kept else b""
            events = [msgspec.structs.replace(event, digest=arrival.digest, raw=raw) for event in events]
        if arrival.clock_off or (events[0].occurred_at == self._now and is_ahead(native, now=self._now)):
            self.clock_off.append(index)
        self.events += events
        self.owners += [index] * len(events)

    def _reject(self, rejection: Rejection, raw: bytes, customer: str | None = None) -> None:
        kept = msgspec.structs.replace(
            rejection,
            raw=raw if len(raw) <= LONGEST_KEPT else b"",
            sample=sample_of(raw),
            source=self._source,
            customer=customer,
        )
        self.rejections.append(kept)

    def _events(self, native: Native) -> list[Event]:
        if self._publishable:
            native = publishable_part(native)
        if isinstance(native, NativeExposure):
            return self._exposures(native)
        return [event_of(native, fact_of(native, self._snapshot.catalogue), now=self._now)]

    def _set_off_all(self) -> None:
        """Set off what the batch sets off, once all of it is read: a customer's own words in it count, wherever."""
        batch = list(zip(self.events, self.owners, strict=True))
        said: dict[str, list[Event]] = {}
        for event, _ in batch:
            said.setdefault(event.customer, []).append(event)
        self.events, self.owners = [], []
        for event, owner in batch:
            made = self._set_off(event, said[event.customer])
            self.events += made
            self.owners += [owner] * len(made)

    def _set_off(self, event: Event, said: Sequence[Event]) -> list[Event]:
        """The event with what it sets off: exposures of all arms, and offers that wait for their time."""
        trigger = trigger_of(event)
        keys = None if trigger is None else self._snapshot.automatic.get(trigger)
        if trigger is None or not keys:
            return [event]
        snapshot = self._snapshot
        state = state_at(event, self._state(event.customer), said, currency=snapshot.project.currency)
        wanted = {sku for key in keys for sku in self._triggers(key)}
        context = moment_of_event(event, trigger, state, frozenset(wanted))
        request = Request(unit=event.customer, context=context, experiments=keys)
        decided = decide(snapshot.ruleset, state, request, event.occurred_at)
        enrolled = [one for one in (*decided.decisions, *decided.holdouts) if one.enrolled]
        planned = [planned_of(one, context, event.occurred_at, order_of_event(event)) for one in decided.decisions]
        exposures = [
            Event(
                id=f"{event.id}#exposure:{one.experiment_id}",
                type="exposure",
                customer=event.customer,
                occurred_at=event.occurred_at,
                digest=event.digest,
                raw=event.raw,
                fact=exposure_of(snapshot, one, one.suppressed, context),
            )
            for one in enrolled
            if one.experiment_id not in state.assignments
        ]
        return [msgspec.structs.replace(event, planned=tuple(chain.from_iterable(planned))), *exposures]

    def _triggers(self, key: str) -> Iterator[str]:
        for name in self._snapshot.experiments[key].offer_keys():
            offer = self._snapshot.offers.get(name)
            yield from () if offer is None else offer.trigger_products

    def _exposures(self, native: NativeExposure) -> list[Event]:
        facts = self._facts_of_token(native) if native.decision_id is not None else [self._decided_again(native)]
        first = event_of(native, facts[0], now=self._now)
        ids = [native.id, *(f"{native.id}#{fact.experiment_id}" for fact in facts[1:])]
        return [
            msgspec.structs.replace(
                first, id=name, fact=_as_stated(fact, native), planned=self._planned(fact, first.occurred_at)
            )
            for name, fact in zip(ids, facts, strict=True)
        ]

    def _planned(self, fact: Exposure, at: int) -> tuple[Planned, ...]:
        offer = self._snapshot.offers.get(fact.offer or "")
        if offer is None or fact.suppressed is not None:
            return ()
        context = Context(channel=fact.channel, placement=fact.placement)
        return plan_for(offer, context, at, experiment_id=fact.experiment_id, variant=fact.variant, picked=fact.skus)

    def _facts_of_token(self, native: NativeExposure) -> list[Exposure]:
        content = read(self._snapshot.project.secret, native.decision_id or "")
        if content is None:
            raise Refusal("invalid_token", "this decision_id was not signed by this project")
        if content.customer != digest_of(self._snapshot.project.secret, customer_of(native)):
            raise Refusal("customer_mismatch", "this decision_id was made for another customer")
        facts = [fact for fact in _facts(content) if self._is_asked(native, fact)]
        if not facts:
            raise Refusal("not_enrolled", "this decision enrolled the customer in no such experiment")
        for fact in facts:
            self._check_variant(native, fact)
        return facts

    def _is_asked(self, native: NativeExposure, fact: Exposure) -> bool:
        if native.experiment is None:
            return True
        return self._experiment_id(native.experiment) == fact.experiment_id

    def _experiment_id(self, key: str) -> int:
        experiment = self._snapshot.experiments.get(key)
        if experiment is None or experiment.status == "draft":
            raise Refusal("unknown_experiment", f"no experiment that ever ran has the key {key!r}")
        return experiment.id

    def _check_variant(self, native: NativeExposure, fact: Exposure) -> None:
        if native.variant is None:
            return
        arms = next(one for one in self._snapshot.experiments.values() if one.id == fact.experiment_id).variants
        if arms[fact.variant].key != native.variant:
            raise Refusal("variant_mismatch", f"this customer's variant is not {native.variant!r}")

    def _decided_again(self, native: NativeExposure) -> Exposure:
        """The exposure as of the time it happened, by the rules of that time."""
        if native.experiment is None:
            raise Refusal("invalid", "an exposure needs decision_id or experiment")
        self._experiment_id(native.experiment)
        unit = customer_of(native)
        state = self._state(unit)
        request = Request(unit=unit, experiments=(native.experiment,))
        at = occurred(native, now=self._now)
        decided = decide(self._snapshot.ruleset, state, request, at)
        decision = decided.decisions[0] if decided.decisions else None
        if decision is None or not decision.enrolled:
            reason = "it was not running" if decision is None else decision.reason
            raise Refusal("not_enrolled", f"this customer was not in {native.experiment!r} then: {reason}")
        fact = exposure_of(self._snapshot, decision, decision.suppressed, ANYWHERE)
        self._check_variant(native, fact)
        return fact

    def _state(self, unit: str) -> CustomerState:
        return self._serving.state_now(self._snapshot, digest_of(self._snapshot.project.secret, unit))


def publishable_part(native: Native) -> Native:
    """What a key that sits in every browser may say of it: of a profile only which ids are one person.

    Raises:
        Refusal: nothing.
    """
    if isinstance(native, NativeProfile) and native.anonymous_id is not None:
        return msgspec.structs.replace(native, attributes={})
    if type_of(native) not in CLIENT_MAY_SEND:
        raise Refusal("key_may_not", f"a client key may not send {type_of(native)}")
    return native


def _facts(content: Content) -> list[Exposure]:
    picks = dict(content.picks)
    return [
        Exposure(
            experiment_id=entry.experiment,
            variant=entry.variant,
            epoch=entry.epoch,
            bucket=bucket,
            propensity=entry.propensity,
            segment=entry.segment,
            suppressed=entry.suppressed,
            template=entry.template,
            offer=entry.offer,
            skus=picks.get(i),
            channel=content.channel,
            placement=content.placement,
            slot=content.slot,
            agent=content.agent,
        )
        for i, (entry, bucket) in enumerate(zip(content.entries, content.buckets, strict=True))
    ]


def _as_stated(fact: Exposure, native: NativeExposure) -> Fact:
    """The exposure with what only its event knows: the device, the slot of the page, the agent who spoke."""
    return msgspec.structs.replace(
        fact, device=native.device, slot=native.slot or fact.slot, agent=native.agent or fact.agent
    )


def _unit(native: Native) -> str | None:
    try:
        return unit_of(native.customer_id)
    except OfferLabError:
        return None


def _code(error: OfferLabError) -> str:
    """The item's code for a value that can't be taken: by its field where that says more than `invalid`."""
    if error.field == "customer_id":
        return "invalid_customer_id"
    if error.field == "occurred_at":
        return "invalid_time"
    if error.field == "experiment":
        return "unknown_experiment"
    return "invalid"
