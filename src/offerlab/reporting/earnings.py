"""Pictures of money: from extra revenue to net profit in steps, and how likely a profit is in twenty dots."""

from math import ceil
from typing import Final

from offerlab.reporting import figures
from offerlab.reporting.charts import (
    AXIS,
    NARROW,
    WIDE,
    WORDS,
    Look,
    Spec,
    arm_colour,
    haloed,
    specification,
    unit_label,
)
from offerlab.reporting.report import Money

STEPS: Final[dict[str, tuple[str, str]]] = {
    "offered_items": ("Extra revenue of offered items", "제안 상품 추가 매출"),
    "rest_of_basket": ("Change in the rest of the basket", "나머지 장바구니 변화"),
    "refunds": ("Refunds", "환불"),
    "cost_of_goods": ("Cost of goods", "상품 원가"),
    "discount_extra": ("Discount on extra units", "추가 판매분 할인"),
    "discount_anyway": ("Discount to those who would have bought anyway", "어차피 살 고객에게 준 할인"),
    "delivery": ("Delivery and channel", "발송과 채널 비용"),
    "net": ("Net profit", "순이익"),
}
"""Names of the waterfall's bars."""

_STEP: Final = 46
_COLUMNS: Final = 9


def waterfall_size(money: Money, *, wide: bool) -> tuple[int, int]:
    """Width and height of `waterfall`."""
    return (WIDE if wide else NARROW), len(money.steps) * _STEP + AXIS


def waterfall(money: Money, look: Look, arm: int) -> Spec:
    """Steps from extra revenue to net profit: gains filled, losses hollow, the net bar with its range.

    Args:
        money: of one treatment, with steps.
        look: theme, size, language.
        arm: the treatment's number for colour.
    """
    colour = arm_colour(arm, look.theme)
    total = len(money.steps) * _STEP
    zero = {"type": "rule", "color": look.ink["ink"]}
    data = {"values": [{"x": 0.0, "y": 0, "y2": total}]}
    layers: list[Spec] = [{"data": data, "mark": zero, "encoding": {**_place("x"), "y2": {"field": "y2"}}}]
    run = 0.0
    for i, step in enumerate(money.steps):
        start = 0.0 if step.code == "net" else run
        end = step.estimate if step.code == "net" else run + step.estimate
        run = end
        top = i * _STEP
        label = STEPS.get(step.code, (step.code, step.code))[look.language == "ko"]
        amount = figures.effect(step.estimate, "money", money.currency, look.language, signed=True)
        bold = step.code == "net"
        layers += [
            _bar(start, end, top + 24, top + 38, colour, filled=step.estimate >= 0),
            *haloed("6", top + 11, label, look, bold=bold),
            *haloed("width", top + 11, amount, look, align="right", bold=bold),
        ]
        if bold and step.lower is not None and step.upper is not None:
            layers.append(_range(step.lower, step.upper, top + 31, look.ink["ink"]))
    axis = {"labelExpr": unit_label("money", look), "labelFlush": True, "labelOverlap": True}
    for layer in layers:
        x = layer["encoding"]["x"]
        if "field" in x:
            layer["encoding"]["x"] = {**x, "axis": axis, "scale": {"nice": True, "zero": True}}
        layer["encoding"]["y"] = {
            **layer["encoding"]["y"],
            "axis": None,
            "scale": {"domain": [0, total], "reverse": True, "nice": False},
        }
    width, height = waterfall_size(money, wide=look.wide)
    return specification(look, {"layer": layers}, width, height)


def dots(money: Money, look: Look, arm: int, height: int) -> Spec:
    """Twenty equally likely values of net profit: filled above zero, hollow below."""
    colour = arm_colour(arm, look.theme)
    values = sorted(money.quantiles)
    low, high = min(values[0], 0.0), max(values[-1], 0.0)
    span = (high - low) or 1.0
    step = span / (_COLUMNS if look.wide else _COLUMNS - 2)
    stacks: dict[int, int] = {}
    rows: list[dict[str, object]] = []
    for value in values:
        column = ceil(value / step) - 1  # zero is always a border: a hollow dot never stands on the side of gains
        stacks[column] = stacks.get(column, 0) + 1
        rows.append(
            {
                "x": (column + 0.5) * step,
                "y": stacks[column] - 0.5,
                "fill": colour if value > 0 else look.ink["ground"],
            }
        )
    axis = {"labelExpr": unit_label("money", look), "labelFlush": True, "labelOverlap": True}
    x: Spec = {
        "field": "x",
        "type": "quantitative",
        "axis": axis,
        "scale": {"domain": [min(low, min(stacks) * step), max(high, (max(stacks) + 1) * step)], "nice": False},
    }
    tallest = max(stacks.values())
    y: Spec = {"field": "y", "type": "quantitative", "axis": None, "scale": {"domain": [0, tallest + 1]}}
    zero = {"values": [{"x": 0.0, "y": tallest + 0.6, "text": WORDS["none"][look.language == "ko"]}]}
    layers: list[Spec] = [
        {"data": zero, "mark": {"type": "rule", "color": look.ink["ink"]}, "encoding": {"x": x}},
        {
            "data": zero,
            "mark": {"type": "text", "align": "left", "dx": 5, "color": look.ink["muted"]},
            "encoding": {"x": x, "y": y, "text": {"field": "text"}},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "point", "shape": "circle", "stroke": colour, "strokeWidth": 2, "size": 170, "opacity": 1},
            "encoding": {"x": x, "y": y, "fill": {"field": "fill", "type": "nominal", "scale": None}},
        },
    ]
    return specification(look, {"layer": layers}, look.width, height)


def _place(x: str) -> Spec:
    return {"x": {"field": x, "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}


def _bar(start: float, end: float, top: float, bottom: float, colour: str, *, filled: bool) -> Spec:
    mark: Spec = {"type": "rect", "stroke": colour, "strokeWidth": 2, "fill": colour, "fillOpacity": 1 if filled else 0}
    return {
        "data": {"values": [{"x": start, "x2": end, "y": top, "y2": bottom}]},
        "mark": mark,
        "encoding": {**_place("x"), "x2": {"field": "x2"}, "y2": {"field": "y2"}},
    }


def _range(lower: float, upper: float, y: float, colour: str) -> Spec:
    return {
        "data": {"values": [{"x": lower, "x2": upper, "y": y}]},
        "mark": {"type": "rule", "color": colour, "strokeWidth": 3},
        "encoding": {**_place("x"), "x2": {"field": "x2"}},
    }
