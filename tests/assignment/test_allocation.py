"""Shares and ranges: exact, covering, and moving no slot that could stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.assignment.allocation import (
    Ranges,
    allocate,
    claim_layers,
    claim_slots,
    first_epoch,
    free_slots,
    gate_of,
    next_epoch,
    reallocate,
    shares,
    sizes,
    width,
)
from offerlab.domain.experiment import SLOTS, Range, Variant
from offerlab.domain.layer import Layer
from offerlab.errors import Conflict, InvalidPlan

from .laboratory import NOW, draft, running

PAGE = Layer(key="page", salt="p")
MAIL = Layer(key="mail", salt="m")


def weights(arms: int) -> st.SearchStrategy[list[float]]:
    """Shares of so many arms that add up to 1."""
    parts = st.lists(st.integers(0, 1000), min_size=arms, max_size=arms).filter(any)
    return parts.map(lambda whole: [part / sum(whole) for part in whole])


def owner(ranges: Ranges, at: int) -> int:
    """The arm that owns a slot."""
    return next(piece.variant for piece in ranges if piece.start <= at < piece.end)


def moved_slots(before: Ranges, after: Ranges) -> int:
    """Slots whose arm differs."""
    ends = sorted({piece.end for piece in before} | {piece.end for piece in after})
    starts = [0, *ends[:-1]]
    return sum(
        end - start for start, end in zip(starts, ends, strict=True) if owner(before, start) != owner(after, start)
    )


def test_arms_lie_side_by_side_in_order() -> None:
    """Half and half is the lower and the upper half of the slots."""
    assert allocate([0.5, 0.5]) == (Range(0, 500_000, 0), Range(500_000, SLOTS, 1))


def test_an_arm_without_a_share_owns_nothing() -> None:
    """A weight of zero has no range."""
    assert allocate([0.0, 1.0]) == (Range(0, SLOTS, 1),)


def test_thirds_differ_by_one_slot() -> None:
    """What does not divide goes to the largest remainder, earlier arms first."""
    assert sizes([1 / 3, 1 / 3, 1 / 3]) == [333_334, 333_333, 333_333]


@given(weights(5))
def test_every_slot_has_one_owner(given_weights: list[float]) -> None:
    """Ranges cover all slots without gap or overlap and miss each share by less than a slot."""
    ranges = allocate(given_weights)
    assert [piece.start for piece in ranges] == [0, *(piece.end for piece in ranges[:-1])]
    assert ranges[-1].end == SLOTS
    assert all(abs(width(ranges, i) - share * SLOTS) <= 1 for i, share in enumerate(given_weights))


@given(weights(4), weights(4), weights(4))
def test_a_change_moves_the_fewest_slots(first: list[float], second: list[float], third: list[float]) -> None:
    """Exactly what the growing arms gain changes its arm, whatever came before."""
    start = allocate(first)
    before = reallocate(start, second)
    after = reallocate(before, third, [start])
    needed = sum(max(0, width(after, i) - width(before, i)) for i in range(4))
    assert [width(after, i) for i in range(4)] == sizes(third)
    assert moved_slots(before, after) == needed


@given(weights(4), weights(4))
def test_going_back_restores_the_same_units(first: list[float], second: list[float]) -> None:
    """Shares that return to what they were return to the very same slots."""
    start = allocate(first)
    assert reallocate(reallocate(start, second), first, [start]) == start


@given(st.lists(st.integers(0, 100), min_size=2, max_size=6))
def test_two_arms_come_back_over_any_path(path: list[int]) -> None:
    """An arm that shrinks and regrows in steps ends with the slots it began with."""
    history = [allocate([0.5, 0.5])]
    for percent in [*path, 50]:
        history.append(reallocate(history[-1], [percent / 100, 1 - percent / 100], history[:-1]))
    assert history[-1] == history[0]


def test_50_to_60_moves_a_tenth() -> None:
    """From 50 to 60 % exactly a tenth of the slots changes its arm."""
    before = allocate([0.5, 0.5])
    assert moved_slots(before, reallocate(before, [0.6, 0.4])) == SLOTS // 10


def test_the_first_epoch_keeps_shares_by_segment() -> None:
    """A segment with shares of its own has ranges of its own."""
    experiment = draft(segments=("new", "repeat"), allocation={"repeat": {"control": 0.3, "capsules-20": 0.7}})
    epoch = first_epoch(experiment, NOW)
    assert (shares(epoch.arms[""], 2), shares(epoch.arms["repeat"], 2)) == ([0.5, 0.5], [0.3, 0.7])


def test_the_next_epoch_changes_only_what_is_named() -> None:
    """New shares of one segment leave the others, and traffic, alone."""
    experiment = running(segments=("new", "repeat"), allocation={"new": {"control": 0.1, "capsules-20": 0.9}})
    epoch = next_epoch(experiment, NOW, allocation={"repeat": {"control": 0.3, "capsules-20": 0.7}})
    assert (epoch.number, epoch.started_at, epoch.traffic) == (2, NOW, 1.0)
    assert {key: shares(ranges, 2) for key, ranges in epoch.arms.items()} == {
        "": [0.5, 0.5],
        "new": [0.1, 0.9],
        "repeat": [0.3, 0.7],
    }


def test_a_segment_leaves_the_common_ranges_with_the_fewest_moves() -> None:
    """Shares given to a segment for the first time start from the ranges it had."""
    experiment = running(segments=("new",))
    epoch = next_epoch(experiment, NOW, allocation={"new": {"control": 0.4, "capsules-20": 0.6}})
    assert moved_slots(experiment.epochs[0].arms[""], epoch.arms["new"]) == SLOTS // 10


@pytest.mark.parametrize("wrong", [{"control": 0.5}, {"control": 0.5, "capsules-20": 0.6}], ids=["short", "over"])
def test_shares_that_do_not_add_up_are_refused(wrong: dict[str, float]) -> None:
    """An epoch is never opened with shares other than 1 in sum."""
    with pytest.raises(InvalidPlan):
        next_epoch(running(), NOW, weights=wrong)


def test_a_claim_takes_the_first_free_slots() -> None:
    """A second experiment gets what the first left."""
    first = claim_slots(PAGE, [], 0.3)
    second = claim_slots(PAGE, [first.slots], 0.5)
    assert (first.slots, second.slots) == (((0, 300_000),), ((300_000, 800_000),))


def test_a_full_layer_refuses_the_next_experiment() -> None:
    """Without enough free slots the start is refused, and says how many there are."""
    with pytest.raises(Conflict) as refused:
        claim_slots(PAGE, [((0, 900_000),)], 0.2)
    assert refused.value.extra == {"reason": "layer_full", "layer": "page", "wanted": 200_000, "free": 100_000}


def test_a_claim_grows_around_its_neighbours() -> None:
    """An experiment that wants more keeps its slots and adds free ones."""
    claim = claim_slots(PAGE, [((100_000, 200_000),)], 0.3, held=((0, 100_000),))
    assert claim.slots == ((0, 100_000), (200_000, 400_000))


@given(st.floats(0.01, 0.99), st.integers(1, 3))
def test_several_layers_let_the_asked_share_through(traffic: float, count: int) -> None:
    """The product of the claimed shares is the traffic, and the gate behind them stands open."""
    layers = [Layer(key=f"l{i}", salt=f"s{i}") for i in range(count)]
    claims = claim_layers(layers, {}, traffic)
    through = 1.0
    for claim in claims:
        through *= sum(end - start for start, end in claim.slots) / SLOTS
    assert through == pytest.approx(traffic, abs=3e-6)
    assert gate_of(first_epoch(draft(traffic=traffic), NOW, claims)) == SLOTS


def test_less_traffic_in_a_layer_closes_the_gate_and_keeps_the_slots() -> None:
    """An experiment in a layer that shrinks keeps its claim, so that the same customers come back."""
    claims = claim_layers([PAGE, MAIL], {}, 0.36)
    epoch = first_epoch(draft(traffic=0.09), NOW, claims)
    assert gate_of(epoch) == 250_000


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 20)), max_size=5))
def test_free_slots_are_what_nobody_owns(pairs: list[tuple[int, int]]) -> None:
    """Free and taken slots together are all slots, without overlap."""
    taken = [((start * 10_000, min(SLOTS, (start + size) * 10_000)),) for start, size in pairs]
    owned = {slot for slots in taken for start, end in slots for slot in range(start, end, 10_000)}
    free = {slot for start, end in free_slots(taken) for slot in range(start, end, 10_000)}
    assert (owned | free, owned & free) == (set(range(0, SLOTS, 10_000)), set())


def test_arms_do_not_depend_on_the_order_of_keys() -> None:
    """Ranges follow the experiment's variants, not the order in which shares are written."""
    experiment = running(variants=(Variant(key="a", weight=0.2), Variant(key="b", weight=0.8)))
    there = next_epoch(experiment, NOW, weights={"a": 0.4, "b": 0.6})
    back = next_epoch(experiment, NOW, weights={"b": 0.6, "a": 0.4})
    assert there == back
