"""A project's own rules, and time as the recipient lives it."""

from datetime import UTC, datetime

import msgspec
import pytest

from offerlab.domain.clock import to_micros
from offerlab.domain.project import Caps, ProjectSettings, check_settings
from offerlab.domain.timing import COUNTRY_ZONES, QuietHours, is_zone, minute_of_day, zones_of
from offerlab.errors import InvalidDefinition, InvalidInput


def at(text: str) -> int:
    """A moment in UTC."""
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_limits_are_off_until_set() -> None:
    """A new project caps nothing and cools nothing down."""
    fresh = ProjectSettings()
    check_settings(fresh)
    assert (fresh.caps, fresh.global_cap, fresh.slots, fresh.declined_days, fresh.trouble_days) == (
        {},
        Caps(),
        None,
        None,
        None,
    )


def test_settings_survive_the_store() -> None:
    """What is stored as JSON is read back the same."""
    settings = ProjectSettings(currency="KRW", caps={"web": Caps(per_day=3)}, quiet_hours=None, affinity_floor=1.2)
    assert msgspec.convert(msgspec.to_builtins(settings), ProjectSettings) == settings


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (ProjectSettings(currency="won"), "currency"),
        (ProjectSettings(timezone="Mars/Olympus"), "timezone"),
        (ProjectSettings(timezone="../../etc/passwd"), "timezone"),
        (ProjectSettings(slots=-1), "slots"),
        (ProjectSettings(caps={"web": Caps(per_week=-1)}), "caps.web.per_week"),
        (ProjectSettings(global_cap=Caps(per_day=-1)), "global_cap.per_day"),
        (ProjectSettings(quiet_hours=QuietHours(start_minute=1440)), "quiet_hours"),
    ],
)
def test_senseless_settings_are_refused(settings: ProjectSettings, field: str) -> None:
    """The error names the field at fault."""
    with pytest.raises(InvalidInput) as refused:
        check_settings(settings)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("moment", "zone", "minute"),
    [
        ("2026-11-22T12:00:00", "Asia/Seoul", 21 * 60),
        ("2026-11-22T12:30:59", "Asia/Kolkata", 18 * 60),
        ("2026-07-01T00:15:00", "America/New_York", 20 * 60 + 15),
        ("2026-12-01T00:15:00", "America/New_York", 19 * 60 + 15),
    ],
)
def test_the_clock_on_the_wall(moment: str, zone: str, minute: int) -> None:
    """Local time with half hours and daylight saving."""
    assert minute_of_day(at(moment), zone) == minute


@pytest.mark.parametrize(
    ("start", "end", "quiet"),
    [(21 * 60, 8 * 60, {0, 7, 21, 23}), (8 * 60, 10 * 60, {8, 9}), (0, 0, set())],
    ids=["over-midnight", "within-a-day", "empty"],
)
def test_a_window_is_half_open(start: int, end: int, quiet: set[int]) -> None:
    """The first minute is quiet, the last is not, also over midnight."""
    window = QuietHours(start_minute=start, end_minute=end)
    hours = {
        hour for hour in (0, 7, 8, 9, 10, 12, 20, 21, 23) if window.bind(at(f"2026-11-22T{hour:02}:00:00"), ("UTC",))
    }
    assert hours == quiet


def test_every_zone_of_the_table_exists() -> None:
    """Countries lead to zones that the database knows."""
    assert [zone for zones in COUNTRY_ZONES.values() for zone in zones if not is_zone(zone)] == []


@pytest.mark.parametrize(
    ("timezone", "country", "expected"),
    [
        ("Asia/Tokyo", "KR", ("Asia/Tokyo",)),
        (None, "KR", ("Asia/Seoul",)),
        ("nonsense", "kr", ("Asia/Seoul",)),
        (7, None, ("UTC",)),
        (None, "ZZ", ("UTC",)),
    ],
)
def test_where_somebody_is(timezone: object, country: object, expected: tuple[str, ...]) -> None:
    """The zone told, else the country's, else the project's."""
    assert zones_of(timezone, country, "UTC") == expected


def test_nobody_knows_where() -> None:
    """Without anything told there is no zone, and nothing is quiet."""
    assert QuietHours().bind(at("2026-11-22T23:00:00"), zones_of(None, None, None)) is False


def test_an_unknown_zone_is_a_definition_error() -> None:
    """The kind of error tells the caller that the settings are at fault."""
    with pytest.raises(InvalidDefinition):
        check_settings(ProjectSettings(timezone="?"))
