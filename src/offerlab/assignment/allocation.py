"""Shares become ranges of slots, and changed shares move the fewest slots.

An epoch is a period of constant ranges. Ranges never depend on the order in which keys are written: arms stand in
the order of the experiment's variants.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Final

from offerlab.domain.experiment import EVERYONE, SLOTS, Claim, Epoch, Experiment, Range
from offerlab.domain.layer import Layer
from offerlab.domain.soundness import check_allocation, check_weights
from offerlab.errors import Conflict, InvalidPlan

Ranges = tuple[Range, ...]
Slots = tuple[tuple[int, int], ...]

_ROUNDING: Final = 4
"""Slots by which several rounded claims may miss the share they were made for."""


def allocate(weights: Sequence[float]) -> Ranges:
    """Ranges that cover all slots, one per arm with a share, in order of the arms.

    Args:
        weights: shares by arm, each in 0..1, adding up to 1.
    """
    ranges: list[Range] = []
    start = 0
    for variant, size in enumerate(sizes(weights)):
        if size:
            ranges.append(Range(start, start + size, variant))
            start += size
    return tuple(ranges)


def sizes(weights: Sequence[float]) -> list[int]:
    """Slots per arm: exact shares rounded down, the largest remainders get the rest, earlier arms first."""
    total = sum(weights)
    exact = [weight / total * SLOTS for weight in weights]
    whole = [int(round(share, 6)) for share in exact]
    order = sorted(range(len(whole)), key=lambda i: (whole[i] - exact[i], i))
    for i in order[: SLOTS - sum(whole)]:
        whole[i] += 1
    return whole


def reallocate(previous: Ranges, weights: Sequence[float], earlier: Sequence[Ranges] = ()) -> Ranges:
    """Ranges for new shares that keep every slot where it is, but for the fewest that must move.

    Args:
        previous: ranges until now, covering all slots.
        weights: new shares by arm.
        earlier: ranges before `previous`, oldest first. A growing arm gets back what it held at the start, then what
            it held lately, so that shrinking and regrowing restores the same units.
    """
    target = sizes(weights)
    arms = _Arms(previous, target)
    for past in (*earlier[:1], *reversed(earlier[1:])):
        for piece in past:
            arms.give_back(piece)
    arms.settle()
    return arms.ranges()


class _Arms:
    """Slots on their way between arms: `excess[i]` still to leave arm i, `need[i]` still to reach it."""

    def __init__(self, previous: Ranges, target: Sequence[int]) -> None:
        held = [0] * len(target)
        for piece in previous:
            held[piece.variant] += piece.end - piece.start
        self.pieces = list(previous)
        self.excess = [max(0, have - want) for have, want in zip(held, target, strict=True)]
        self.need = [max(0, want - have) for have, want in zip(held, target, strict=True)]

    def give_back(self, past: Range) -> None:
        """Move slots that `past.variant` once held, from the front, as long as both sides want it."""
        moved: list[Range] = []
        for piece in self.pieces:
            start, end = max(piece.start, past.start), min(piece.end, past.end)
            size = min(end - start, self.excess[piece.variant], self.need[past.variant])
            if size <= 0 or piece.variant == past.variant:
                moved.append(piece)
            else:
                moved += self._split(piece, start, start + size, past.variant)
        self.pieces = moved

    def settle(self) -> None:
        """Move what must still move: the last slots of shrinking arms to the first arms that need them."""
        for needy in range(len(self.need)):
            moved: list[Range] = []
            for piece in reversed(self.pieces):
                size = min(piece.end - piece.start, self.excess[piece.variant], self.need[needy])
                if size <= 0:
                    moved.append(piece)
                else:
                    moved += reversed(self._split(piece, piece.end - size, piece.end, needy))
            self.pieces = moved[::-1]

    def _split(self, piece: Range, start: int, end: int, variant: int) -> list[Range]:
        self.excess[piece.variant] -= end - start
        self.need[variant] -= end - start
        parts = (
            Range(piece.start, start, piece.variant),
            Range(start, end, variant),
            Range(end, piece.end, piece.variant),
        )
        return [part for part in parts if part.start < part.end]

    def ranges(self) -> Ranges:
        """The pieces in order, neighbours of one arm joined."""
        joined: list[Range] = []
        for piece in self.pieces:
            if joined and joined[-1].variant == piece.variant:
                joined[-1] = Range(joined[-1].start, piece.end, piece.variant)
            else:
                joined.append(piece)
        return tuple(joined)


def width(ranges: Ranges, variant: int) -> int:
    """Slots that belong to an arm: `SLOTS` times its propensity."""
    return sum(piece.end - piece.start for piece in ranges if piece.variant == variant)


def shares(ranges: Ranges, arms: int) -> list[float]:
    """Share of each arm, exact to one slot."""
    return [width(ranges, variant) / SLOTS for variant in range(arms)]


def first_epoch(experiment: Experiment, now: int, claims: tuple[Claim, ...] = ()) -> Epoch:
    """The epoch that a start at `now` (microseconds UTC) opens; `claims` from `claim_layers`."""
    base = [arm.weight for arm in experiment.variants]
    arms = {EVERYONE: allocate(base)}
    for segment, given in experiment.allocation.items():
        arms[segment] = allocate(_by_arm(experiment, given))
    return Epoch(number=1, started_at=now, traffic=experiment.traffic, arms=arms, claims=claims)


def next_epoch(
    experiment: Experiment,
    now: int,
    *,
    weights: Mapping[str, float] | None = None,
    allocation: Mapping[str, Mapping[str, float]] | None = None,
    traffic: float | None = None,
    claims: tuple[Claim, ...] | None = None,
) -> Epoch:
    """The epoch that a change at `now` opens on a started experiment.

    Args:
        experiment: with at least one epoch.
        now: microseconds UTC, after the start of the last epoch.
        weights: new shares for everyone whose segment has none of its own; None leaves them.
        allocation: new shares of the segments named; the others stay.
        traffic: new share of eligible customers who enter; None leaves it.
        claims: layer slots for that traffic, from `claim_layers`; None leaves them.

    Raises:
        InvalidDefinition, InvalidPlan: shares of unknown arms or segments, or not adding up to 1.
    """
    last = experiment.epochs[-1]
    arms = dict(last.arms)
    if weights is not None:
        check_weights(experiment, dict(weights))
        arms[EVERYONE] = _moved(experiment, EVERYONE, weights)
    for segment, given in (allocation or {}).items():
        check_allocation(experiment, segment, dict(given))
        arms[segment] = _moved(experiment, segment, given)
    if traffic is not None and not 0 < traffic <= 1:
        raise InvalidPlan(f"traffic {traffic} is outside (0, 1]", field="traffic")
    return Epoch(
        number=last.number + 1,
        started_at=now,
        traffic=last.traffic if traffic is None else traffic,
        arms=arms,
        claims=last.claims if claims is None else claims,
    )


def _by_arm(experiment: Experiment, given: Mapping[str, float]) -> list[float]:
    return [given.get(arm.key, 0.0) for arm in experiment.variants]


def _moved(experiment: Experiment, segment: str, given: Mapping[str, float]) -> Ranges:
    history = [epoch.arms.get(segment, epoch.arms[EVERYONE]) for epoch in experiment.epochs]
    return reallocate(history[-1], _by_arm(experiment, given), history[:-1])


def free_slots(taken: Iterable[Slots]) -> Slots:
    """What nobody owns, in order, neighbours joined."""
    free: list[tuple[int, int]] = []
    at = 0
    for start, end in sorted(pair for slots in taken for pair in slots):
        if start > at:
            free.append((at, start))
        at = max(at, end)
    if at < SLOTS:
        free.append((at, SLOTS))
    return tuple(free)


def claim_slots(layer: Layer, taken: Iterable[Slots], share: float, *, held: Slots = ()) -> Claim:
    """A claim on `share` of a layer: what is `held` already and the first free slots.

    Args:
        layer: the layer.
        taken: slots of the other running and paused experiments in it.
        share: 0 < share <= 1 of all slots of the layer.
        held: this experiment's own slots; never given up while it runs.

    Raises:
        Conflict: not enough slots are free; `extra` says how many were wanted and how many there are.
    """
    want = max(1, round(share * SLOTS)) - _count(held)
    free = free_slots([*taken, held])
    if want > _count(free):
        raise Conflict(
            f"layer {layer.key!r} has {_count(free) / SLOTS:.4%} of its customers free, {want / SLOTS:.4%} are wanted",
            field="layer",
            extra={"reason": "layer_full", "layer": layer.key, "wanted": want, "free": _count(free)},
        )
    mine = list(held)
    for start, end in free:
        if want <= 0:
            break
        mine.append((start, min(end, start + want)))
        want -= min(end - start, want)
    return Claim(layer=layer.key, salt=layer.salt, slots=_joined(mine))


def claim_layers(
    layers: Sequence[Layer], taken: Mapping[str, Iterable[Slots]], traffic: float, held: Sequence[Claim] = ()
) -> tuple[Claim, ...]:
    """Claims that let `traffic` of the customers through all of `layers` together.

    A customer enters with the right slot in every layer, and layers are independent of each other: of k layers,
    each must give the k-th root of `traffic`. Claims never shrink (see `gate_of`), so the same people come back.

    Args:
        layers: those of the experiment.
        taken: by layer key, slots of the other running and paused experiments.
        traffic: 0 < traffic <= 1.
        held: the experiment's own claims so far.

    Raises:
        Conflict: a layer has not enough free slots.
    """
    own = {claim.layer: claim.slots for claim in held}
    share = traffic ** (1 / len(layers)) if layers else 1.0
    return tuple(claim_slots(layer, taken.get(layer.key, ()), share, held=own.get(layer.key, ())) for layer in layers)


def gate_of(epoch: Epoch) -> int:
    """Slots of the traffic gate behind the layers: `SLOTS` means an open gate, which costs no hash.

    Layers let their claimed share through; the gate takes from these what `traffic` leaves, and nobody moves when
    it opens further.
    """
    through = prod(_count(claim.slots) / SLOTS for claim in epoch.claims)
    if epoch.claims and (through - epoch.traffic) * SLOTS < _ROUNDING:
        return SLOTS
    return round(epoch.traffic / through * SLOTS)


def _count(slots: Slots) -> int:
    return sum(end - start for start, end in slots)


def _joined(pairs: Iterable[tuple[int, int]]) -> Slots:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(pairs):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)
