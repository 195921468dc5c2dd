"""The time course: customers by day of first exposure, and the effect among those exposed up to each day.

The band is the one that holds at every look, whatever the plan's rule: the line is there to be watched.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from math import sqrt
from typing import Final

from msgspec.structs import replace

from offerlab.domain.clock import DAY
from offerlab.domain.experiment import Experiment
from offerlab.reporting.cells import Cell, Cells
from offerlab.reporting.comparing import columns_of
from offerlab.reporting.metrics import Frame, effect_of, reference_of
from offerlab.reporting.report import Day, DayArm, DayEffect
from offerlab.reporting.split import Strata, planned_shares

_FIRST_DAY: Final = date(1970, 1, 1)
_BAND: Final = 3.290526731491894  # normal quantile of 0.9995: 99.9 % two-sided
_SMALLEST_EXPECTED: Final = 5.0


def days_of(frame: Frame, *, as_of: int) -> tuple[Day, ...]:
    """Every UTC day from the first exposure to the last, empty ones included."""
    experiment = frame.experiment
    cells = frame.strata.cells
    if not cells.cells:
        return ()
    slim = cells.only(columns_of(frame.measure(experiment.metrics.primary)))
    running = Strata(experiment, slim, fill=False)
    rule = replace(frame.rule, kind="always")
    sofar = replace(frame, strata=running, rule=rule, looks=(), detailed=False)
    expected = [0.0] * len(experiment.variants)
    by_day: dict[int, list[Cell]] = {}
    for cell in slim.cells:
        by_day.setdefault(cell.day, []).append(cell)
    days: list[Day] = []
    for day in range(min(by_day), max(by_day) + 1):
        fresh = by_day.get(day, [])
        for cell in fresh:
            running.include(cell)
            for i, share in enumerate(planned_shares(experiment, cell.epoch, cell.segment)):
                expected[i] += share * cell.n
        days.append(_day(sofar, day, fresh, expected, as_of))
    return tuple(days)


def _day(frame: Frame, day: int, fresh: Sequence[Cell], expected: Sequence[float], as_of: int) -> Day:
    experiment = frame.experiment
    closes = (day + 1 + experiment.window_days + experiment.refund_days) * DAY
    arms = tuple(
        DayArm(arm.key, sum(cell.n for cell in fresh if cell.variant == i), frame.strata.arm(i).n)
        for i, arm in enumerate(experiment.variants)
    )
    return Day(
        day=(_FIRST_DAY + timedelta(days=day)).isoformat(),
        arms=arms,
        effects=tuple(_effects(frame)),
        open=closes > as_of,
        bands=_bands(experiment, expected),
    )


def _effects(frame: Frame) -> list[DayEffect]:
    experiment, key = frame.experiment, frame.experiment.metrics.primary
    reference = reference_of(experiment)
    arms = [i for i, arm in enumerate(experiment.variants) if key != "acceptance_rate" or arm.offer]
    reference = reference if reference in arms else (arms or [0])[0]
    said: list[DayEffect] = []
    for i in arms:
        if i == reference:
            continue
        effect = effect_of(frame, key, reference, i)
        thin = any(caution.code == "too_few" for caution in effect.cautions)
        if effect.absolute is None or thin:
            said.append(DayEffect(effect.variant, None, None, None))
        else:
            a = effect.absolute
            said.append(DayEffect(effect.variant, a.estimate, a.lower, a.upper))
    return said


def _bands(experiment: Experiment, expected: Sequence[float]) -> dict[str, tuple[float, float, float]]:
    n = sum(expected)
    if min(expected) < _SMALLEST_EXPECTED:
        return {}
    found: dict[str, tuple[float, float, float]] = {}
    for arm, count in zip(experiment.variants, expected, strict=True):
        share = count / n
        half = _BAND * sqrt(share * (1 - share) / n)
        found[arm.key] = (share, max(share - half, 0.0), min(share + half, 1.0))
    return found


def per_day(cells: Cells, as_of: int, *, days: int = 7) -> float:
    """New customers a day over the last `days` days before `as_of` (or since the first exposure, if that is less)."""
    if not cells.cells:
        return 0.0
    first = min(cell.first_at for cell in cells.cells)
    since = max(first // DAY, as_of // DAY - days)
    stretch = max((as_of - max(first, since * DAY)) / DAY, 1.0)
    return sum(cell.n for cell in cells.cells if cell.day >= since) / stretch
