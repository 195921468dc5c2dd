"""From an offer that fell due to a message in the outbox: looked at once more, worded, sealed, in one transaction.

Days may lie between trigger and due time. So consent, night, caps, stock and what was bought meanwhile are judged
again; what may not go says why and stays in its arm. Right before each attempt consent and night are asked once more:
a mail server that was away for hours must not wake anybody.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from offerlab.assignment.moment import moment_of
from offerlab.assignment.suppress import Case, display_of, judge_due, quiet_until
from offerlab.delivery.mailing import Mail
from offerlab.domain.clock import DAY, iso
from offerlab.domain.customer import CustomerState
from offerlab.domain.decision import Context, Decision, Outcome, Request
from offerlab.domain.event import Planned
from offerlab.domain.experiment import Experiment
from offerlab.domain.offer import Offer
from offerlab.domain.touchpoint import SENT
from offerlab.domain.webhook import MAX_BODY
from offerlab.messaging.render import Unrendered
from offerlab.storage import contacts, customers, identity, outbox, timed_offers, webhooks
from offerlab.storage.outbox import Message
from offerlab.storage.timed_offers import TimedOffer
from offerlab.workflows.presenting import ShownOffer, present
from offerlab.workflows.proofreading import as_advert
from offerlab.workflows.runtime import Runtime
from offerlab.workflows.snapshot import Snapshot
from offerlab.workflows.unsubscribing import link_for
from offerlab.workflows.webhooks import Envelope

LONGEST: Final = 7 * DAY
"""An offer without an end of its own goes out at most so late."""

BATCH: Final = 20
"""Offers released in one transaction: the store's one writer is not kept waiting."""


class Sender(Struct, frozen=True, kw_only=True):
    """Who sends e-mail: address and name of the sender, and where the service is reached from outside."""

    address: str
    name: str
    base_url: str


class Put(Struct, frozen=True):
    """Not now: why not, and when to look again (None: never)."""

    reason: str
    due_at: int | None = None


class Known(Struct, frozen=True):
    """A customer as the store knows them: the state of all their ids together, and how to reach them."""

    state: CustomerState
    contact: Mapping[str, str]


def release(runtime: Runtime, connection: Connection, *, now: int, sender: Sender | None) -> int:
    """Turn offers that are due into messages; how many were looked at.

    Args:
        runtime: the process's state.
        connection: a writing one.
        now: microseconds UTC.
        sender: of e-mail; without one nothing is mailed.
    """
    found = timed_offers.due(connection, now=now, limit=BATCH)
    for timed in found:
        outcome = _released(runtime, connection, timed, now=now, sender=sender)
        if isinstance(outcome, Put):
            status: timed_offers.Status = "suppressed" if outcome.due_at is None else "scheduled"
            timed_offers.set_status(
                connection, timed.id, status=status, now=now, reason=outcome.reason, due_at=outcome.due_at
            )
        else:
            outbox.put(connection, outcome)
            timed_offers.set_status(connection, timed.id, status="released", now=now)
    return len(found)


def person(connection: Connection, project_id: int, number: int) -> Known:
    """What is known of a customer, whichever of their ids is meant."""
    for root, members in identity.families(connection, project_id, {number}).items():
        states = customers.load_states(connection, [member.number for member in members])
        return Known(identity.united(root, list(states.values())), contacts.recall(connection, number))
    return Known(CustomerState(number=number), contacts.recall(connection, number))


def _released(
    runtime: Runtime, connection: Connection, timed: TimedOffer, *, now: int, sender: Sender | None
) -> list[Message] | Put:
    snapshot = runtime.snapshot(timed.project_id)
    planned = timed.planned
    offer = snapshot.offers.get(planned.offer)
    experiment = next((one for one in snapshot.experiments.values() if one.id == planned.experiment_id), None)
    if offer is None or experiment is None or not _still_served(experiment, planned):
        return Put("not_running")
    if now - (timed.due_at or now) > (LONGEST if planned.lasts is None else planned.lasts):
        return Put("expired")
    known = person(connection, timed.project_id, timed.customer)
    decision = _judged(snapshot, offer, experiment, planned, known.state, now)
    if isinstance(decision, Put):
        return decision
    unit = known.contact.get(contacts.CUSTOMER_ID, "")
    attributes = {name: value for name, (_, value) in known.state.profile.attributes.items()}
    context = context_of(planned)
    shown = present(snapshot, decision, unit=unit, attributes=attributes, context=context, now=timed.due_at or now)
    if shown is None or isinstance(shown, Unrendered):
        return Put("no_match")
    shown = as_advert(snapshot, shown)
    if planned.delivery == "email":
        return _mail(snapshot, connection, timed, shown, known, sender=sender, now=now)
    return _notice(snapshot, connection, timed, experiment, (shown, unit), sender=sender, now=now)


def _still_served(experiment: Experiment, planned: Planned) -> bool:
    """A pause or an end without a winner stops what has not gone; an arm that is shipped goes on."""
    if experiment.status == "running":
        return True
    arms = set((experiment.changes[-1].serve or {}).values()) if experiment.changes else set()
    return experiment.status == "stopped" and experiment.variants[planned.variant].key in arms


def context_of(planned: Planned) -> Context:
    """The moment of the trigger."""
    told = planned.context
    cart = told.get("cart")
    return Context(
        placement=_text(told.get("placement")),
        channel=planned.channel,
        locale=_text(told.get("locale")),
        trigger_sku=_text(told.get("trigger")),
        cart=tuple(str(sku) for sku in cart) if isinstance(cart, list) else None,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def case_of(snapshot: Snapshot, planned: Planned, state: CustomerState, now: int) -> Case:
    """What the checks look at."""
    request = Request(unit=None, context=context_of(planned))
    return Case(snapshot.ruleset.shelf, snapshot.ruleset.settings, state, request, now)


def _judged(
    snapshot: Snapshot, offer: Offer, experiment: Experiment, planned: Planned, state: CustomerState, now: int
) -> Decision | Put:
    settings, shelf = snapshot.ruleset.settings, snapshot.ruleset.shelf
    display = display_of(offer, shelf, settings, moment=moment_of((offer,)), salt=experiment.salt)
    case = case_of(snapshot, planned, state, now)
    if planned.channel in SENT and (later := quiet_until(planned.channel, case, now)) > now:
        return Put("quiet_hours", later)
    verdict = judge_due(display, case)
    if verdict.withheld is not None:
        return Put(verdict.withheld)
    picked = planned.context.get("picked")
    skus = tuple(str(sku) for sku in picked) if isinstance(picked, list) else verdict.picked
    for sku in skus or offer.products:
        if state.profile.owned.get(sku, 0) > planned.triggered_at:
            return Put("owned")
    outcome = Outcome(
        index=-1,
        experiment_id=experiment.id,
        experiment=experiment.key,
        variant=planned.variant,
        variant_key=experiment.variants[planned.variant].key,
        reason="SPLIT",
        offer=offer,
    )
    return Decision(outcome, None, None, skus)


def _mail(
    snapshot: Snapshot,
    connection: Connection,
    timed: TimedOffer,
    shown: ShownOffer,
    known: Known,
    *,
    sender: Sender | None,
    now: int,
) -> list[Message] | Put:
    if sender is None:
        return Put("no_mail_server")
    to = known.contact.get("email")
    if to is None:
        return Put("no_address")
    if shown.message is None:
        return Put("no_match")
    words = shown.message
    code = [] if shown.discount.code is None else [shown.discount.code]
    mail = Mail(
        to=to,
        sender=sender.address,
        sender_name=sender.name,
        subject=words.title or words.body.split("\n", 1)[0],
        text="\n\n".join([part for part in (words.benefit, words.body) if part] + code),
        message_id=message_id(timed),
        unsubscribe=link_for(snapshot.project.secret, sender.base_url, timed),
        sent_at=now,
        lang=words.locale,
    )
    body = contacts.seal(connection, timed.customer, msgspec.json.encode(mail))
    return [_message(timed, target=outbox.EMAIL, body=body, now=now)]


def _notice(
    snapshot: Snapshot,
    connection: Connection,
    timed: TimedOffer,
    experiment: Experiment,
    told: tuple[ShownOffer, str],
    *,
    sender: Sender | None,
    now: int,
) -> list[Message] | Put:
    shown, unit = told
    base_url = None if sender is None else sender.base_url
    data: dict[str, object] = {
        "customer_id": unit,
        "experiment": experiment.key,
        "variant": experiment.variants[timed.planned.variant].key,
        "channel": timed.planned.channel,
        "placement": timed.planned.context.get("placement"),
        "order_id": timed.planned.order_id,
        "offer": shown,
        "unsubscribe": None if base_url is None else link_for(snapshot.project.secret, base_url, timed),
    }
    body = msgspec.json.encode(Envelope("offer.due", iso(now), data))
    if len(body) > MAX_BODY:
        return Put("too_large")
    wanting = [one for one in webhooks.everything(connection, timed.project_id) if one.wants("offer.due")]
    sealed = contacts.seal(connection, timed.customer, body)
    made = [_message(timed, target=f"webhook:{one.id}", body=sealed, now=now, webhook_id=one.id) for one in wanting]
    return made or Put("no_webhook")


def message_id(timed: TimedOffer) -> str:
    """The id under which an offer is told, whoever tells it and however often."""
    return f"msg_offer_{timed.project_id}_{timed.id}"


def _message(timed: TimedOffer, *, target: str, body: bytes, now: int, webhook_id: int | None = None) -> Message:
    return Message(
        id=0,
        project_id=timed.project_id,
        message_id=message_id(timed),
        target=target,
        webhook_id=webhook_id,
        timed_offer_id=timed.id,
        customer=timed.customer,
        type="offer.due",
        body=body,
        next_at=now,
        created_at=now,
    )


def still_welcome(runtime: Runtime, connection: Connection, message: Message, *, now: int) -> Put | None:
    """Whether a message about an offer may still go out this very moment; None: it may."""
    timed = None if message.timed_offer_id is None else timed_offers.find(connection, message.timed_offer_id)
    if timed is None:
        return Put("gone")
    planned = timed.planned
    if planned.channel not in SENT:
        return None
    snapshot = runtime.snapshot(timed.project_id)
    offer = snapshot.offers.get(planned.offer)
    if offer is None:
        return Put("gone")
    if planned.lasts is not None and now - (timed.due_at or now) > planned.lasts:
        return Put("expired")
    state = person(connection, timed.project_id, timed.customer).state
    case = case_of(snapshot, planned, state, now)
    later = quiet_until(planned.channel, case, now)
    if later > now:
        return Put("quiet_hours", later)
    display = display_of(offer, snapshot.ruleset.shelf, snapshot.ruleset.settings, moment=moment_of((offer,)), salt="")
    return None if judge_due(display, case).withheld != "consent" else Put("consent")
