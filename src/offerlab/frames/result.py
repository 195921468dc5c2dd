"""An analysis in an analyst's hands: it prints, plots, and goes out as a frame, JSON, CSV or Markdown.

Nothing is a NaN: what cannot be said has a reason, and an open end of a range is null in what leaves Python.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from offerlab.frames import picture, words
from offerlab.frames.metrics import Role
from offerlab.stats.effect import Caution, Effect, Interval, Outcome, Undetermined
from offerlab.stats.guardrail import Guardrail
from offerlab.stats.segments import SegmentReading
from offerlab.stats.srm import SplitCheck

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

COLUMNS: Final = (
    "metric",
    "variant",
    "segment",
    "n",
    "mean",
    "absolute",
    "absolute_lower",
    "absolute_upper",
    "relative",
    "relative_lower",
    "relative_upper",
    "p_value",
    "p_value_adjusted",
    "method",
    "undetermined",
)


class Comparing(Struct, frozen=True, kw_only=True):
    """One variant against control on one metric.

    Attributes:
        segment: the cut's value; null for everybody.
        n: customers of the variant; mean: its raw figure, nothing capped or adjusted, null where there is none.
        control_n: the same of control.
        outcome: the default estimate, safe at today's look, or why nothing can be said.
        raw: the same uncapped and unadjusted, where that differs.
        p_value_adjusted: within its family; null for guardrails and where nothing can be said.
        simultaneous: the effect at the error rate whose range matches `p_value_adjusted`.
        conservative: shown by the correction, although that range still holds zero.
        saved: share of the variance that covariates took away; balance: p-value that the first one is alike in both.
        note: which rule for looking early spoke.
        guardrail: on which side of its limit; null for other roles.
    """

    metric: str
    role: Role
    variant: str
    segment: str | None
    n: int
    mean: float | None
    control_n: int
    control_mean: float | None
    outcome: Outcome
    raw: Outcome | None = None
    p_value_adjusted: float | None = None
    simultaneous: Outcome | None = None
    conservative: bool = False
    saved: float | None = None
    balance: float | None = None
    note: str | None = None
    guardrail: Guardrail | Undetermined | None = None

    @property
    def absolute(self) -> Interval | None:
        """Difference from control, in the metric's unit."""
        return self.outcome.absolute if isinstance(self.outcome, Effect) else None

    @property
    def relative(self) -> Interval | None:
        """Lift over control, a share."""
        found = self.outcome.relative if isinstance(self.outcome, Effect) else None
        return found if isinstance(found, Interval) else None

    @property
    def p_value(self) -> float | None:
        """Two-sided, of no difference."""
        return self.outcome.p_value if isinstance(self.outcome, Effect) else None

    @property
    def undetermined(self) -> Undetermined | None:
        """Why nothing can be said."""
        return self.outcome if isinstance(self.outcome, Undetermined) else None

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """Reservations about the effect."""
        return self.outcome.warnings if isinstance(self.outcome, Effect) else ()


class Segments(Struct, frozen=True, kw_only=True):
    """What a cut says about one metric and variant.

    Attributes:
        names: the segments, in the order of `reading`.
        reading: interaction test, partially pooled effects, each segment against the rest.
        p_value_adjusted: of the interaction test, Holm's over metrics and variants.
        merges: groups of segments whose effects are shown to be alike.
    """

    metric: str
    variant: str
    names: tuple[str, ...]
    reading: SegmentReading
    merges: tuple[tuple[str, ...], ...]
    p_value_adjusted: float | None = None

    @property
    def p_value(self) -> float | None:
        """That all segments have the same effect."""
        test = self.reading.interaction
        return None if isinstance(test, Undetermined) else test.p_value


class Analysis(Struct, frozen=True, kw_only=True):
    """Every comparison that was asked for.

    Attributes:
        control: what everything is compared with.
        variants: control first; counts: their customers.
        split: whether the counts contradict the planned weights; null where none were given.
        effects: everybody first, then segment by segment.
        segments: per metric and variant, with a cut.
    """

    control: str
    variants: tuple[str, ...]
    counts: tuple[int, ...]
    alpha: float
    sequential: str
    correction: str
    segment: str | None
    split: SplitCheck | None
    effects: tuple[Comparing, ...]
    segments: tuple[Segments, ...]

    def __str__(self) -> str:
        """The analysis in lines, four significant digits."""
        return words.lines(self)

    def __repr__(self) -> str:
        """The same: a notebook or a prompt shows it."""
        return words.lines(self)

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        return words.html(self)

    def effect(self, metric: str, variant: str | None = None, segment: str | None = None) -> Comparing:
        """One comparison; `variant` may be left out where there is a single treatment.

        Raises:
            KeyError: there is none, or several.
        """
        found = [
            each
            for each in self.effects
            if each.metric == metric and each.segment == segment and variant in {None, each.variant}
        ]
        if len(found) != 1:
            raise KeyError(f"{len(found)} comparisons of {metric!r}, {variant!r}, {segment!r}")
        return found[0]

    def rows(self) -> list[dict[str, Any]]:
        """One row per metric, variant (control included) and segment, with the columns of `to_frame`."""
        found: list[dict[str, Any]] = []
        seen: set[tuple[str, str | None]] = set()
        for each in self.effects:
            if (each.metric, each.segment) not in seen:
                seen.add((each.metric, each.segment))
                found.append(
                    dict.fromkeys(COLUMNS)
                    | {
                        "metric": each.metric,
                        "variant": self.control,
                        "segment": each.segment,
                        "n": each.control_n,
                        "mean": each.control_mean,
                    }
                )
            found.append(_row(each))
        return found

    def to_frame(self) -> "pd.DataFrame":
        """`rows` as a pandas frame; effects in the metric's unit, lifts as shares, null where nothing can be said."""
        import pandas as pd  # noqa: PLC0415 - an analysis needs no pandas until it is asked for a frame

        return pd.DataFrame(self.rows(), columns=list(COLUMNS))

    def to_csv(self) -> str:
        """`rows` as comma-separated values."""
        return words.csv_of(COLUMNS, self.rows())

    def to_markdown(self) -> str:
        """The table of effects as Markdown, with what has to be said beside it."""
        return words.markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in plain types; infinite ends are null."""
        plain: dict[str, Any] = _finite(msgspec.to_builtins(self))
        return plain

    def to_json(self) -> str:
        """Everything, as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1)

    def plot(
        self, metric: str | None = None, *, relative: bool = True
    ) -> "alt.Chart | alt.LayerChart | alt.FacetChart":
        """Each effect on its range, and a rule at no difference.

        Args:
            metric: one of them; all without.
            relative: lifts, or differences in the metric's unit (which need a metric).

        Raises:
            KeyError: no such metric.
        """
        return picture.forest(self, metric, relative=relative)


def _row(each: Comparing) -> dict[str, Any]:
    absolute, relative = _parts(each.absolute), _parts(each.relative)
    outcome = each.outcome
    return dict(
        zip(
            COLUMNS,
            (
                each.metric,
                each.variant,
                each.segment,
                each.n,
                each.mean,
                *absolute,
                *relative,
                each.p_value,
                each.p_value_adjusted,
                outcome.method if isinstance(outcome, Effect) else None,
                outcome.reason if isinstance(outcome, Undetermined) else None,
            ),
            strict=True,
        )
    )


def _parts(interval: Interval | None) -> Sequence[float | None]:
    """Estimate and ends; a set that is no stretch has no ends that a table could hold."""
    if interval is None:
        return None, None, None
    if interval.shape != "bounded":
        return interval.estimate, None, None
    return interval.estimate, _open(interval.lower), _open(interval.upper)


def _open(end: float) -> float | None:
    return end if abs(end) < float("inf") else None


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None  # NaN compares false: null too
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
