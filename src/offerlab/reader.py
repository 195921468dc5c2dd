"""For notebooks: open an experiment of a store and read its report with frames and pictures."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from offerlab.app import open_desk
from offerlab.reporting.report import Effect, MetricResult, Report
from offerlab.settings import read_settings
from offerlab.workflows.reading import as_text, moment_of, read_report

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

_COLUMNS: Final = (
    "metric",
    "role",
    "variant",
    "reference",
    "n",
    "mean",
    "absolute",
    "absolute_lower",
    "absolute_upper",
    "relative",
    "p_value",
    "method",
    "undetermined",
)


class Reading:
    """A report in an analyst's hands.

    Attributes:
        report: every number, as over HTTP.
    """

    def __init__(self, report: Report) -> None:
        self.report = report

    def __str__(self) -> str:
        """The report in words."""
        return as_text(self.report, "md")

    def to_frame(self) -> "pd.DataFrame":
        """One row per metric and arm; effects in the metric's unit, null where nothing is said."""
        import pandas as pd  # noqa: PLC0415 - opening a report needs no frame

        rows = [_row(metric, arm.variant) for metric in self.report.metrics for arm in metric.arms]
        return pd.DataFrame(rows, columns=list(_COLUMNS))

    def plot(self, metric: str) -> "alt.LayerChart | alt.FacetChart":
        """The effects of a metric: a point on its range for each arm, and a rule at no difference.

        Raises:
            KeyError: the report has no such metric.
        """
        import altair as alt  # noqa: PLC0415 - only pictures need it
        import pandas as pd  # noqa: PLC0415 - likewise

        found = {one.metric: one for one in self.report.metrics}[metric]
        said = [_point(effect) for effect in found.effects if effect.absolute is not None]
        data = pd.DataFrame(said, columns=["arm", "estimate", "lower", "upper"])
        axis = alt.X(
            "lower:Q", title=f"{metric}: difference from {found.effects[0].reference if found.effects else ''}"
        )
        bars = alt.Chart(data).mark_rule(strokeWidth=4).encode(x=axis, x2="upper:Q", y=alt.Y("arm:N", title=None))
        points = alt.Chart(data).mark_point(filled=True, size=90, opacity=1).encode(x="estimate:Q", y="arm:N")
        zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(strokeDash=[4, 4]).encode(x="zero:Q")
        return alt.layer(zero, bars, points).properties(width=520, height=60 + 30 * len(said))

    def days(self) -> "pd.DataFrame":
        """The time course: one row per day and arm, with the effect on the primary metric up to that day."""
        import pandas as pd  # noqa: PLC0415 - opening a report needs no frame

        rows: list[dict[str, Any]] = []
        for day in self.report.days:
            effects = {effect.variant: effect for effect in day.effects}
            for arm in day.arms:
                effect = effects.get(arm.variant)
                rows.append(
                    {
                        "day": day.day,
                        "variant": arm.variant,
                        "exposed": arm.exposed,
                        "customers": arm.customers,
                        "estimate": None if effect is None else effect.estimate,
                        "lower": None if effect is None else effect.lower,
                        "upper": None if effect is None else effect.upper,
                    }
                )
        return pd.DataFrame(rows)


def open_report(
    experiment: str,
    *,
    data_dir: str | Path | None = None,
    database_url: str | None = None,
    currency: str | None = None,
    as_of: str | None = None,
) -> Reading:
    """Open an experiment's report straight from its store.

    Args:
        experiment: its key.
        data_dir: folder of an embedded store; `OFFERLAB_DATA_DIR` or `./offerlab-data` without.
        database_url: of a PostgreSQL store.
        currency: refuse a store that counts in another.
        as_of: ISO 8601 with a zone: what was known then; now without.

    Raises:
        NotFound: no such experiment.
        Conflict: it never started.
        Misconfigured: the store is of another release or currency.
    """
    folder = None if data_dir is None else Path(data_dir)
    settings = read_settings(os.environ, data_dir=folder, database_url=database_url, currency=currency)
    with open_desk(settings, actor="notebook") as desk:
        return Reading(read_report(desk.runtime, desk.project_id, experiment, as_of=moment_of(as_of)))


def _row(metric: MetricResult, variant: str) -> dict[str, Any]:
    arm = next(one for one in metric.arms if one.variant == variant)
    effect = next((one for one in metric.effects if one.variant == variant), None)
    absolute = None if effect is None else effect.absolute
    relative = None if effect is None else effect.relative
    why = metric.undetermined if effect is None else effect.undetermined
    return {
        "metric": metric.metric,
        "role": metric.role,
        "variant": variant,
        "reference": None if effect is None else effect.reference,
        "n": arm.n,
        "mean": arm.mean,
        "absolute": None if absolute is None else absolute.estimate,
        "absolute_lower": None if absolute is None else absolute.lower,
        "absolute_upper": None if absolute is None else absolute.upper,
        "relative": None if relative is None else relative.estimate,
        "p_value": None if effect is None else effect.p_value,
        "method": None if effect is None else effect.method,
        "undetermined": None if why is None else why.reason,
    }


def _point(effect: Effect) -> dict[str, Any]:
    absolute = effect.absolute
    if absolute is None:
        return {}
    return {
        "arm": effect.variant,
        "estimate": absolute.estimate,
        "lower": absolute.lower,
        "upper": absolute.upper,
    }
