"""What customers said of an arm, with what could tell who they are taken out."""

from typing import Final

from offerlab.domain.clock import iso
from offerlab.domain.experiment import Experiment
from offerlab.reporting.cells import Cells
from offerlab.reporting.report import Voice

LATEST: Final = 20
"""Texts of an arm that a report carries; all of them are in the events."""

_LONGEST: Final = 280
_FEW_DIGITS: Final = 4
MASK: Final = "•••"


def voices_of(experiment: Experiment, cells: Cells) -> tuple[Voice, ...]:
    """The latest texts of every arm."""
    found: list[Voice] = []
    for i, arm in enumerate(experiment.variants):
        said = [each for each in cells.notes.words if each.variant == i]
        found += [Voice(arm.key, each.kind, masked(each.text), iso(each.at)) for each in said[:LATEST]]
    return tuple(found)


def masked(text: str) -> str:
    """`text` without mail addresses and long numbers (telephone, order, card), and not longer than a few lines.

    Digits count across spaces and hyphens, so that a number written in groups is one number.
    """
    kept: list[str] = []
    run: list[str] = []
    for word in text.split():
        digits = sum(letter.isdigit() for letter in word)
        if digits and not any(letter.isalpha() for letter in word):
            run.append(word)
            continue
        kept += _number(run)
        run = []
        kept.append(MASK if "@" in word or digits > _FEW_DIGITS else word)
    kept += _number(run)
    whole = " ".join(kept)
    return whole if len(whole) <= _LONGEST else f"{whole[: _LONGEST - 1].rstrip()}…"


def _number(run: list[str]) -> list[str]:
    digits = sum(letter.isdigit() for word in run for letter in word)
    return [MASK] if digits > _FEW_DIGITS else run
