"""Marks inside text."""

import pytest

from offerlab.dashboard.glyphs import arm
from offerlab.reporting.charts import ARM_SHAPES, arm_shape

DRAWN = {shape: arm(i) for i, shape in enumerate(ARM_SHAPES)}


@pytest.mark.parametrize("index", range(1, 12))
def test_an_arm_has_the_same_shape_in_text_and_in_pictures(index: int) -> None:
    """However many treatments there are: the key's mark is the picture's, and never the control's rule."""
    assert arm(index) == DRAWN[arm_shape(index)] != DRAWN["rule"]
