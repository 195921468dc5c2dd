"""Ranges of an allocation that follows results: an even slice that never moves, the fewest moves behind it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from offerlab.assignment.adapting import adapted, opened, shares_now, slice_size
from offerlab.assignment.allocation import first_epoch
from offerlab.domain.adaptive import Adaptive
from offerlab.domain.experiment import EVERYONE, SLOTS, Epoch, Experiment, MetricPlan, Variant

ADAPTIVE = Adaptive(uniform=0.1, floor=0.05)


def started(weights: tuple[float, ...] = (0.5, 0.3, 0.2)) -> Experiment:
    """Three arms in their first epoch."""
    plan = Experiment(
        id=1,
        key="e",
        salt="s",
        variants=tuple(Variant(key=f"a{i}", weight=weight) for i, weight in enumerate(weights)),
        metrics=MetricPlan(primary="acceptance_rate"),
        adaptive=ADAPTIVE,
    )
    return replace(plan, epochs=(opened(ADAPTIVE, first_epoch(plan, 0), weights),))


def arm_at(epoch: Epoch, slot: int) -> int:
    """Who owns a slot."""
    return next(piece.variant for piece in epoch.arms[EVERYONE] if piece.start <= slot < piece.end)


def test_a_start_keeps_a_slice_and_gives_the_rest_by_the_plan() -> None:
    """A tenth of the slots is split in three, the rest 50:30:20."""
    experiment = started()
    size = slice_size(ADAPTIVE, 3)
    assert abs(size - SLOTS // 10) < 3
    rest = SLOTS - size
    expected = [(size / 3 + rest * weight) / SLOTS for weight in (0.5, 0.3, 0.2)]
    assert shares_now(experiment) == pytest.approx(expected, abs=2e-6)


WEIGHTS = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda drawn: [w / sum(drawn) for w in drawn])


@given(st.lists(WEIGHTS, min_size=1, max_size=6))
def test_the_slice_never_moves_and_nothing_is_lost(batches: list[list[float]]) -> None:
    """Whatever the batches: all slots owned once, the slice as at the start, shares as asked for, few moves."""
    experiment = started()
    size = slice_size(ADAPTIVE, 3)
    slots = [0, size // 3 - 1, size // 3, size - 1]
    first = [arm_at(experiment.epochs[0], slot) for slot in slots]
    for at, weights in enumerate(batches, start=1):
        before = shares_now(experiment)
        epoch = adapted(experiment, at, weights)
        assert [arm_at(epoch, slot) for slot in slots] == first
        ends = [0, *(piece.end for piece in epoch.arms[EVERYONE])]
        assert [piece.start for piece in epoch.arms[EVERYONE]] == ends[:-1]
        assert ends[-1] == SLOTS
        moved = sum(
            min(a.end, b.end) - max(a.start, b.start)
            for a in experiment.epochs[-1].arms[EVERYONE]
            for b in epoch.arms[EVERYONE]
            if a.variant != b.variant and max(a.start, b.start) < min(a.end, b.end)
        )
        experiment = replace(experiment, epochs=(*experiment.epochs, epoch))
        after = shares_now(experiment)
        expected = [(size / 3 + (SLOTS - size) * weight) / SLOTS for weight in weights]
        assert after == pytest.approx(expected, abs=3e-6)
        needed = sum(max(0.0, b - a) for a, b in zip(before, after, strict=True)) * SLOTS
        assert moved == pytest.approx(needed, abs=0.5)
