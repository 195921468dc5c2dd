"""When an offer may reach somebody: quiet hours in the recipient's own time.

Korea's Network Act, article 50(3), asks for a separate consent to advertising sent between 21:00 and 08:00; other
countries' rules are similar enough that one window, set by the project, serves them all.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Struct

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_TURNS: Final = 4
"""Nights of two ends of a wide country may follow each other; more than this never do."""

COUNTRY_ZONES: Final[dict[str, tuple[str, ...]]] = {
    "AE": ("Asia/Dubai",),
    "AR": ("America/Argentina/Buenos_Aires",),
    "AT": ("Europe/Vienna",),
    "AU": ("Australia/Sydney", "Australia/Perth"),
    "BE": ("Europe/Brussels",),
    "BG": ("Europe/Sofia",),
    "BR": ("America/Sao_Paulo", "America/Rio_Branco"),
    "CA": ("America/St_Johns", "America/Vancouver"),
    "CH": ("Europe/Zurich",),
    "CL": ("America/Santiago",),
    "CN": ("Asia/Shanghai",),
    "CO": ("America/Bogota",),
    "CZ": ("Europe/Prague",),
    "DE": ("Europe/Berlin",),
    "DK": ("Europe/Copenhagen",),
    "EE": ("Europe/Tallinn",),
    "EG": ("Africa/Cairo",),
    "ES": ("Europe/Madrid", "Atlantic/Canary"),
    "FI": ("Europe/Helsinki",),
    "FR": ("Europe/Paris",),
    "GB": ("Europe/London",),
    "GR": ("Europe/Athens",),
    "HK": ("Asia/Hong_Kong",),
    "HR": ("Europe/Zagreb",),
    "HU": ("Europe/Budapest",),
    "ID": ("Asia/Jakarta", "Asia/Jayapura"),
    "IE": ("Europe/Dublin",),
    "IL": ("Asia/Jerusalem",),
    "IN": ("Asia/Kolkata",),
    "IT": ("Europe/Rome",),
    "JP": ("Asia/Tokyo",),
    "KR": ("Asia/Seoul",),
    "LT": ("Europe/Vilnius",),
    "LU": ("Europe/Luxembourg",),
    "LV": ("Europe/Riga",),
    "MX": ("America/Cancun", "America/Tijuana"),
    "MY": ("Asia/Kuala_Lumpur",),
    "NG": ("Africa/Lagos",),
    "NL": ("Europe/Amsterdam",),
    "NO": ("Europe/Oslo",),
    "NZ": ("Pacific/Auckland",),
    "PE": ("America/Lima",),
    "PH": ("Asia/Manila",),
    "PK": ("Asia/Karachi",),
    "PL": ("Europe/Warsaw",),
    "PT": ("Europe/Lisbon", "Atlantic/Azores"),
    "RO": ("Europe/Bucharest",),
    "RS": ("Europe/Belgrade",),
    "RU": ("Europe/Kaliningrad", "Asia/Kamchatka"),
    "SA": ("Asia/Riyadh",),
    "SE": ("Europe/Stockholm",),
    "SG": ("Asia/Singapore",),
    "SI": ("Europe/Ljubljana",),
    "SK": ("Europe/Bratislava",),
    "TH": ("Asia/Bangkok",),
    "TR": ("Europe/Istanbul",),
    "TW": ("Asia/Taipei",),
    "UA": ("Europe/Kyiv",),
    "US": ("America/New_York", "Pacific/Honolulu"),
    "VN": ("Asia/Ho_Chi_Minh",),
    "ZA": ("Africa/Johannesburg",),
}
"""Zones of the countries shops mostly sell to; of a wide country its first and its last: quiet in either is quiet."""


class QuietHours(Struct, frozen=True, kw_only=True):
    """When email, sms and push offers stay away, in the recipient's own time, unless night consent was given.

    Attributes:
        start_minute, end_minute: minutes after local midnight, `[start, end)`, over midnight when start > end.
        channels: what they bind.
    """

    start_minute: int = 21 * 60
    end_minute: int = 8 * 60
    channels: tuple[str, ...] = ("email", "sms", "push")

    def bind(self, at: int, zones: tuple[str, ...]) -> bool:
        """Whether `at` (microseconds UTC) is quiet in any of these zones."""
        return any(self._holds(minute_of_day(at, zone)) for zone in zones)

    def ends_at(self, at: int, zones: tuple[str, ...]) -> int:
        """The first moment from `at` on (microseconds UTC) that is quiet in none of these zones."""
        if not self.bind(at, zones):
            return at
        for _ in range(_TURNS):
            quiet = [zone for zone in zones if self._holds(minute_of_day(at, zone))]
            if not quiet:
                break
            at = max(self._end_in(at, zone) for zone in quiet)
        return at

    def _end_in(self, at: int, zone: str) -> int:
        local = (_EPOCH + timedelta(microseconds=at)).astimezone(_zone(zone))
        hour, minute = divmod(self.end_minute, 60)
        end = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if end <= local:
            end = (end.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=_zone(zone))
        return (end.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)

    def _holds(self, minute: int) -> bool:
        if self.start_minute <= self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


def minute_of_day(at: int, zone: str) -> int:
    """Minutes since local midnight; `at` in microseconds UTC."""
    local = (_EPOCH + timedelta(microseconds=at)).astimezone(_zone(zone))
    return local.hour * 60 + local.minute


def zones_of(timezone: object, country: object, default: str | None) -> tuple[str, ...]:
    """Where a recipient may be: the zone told, else the country's, else the project's; empty when nobody knows.

    Args:
        timezone: as the customer's attributes have it; what names nothing counts as not told.
        country: likewise, ISO 3166 with two letters.
        default: the project's zone.
    """
    if isinstance(timezone, str) and is_zone(timezone):
        return (timezone,)
    if isinstance(country, str) and (zones := COUNTRY_ZONES.get(country.upper())):
        return zones
    return () if default is None else (default,)


def is_zone(name: str) -> bool:
    """Whether the time zone database knows this name."""
    return name in _names()


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    """Names are compared with a list read once: a name from outside never becomes the path of a file."""
    return frozenset(available_timezones())


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
