"""The record of processing that the law asks for (GDPR 30): made of what is stored, so that it is never stale."""

from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import asdict

from offerlab.domain.clock import iso
from offerlab.domain.touchpoint import SENT, channel_at
from offerlab.storage import webhooks
from offerlab.storage.database import reading
from offerlab.workflows.runtime import Runtime

_CLASSES: Final = {
    "behaviour": "what was looked at and put into carts",
    "texts": "words of complaints, reviews and declines; the counts stay",
    "contracts": "orders and refunds",
    "rejected": "events that could not be taken",
    "payloads": "events as they were sent, sealed under a key of the customer's own",
    "replies": "answers kept for Idempotency-Key",
    "inactive": "profiles without a change",
}

SAFEGUARDS: Final = (
    "events and analyses know a drawn number; only the vault knows whose it is, by a keyed hash",
    "contact data and payloads are sealed under a key of the customer's own, which erasure destroys",
    "every look at a person, export, erasure and purge stands in a chained log",
    "fewer than ten customers are never spoken of in a report, preview or export",
)


class DataClass(Struct, frozen=True):
    """A class of personal data, and how many days it is kept; null: until it is asked for or no report needs it."""

    name: str
    what: str
    days: int | None


class Use(Struct, frozen=True):
    """An attribute of customers and what it is used for."""

    attribute: str
    sensitive: bool
    purpose: str | None


class ProcessingRecord(Struct, frozen=True, kw_only=True):
    """Who processes which personal data, what for, how long, and who else gets it.

    Attributes:
        controller, contact: the sender of the project's advertisements, where one is set; else the project's name.
        purposes: what the data are processed for.
        classes: of data with their retention. attributes: registered ones with their purposes.
        channels: through which running experiments reach customers; consent is asked for those in `consented`.
        recipients: hosts that enabled webhooks send to.
    """

    as_of: str
    controller: str
    contact: str | None
    purposes: tuple[str, ...]
    classes: tuple[DataClass, ...]
    attributes: tuple[Use, ...]
    channels: tuple[str, ...]
    consented: tuple[str, ...]
    recipients: tuple[str, ...]
    safeguards: tuple[str, ...] = SAFEGUARDS


def processing_record(runtime: Runtime, project_id: int) -> ProcessingRecord:
    """The record as of now."""
    snapshot = runtime.snapshot(project_id)
    settings = snapshot.ruleset.settings
    with reading(runtime.engine) as connection:
        hooks = webhooks.everything(connection, project_id)
    running = [one for one in snapshot.experiments.values() if one.status == "running"]
    shown = {key for one in running for key in one.offer_keys()}
    channels = sorted({channel_at(snapshot.offers[key].channel, None, None) for key in shown if key in snapshot.offers})
    sender = settings.advertiser
    days: dict[str, int | None] = asdict(settings.retention)
    return ProcessingRecord(
        as_of=iso(runtime.now()),
        controller=snapshot.project.name if sender is None else sender.name,
        contact=None if sender is None else sender.contact,
        purposes=(
            "to decide which offer a customer is shown, and to hold it back where it is not wanted",
            "to learn which offers customers accept and keep, by comparing arms",
            *(("to send what is due by mail, message or webhook",) if set(channels) & SENT or hooks else ()),
        ),
        classes=tuple(DataClass(name, what, days.get(name)) for name, what in _CLASSES.items()),
        attributes=tuple(
            Use(one.name, one.is_sensitive, one.purpose) for _, one in sorted(settings.attributes.items())
        ),
        channels=tuple(channels),
        consented=tuple(name for name in channels if name in SENT),
        recipients=tuple(sorted({urlsplit(one.url).hostname or "" for one in hooks if one.enabled})),
    )
