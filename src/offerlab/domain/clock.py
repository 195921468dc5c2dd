"""Time as OfferLab keeps it: int64 microseconds since 1970-01-01 UTC.

Integers compare and subtract alike in Python and in every SQL dialect; interval arithmetic is where dialects part.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from offerlab.errors import InvalidInput

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 86_400 * SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC) - _EPOCH
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH


def to_micros(moment: datetime, *, field: str = "occurred_at") -> int:
    """`moment` in microseconds.

    Raises:
        InvalidInput: no time zone, or outside 1990..2200 (no shop event happened there).
    """
    if moment.tzinfo is None:
        raise InvalidInput(f"{moment.isoformat()} has no time zone", field=field)
    since = moment - _EPOCH
    if not _EARLIEST <= since < _LATEST:
        raise InvalidInput(f"{moment.isoformat()} lies outside 1990 to 2200", field=field)
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds


def from_micros(micros: int) -> datetime:
    """Microseconds as an aware UTC moment."""
    return _EPOCH + timedelta(microseconds=micros)


def iso(micros: int) -> str:
    """Microseconds as ISO 8601 with a trailing Z, fractions only where there are any."""
    return from_micros(micros).isoformat().replace("+00:00", "Z")
