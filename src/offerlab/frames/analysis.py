"""`offerlab.analyze`: one call from any data frame to effects that never contradict each other."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any, TypeAlias

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from offerlab.errors import InvalidPlan
from offerlab.frames.columns import Crowd, gather
from offerlab.frames.comparing import Table, comparison_of, level_of, table_of
from offerlab.frames.families import (
    Asked,
    Correction,
    Study,
    corrected,
    guarded,
    p_values_of,
    read_safely,
    widened,
)
from offerlab.frames.metrics import Metric, covariates_of, name_of, outcomes_of
from offerlab.frames.result import Analysis, Comparing, Segments
from offerlab.stats.effect import Effect, Outcome, Undetermined
from offerlab.stats.looks import Kind, Rule
from offerlab.stats.multiplicity import adjust
from offerlab.stats.segments import read_segments
from offerlab.stats.spending import Spending
from offerlab.stats.srm import SplitCheck, check_split

Rows: TypeAlias = NDArray[np.bool_]

ALIKE = 0.2
"""Segments whose effects differ by less than this share of the overall effect may be merged (the 80 % rule)."""


def analyze(  # noqa: PLR0913 - one call; all but the frame by name
    frame: Any,  # noqa: ANN401 - any data frame
    *,
    variant: str,
    control: str,
    metrics: Sequence[Metric] | Metric,
    segment: str | None = None,
    cluster: str | None = None,
    weights: Mapping[str, float] | None = None,
    alpha: float = 0.05,
    sequential: Kind = "fixed",
    planned: float | None = None,
    looks: Sequence[float] = (),
    spending: Spending = "obrien_fleming",
    correction: Correction = "holm",
    seed: int = 0,
) -> Analysis:
    """Compare every variant with control on every metric, as the report does.

    Args:
        frame: one row per customer as randomised, those who did nothing included: pandas, Polars, Arrow, DuckDB, Spark
            (through Narwhals), or a mapping from names to arrays.
        variant: column of the variant.
        control: the variant that others are compared with.
        metrics: `offerlab.Proportion`, `Mean`, `Ratio`, `Return`, `Quantile`, `Statistic`.
        segment: column of a cut known before exposure: effects, interaction test and merge suggestions by its values.
        cluster: column of the unit that was randomised, where it has several rows.
        weights: planned shares of the variants: the split is checked against them.
        alpha: two-sided error rate over all looks, of each family of metrics.
        sequential: "fixed" reads once; "group" at looks until the planned end; "always" at any time.
        planned: customers of all variants at the planned end.
        looks: customers at the earlier looks.
        spending: of the group reading.
        correction: within the primary and within the secondary metrics, over their variants; "gated" tests a variant's
            secondaries once its primary (the first) is shown, "weighted" is Holm's with the metrics' weights, "dunnett"
            corrects a metric's variants for their shared control, "fixed_sequence" asks in the order of the metrics
            (each metric's variants in their order), each at full alpha once all before it are shown.
        seed: of bootstrap resamples.

    Returns:
        The analysis: print it, plot it, or take `effects`, `to_frame()`, `to_markdown()`, `to_json()`.

    Raises:
        InvalidInput: a column is missing or has gaps, or the control is no variant.
        InvalidPlan: alpha, weights, looks or a method out of range.

    Examples:
        >>> import offerlab
        >>> crowd = offerlab.simulate(customers=20_000, seed=7).frame
        >>> result = offerlab.analyze(
        ...     crowd,
        ...     variant="arm",
        ...     control="control",
        ...     metrics=offerlab.Proportion("bought"),
        ... )
        >>> print(result)  # doctest: +NORMALIZE_WHITESPACE
        20,000 control, 20,000 offer; alpha 0.05, read fixed, corrected by holm
        metric  variant  control  mean  difference  lift  p  method
        bought  offer  0.05455  0.0655  +0.01095 (+0.006299 to +0.01561)  +20.07 % (+11.08 to +29.80)  4.03e-06  score
    """
    asked = (metrics,) if isinstance(metrics, Struct) else tuple(metrics)
    _check(asked)
    crowd = gather(
        frame,
        variant=variant,
        control=control,
        outcomes=[name for metric in asked for name in outcomes_of(metric)],
        covariates=[name for metric in asked for name in covariates_of(metric)],
        segment=segment,
        cluster=cluster,
    )
    if sequential == "group" and planned is None:
        raise InvalidPlan("a group reading needs `planned`, the customers at its planned end", field="planned")
    shares = _shares(crowd, weights)
    rule = Rule(sequential, planned, alpha, spending)
    study = Study(crowd.customers, rule, tuple(float(n) for n in looks), shares, control)
    tables = [table_of(metric, crowd, outcomes_of(metric), covariates_of(metric), seed) for metric in asked]
    everyone = np.ones(crowd.arm.size, dtype=np.bool_)
    overall = corrected(_compare(crowd, tables, study, everyone, None), study, correction)
    by_segment, readings = _segments(crowd, tables, study, overall)
    return Analysis(
        control=control,
        variants=crowd.variants,
        counts=tuple(_count(crowd, crowd.arm == i) for i in range(len(crowd.variants))),
        alpha=alpha,
        sequential=sequential,
        correction=correction,
        segment=segment,
        split=None if shares is None else _split(crowd, shares),
        effects=(*(each.row for each in overall), *by_segment),
        segments=readings,
    )


def _check(metrics: Sequence[Metric]) -> None:
    names = [name_of(metric) for metric in metrics]
    if not names:
        raise InvalidPlan("There is no metric.", field="metrics")
    if len(set(names)) < len(names):
        raise InvalidPlan("Two metrics have the same name: give one of them another.", field="metrics")


def _shares(crowd: Crowd, weights: Mapping[str, float] | None) -> Mapping[str, float] | None:
    absent = [] if weights is None else [name for name in crowd.variants if name not in weights]
    if absent:
        raise InvalidPlan(f"There is no weight for {', '.join(absent)}.", field="weights")
    return weights


def _split(crowd: Crowd, weights: Mapping[str, float]) -> SplitCheck:
    """Planned variants that nobody is in count too."""
    names = list(dict.fromkeys([*crowd.variants, *weights]))
    counts = [_count(crowd, crowd.arm == crowd.variants.index(n)) if n in crowd.variants else 0 for n in names]
    return check_split(counts, [float(weights[name]) for name in names])


def _count(crowd: Crowd, rows: Rows) -> int:
    return int(np.count_nonzero(rows)) if crowd.clusters is None else int(np.unique(crowd.clusters[rows]).size)


def _compare(crowd: Crowd, tables: Sequence[Table], study: Study, among: Rows, segment: str | None) -> list[Asked]:
    """Every metric and treatment among some of the rows, uncorrected."""
    base = among & (crowd.arm == 0)
    found: list[Asked] = []
    for table in tables:
        level = level_of(table, base)
        for i, name in enumerate(crowd.variants[1:], start=1):
            rows = among & (crowd.arm == i)
            comparison = comparison_of(table, base, rows)
            said, note = read_safely(comparison, study, name, study.rule.alpha)
            raw = (
                None
                if comparison.raw is None
                else read_safely(replace(comparison, test=comparison.raw), study, name, study.rule.alpha)[0]
            )
            row = Comparing(
                metric=name_of(table.metric),
                role=table.metric.role,
                variant=name,
                segment=segment,
                n=_count(crowd, rows),
                mean=level_of(table, rows),
                control_n=_count(crowd, base),
                control_mean=level,
                outcome=said,
                raw=raw,
                saved=comparison.saved,
                balance=comparison.balance,
                note=note,
                guardrail=guarded(table.metric, comparison, study, level),
            )
            found.append(Asked(table.metric, comparison, row))
    return found


def _segments(
    crowd: Crowd, tables: Sequence[Table], study: Study, overall: Sequence[Asked]
) -> tuple[list[Comparing], tuple[Segments, ...]]:
    """Effects by segment (BH over segments, metrics and variants), and what they say together."""
    if crowd.segments is None:
        return [], ()
    names, codes, alpha = crowd.segments.names, crowd.segments.codes, study.rule.alpha
    parts = [_compare(crowd, tables, study, codes == i, name) for i, name in enumerate(names)]
    flat = [each for asked in parts for each in asked]
    found = adjust(p_values_of(flat), method="bh", alpha=alpha)
    readings: list[Segments] = []
    for at, whole in enumerate(overall):
        outcomes = [_weighable(asked[at].comparison.test(alpha)) for asked in parts]
        reading = read_segments(outcomes, margin=_margin(whole), alpha=alpha)
        merges = tuple(tuple(names[i] for i in merge.segments) for merge in reading.merges)
        readings.append(
            Segments(metric=whole.row.metric, variant=whole.row.variant, names=names, reading=reading, merges=merges)
        )
    p = [nan if one.p_value is None else one.p_value for one in readings]
    adjusted = adjust(p, method="holm", alpha=alpha).p_values.tolist()
    told = [
        replace(one, p_value_adjusted=None if np.isnan(q) else q) for one, q in zip(readings, adjusted, strict=True)
    ]
    return [each.row for each in widened(flat, found, study)], tuple(told)


def _weighable(said: Outcome) -> Outcome:
    """An outcome without a positive error has no weight among others."""
    if isinstance(said, Undetermined) or said.standard_error > 0.0:
        return said
    return Undetermined("no_variance", "Every customer of an arm has the same value, so chance has no measure.")


def _margin(whole: Asked) -> float | None:
    """The difference between segments that matters, in the metric's unit."""
    level, said = whole.row.control_mean, whole.row.outcome
    if whole.metric.mde is not None and level:
        return whole.metric.mde * abs(level)
    if isinstance(said, Effect) and said.absolute.estimate:
        return ALIKE * abs(said.absolute.estimate)
    return None
