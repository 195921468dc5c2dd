"""Deciding for a customer, now; and logging the exposure when that is asked for.

The path of a decision never waits for a write, and for a read at most ten milliseconds behind a circuit breaker:
once reads fail nobody waits for one, and whether they come in time again is tried beside a request.

Who is to be exposed and is not remembered is most often a stranger, so with an embedded store nothing is read of him:
he is taken for one, and the writer, which gives strangers their number, refuses the exposure of somebody who has one.
Then he is read, and decided for again.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from offerlab.assignment.decide import decide, settled_without_state
from offerlab.assignment.explain import Explanation, explain
from offerlab.domain.customer import NOBODY, UNREAD, CustomerState
from offerlab.domain.decision import Context, Decided, Decision, Request
from offerlab.domain.event import Event, Exposure
from offerlab.domain.offer import Offer
from offerlab.domain.touchpoint import TOUCHPOINTS
from offerlab.errors import InvalidInput, OfferLabError, Unavailable
from offerlab.storage.customers import digest_of
from offerlab.storage.states import EmbeddedStates, ServerStates
from offerlab.workflows.contact import Contact
from offerlab.workflows.encoding import Asking, Encoding, Said
from offerlab.workflows.exposing import Exposures
from offerlab.workflows.planning import planned_of
from offerlab.workflows.presenting import ShownOffer
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.snapshot import Snapshot

READ_S: Final = 0.010
EXPOSE_S: Final = 5.0
MAILING_S: Final = 60.0
READ_MANY_S: Final = 1.0
_log: Final = logging.getLogger(__name__)


class Answer(Struct, frozen=True, kw_only=True):
    """One experiment's decision as it leaves: the shape of what `encoding` writes."""

    experiment: str
    variant: str
    enrolled: bool
    exposed: bool
    reason: str
    segment: str | None
    propensity: float | None
    epoch: int | None
    offer: ShownOffer | None
    suppressed: str | None


class Answers(Struct, frozen=True, kw_only=True):
    """The shape of the answer to one decision request."""

    decision_id: str
    ruleset_version: int
    stale: bool
    unknown: list[str]
    decisions: list[Answer]
    explanations: list[Explanation] | UnsetType = UNSET


class Answered(Struct, frozen=True, kw_only=True, gc=False):
    """The answer to one decision request, its decisions encoded: on the wire it has the shape of `Answers`.

    Attributes:
        decision_id: the token, ASCII. decisions: a JSON list.
    """

    decision_id: bytes
    ruleset_version: int
    stale: bool
    unknown: list[str]
    decisions: bytes
    explanations: list[Explanation] | None = None


class Ask(Struct, frozen=True):
    """A decision asked for, whether the exposure is to be logged, and whether every gate is to be told."""

    request: Request
    expose: bool = False
    explain: bool = False


class Serving:
    """Decides; holds the readers of customer states and their circuit breaker.

    Args:
        runtime: the process's state.
        patience_s: how long a decision waits for a state from a database server; longer than usual, it is how long
            everything else about a decision may take, too.
    """

    def __init__(self, runtime: Runtime, *, patience_s: float = READ_S) -> None:
        self.runtime = runtime
        self._patience_s = patience_s
        self._expose_s = max(EXPOSE_S, patience_s)
        self._embedded = runtime.engine.dialect.name == "sqlite"
        self._states = EmbeddedStates(runtime.engine) if self._embedded else ServerStates(runtime.engine)
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="offerlab-states")
        self._encodings: dict[int, Encoding] = {}
        self._contact = Contact(runtime, patience_s=self._patience_s, sound=self._sound)
        self._exposures = Exposures(runtime.writer, self._contact)
        self._behind: Future[CustomerState] | None = None

    def close(self) -> None:
        """End the readers."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._states.close()

    async def answer(self, project_id: int, ask: Ask, *, patient: bool = False) -> Answered:
        """Decide for one customer.

        Args:
            project_id: whose experiments.
            ask: what is asked.
            patient: whether nobody waits before a screen: exposures may take their time.
        """
        snapshot, request = self.runtime.snapshot(project_id), ask.request
        digest = None if request.unit is None else digest_of(snapshot.project.secret, request.unit)
        exposes, guessed = ask.expose and digest is not None, False
        state = NOBODY if digest is None else self._remembered(snapshot, digest)
        if state is None:
            guessed = exposes and self._embedded and not patient
            state = NOBODY if guessed or digest is None else await self._fetch(snapshot, digest)
        now = self.runtime.now()
        encoding = self.encoding(snapshot)
        while True:
            decided = decide(snapshot.ruleset, state, request, now)
            asking = Asking(request, state, now)
            said = encoding.said(decided.decisions, asking)
            whole = said + encoding.along(decided.holdouts) if decided.holdouts else said
            exposed: set[int] = set()
            if exposes:
                exposed, fresh = self._due(snapshot, whole, asking, stranger=guessed)
                if fresh:
                    outcomes = await self._store(snapshot, list(fresh.values()), patient=patient)
                    exposes = outcomes is not None
                    for number, outcome in zip(fresh, outcomes or (), strict=exposes):
                        if outcome == "accepted":
                            exposed.add(number)
            if exposed or not guessed or digest is None:
                break
            guessed = False
            state = await self._fetch(snapshot, digest)
        return Answered(
            decision_id=encoding.token(whole, digest=digest, context=request.context, now=now),
            ruleset_version=snapshot.project.version,
            stale=not state.known,
            unknown=decided.unknown,
            decisions=encoding.decisions(said, exposed),
            explanations=explain(snapshot.ruleset, state, request, now) if ask.explain else None,
        )

    def encoding(self, snapshot: Snapshot) -> Encoding:
        """What encodes decisions of this ruleset."""
        known = self._encodings.get(snapshot.project.id)
        if known is None or known.snapshot is not snapshot:
            known = self._encodings[snapshot.project.id] = Encoding(snapshot)
        return known

    async def evaluate(self, project_id: int, request: Request) -> Decided:
        """Decisions without words and without exposure: what a flag client asks for.

        Args:
            project_id: whose experiments.
            request: with a unit.
        """
        snapshot = self.runtime.snapshot(project_id)
        digest = digest_of(snapshot.project.secret, request.unit or "")
        state = self._remembered(snapshot, digest) or await self._fetch(snapshot, digest)
        return decide(snapshot.ruleset, state, request, self.runtime.now())

    def version(self, project_id: int) -> int:
        """The version of the rules served now."""
        return self.runtime.snapshot(project_id).project.version

    def _remembered(self, snapshot: Snapshot, digest: bytes) -> CustomerState | None:
        return self.runtime.memory.get(snapshot.project.id, digest, snapshot.project.version)

    async def state(self, snapshot: Snapshot, digest: bytes) -> CustomerState:
        """What is known of a customer: from memory, else from the store, else `UNREAD`."""
        return self._remembered(snapshot, digest) or await self._fetch(snapshot, digest)

    async def _fetch(self, snapshot: Snapshot, digest: bytes) -> CustomerState:
        """What the store knows, remembered; `UNREAD` where it does not answer in time."""
        begun = self.runtime.memory.rounds
        state = await self._read(snapshot, digest)
        if state.known:
            self.runtime.memory.offer(snapshot.project.id, digest, snapshot.project.version, state, begun=begun)
        return state

    def state_now(self, snapshot: Snapshot, digest: bytes) -> CustomerState:
        """What is known of a customer, however long the store takes; for events, which can wait.

        Raises:
            Unavailable: the store can't be read.
        """
        version = snapshot.project.version
        found = self._remembered(snapshot, digest)
        if found is not None:
            return found
        begun = self.runtime.memory.rounds
        try:
            state = self._states.read(snapshot.project.id, digest)
        except sqlite3.Error as error:
            raise Unavailable("customer states can't be read") from error
        self.runtime.memory.offer(snapshot.project.id, digest, version, state, begun=begun)
        return state

    def _submit(self, project_id: int, digest: bytes) -> "Future[CustomerState]":
        def read() -> CustomerState:
            with self._contact.reading():
                return self._states.read(project_id, digest)

        return self._pool.submit(read)

    async def _read_in_time(self, snapshot: Snapshot, digest: bytes) -> CustomerState:
        """The state, if it comes in time; one that comes late is remembered for the next request.

        Raises:
            TimeoutError: it did not come in time.
        """
        remember = self._remembering(snapshot, digest)
        work = self._submit(snapshot.project.id, digest)
        coming = asyncio.wrap_future(work)
        done, _ = await asyncio.wait({coming}, timeout=self._patience_s)
        if not done:
            if not work.cancel():
                coming.add_done_callback(remember)
            raise TimeoutError
        return coming.result()

    def _read_behind(self, snapshot: Snapshot, digest: bytes) -> None:
        """Read a state for which nobody waits, and find out whether reads come in time again."""
        if self._behind is not None and not self._behind.done():
            return
        remember, begun = self._remembering(snapshot, digest), time.monotonic()
        self._behind = self._submit(snapshot.project.id, digest)
        coming = asyncio.wrap_future(self._behind)

        def judge(done: "asyncio.Future[CustomerState]") -> None:
            if remember(done) and time.monotonic() - begun <= self._patience_s:
                self._contact.reached()

        coming.add_done_callback(judge)

    def _remembering(self, snapshot: Snapshot, digest: bytes) -> Callable[["asyncio.Future[CustomerState]"], bool]:
        """Keeps a state that is read from now on; whether there was one."""
        project_id, version, memory = snapshot.project.id, snapshot.project.version, self.runtime.memory
        begun = memory.rounds

        def remember(late: "asyncio.Future[CustomerState]") -> bool:
            if late.cancelled() or late.exception() is not None:
                return False
            memory.offer(project_id, digest, version, late.result(), begun=begun)
            return True

        return remember

    def _sound(self) -> None:
        """Ask for the state of nobody, to hear whether the store answers; an embedded one needs no asking."""
        if not self._embedded and (self._behind is None or self._behind.done()):
            self._behind = self._submit(0, b"")

    async def prefetch(self, project_id: int, units: Iterable[str]) -> None:
        """Bring the states of these customers into memory by one read, where the store is a server.

        Those that don't come in time are asked for one by one when they are needed, behind the circuit breaker.
        """
        states = self._states
        if isinstance(states, EmbeddedStates) or self._contact.reads_fail:
            return
        snapshot, memory = self.runtime.snapshot(project_id), self.runtime.memory
        digests = [digest_of(snapshot.project.secret, unit) for unit in units]
        missing = [digest for digest in digests if self._remembered(snapshot, digest) is None]
        if not missing:
            return
        begun = memory.rounds
        coming = asyncio.wrap_future(self._pool.submit(states.read_many, project_id, missing))
        try:
            found = await asyncio.wait_for(coming, max(READ_MANY_S, self._patience_s))
        except (TimeoutError, Unavailable) as error:
            self._contact.failed()
            _log.warning("the states of a mailing can't be read together (%s)", error)
            return
        for digest, state in found.items():
            memory.offer(project_id, digest, snapshot.project.version, state, begun=begun)

    async def _read(self, snapshot: Snapshot, digest: bytes) -> CustomerState:
        contact = self._contact
        if contact.reads_fail:
            if not contact.may_try():
                return UNREAD
            if not self._embedded:
                self._read_behind(snapshot, digest)
                return UNREAD
        try:
            if self._embedded:
                state = self._states.read(snapshot.project.id, digest)
            else:
                state = await self._read_in_time(snapshot, digest)
        except (TimeoutError, OfferLabError, sqlite3.Error) as error:
            if contact.failed():
                _log.warning("customer states can't be read (%s); decisions go on by hash alone", error)
            return UNREAD
        contact.reached()
        return state

    def _due(
        self, snapshot: Snapshot, said: Sequence[Said], asking: Asking, *, stranger: bool
    ) -> tuple[set[int], dict[int, Event]]:
        """The experiments whose exposure is on disk already, and the exposures of others that are to be logged.

        Args:
            snapshot: the rules.
            said: the decisions, with what is said of each.
            asking: who, in which moment.
            stranger: whether he is taken for one: then only a stranger is exposed.
        """
        request, state, now = asking.request, asking.state, asking.now
        exposed: set[int] = set()
        fresh: dict[int, Event] = {}
        for one, told in said:
            outcome = one.outcome
            if outcome.reason != "SPLIT":
                continue
            if outcome.experiment_id in state.assignments:
                exposed.add(outcome.experiment_id)
            elif state.known or settled_without_state(snapshot.ruleset, one, request, now):
                suppressed = told.suppressed
                fresh[outcome.experiment_id] = Event(
                    id=self.runtime.new_event_id(),
                    type="exposure",
                    customer=request.unit or "",
                    occurred_at=now,
                    digest=b"",
                    fact=exposure_of(snapshot, one, suppressed, request.context),
                    planned=() if suppressed is not None else planned_of(one, request.context, now),
                    stranger=stranger,
                )
        return exposed, fresh

    def _store(
        self, snapshot: Snapshot, events: Sequence[Event], *, patient: bool
    ) -> "asyncio.Future[Sequence[str] | None]":
        patience_s = max(MAILING_S, self._expose_s) if patient else self._expose_s
        return self._exposures.store(snapshot.project, events, patience_s=patience_s, patient=patient)


def exposure_of(snapshot: Snapshot, decision: Decision, suppressed: str | None, context: Context) -> Exposure:
    """The exposure that an enrolled decision makes.

    Raises:
        InvalidInput: the decision enrolled nobody.
    """
    outcome, bucket = decision.outcome, decision.bucket
    if outcome.epoch is None or bucket is None or outcome.propensity is None:
        raise InvalidInput("a decision outside the experiment exposes nobody")
    offer = outcome.offer
    message = None if offer is None else snapshot.messages.get(offer.key)
    return Exposure(
        experiment_id=outcome.experiment_id,
        variant=outcome.variant,
        epoch=outcome.epoch,
        bucket=bucket,
        propensity=outcome.propensity,
        segment=outcome.segment,
        suppressed=suppressed,
        template=None if message is None else message.hash,
        offer=None if offer is None else offer.key,
        skus=None if suppressed is not None else decision.picked,
        channel=_channel(offer, context),
        placement=context.placement,
        slot=context.slot,
        agent=context.agent,
    )


def _channel(offer: Offer | None, context: Context) -> str | None:
    own = None if offer is None else offer.channel
    return own or context.channel or TOUCHPOINTS.get(context.placement or "")
