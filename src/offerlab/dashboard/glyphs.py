"""Small pictures inside text: presentation attributes only, so that a strict policy lets them through.

Each carries a shape besides its colour; words stand beside them, so they are hidden from screen readers.
"""

from typing import Final

from markupsafe import Markup

from offerlab.reporting.charts import Theme, arm_colour, arm_shape

_VERDICTS: Final = {
    "ship": '<path d="M8 2 15 14H1Z"/>',
    "keep_control": '<path d="M2 2H14V14H2Z"/>',
    "keep_running": '<circle cx="8" cy="8" r="7"/>',
    "maturing": '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2"/>'
    '<path d="M8 2a6 6 0 0 1 0 12Z"/>',
    "investigate": '<path d="M3 1 8 6l5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5-5-5Z"/>',
    "draft": '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="3 2"/>',
    "paused": '<path d="M3 2H6.5V14H3ZM9.5 2H13V14H9.5Z"/>',
    "archived": '<path d="M1 3H15V6H1ZM2 7H14V14H2Z"/>',
    "too_few": '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2"/>',
}
_CHECKS: Final = {
    "pass": '<path d="M2 8.5 6 12.5 14 3.5" fill="none" stroke="currentColor" stroke-width="2.4"/>',
    "look": '<path d="M6.7 1H9.3L8.9 10H7.1ZM6.7 12H9.3V15H6.7Z"/>',
    "stop": '<path d="M3 1 8 6l5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5-5-5Z"/>',
    "wait": '<path d="M2 7H14V9.4H2Z"/>',
}
_SHAPES: Final = {
    "rule": '<path d="M7 1H9.4V15H7Z"/>',
    "circle": '<circle cx="8" cy="8" r="6"/>',
    "square": '<path d="M2.5 2.5H13.5V13.5H2.5Z"/>',
    "triangle-up": '<path d="M8 2 14.5 13.5H1.5Z"/>',
    "diamond": '<path d="M8 1 15 8 8 15 1 8Z"/>',
}


def _icon(body: str, *, fill: str = "currentColor", kind: str = "icon") -> Markup:
    return Markup(  # noqa: S704 - constants of this module
        f'<svg class="{kind}" viewBox="0 0 16 16" width="16" height="16" fill="{fill}" aria-hidden="true"'
        f' focusable="false">{body}</svg>'
    )


def verdict(code: str) -> Markup:
    """The shape of a verdict or state."""
    return _icon(_VERDICTS.get(code, _VERDICTS["too_few"]))


def check(level: str) -> Markup:
    """The mark of a trust check."""
    return _icon(_CHECKS[level])


def arm(index: int) -> Markup:
    """The shape and colour of an arm, once for light and once for dark pages; the style sheet shows one of them.

    Args:
        index: 0 for control, then treatments from 1 in order of the plan.
    """
    shape = _SHAPES[arm_shape(index) if index else "rule"]
    themes: tuple[Theme, Theme] = ("light", "dark")
    return Markup("").join(_icon(shape, fill=arm_colour(index, theme), kind=f"icon on-{theme}") for theme in themes)


def effect(lower: float, estimate: float, upper: float, *, reach: float) -> Markup:
    """A 95 % bar with its point against the zero rule; the point is filled when the bar excludes zero.

    Args:
        lower: end of the range.
        estimate: the point.
        upper: end of the range.
        reach: half of the scale, the same for all rows of a unit; what goes beyond ends at the edge.
    """
    width, middle = 132.0, 66.0

    def at(value: float) -> float:
        return round(middle + max(-1.0, min(1.0, value / reach if reach else 0.0)) * (middle - 6), 1)

    low, high, point = at(lower), at(upper), at(estimate)
    certain = lower > 0 or upper < 0
    inside = "currentColor" if certain else "none"
    return Markup(  # noqa: S704 - numbers of this function
        f'<svg class="effect-glyph" viewBox="0 0 {width:g} 24" width="{width:g}" height="24" aria-hidden="true"'
        ' focusable="false">'
        f'<path d="M{middle:g} 2V22" stroke="currentColor" stroke-opacity=".45"/>'
        f'<path d="M{low} 12H{high}" stroke="currentColor" stroke-width="3" stroke-opacity=".55"/>'
        f'<circle cx="{point}" cy="12" r="4.5" fill="{inside}" stroke="currentColor" stroke-width="2"/></svg>'
    )
