"""Ranges of an allocation that follows results: an even slice in front that never moves, the rest by the batch.

The slice is the first slots of the arm's own draw, so that an exposure's stored bucket says whether its customer was in
it. Behind it the fewest slots move, as ever. An arm's propensity is its share of both parts together.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from offerlab.assignment.allocation import Ranges, allocate, reallocate, shares, sizes
from offerlab.domain.adaptive import Adaptive
from offerlab.domain.experiment import EVERYONE, SLOTS, Epoch, Experiment, Range


def slice_size(adaptive: Adaptive, arms: int) -> int:
    """Slots of the even slice: a multiple of the number of arms."""
    return max(round(adaptive.uniform * SLOTS / arms), 1) * arms


def opened(adaptive: Adaptive, epoch: Epoch, weights: Sequence[float]) -> Epoch:
    """The first epoch: the slice evenly, the rest by the plan's weights."""
    arms, slice_end = len(weights), slice_size(adaptive, len(weights))
    ranges = [Range(i * slice_end // arms, (i + 1) * slice_end // arms, i) for i in range(arms)]
    start = slice_end
    for i, size in enumerate(_scaled(weights, SLOTS - slice_end)):
        if size:
            ranges.append(Range(start, start + size, i))
            start += size
    return replace(epoch, arms={EVERYONE: tuple(ranges)})


def adapted(experiment: Experiment, now: int, weights: Sequence[float]) -> Epoch:
    """The epoch that a batch opens at `now` (microseconds UTC): `weights` for all but the slice."""
    adaptive = experiment.adaptive or Adaptive()
    last, arms = experiment.epochs[-1], len(experiment.variants)
    slice_end = slice_size(adaptive, arms)
    # Slots of the slice count as arms of their own, whose size stays: so none of them moves.
    target = [*([slice_end / arms] * arms), *_scaled(weights, SLOTS - slice_end)]
    history = [_apart(epoch.arms[EVERYONE], slice_end, arms) for epoch in experiment.epochs]
    moved = reallocate(history[-1], [size / SLOTS for size in target], history[:-1])
    return replace(last, number=last.number + 1, started_at=now, arms={EVERYONE: _together(moved, arms)})


def shares_now(experiment: Experiment) -> list[float]:
    """Each arm's share in the last epoch, the slice included: what is logged as propensity."""
    return shares(experiment.epochs[-1].arms[EVERYONE], len(experiment.variants))


def evened(experiment: Experiment) -> Experiment:
    """The experiment as the even slice lived it: the same shares throughout, whatever the results."""
    arms = len(experiment.variants)
    even = {EVERYONE: allocate([1 / arms] * arms)}
    epochs = tuple(replace(epoch, arms=even) for epoch in experiment.epochs)
    return replace(experiment, adaptive=None, epochs=epochs)


def _scaled(weights: Sequence[float], slots: int) -> list[int]:
    """Slots of each arm out of `slots`; the largest takes what rounding leaves."""
    whole = [size * slots // SLOTS for size in sizes(weights)]
    whole[max(range(len(whole)), key=lambda i: whole[i])] += slots - sum(whole)
    return whole


def _apart(ranges: Ranges, slice_end: int, arms: int) -> Ranges:
    found: list[Range] = []
    for piece in ranges:
        if piece.start < slice_end:
            found.append(Range(piece.start, min(piece.end, slice_end), piece.variant))
        if piece.end > slice_end:
            found.append(Range(max(piece.start, slice_end), piece.end, piece.variant + arms))
    return tuple(found)


def _together(ranges: Ranges, arms: int) -> Ranges:
    return tuple(Range(piece.start, piece.end, piece.variant % arms) for piece in ranges)
