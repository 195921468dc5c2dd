"""Contrast in both themes, measured from the stylesheet and the charts' colours by the formula of WCAG 2.2."""

import re
from itertools import combinations
from typing import get_args

import pytest

from offerlab.reporting.charts import ARM_COLOURS, INK, Theme
from support.find import ROOT

SHEET = (ROOT / "src/offerlab/dashboard/static/offerlab.css").read_text(encoding="utf-8")
TEXT, GRAPHIC = 4.5, 3.0
"""WCAG 2.2: 1.4.3 for text, 1.4.11 for what must be seen to understand a picture."""

ON_GROUND = [(tone, f"{tone}-ground") for tone in ("go", "rest", "look", "halt")]
ON_SURFACE = [(ink, ground) for ink in ("ink", "muted", "go", "rest", "look", "halt") for ground in ("surface", "page")]
IN_BANDS = [(ink, f"{tone}-ground") for ink in ("ink", "muted") for tone in ("go", "rest", "look", "halt")]


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _colours(theme: Theme) -> dict[str, str]:
    """The stylesheet's variables in a theme."""
    light, dark = re.findall(r":root \{(.*?)\}", SHEET, flags=re.DOTALL)[:2]
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", light))
    return found if theme == "light" else found | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", dark))


def test_the_formula_is_the_published_one() -> None:
    """Black on white is 21, a colour on itself 1, and the grey #767676 the published 4.54 on white."""
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.005)
    assert contrast("#123456", "#123456") == 1


@pytest.mark.parametrize("theme", get_args(Theme))
def test_every_text_stands_out_from_its_ground(theme: Theme) -> None:
    """Each pair of text and ground that the pages use reaches 4.5 to 1."""
    colours = _colours(theme)
    pairs = [*ON_GROUND, *ON_SURFACE, *IN_BANDS]
    weak = {pair: round(found, 2) for pair in pairs if (found := contrast(*(colours[name] for name in pair))) < TEXT}
    assert weak == {}


@pytest.mark.parametrize("theme", get_args(Theme))
def test_every_arm_stands_out_from_the_picture_and_no_two_arms_share_a_colour(theme: Theme) -> None:
    """Arms reach 3 to 1 against the picture's ground; shapes, not colour alone, tell them apart."""
    arms = ARM_COLOURS[theme]
    ground = INK[theme]["ground"]
    assert {arm: found for arm in arms if (found := contrast(arm, ground)) < GRAPHIC} == {}
    assert [pair for pair in combinations(arms, 2) if pair[0] == pair[1]] == []
