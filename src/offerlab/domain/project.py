"""What a merchant set for the whole project. Whatever limits offers is off until somebody sets it."""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import asdict

from offerlab.domain.attribute import Attribute, check_attribute
from offerlab.domain.money import check_currency
from offerlab.domain.timing import QuietHours, is_zone
from offerlab.errors import InvalidDefinition

_MINUTES: Final = 24 * 60


class Caps(Struct, frozen=True, kw_only=True):
    """How many offers a customer may be shown; None is no limit.

    Attributes:
        per_day, per_week: through one channel, today (UTC) or on the last seven days, today included.
    """

    per_day: int | None = None
    per_week: int | None = None


class Retention(Struct, frozen=True, kw_only=True):
    """Days that each class of data is kept; None keeps it for ever. On by default.

    Attributes:
        behaviour: what was looked at and put into carts. texts: what customers wrote (reviews, complaints, reasons).
        contracts: orders and refunds (five years in Korean e-commerce law). rejected: events that could not be taken.
        payloads: events as they were sent, sealed; they go when the windows close of all experiments, or sooner.
        replies: answers kept for `Idempotency-Key`. inactive: a profile after its last change; None keeps it.
        deadline: within how many days a person's request is done (ten in Korea, a month in Europe).
    """

    behaviour: int | None = 400
    texts: int | None = 3 * 365
    contracts: int | None = 5 * 365 + 1
    rejected: int | None = 90
    payloads: int | None = None
    replies: int | None = 30
    inactive: int | None = None
    deadline: int = 10


class Advertiser(Struct, frozen=True, kw_only=True):
    """Who sends the project's advertisements.

    Attributes:
        name: the sender as customers know it.
        contact: a telephone number or address that answers.
        opt_out: a free 080 number or an http(s) link that ends the sending.
    """

    name: str
    contact: str
    opt_out: str


class ProjectSettings(Struct, frozen=True, kw_only=True):
    """One project's own rules.

    Attributes:
        currency: of catalogue prices and money metrics, fixed at the first start.
        timezone: of customers who told neither zone nor country; None: quiet hours can't bind them.
        caps: per channel; global_cap: over all channels together.
        slots: offers at most in one answer for one placement.
        declined_days: how long a declined offer stays away; trouble_days: all offers, after a refund or complaint.
        affinity_floor: smallest lift at which a match by affinity or similarity is worth offering.
        viewed_days: how old a view may be for `match: recently_viewed`.
        quiet_hours: None switches them off.
        retention: how long what is kept.
        rebuild_days: the matching table is mined anew after so many days, once it was mined at all; None: on demand.
        attributes: what the shop registered about customers' attributes, by name.
        law: whose rules of advertising bind what is sent. advertiser: who sends it.
        soft_opt_in_days: who bought the same kind of goods within so many days needs no consent, unless refused.
        approval: whether a start or a change of the split needs another person than its author.
        consent_days: after so many days a consent counts no more, unless given anew.
    """

    currency: str = "USD"
    timezone: str | None = None
    caps: dict[str, Caps] = {}
    global_cap: Caps = Caps()
    slots: int | None = None
    declined_days: int | None = None
    trouble_days: int | None = None
    affinity_floor: float | None = None
    viewed_days: int = 30
    quiet_hours: QuietHours | None = QuietHours()
    retention: Retention = Retention()
    rebuild_days: int | None = 7
    attributes: dict[str, Attribute] = {}
    law: Literal["KR"] | None = None
    advertiser: Advertiser | None = None
    soft_opt_in_days: int | None = None
    consent_days: int | None = None
    approval: bool = False


def check_settings(settings: ProjectSettings) -> None:
    """Refuse settings that mean nothing.

    Raises:
        InvalidInput, InvalidDefinition: names the field at fault.
    """
    check_currency(settings.currency)
    for attribute in settings.attributes.values():
        check_attribute(attribute)
    if settings.timezone is not None and not is_zone(settings.timezone):
        raise InvalidDefinition(f"no time zone is called {settings.timezone!r}", field="timezone")
    limits = {
        "slots": settings.slots,
        "declined_days": settings.declined_days,
        "trouble_days": settings.trouble_days,
        "viewed_days": settings.viewed_days,
        "soft_opt_in_days": settings.soft_opt_in_days,
        "consent_days": settings.consent_days,
        "rebuild_days": settings.rebuild_days,
        "global_cap.per_day": settings.global_cap.per_day,
        "global_cap.per_week": settings.global_cap.per_week,
    }
    limits |= {f"retention.{name}": days for name, days in asdict(settings.retention).items()}
    for channel, caps in settings.caps.items():
        limits |= {f"caps.{channel}.per_day": caps.per_day, f"caps.{channel}.per_week": caps.per_week}
    for field, limit in limits.items():
        if limit is not None and limit < 0:
            raise InvalidDefinition(f"{limit} is below 0", field=field)
    quiet = settings.quiet_hours
    if quiet is not None and not (0 <= quiet.start_minute < _MINUTES and 0 <= quiet.end_minute < _MINUTES):
        raise InvalidDefinition("quiet hours are minutes of a day, 0 to 1439", field="quiet_hours")
