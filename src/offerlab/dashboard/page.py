"""What every block of a report's page has at hand: the report, the reader's language, pictures and arms."""

from typing import Literal

from msgspec import Struct

from offerlab.dashboard import glyphs
from offerlab.dashboard.speech import Speech
from offerlab.dashboard.tables import Cell
from offerlab.reporting import plots
from offerlab.reporting.report import Report

Tone = Literal["go", "rest", "look", "halt"]


class Picture(Struct, frozen=True):
    """A picture's name, sizes (wide, narrow) and what it shows in words."""

    name: str
    wide: tuple[int, int]
    narrow: tuple[int, int]
    caption: str


class Page:
    """One report in one language."""

    def __init__(self, report: Report, speech: Speech) -> None:
        self.report = report
        self.speech = speech
        self.words = speech.words
        self.names = plots.names(report)

    def picture(self, name: str, caption: str, **values: object) -> Picture:
        """One of the report's pictures, its caption in the reader's words."""
        return Picture(
            name,
            plots.size(self.report, name, wide=True),
            plots.size(self.report, name, wide=False),
            self.words(caption, **values),
        )

    def arm(self, variant: str) -> Cell:
        """An arm's name behind its mark."""
        return Cell(variant, number=False, mark=glyphs.arm(plots.arm_index(self.report, variant)))
