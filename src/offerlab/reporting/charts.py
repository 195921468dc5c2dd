"""Pictures of a report as Vega-Lite specifications: the same in the page, the notebook and the exported report.

One plain function from report parts to a dict, because a specification is data: Altair would load pandas for it.
Every picture has a fixed size, so that a page can keep its place; texts stand in rows above their marks, so that a
phone and a wide page differ in width only. Titles, keys and captions are the page's, in HTML.
"""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final, Literal

from babel.numbers import get_currency_symbol
from msgspec import Struct

from offerlab.reporting.figures import PER_CENT
from offerlab.reporting.report import Unit
from offerlab.reporting.words import Language

Theme = Literal["light", "dark"]
Spec = dict[str, Any]

FONTS: Final = (
    "system-ui, 'Segoe UI', 'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans KR', 'Noto Sans CJK KR', sans-serif"
)
WIDE: Final = 720
NARROW: Final = 320
TEXT: Final = 13
AXIS: Final = 34
HEAD: Final = 40
CUT: Final = 3.0
"""A range beyond this many times the median of its picture is cut at the edge."""

INK: Final[dict[Theme, dict[str, str]]] = {
    "light": {"ink": "#1A1E1C", "muted": "#565D59", "rule": "#DADDD9", "edge": "#7F8782", "ground": "#FFFFFF"},
    "dark": {"ink": "#ECEFED", "muted": "#A9B1AD", "rule": "#303733", "edge": "#7C8681", "ground": "#191D1B"},
}
ARM_COLOURS: Final[dict[Theme, tuple[str, ...]]] = {
    "light": ("#4A514E", "#0B5CAD", "#C64A00", "#1A9A6C", "#D0559B"),
    "dark": ("#E2E6E4", "#2E86DE", "#FFA94D", "#2FBF8F", "#D05AA6"),
}
ARM_SHAPES: Final = ("rule", "circle", "square", "triangle-up", "diamond")
"""Control first, then treatments in order of the plan."""

WORDS: Final[dict[str, tuple[str, str]]] = {
    "none": ("no difference", "차이 없음"),
    "worth": ("worth having", "최소 효과"),
    "bad": ("not allowed", "한도 밖"),
    "overall": ("all customers", "전체 고객"),
    "planned": ("planned", "계획"),
    "end": ("planned end", "종료 예정"),
    "weights": ("weights changed", "비율 변경"),
}


class Look(Struct, frozen=True, kw_only=True):
    """For whom a picture is drawn."""

    theme: Theme
    wide: bool
    language: Language
    currency: str

    @property
    def width(self) -> int:
        """Of the whole picture, pixels."""
        return WIDE if self.wide else NARROW

    @property
    def ink(self) -> dict[str, str]:
        """Colours that carry no arm."""
        return INK[self.theme]

    def word(self, code: str) -> str:
        """A label."""
        return WORDS[code][self.language == "ko"]


class Row(Struct, frozen=True, kw_only=True):
    """One effect against control.

    Attributes:
        arm: 0 for control, treatments from 1 in order of the plan.
        lower, upper: of the 95 % range; None is open. inner: the 80 % and 50 % ranges, widest first.
        raw: a second, unshrunk point, drawn thin and hollow.
        text: the numbers in words; `note` stands in their place where nothing can be said.
    """

    arm: int
    label: str
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    inner: tuple[tuple[float, float], ...] = ()
    raw: float | None = None
    text: str = ""
    note: str = ""


def arm_colour(index: int, theme: Theme) -> str:
    """Colour of an arm; more than four treatments share them, their shape and label tell them apart."""
    return ARM_COLOURS[theme][0 if index == 0 else 1 + (index - 1) % 4]


def arm_shape(index: int) -> str:
    """Shape of an arm's point."""
    return ARM_SHAPES[1 + (index - 1) % 4] if index else "circle"


def size_of_rows(rows: int, *, wide: bool) -> tuple[int, int]:
    """Width and height of `effect_rows` with this many rows."""
    return (WIDE if wide else NARROW), HEAD + rows * _row_height(wide=wide) + 2 * AXIS


def effect_rows(
    rows: Sequence[Row],
    *,
    look: Look,
    unit: Unit,
    worth: float | None = None,
    base: float | None = None,
    bad_from: float | None = None,
    overall: tuple[float, float, float] | None = None,
) -> Spec:
    """Differences from control, one row each: point on nested bars, zero rule, numbers in words above.

    Args:
        rows: in order of the plan; at least one.
        look: theme, size, language.
        unit: of the metric.
        worth: the smallest gain worth having, drawn dashed.
        base: control's mean, for a second, relative axis.
        bad_from: signed limit of a guardrail; what lies beyond it (away from zero) is shaded.
        overall: lower, estimate, upper of the effect on everybody, drawn behind.
    """
    low, high = reach(rows, extra=[value for value in (worth, bad_from) if value is not None])
    step = _row_height(wide=look.wide)
    total = HEAD + len(rows) * step
    layers = [*_ground(look, low, high, total, worth=worth, bad_from=bad_from, overall=overall)]
    for i, row in enumerate(rows):
        layers += _row(row, HEAD + i * step, look=look, low=low, high=high)
    x = _x_axis(look, unit, low, high)
    for layer in layers:
        for channel in ("x", "x2"):
            if isinstance(layer["encoding"].get(channel), dict) and "field" in layer["encoding"][channel]:
                layer["encoding"][channel] = {**layer["encoding"][channel], **(x if channel == "x" else {})}
        for channel in ("y", "y2"):
            if "field" in layer["encoding"].get(channel, {}) and channel == "y":
                layer["encoding"][channel] = {**layer["encoding"][channel], **_y_axis(total)}
    drawn: list[Spec] = [{"layer": layers}]
    if base and base > 0:
        drawn.append(_relative_axis(look, low / base, high / base))
    width, height = size_of_rows(len(rows), wide=look.wide)
    return specification(look, {"layer": drawn, "resolve": {"scale": {"x": "independent"}}}, width, height)


def reach(rows: Sequence[Row], *, extra: Iterable[float] = ()) -> tuple[float, float]:
    """The x domain of a block: zero always inside, symmetric when a range includes it, giants cut off."""
    ends = [abs(end) for row in rows for end in (row.lower, row.upper, row.estimate) if end is not None]
    typical = median(ends) if ends else 0.0
    shown = [end for end in ends if end <= CUT * typical] or ends
    most = max([*shown, *(abs(each) for each in extra)], default=0.0) or 1.0
    most *= 1.08
    told = [row for row in rows if row.estimate is not None]
    if not told or any(_includes_zero(row) for row in told):
        return -most, most
    if all(row.lower is not None and row.lower > 0 for row in told):
        return -0.12 * most, most
    if all(row.upper is not None and row.upper < 0 for row in told):
        return -most, 0.12 * most
    return -most, most


def specification(look: Look, content: Spec, width: int, height: int) -> Spec:
    """A whole specification of a fixed size in our theme."""
    ink = look.ink
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        # A reader's font may be wider than the one that measured the labels.
        "padding": {"left": 12, "right": 12, "top": 2, "bottom": 2},
        "background": None,
        "config": {
            "font": FONTS,
            "view": {"stroke": None},
            "axis": {
                "domain": False,
                "ticks": False,
                "grid": False,
                "gridColor": ink["rule"],
                "labelColor": ink["muted"],
                "labelFontSize": TEXT,
                "labelPadding": 6,
                "tickCount": 5 if look.wide else 3,
                "title": None,
            },
            "text": {"color": ink["ink"], "fontSize": TEXT},
            "legend": {"disable": True},
        },
        **content,
    }


def unit_label(unit: Unit, look: Look, *, signed: bool = True) -> str:
    """A Vega expression that writes an axis label with its unit."""
    sign = "(datum.value < 0 ? '\u2212' : datum.value > 0 ? '+' : '')" if signed else "''"
    if unit == "money":
        symbol = get_currency_symbol(look.currency, locale=f"{look.language}_{'KR' if look.language == 'ko' else 'US'}")
        return f"{sign} + '{symbol}' + format(abs(datum.value), ',.4~r')"
    factor = 100 if unit in ("share", "factor") else 1
    suffix = {
        "share": ("%p" if look.language == "ko" else " pp") if signed else PER_CENT[look.language],
        "factor": PER_CENT[look.language],
        "hours": "시간" if look.language == "ko" else " h",
        "days": "일" if look.language == "ko" else " d",
        "count": "",
    }[unit]
    return f"{sign} + format(abs(datum.value) * {factor}, ',.3~r') + '{suffix}'"


def one(**fields: object) -> Spec:
    """Data of a single row."""
    return {"values": [fields]}


def text_at(
    x: float | str, y: float, text: str, *, align: str = "left", colour: str | None = None, bold: bool = False
) -> Spec:
    """A text; x is a data value, or a pixel position given as a string."""
    mark: Spec = {"type": "text", "align": align, "baseline": "middle", "limit": 0}
    if colour:
        mark["color"] = colour
    if bold:
        mark["fontWeight"] = 600
    place: Spec = {"value": _pixels(x)} if isinstance(x, str) else {"field": "x", "type": "quantitative"}
    return {
        "data": one(x=x if not isinstance(x, str) else 0, y=y, text=text),
        "mark": mark,
        "encoding": {"x": place, "y": {"field": "y", "type": "quantitative"}, "text": {"field": "text"}},
    }


def _pixels(x: str) -> float | str:
    return x if x in ("width", "height") else float(x)


def _row_height(*, wide: bool) -> int:
    return 62 if wide else 84


def _includes_zero(row: Row) -> bool:
    return (row.lower is None or row.lower <= 0) and (row.upper is None or row.upper >= 0)


def _x_axis(look: Look, unit: Unit, low: float, high: float) -> Spec:
    return {
        "scale": {"domain": [low, high], "nice": False, "zero": False},
        "axis": {"labelExpr": unit_label(unit, look), "orient": "bottom", "labelFlush": True, "labelOverlap": True},
    }


def _y_axis(total: float) -> Spec:
    return {"scale": {"domain": [0, total], "reverse": True, "nice": False, "zero": False}, "axis": None}


def _relative_axis(look: Look, low: float, high: float) -> Spec:
    sign = "(datum.value < 0 ? '\u2212' : datum.value > 0 ? '+' : '')"
    axis = {
        "orient": "top",
        "labelExpr": f"{sign} + format(abs(datum.value) * 100, ',.3~r') + '{PER_CENT[look.language]}'",
        "labelFlush": True,
        "labelOverlap": True,
        "tickCount": 5 if look.wide else 3,
    }
    scale = {"domain": [low, high], "nice": False, "zero": False}
    return {
        "data": one(x=0),
        "mark": {"type": "point", "opacity": 0},
        "encoding": {"x": {"field": "x", "type": "quantitative", "scale": scale, "axis": axis}},
    }


def _ground(
    look: Look,
    low: float,
    high: float,
    total: float,
    *,
    worth: float | None,
    bad_from: float | None,
    overall: tuple[float, float, float] | None,
) -> list[Spec]:
    """What stands behind the rows: shading, the zero rule, the line worth having, each with its label."""
    drawn: list[Spec] = []
    if bad_from is not None:
        edge = low if bad_from < 0 else high
        drawn.append(_area(bad_from, edge, 20, total, look.ink["edge"], 0.16))
        drawn.append(text_at(_inside(bad_from, low, high), 30, look.word("bad"), align="center"))
    if overall is not None:
        drawn.append(_area(max(low, overall[0]), min(high, overall[2]), 20, total, look.ink["edge"], 0.16))
        drawn.append(_line(overall[1], 20, total, look.ink["edge"], dash=[2, 2]))
        drawn.append(_label(overall[1], 30, look.word("overall"), low, high, look.ink["muted"]))
    drawn.append(_line(0.0, 20, total, look.ink["ink"]))
    drawn.append(_label(0.0, 10, look.word("none"), low, high, look.ink["muted"]))
    if worth is not None and low < worth < high:
        drawn.append(_line(worth, 36, total, look.ink["muted"], dash=[5, 4]))
        drawn.append(_label(worth, 28, look.word("worth"), low, high, look.ink["muted"]))
    return drawn


def _label(x: float, y: float, text: str, low: float, high: float, colour: str) -> Spec:
    place = (x - low) / (high - low)
    align = "left" if place < 0.2 else "right" if place > 0.8 else "center"  # noqa: PLR2004 - near the edges
    return text_at(x, y, text, align=align, colour=colour)


def _inside(limit: float, low: float, high: float) -> float:
    return (limit + (low if limit < 0 else high)) / 2


def _line(x: float, top: float, bottom: float, colour: str, *, dash: list[int] | None = None) -> Spec:
    mark: Spec = {"type": "rule", "color": colour, "strokeWidth": 1}
    if dash:
        mark["strokeDash"] = dash
    return {
        "data": one(x=x, y=top, y2=bottom),
        "mark": mark,
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "y", "type": "quantitative"},
            "y2": {"field": "y2"},
        },
    }


def _area(x: float, x2: float, top: float, bottom: float, colour: str, opacity: float) -> Spec:
    return {
        "data": one(x=x, x2=x2, y=top, y2=bottom),
        "mark": {"type": "rect", "color": colour, "opacity": opacity},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "x2": {"field": "x2"},
            "y": {"field": "y", "type": "quantitative"},
            "y2": {"field": "y2"},
        },
    }


def _row(row: Row, top: float, *, look: Look, low: float, high: float) -> list[Spec]:
    """One effect: its label and numbers, three nested bars, the point, arrows where a range is cut."""
    colour = arm_colour(row.arm, look.theme)
    middle = top + 42
    drawn = haloed("0", top + 14, row.label, look, bold=True)
    if row.estimate is None:
        where = top + 14 if look.wide else top + 42
        place, align = ("width", "right") if look.wide else ("0", "left")
        return [*drawn, *haloed(place, where, row.note, look, align=align)]
    if look.wide:
        drawn += haloed("width", top + 14, row.text, look, align="right")
    else:
        drawn += haloed("0", top + 68, row.text, look)
    ends = [
        (row.lower, row.upper, 3.0, 0.55),
        *((a, b, w, 0.75) for (a, b), w in zip(row.inner, (6.0, 10.0), strict=False)),
    ]
    for lower, upper, thick, opacity in ends:
        a, b = _cut(lower, low, high, -1), _cut(upper, low, high, 1)
        drawn.append(_bar(a, b, middle, colour, thick, opacity))
    if row.lower is None or row.lower < low:
        drawn.append(_point(low, middle, colour, colour, "triangle-left", 70))
    if row.upper is None or row.upper > high:
        drawn.append(_point(high, middle, colour, colour, "triangle-right", 70))
    if row.raw is not None and low <= row.raw <= high:
        drawn.append(_point(row.raw, middle, look.ink["ground"], colour, arm_shape(row.arm), 70, thin=True))
    if low <= row.estimate <= high:
        inside = look.ink["ground"] if _includes_zero(row) else colour
        drawn.append(
            _point(row.estimate, middle, inside, colour, arm_shape(row.arm), 170, tip=f"{row.label}: {row.text}")
        )
    return drawn


def haloed(x: str, y: float, text: str, look: Look, *, align: str = "left", bold: bool = False) -> list[Spec]:
    """A text that stays legible where it crosses a rule."""
    halo = text_at(x, y, text, align=align, bold=bold)
    halo["mark"] |= {"stroke": look.ink["ground"], "strokeWidth": 6, "strokeJoin": "round", "color": look.ink["ground"]}
    return [halo, text_at(x, y, text, align=align, bold=bold)]


def _cut(end: float | None, low: float, high: float, side: int) -> float:
    if end is None:
        return low if side < 0 else high
    return max(low, min(high, end))


def _bar(x: float, x2: float, y: float, colour: str, thick: float, opacity: float) -> Spec:
    return {
        "data": one(x=x, x2=x2, y=y),
        "mark": {"type": "rule", "color": colour, "strokeWidth": thick, "opacity": opacity},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "x2": {"field": "x2"},
            "y": {"field": "y", "type": "quantitative"},
        },
    }


def _point(  # noqa: PLR0913 - one mark, all its looks
    x: float, y: float, fill: str, stroke: str, shape: str, size: int, *, thin: bool = False, tip: str = ""
) -> Spec:
    encoding: Spec = {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}
    if tip:
        encoding["tooltip"] = {"field": "tip", "type": "nominal"}
    return {
        "data": one(x=x, y=y, tip=tip),
        "mark": {
            "type": "point",
            "shape": shape,
            "fill": fill,
            "stroke": stroke,
            "strokeWidth": 1 if thin else 2,
            "size": size,
            "opacity": 1,
        },
        "encoding": encoding,
    }
