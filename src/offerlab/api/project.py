"""The project's own rules for offers: caps, slots of a page, cool-downs, quiet hours. Off until somebody sets them."""

import hashlib
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, get, put
from msgspec import Meta, Struct

from offerlab.api.body import DEFINITION_LIMIT, bounded, decode
from offerlab.api.changes import change
from offerlab.api.definitions import snapshot_of
from offerlab.api.routing import operation, reply
from offerlab.domain.offer import Channel
from offerlab.domain.project import Advertiser, Caps, ProjectSettings
from offerlab.domain.timing import QuietHours
from offerlab.errors import PreconditionFailed
from offerlab.workflows import configuring
from offerlab.workflows.desk import Desk

AnyRequest = Request[Any, Any, Any]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Days = Annotated[int, Meta(ge=0, le=3_650)]
Minute = Annotated[int, Meta(ge=0, le=1_439)]


class CapsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many offers at most, a day and within seven days; null is no limit."""

    per_day: Count | None = None
    per_week: Count | None = None


class QuietHoursBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Minutes after the customer's midnight, and the channels that stay silent."""

    start_minute: Minute = 21 * 60
    end_minute: Minute = 8 * 60
    channels: tuple[Literal["email", "sms", "push"], ...] = ("email", "sms", "push")


class AdvertiserBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who sends advertisements, how to answer, and the free way out: an 080 number or a link."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    contact: Annotated[str, Meta(min_length=1, max_length=200)]
    opt_out: Annotated[str, Meta(min_length=1, max_length=500)]


class ProjectSettingsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of the project's rules; what is left out goes back to its default."""

    timezone: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    caps: dict[Channel, CapsBody] = {}
    global_cap: CapsBody = CapsBody()
    slots: Count | None = None
    declined_days: Days | None = None
    trouble_days: Days | None = None
    affinity_floor: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    viewed_days: Days = 30
    quiet_hours: QuietHoursBody | None = QuietHoursBody()
    law: Literal["KR"] | None = None
    advertiser: AdvertiserBody | None = None
    soft_opt_in_days: Days | None = None
    consent_days: Days | None = None
    approval: bool = False

    def over(self, known: ProjectSettings) -> ProjectSettings:
        """These rules, with what is set elsewhere (currency, registered attributes) as it was."""
        quiet, sender = self.quiet_hours, self.advertiser
        return msgspec.structs.replace(
            known,
            timezone=self.timezone,
            caps={channel: _caps(caps) for channel, caps in self.caps.items()},
            global_cap=_caps(self.global_cap),
            slots=self.slots,
            declined_days=self.declined_days,
            trouble_days=self.trouble_days,
            affinity_floor=self.affinity_floor,
            viewed_days=self.viewed_days,
            quiet_hours=None
            if quiet is None
            else QuietHours(start_minute=quiet.start_minute, end_minute=quiet.end_minute, channels=quiet.channels),
            law=self.law,
            advertiser=None
            if sender is None
            else Advertiser(name=sender.name, contact=sender.contact, opt_out=sender.opt_out),
            soft_opt_in_days=self.soft_opt_in_days,
            consent_days=self.consent_days,
            approval=self.approval,
        )


class ProjectSettingsView(Struct, frozen=True, kw_only=True):
    """The project's rules as they stand."""

    currency: str
    timezone: str | None
    caps: dict[str, CapsBody]
    global_cap: CapsBody
    slots: int | None
    declined_days: int | None
    trouble_days: int | None
    affinity_floor: float | None
    viewed_days: int
    quiet_hours: dict[str, object] | None
    law: str | None
    advertiser: dict[str, str] | None
    soft_opt_in_days: int | None
    consent_days: int | None
    approval: bool


_BODY: Final = msgspec.json.Decoder(ProjectSettingsBody)


@get("/v1/settings", opt=operation("read", "Read the project's rules for offers", answers={200: ProjectSettingsView}))
async def get_settings(request: AnyRequest) -> Response[bytes]:
    """The rules, with an ETag to change exactly these."""
    known = snapshot_of(request).ruleset.settings
    return reply(_view(known), ETag=_tag(known))


@put(
    "/v1/settings",
    opt=operation(
        "define",
        "Replace the project's rules for offers; with If-Match only those that were read",
        body=ProjectSettingsBody,
        answers={200: ProjectSettingsView},
    ),
)
async def put_settings(request: AnyRequest) -> Response[bytes]:
    """Caps, slots, cool-downs and quiet hours; decisions follow them when this answers."""
    body = await bounded(request, DEFINITION_LIMIT)
    sent, wanted = decode(body, _BODY), request.headers.get("if-match")

    def changed(known: ProjectSettings) -> ProjectSettings:
        if wanted not in (None, "*", _tag(known)):
            raise PreconditionFailed("the settings were changed since they were read", extra={"etag": _tag(known)})
        return sent.over(known)

    def work(desk: Desk) -> tuple[int, object]:
        return 200, _view(configuring.change_settings(desk, changed))

    return await change(request, work, body=body)


def _caps(sent: CapsBody) -> Caps:
    return Caps(per_day=sent.per_day, per_week=sent.per_week)


def _view(settings: ProjectSettings) -> ProjectSettingsView:
    quiet = settings.quiet_hours
    return ProjectSettingsView(
        currency=settings.currency,
        timezone=settings.timezone,
        caps={key: CapsBody(per_day=one.per_day, per_week=one.per_week) for key, one in sorted(settings.caps.items())},
        global_cap=CapsBody(per_day=settings.global_cap.per_day, per_week=settings.global_cap.per_week),
        slots=settings.slots,
        declined_days=settings.declined_days,
        trouble_days=settings.trouble_days,
        affinity_floor=settings.affinity_floor,
        viewed_days=settings.viewed_days,
        quiet_hours=None if quiet is None else msgspec.to_builtins(quiet),
        law=settings.law,
        advertiser=None if settings.advertiser is None else msgspec.to_builtins(settings.advertiser),
        soft_opt_in_days=settings.soft_opt_in_days,
        consent_days=settings.consent_days,
        approval=settings.approval,
    )


def _tag(settings: ProjectSettings) -> str:
    return f'"{hashlib.sha256(msgspec.json.encode(_view(settings))).hexdigest()[:16]}"'


HANDLERS: Final[list[Any]] = [get_settings, put_settings]
