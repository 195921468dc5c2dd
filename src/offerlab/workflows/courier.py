"""Brings messages out: offers that fell due become messages, messages go to webhooks and mailboxes.

Everything it knows stands in the store, so it may die at any instant. One runs in every process that serves; several
share the work by leases. It looks at the store once in `POLL_S`, on a clock that a wrong system clock can't hurry.
"""

import asyncio
import logging
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from offerlab.delivery.guard import Guard
from offerlab.delivery.mailing import Mail, MailServer, Outcome, send
from offerlab.delivery.posting import TIMEOUT_S, Answer, post
from offerlab.delivery.retrying import pause
from offerlab.delivery.signing import headers
from offerlab.domain.clock import SECOND
from offerlab.errors import OfferLabError
from offerlab.storage import contacts, outbox, timed_offers, webhooks
from offerlab.storage.database import reading, writing
from offerlab.storage.outbox import Message, Status
from offerlab.storage.webhooks import Endpoint
from offerlab.workflows.releasing import Sender, release, still_welcome
from offerlab.workflows.runtime import Runtime

POLL_S: Final = 0.5
ABREAST: Final = 32
PER_WEBHOOK: Final = 4
LEASE: Final = int(3 * TIMEOUT_S * SECOND)
GONE: Final = 410
_AFTERWARDS: Final[dict[Outcome, Status]] = {
    "taken": "delivered",
    "refused": "dead",
    "later": "dead",
    "unknown": "ambiguous",
}
_log: Final = logging.getLogger(__name__)


class PostOffice(Struct, frozen=True):
    """Where e-mail is handed over, and who sends it."""

    server: MailServer
    sender: Sender


class Courier:
    """Sends what is due.

    Args:
        runtime: the process's state.
        guard: where webhooks may lead.
        post_office: where e-mail is handed over; without one nothing is mailed.
        clock: microseconds UTC.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        guard: Guard,
        post_office: PostOffice | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._runtime = runtime
        self.guard = guard
        self.post_office = post_office
        self._clock = clock or runtime.now
        self._busy: Counter[int] = Counter()
        self._under_way: set[asyncio.Task[None]] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, *, alone: bool) -> None:
        """Begin to send in a thread of its own; `alone`: no other process sends from this store."""
        if alone:
            with writing(self._runtime.engine) as connection:
                outbox.free_leases(connection, now=self._clock())
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="offerlab-courier", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    async def round(self) -> int:
        """Send all that is due now and wait until it has gone; how many messages were tried."""
        tried = 0
        while started := await self._begin():
            tried += started
            await asyncio.gather(*self._under_way)
        return tried

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                started = await self._begin()
            except OfferLabError as error:
                _log.warning("messages can't be sent now: %s", error.detail)
                started = 0
            except Exception:  # noqa: BLE001 - whatever it is, what is due stays in the store and is tried again
                _log.exception("messages could not be sent")
                started = 0
            if started == 0 or len(self._under_way) >= ABREAST:
                await self._rest()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _rest(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        else:
            self._stop.wait(POLL_S)  # nothing else lives on this loop

    async def _begin(self) -> int:
        """Take what is due and start sending it; how many were started."""
        free = ABREAST - len(self._under_way)
        if free <= 0 or not await asyncio.to_thread(self._is_due):
            return 0
        full = tuple(number for number, count in self._busy.items() if count >= PER_WEBHOOK)
        taken, endpoints = await asyncio.to_thread(self._claim, free, full)
        for message in taken:
            if message.webhook_id is not None:
                self._busy[message.webhook_id] += 1
            task = asyncio.create_task(self._send(message, endpoints))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return len(taken)

    def _is_due(self) -> bool:
        with reading(self._runtime.engine) as connection:
            now = self._clock()
            if timed_offers.is_due(connection, now=now):
                self._release()
                return True
            return outbox.is_due(connection, now=now)

    def _release(self) -> None:
        sender = None if self.post_office is None else self.post_office.sender
        with writing(self._runtime.engine) as connection:
            release(self._runtime, connection, now=self._clock(), sender=sender)

    def _claim(self, limit: int, full: tuple[int, ...]) -> tuple[list[Message], dict[int, Endpoint]]:
        with writing(self._runtime.engine) as connection:
            now = self._clock()
            taken = outbox.claim(connection, now=now, lease=LEASE, limit=limit, busy=full, each=PER_WEBHOOK)
            numbers = {one.webhook_id for one in taken if one.webhook_id is not None}
            return taken, webhooks.endpoints(connection, sorted(numbers))

    async def _send(self, message: Message, endpoints: dict[int, Endpoint]) -> None:
        number = message.webhook_id
        try:
            if message.timed_offer_id is not None and not await asyncio.to_thread(self._may_go, message):
                return
            if number is None:
                await asyncio.to_thread(self._to_mailbox, message)
            else:
                await self._to_webhook(message, endpoints.get(number))
        except Exception:  # noqa: BLE001 - a poisoned message must not take its neighbours down; its lease ends by itself
            _log.exception("message %s could not be sent", message.id)
        finally:
            if number is not None:
                self._busy[number] -= 1

    async def _to_webhook(self, message: Message, endpoint: Endpoint | None) -> None:
        if endpoint is None or not endpoint.webhook.enabled:
            reason = "the webhook is gone" if endpoint is None else "the webhook is switched off"
            await asyncio.to_thread(self._note, message, Answer(error=reason), cancelled=True)
            return
        body = await asyncio.to_thread(self._opened, message)
        if body is None:
            await asyncio.to_thread(self._note, message, Answer(error="the customer was erased"), cancelled=True)
            return
        now = self._clock()
        signed = headers(endpoint.secrets(now), message.message_id, now // SECOND, body)
        answer = await post(self.guard, endpoint.webhook.url, body, signed)
        await asyncio.to_thread(self._note, message, answer)

    def _opened(self, message: Message) -> bytes | None:
        if message.customer is None:
            return message.body
        with reading(self._runtime.engine) as connection:
            return contacts.unseal(connection, message.customer, message.body)

    def _may_go(self, message: Message) -> bool:
        """Ask once more for consent and night; write down what keeps the message."""
        with writing(self._runtime.engine) as connection:
            now = self._clock()
            put = still_welcome(self._runtime, connection, message, now=now)
            if put is None:
                return True
            if put.due_at is not None:
                outbox.finish(
                    connection, message, status="pending", now=now, next_at=put.due_at, error=put.reason, spent=False
                )
                return False
            outbox.finish(connection, message, status="cancelled", now=now, error=put.reason)
            if message.timed_offer_id is not None:
                timed_offers.set_status(
                    connection, message.timed_offer_id, status="suppressed", now=now, reason=put.reason
                )
            return False

    def _to_mailbox(self, message: Message) -> None:
        body = self._opened(message)
        if self.post_office is None or body is None:
            reason = "no mail server is set" if body is not None else "the customer was erased"
            self._note(message, Answer(error=reason), cancelled=True)
            return
        mail = msgspec.json.decode(body, type=Mail)
        handed = send(self.post_office.server, mail, lambda: self._hand_over(message))
        with writing(self._runtime.engine) as connection:
            now = self._clock()
            wait = pause(message.failures + 1, draw=random.random())  # noqa: S311 - spreads retries, guards nothing
            status, next_at = _AFTERWARDS[handed.outcome], None
            if handed.outcome == "unknown":
                next_at = now + outbox.SETTLING
            if handed.outcome == "later" and wait is not None:
                status, next_at = "pending", now + wait
            outbox.finish(
                connection,
                message,
                status=status,
                now=now,
                next_at=next_at,
                answer=handed.answer,
                error=handed.error,
            )

    def _hand_over(self, message: Message) -> bool:
        with writing(self._runtime.engine) as connection:
            return outbox.hand_over(connection, message)

    def _note(self, message: Message, answer: Answer, *, cancelled: bool = False) -> None:
        """Write down what came of an attempt."""
        with writing(self._runtime.engine) as connection:
            now = self._clock()
            wait = pause(message.failures + 1, draw=random.random(), asked_s=answer.asked_s)  # noqa: S311 - spreads retries, guards nothing
            if cancelled:
                outbox.finish(connection, message, status="cancelled", now=now, error=answer.error)
            elif answer.ok:
                outbox.finish(connection, message, status="delivered", now=now, answer=answer.status)
            elif answer.status == GONE and message.webhook_id is not None:
                webhooks.switch_off(connection, message.webhook_id, reason="the receiver answered 410")
                outbox.finish(connection, message, status="dead", now=now, answer=GONE, error=answer.error)
            elif wait is None:
                outbox.finish(connection, message, status="dead", now=now, answer=answer.status, error=answer.error)
            else:
                outbox.finish(
                    connection,
                    message,
                    status="pending",
                    now=now,
                    next_at=now + wait,
                    answer=answer.status,
                    error=answer.error,
                )
