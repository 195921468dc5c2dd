"""An analysis as a picture: every effect on its range."""

from typing import TYPE_CHECKING, Any

from offerlab.frames import words

if TYPE_CHECKING:
    import altair as alt

    from offerlab.frames.result import Analysis

_WIDTH = 520
_ROW = 26


def forest(said: "Analysis", metric: str | None, *, relative: bool) -> "alt.Chart | alt.LayerChart | alt.FacetChart":
    """A point on its range for each effect, and a dashed rule at no difference.

    Raises:
        KeyError: no such metric.
    """
    import altair as alt  # noqa: PLC0415 - only pictures need it

    metrics = list(dict.fromkeys(each.metric for each in said.effects))
    if metric is not None and metric not in metrics:
        raise KeyError(metric)
    rows = _rows(said, metric, relative=relative)
    kind, title = (".1%", "lift over control") if relative else ("", "difference from control")
    ends = [value for row in rows for value in (row["lower"], row["upper"], 0.0)]
    scale = alt.Scale(domain=[min(ends, default=-1.0), max(ends, default=1.0)], nice=True)
    axis = alt.X("lower:Q", title=title, scale=scale, axis=alt.Axis(format=kind))
    rows_on = alt.Y("label:N", title=None, sort=None)
    data = alt.InlineData(values=rows)
    tips = [alt.Tooltip("label:N"), alt.Tooltip("text:N", title="effect"), alt.Tooltip("p:N")]
    bars = alt.Chart(data).mark_rule(strokeWidth=3).encode(x=axis, x2="upper:Q", y=rows_on, tooltip=tips)
    points = (
        alt.Chart(data)
        .mark_point(filled=True, size=80, opacity=1)
        .encode(x=alt.X("estimate:Q", scale=scale), y=rows_on, tooltip=tips)
    )
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 4]).encode(x="zero:Q")
    return alt.layer(zero, bars, points).properties(width=_WIDTH, height=_ROW * max(len(rows), 1) + 20)


def _rows(said: "Analysis", metric: str | None, *, relative: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    several = len({each.variant for each in said.effects}) > 1
    for each in said.effects:
        interval = each.relative if relative else each.absolute
        if metric not in {None, each.metric} or interval is None or not interval.is_finite:
            continue
        parts = [each.metric, *([each.variant] if several else []), *([each.segment] if each.segment else [])]
        found.append(
            {
                "label": " · ".join(parts),
                "estimate": interval.estimate,
                "lower": interval.lower,
                "upper": interval.upper,
                "text": words.interval(interval, share=relative),
                "p": words.p_value(each.p_value),
            }
        )
    return found
