"""Pictures over time: the effect so far, who was exposed, and whether the split kept to its plan."""

from typing import Any, Final

from offerlab.reporting.charts import WORDS, Look, Spec, arm_colour, arm_shape, specification, unit_label
from offerlab.reporting.figures import PER_CENT
from offerlab.reporting.report import Novelty, Report, Unit

_TIME: Final[dict[str, str]] = {"en": "%-d %b", "ko": "%-m월 %-d일"}
_DAYS: Final[dict[str, str]] = {"en": " d", "ko": "일"}
Point = dict[str, Any]
_FEW_DAYS: Final = 45
"""Up to this many days each has a mark of its own."""


def course(report: Report, variant: str, look: Look, height: int, arm: int, worth: float | None) -> Spec:
    """Cumulative effect of one treatment with the band that is valid at every look.

    Args:
        report: with days.
        variant: the treatment.
        look: theme, width and language.
        height: pixels.
        arm: the treatment's number, for colour and shape.
        worth: the smallest gain worth having, drawn dashed.
    """
    colour = arm_colour(arm, look.theme)
    rows = [
        {"day": day.day, "x": each.estimate, "lower": each.lower, "upper": each.upper, "open": day.open}
        for day in report.days
        for each in day.effects
        if each.variant == variant and each.estimate is not None
    ]
    y = {"axis": _value_axis(look, unit_label(report.metrics[0].unit, look)), "type": "quantitative"}
    domain = _domain(rows, worth)
    y["scale"] = {"domain": domain, "nice": False, "zero": False}
    band = [row for row in rows if row["lower"] is not None and row["upper"] is not None]
    layers: list[Spec] = [
        {
            "data": {"values": band},
            "mark": {"type": "area", "color": colour, "opacity": 0.22, "clip": True},
            "encoding": {"x": _days(report, look), "y": {"field": "lower", **y}, "y2": {"field": "upper"}},
        },
        *_levels(look, worth, y),
        *_changes(report, look),
    ]
    settled = [row for row in rows if not row["open"]]
    still = [row for row in rows if row["open"]]
    joined = [*settled[-1:], *still]
    layers += [_stroke(settled, colour, report, look, y), _stroke(joined, colour, report, look, y, dash=[2, 4])]
    layers.append(_marks(rows[-1:], colour, report, look, y, shape=arm_shape(arm)))
    return specification(look, {"layer": layers}, look.width, height)


def exposures(report: Report, look: Look, height: int) -> Spec:
    """Customers first exposed on each day, one line per arm."""
    layers: list[Spec] = []
    y: Spec = {
        "field": "n",
        "type": "quantitative",
        "axis": _value_axis(look, "format(datum.value, ',')"),
        "scale": {"zero": True, "nice": True},
    }
    treatments = [each for each in report.facts.variants if each != report.facts.control]
    for variant in report.facts.variants:
        arm = 0 if variant == report.facts.control else treatments.index(variant) + 1
        colour = arm_colour(arm, look.theme)
        rows = [
            {"day": day.day, "n": each.exposed, "arm": variant, "tip": f"{variant} {day.day}: {each.exposed:,}"}
            for day in report.days
            for each in day.arms
            if each.variant == variant
        ]
        dash = [6, 3] if arm == 0 else [1, 0]
        encoding = {"x": _days(report, look), "y": y}
        layers.append(
            {
                "data": {"values": rows},
                "mark": {"type": "line", "color": colour, "strokeWidth": 2, "strokeDash": dash},
                "encoding": encoding,
            }
        )
        if arm and len(rows) <= _FEW_DAYS:
            mark = {
                "type": "point",
                "shape": arm_shape(arm),
                "fill": colour,
                "stroke": colour,
                "size": 45,
                "opacity": 1,
            }
            layers.append(
                {
                    "data": {"values": rows},
                    "mark": mark,
                    "encoding": {**encoding, "tooltip": {"field": "tip", "type": "nominal"}},
                }
            )
    return specification(look, {"layer": layers}, look.width, height)


def split(report: Report, variant: str, look: Look, height: int, arm: int) -> Spec:
    """Cumulative share of customers in an arm by day against its planned share and what chance allows."""
    colour = arm_colour(arm, look.theme)
    rows: list[Point] = []
    for day in report.days:
        everyone = sum(each.customers for each in day.arms)
        mine = next((each.customers for each in day.arms if each.variant == variant), 0)
        if variant in day.bands and everyone:
            plan, lower, upper = day.bands[variant]
            rows.append({"day": day.day, "x": mine / everyone, "plan": plan, "lower": lower, "upper": upper})
    axis = _value_axis(look, f"format(datum.value * 100, ',.3~r') + '{PER_CENT[look.language]}'", ticks=3)
    y: Spec = {"type": "quantitative", "axis": axis, "scale": {"zero": False, "nice": True}}
    x = _days(report, look)
    layers: list[Spec] = [
        {
            "mark": {"type": "area", "color": look.ink["edge"], "opacity": 0.2},
            "encoding": {"x": x, "y": {"field": "lower", **y}, "y2": {"field": "upper"}},
        },
        {
            "mark": {"type": "line", "color": look.ink["ink"], "strokeWidth": 1},
            "encoding": {"x": x, "y": {"field": "plan", **y}},
        },
        {
            "mark": {
                "type": "point",
                "shape": arm_shape(arm),
                "fill": colour,
                "stroke": colour,
                "size": 30,
                "opacity": 1,
            },
            "encoding": {"x": x, "y": {"field": "x", **y}},
        },
    ]
    return specification(look, {"data": {"values": rows}, "layer": layers}, look.width, height)


def since_exposure(novelty: Novelty, look: Look, height: int, arm: int) -> Spec:
    """The effect of one treatment in each part of the window, by days since a customer's first exposure.

    Args:
        novelty: of one treatment, with parts.
        look: theme, width, language and currency.
        height: pixels.
        arm: the treatment's number, for colour and shape.
    """
    colour = arm_colour(arm, look.theme)
    unit: Unit = "money" if novelty.value == "revenue" else "count"
    rows = [{"day": part.day, "x": part.estimate, "lower": part.lower, "upper": part.upper} for part in novelty.parts]
    width = rows[0]["day"]  # the first part's middle: half a part
    x: Spec = {
        "field": "day",
        "type": "quantitative",
        "axis": {"tickCount": 7 if look.wide else 4, "labelExpr": f"datum.value + '{_DAYS[look.language]}'"},
        "scale": {"domain": [0, rows[-1]["day"] + width], "nice": False},
    }
    y: Spec = {"type": "quantitative", "axis": _value_axis(look, unit_label(unit, look)), "scale": {"zero": True}}
    told = {"x": x, "y": {"field": "x", **y}}
    point = {"type": "point", "shape": arm_shape(arm), "fill": colour, "stroke": colour, "size": 110, "opacity": 1}
    layers: list[Spec] = [
        *_levels(look, None, y),
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "color": colour, "strokeWidth": 3, "opacity": 0.55},
            "encoding": {"x": x, "y": {"field": "lower", **y}, "y2": {"field": "upper"}},
        },
        {"data": {"values": rows}, "mark": {"type": "line", "color": colour, "strokeWidth": 1}, "encoding": told},
        {"data": {"values": rows}, "mark": point, "encoding": told},
    ]
    return specification(look, {"layer": layers}, look.width, height)


def _days(report: Report, look: Look) -> Spec:
    axis = {
        "format": _TIME[look.language],
        "labelFlush": True,
        "labelOverlap": True,
        "tickCount": 6 if look.wide else 3,
    }
    return {
        "field": "day",
        "type": "temporal",
        "timeUnit": "utcyearmonthdate",
        "axis": axis,
        "scale": {"type": "utc", "domain": [_day(report.days[0].day), _day(report.days[-1].day)]},
    }


def _day(day: str) -> Spec:
    year, month, date = day.split("-")
    return {"year": int(year), "month": int(month), "date": int(date), "utc": True}


def _value_axis(look: Look, label: str, *, ticks: int = 5) -> Spec:
    return {"labelExpr": label, "grid": True, "gridColor": look.ink["rule"], "tickCount": ticks, "orient": "left"}


def _domain(rows: list[Point], worth: float | None) -> list[float]:
    ends = [float(row[name]) for row in rows for name in ("lower", "upper", "x") if isinstance(row[name], float | int)]
    settled = [abs(float(row["x"])) for row in rows if isinstance(row["x"], float | int)]
    last = [float(rows[-1][name]) for name in ("lower", "upper") if isinstance(rows[-1][name], float | int)]
    limit = 3 * max([*settled, *(abs(each) for each in last), abs(worth or 0.0)], default=1.0)
    kept = [max(-limit, min(limit, each)) for each in ends]
    low, high = min([0.0, worth or 0.0, *kept]), max([0.0, worth or 0.0, *kept])
    room = 0.05 * (high - low) or 1.0
    return [low - room, high + room]


def _levels(look: Look, worth: float | None, y: Spec) -> list[Spec]:
    """The zero rule, labelled at the left, and the line worth having, at the right: they may lie close together."""
    drawn: list[Spec] = []
    levels = [(0.0, WORDS["none"], [1, 0], "ink", "left")]
    if worth is not None:
        levels.append((worth, WORDS["worth"], [5, 4], "muted", "right"))
    for value, word, dash, colour, side in levels:
        at = {"field": "x", **y}
        mark = {"type": "text", "align": side, "baseline": "bottom", "dy": -3, "color": look.ink["muted"]}
        place = {"x": {"value": "width" if side == "right" else 0}, "y": at, "text": {"field": "text"}}
        data = {"values": [{"x": value, "text": word[look.language == "ko"]}]}
        drawn += [
            {
                "data": data,
                "mark": {"type": "rule", "color": look.ink[colour], "strokeDash": dash},
                "encoding": {"y": at},
            },
            *({"data": data, "mark": {**mark, **halo}, "encoding": place} for halo in (_halo(look), {})),
        ]
    return drawn


def _halo(look: Look) -> Spec:
    """What makes a text legible where it crosses a rule."""
    return {"stroke": look.ink["ground"], "strokeWidth": 5, "color": look.ink["ground"]}


def _changes(report: Report, look: Look) -> list[Spec]:
    """Ticks where weights changed."""
    if len(report.facts.epochs) < 2:  # noqa: PLR2004 - the first epoch is the start
        return []
    rows = [{"day": at[:10], "text": WORDS["weights"][look.language == "ko"]} for at in report.facts.epochs[1:]]
    x = _days(report, look)
    return [
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "color": look.ink["muted"], "strokeDash": [1, 3]},
            "encoding": {"x": x},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "text", "align": "left", "baseline": "top", "dx": 4, "color": look.ink["muted"]},
            "encoding": {"x": x, "y": {"value": 2}, "text": {"field": "text"}},
        },
    ]


def _stroke(
    rows: list[Point], colour: str, report: Report, look: Look, y: Spec, *, dash: list[int] | None = None
) -> Spec:
    mark: Spec = {"type": "line", "color": colour, "strokeWidth": 2.5, "clip": True}
    if dash:
        mark |= {"strokeDash": dash, "strokeCap": "round"}
    return {"data": {"values": rows}, "mark": mark, "encoding": {"x": _days(report, look), "y": {"field": "x", **y}}}


def _marks(rows: list[Point], colour: str, report: Report, look: Look, y: Spec, *, shape: str) -> Spec:
    return {
        "data": {"values": rows},
        "mark": {"type": "point", "shape": shape, "fill": colour, "stroke": colour, "size": 110, "opacity": 1},
        "encoding": {"x": _days(report, look), "y": {"field": "x", **y}},
    }
