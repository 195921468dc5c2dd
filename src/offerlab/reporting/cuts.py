"""The report by segment: raw figures, whether segments differ, and the shrunken effects beside the raw ones."""

from collections.abc import Mapping, Sequence
from math import nan

from msgspec.structs import replace

from offerlab.assignment.adapting import evened
from offerlab.reporting.cells import EVEN_SLICE, Cells
from offerlab.reporting.comparing import contrast_of
from offerlab.reporting.metrics import Frame, as_interval, metric_results, range_at
from offerlab.reporting.report import Effect, Heterogeneity, Interval, MetricResult, SegmentResult, Undetermined
from offerlab.reporting.small import SMALLEST, WITHHELD, small_arms, without
from offerlab.reporting.split import Strata
from offerlab.stats import effect as stats
from offerlab.stats.looks import Rule
from offerlab.stats.multiplicity import adjust
from offerlab.stats.segments import SegmentReading, read_segments


def segments_of(frame: Frame, *, margin: float | None) -> tuple[tuple[SegmentResult, ...], tuple[Heterogeneity, ...]]:
    """Every segment with its metrics, and the interaction test for each treatment on the primary metric.

    Args:
        frame: of the whole experiment.
        margin: difference between segments that matters, in the primary metric's unit.
    """
    if frame.strata.cells.cut_by == EVEN_SLICE:
        return _even_slice(frame), ()
    parts = _parts(frame)
    if len(parts) < 2 and not any(parts):  # noqa: PLR2004 - one unnamed segment is everybody
        return (), ()
    large = {key: cells for key, cells in parts.items() if cells.n >= SMALLEST}
    frames = {
        key: replace(
            frame,
            strata=Strata(frame.experiment, cells),
            rule=_rule_within(frame, cells.n),
            looks=(),
            detailed=False,
        )
        for key, cells in large.items()
    }
    names = {i: arm.key for i, arm in enumerate(frame.experiment.variants)}
    hidden = {key: small_arms(cells, names) for key, cells in large.items()}
    found = {key: tuple(without(one, hidden[key]) for one in metric_results(each)) for key, each in frames.items()}
    metrics = _adjusted(frames, found, frame.rule.alpha)
    readings = _readings(frame, frames, margin)
    results = tuple(
        SegmentResult(
            segment=key,
            n=parts[key].n if key in frames else None,
            withheld=None if key in frames else WITHHELD,
            metrics=metrics.get(key, ()),
            shrunk=_shrunk(key, list(frames), readings, metrics.get(key, ())),
        )
        for key in parts
    )
    return results, _heterogeneity(frame, list(frames), readings)


def _even_slice(frame: Frame) -> tuple[SegmentResult, ...]:
    """The customers who were split evenly throughout, read without weights: a second look at the same question.

    Nothing is corrected for it and nothing drawn towards the whole, which holds the same customers.
    """
    cells = _parts(frame).get(EVEN_SLICE)
    if cells is None:
        return ()
    if cells.n < SMALLEST:
        return (SegmentResult(segment=EVEN_SLICE, n=None, withheld=WITHHELD),)
    even = evened(frame.experiment)
    within = replace(
        frame,
        experiment=even,
        strata=Strata(even, cells),
        rule=_rule_within(frame, cells.n),
        looks=(),
        detailed=False,
    )
    hidden = small_arms(cells, {i: arm.key for i, arm in enumerate(even.variants)})
    metrics = tuple(without(one, hidden) for one in metric_results(within))
    return (SegmentResult(segment=EVEN_SLICE, n=cells.n, metrics=metrics),)


def _parts(frame: Frame) -> dict[str | None, Cells]:
    cells = frame.strata.cells
    order = {key: i for i, key in enumerate(frame.experiment.segments)}
    found = sorted(
        {cell.cut for cell in cells.cells}, key=lambda cut: (cut is None, order.get(cut or "", 99), cut or "")
    )
    return {cut: replace(cells, cells=tuple(cell for cell in cells.cells if cell.cut == cut)) for cut in found}


def _rule_within(frame: Frame, n: int) -> Rule:
    """How a segment is read: looks at segments are not kept, so a group plan gives way to ranges that need none."""
    kind = "always" if frame.rule.kind == "group" else frame.rule.kind
    planned = frame.rule.planned * n / frame.strata.n if frame.rule.planned and frame.strata.n else None
    return replace(frame.rule, kind=kind, planned=planned)


def _adjusted(
    frames: Mapping[str | None, Frame], metrics: Mapping[str | None, tuple[MetricResult, ...]], alpha: float
) -> dict[str | None, tuple[MetricResult, ...]]:
    """Benjamini and Hochberg over segments, metrics and treatments together, with false coverage rate ranges."""
    family = [each.p_value for results in metrics.values() for metric in results for each in metric.effects]
    if not family:
        return dict(metrics)
    said = adjust([nan if p is None else p for p in family], method="bh", alpha=alpha)
    pairs = iter(zip(said.p_values.tolist(), said.interval_alpha.tolist(), strict=True))

    def one(key: str | None, metric: MetricResult, each: Effect) -> Effect:
        p, level = next(pairs)
        if each.p_value is None:
            return each
        wide = range_at(frames[key], metric.metric, each.variant, level)
        return replace(each, p_value_adjusted=p, simultaneous=wide, correction="bh")

    return {
        key: tuple(
            replace(metric, effects=tuple(one(key, metric, each) for each in metric.effects)) for metric in results
        )
        for key, results in metrics.items()
    }


def _readings(
    frame: Frame, frames: dict[str | None, Frame], margin: float | None
) -> dict[str, tuple[int, SegmentReading]]:
    """By treatment, what the segments' effects on the primary metric say together."""
    experiment = frame.experiment
    key = experiment.metrics.primary
    control = experiment.control if experiment.control is not None else 0
    found: dict[str, tuple[int, SegmentReading]] = {}
    if key == "acceptance_rate":
        key = "offered_item_rate"
    for i, arm in enumerate(experiment.variants):
        if i != control and frames:
            outcomes = [
                _measurable(contrast_of(frame.asked(key), each.strata, control, i, [frame.rule.alpha]).said[0])
                for each in frames.values()
            ]
            found[arm.key] = i, read_segments(outcomes, margin=margin, alpha=frame.rule.alpha)
    return found


def _measurable(said: stats.Outcome) -> stats.Outcome:
    """An outcome that can be weighed against others.

    One without a positive error has no weight: all customers of one arm did, none of the other.
    """
    if isinstance(said, stats.Undetermined) or said.standard_error > 0:
        return said
    return stats.Undetermined("no_variance", "Every customer of an arm has the same value, so chance has no measure.")


def _shrunk(
    key: str | None,
    keys: Sequence[str | None],
    readings: dict[str, tuple[int, SegmentReading]],
    metrics: Sequence[MetricResult],
) -> dict[str, Interval]:
    if key not in keys:
        return {}
    at = list(keys).index(key)
    withheld = {
        each.variant
        for each in (metrics[0].effects if metrics else ())
        if each.undetermined is not None and each.undetermined.reason == WITHHELD
    }
    said = {variant: reading.shrunk[at] for variant, (_, reading) in readings.items() if variant not in withheld}
    return {variant: as_interval(each) for variant, each in said.items() if isinstance(each, stats.Interval)}


def _heterogeneity(
    frame: Frame, keys: Sequence[str | None], readings: dict[str, tuple[int, SegmentReading]]
) -> tuple[Heterogeneity, ...]:
    tests = [reading.interaction for _, reading in readings.values()]
    p_values = [nan if isinstance(test, stats.Undetermined) else test.p_value for test in tests]
    adjusted = adjust(p_values, method="holm", alpha=frame.rule.alpha).p_values.tolist() if tests else []
    found: list[Heterogeneity] = []
    for (variant, (_, reading)), p in zip(readings.items(), adjusted, strict=True):
        test = reading.interaction
        blank = Heterogeneity(
            variant=variant,
            metric=frame.experiment.metrics.primary,
            statistic=None,
            p_value=None,
            p_value_adjusted=None,
        )
        if isinstance(test, stats.Undetermined):
            found.append(replace(blank, undetermined=Undetermined(test.reason, test.detail)))
        else:
            merge = tuple(tuple(keys[i] or "" for i in each.segments) for each in reading.merges)
            found.append(
                replace(blank, statistic=test.statistic, p_value=test.p_value, p_value_adjusted=p, merge=merge)
            )
    return tuple(found)
