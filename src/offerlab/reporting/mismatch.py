"""Is the split what was asked: over everything, within each period and segment, and however often somebody looks."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct

from offerlab.domain.experiment import Experiment
from offerlab.reporting.cells import Cell, Cells
from offerlab.reporting.report import ArmShare, Srm, StratumSplit
from offerlab.reporting.small import told
from offerlab.reporting.split import planned_shares
from offerlab.stats.srm import ALARM, SMALLEST_DEVIATION, SplitCheck, check_split, check_splits, watch_split

MOST_STRATA: Final = 100
"""A report lists no more periods and segments than this; all of them are tested."""


class SplitReading(Struct, frozen=True):
    """All three answers.

    Attributes:
        whole: chi-square over the sum of the strata. srm: for the report.
        broken: the stratum that fails after correction for their number, the worst first; None where none does.
    """

    whole: SplitCheck
    srm: Srm
    broken: StratumSplit | None


def read_split(experiment: Experiment, analysed: Cells) -> SplitReading:
    """Counts against plan: each epoch and segment against its own shares, and day by day as an e-process."""
    counts, weights, names = _by_stratum(experiment, analysed)
    shares = [ArmShare(arm.key, 0, 0.0) for arm in experiment.variants]
    if not counts:
        nothing = check_split([0] * len(shares), [arm.weight for arm in experiment.variants])
        return SplitReading(nothing, Srm(p_value=None, ok=True, arms=tuple(shares)), None)
    whole = check_split(counts, weights)
    each = check_splits(counts, weights)
    strata = [
        StratumSplit(
            epoch=epoch,
            segment=segment,
            n=told(sum(found)),
            p_value=one.p_value,
            p_value_adjusted=p,
            ok=not one.strays and (p is None or p >= ALARM or one.deviation < SMALLEST_DEVIATION),
        )
        for (epoch, segment), found, one, p in zip(names, counts, each.checks, each.p_values_adjusted, strict=True)
    ]
    failing = sorted((one for one in strata if not one.ok), key=lambda one: one.p_value_adjusted or 0.0)
    anytime = _anytime(experiment, analysed)
    drifted = anytime < ALARM and whole.deviation >= SMALLEST_DEVIATION
    srm = Srm(
        p_value=whole.p_value,
        ok=whole.is_ok and not drifted,
        arms=tuple(
            ArmShare(arm.key, whole.observed[i], whole.expected[i]) for i, arm in enumerate(experiment.variants)
        ),
        anytime_p_value=anytime,
        strata=tuple(strata[:MOST_STRATA]) if len(strata) > 1 else (),
    )
    return SplitReading(whole, srm, failing[0] if failing else None)


def _by_stratum(
    experiment: Experiment, analysed: Cells
) -> tuple[list[list[int]], list[tuple[float, ...]], list[tuple[int, str | None]]]:
    counts: list[list[int]] = []
    weights: list[tuple[float, ...]] = []
    names: list[tuple[int, str | None]] = []
    for (epoch, segment), cells in groupby(sorted(analysed.cells, key=_stratum), key=_stratum):
        counts.append(_counts(experiment, list(cells)))
        weights.append(planned_shares(experiment, epoch, segment or None))
        names.append((epoch, segment or None))
    return counts, weights, names


def _anytime(experiment: Experiment, analysed: Cells) -> float:
    """The smallest p-value so far of the test that may be read every day."""
    counts: list[list[int]] = []
    weights: list[tuple[float, ...]] = []
    for (_, epoch, segment), cells in groupby(sorted(analysed.cells, key=_batch), key=_batch):
        counts.append(_counts(experiment, list(cells)))
        weights.append(planned_shares(experiment, epoch, segment or None))
    return float(watch_split(counts, weights)[-1])


def _counts(experiment: Experiment, cells: Sequence[Cell]) -> list[int]:
    found = [0] * len(experiment.variants)
    for cell in cells:
        found[cell.variant] += cell.n
    return found


def _stratum(cell: Cell) -> tuple[int, str]:
    return cell.epoch, cell.segment or ""


def _batch(cell: Cell) -> tuple[int, int, str]:
    return cell.day, cell.epoch, cell.segment or ""
