"""Widths of text on a phone, about."""

import pytest

from offerlab.messaging.width import LINE_PX, lines_needed, width_px


@pytest.mark.parametrize(
    ("text", "pixels"), [("", 0), ("가" * 10, 147.2), ("0" * 10, 89.6), ("e\u0301", 8.48), ("é", 8.48)]
)
def test_width_is_the_sum_of_its_characters(text: str, pixels: float) -> None:
    """Hangul 0.92 of the font size, digits 0.56, small letters 0.53; an accent takes no room of its own."""
    assert width_px(text, 16) == pytest.approx(pixels)


@pytest.mark.parametrize(("text", "lines"), [("", 1), ("가" * 22, 1), ("가" * 23, 2), ("a\nb", 2), ("가" * 45, 3)])
def test_lines_on_a_phone(text: str, lines: int) -> None:
    """A line of 328 px holds 22 Hangul syllables of 16 px (22 x 14.72 = 323.84)."""
    assert LINE_PX == 328
    assert lines_needed(text, 16) == lines
