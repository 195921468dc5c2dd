"""Numbers and times of a report as this page's reader reads them."""

from datetime import datetime
from typing import Final

from babel.dates import format_datetime

from offerlab.dashboard.words import Words
from offerlab.domain.clock import DAY, from_micros, to_micros
from offerlab.reporting import figures
from offerlab.reporting.report import Interval, Unit
from offerlab.reporting.words import Language, metric_name

NOTHING: Final = "–"


class Speech:
    """Formats in one language and currency.

    Args:
        language: of the reader.
        currency: of the project.
        now: microseconds UTC; "today" and "in 5 days" are told from it.
    """

    def __init__(self, language: Language, currency: str, now: int) -> None:
        self.language: Language = language
        self.currency = currency
        self.now = now
        self.words = Words(language)

    def count(self, value: float | None) -> str:
        """A whole number."""
        return NOTHING if value is None else figures.count(value, self.language)

    def level(self, value: float | None, unit: Unit) -> str:
        """A metric's own value."""
        return NOTHING if value is None else figures.level(value, unit, self.currency, self.language)

    def effect(self, value: float | None, unit: Unit, *, signed: bool = False, size: bool = False) -> str:
        """A difference."""
        if value is None:
            return NOTHING
        return figures.effect(abs(value) if size else value, unit, self.currency, self.language, signed=signed)

    def end(self, value: float | None, unit: Unit, *, last: bool = False) -> str:
        """An end of a range; a share's unit is written once, at the last one."""
        return figures.end(value, unit, self.currency, self.language, last=last)

    def range(self, said: Interval | None, unit: Unit) -> str:
        """Both ends of a range."""
        if said is None or said.shape != "bounded":
            return NOTHING
        between = {"en": "{} to {}", "ko": "{}에서 {} 사이"}[self.language]
        return between.format(self.end(said.lower, unit), self.end(said.upper, unit, last=True))

    def relative(self, said: Interval | None) -> str:
        """A lift."""
        return NOTHING if said is None else figures.relative(said.estimate, self.language, signed=True)

    def relative_range(self, said: Interval | None) -> str:
        """A lift with its range."""
        if said is None:
            return NOTHING
        if said.shape != "bounded" or said.lower is None or said.upper is None:
            return self.relative(said)
        low, high = (figures.relative(end, self.language, signed=True) for end in (said.lower, said.upper))
        return f"{self.relative(said)} ({low} {'to' if self.language == 'en' else '~'} {high})"

    def p_value(self, value: float | None) -> str:
        """A p-value."""
        return NOTHING if value is None else figures.p_value(value)

    def share(self, value: float | None) -> str:
        """A probability or a part of a whole."""
        return NOTHING if value is None else figures.level(value, "share", self.currency, self.language)

    def metric(self, key: str) -> str:
        """What a metric is called."""
        return metric_name(key, self.language)

    def date(self, when: str | int) -> str:
        """A day with its weekday."""
        return figures.date(_micros(when), self.language)

    def moment(self, when: str | int) -> str:
        """A day and a time of day, UTC."""
        pattern = {"en": "EEE d MMM yyyy, HH:mm", "ko": "yyyy년 M월 d일(EEE) HH:mm"}[self.language]
        return format_datetime(from_micros(_micros(when)), pattern, locale=self.language) + " UTC"

    def distance(self, when: str | int) -> str:
        """How far a day is from today, in words."""
        days = _micros(when) // DAY - self.now // DAY
        if days == 0:
            return self.words("today_word")
        if days == 1:
            return self.words("in_one_day")
        return self.words("in_days", n=days) if days > 0 else self.words("days_ago", n=-days)


def _micros(when: str | int) -> int:
    return when if isinstance(when, int) else to_micros(datetime.fromisoformat(when))
