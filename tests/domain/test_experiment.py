"""An experiment's layers, epochs, control and values."""

import pytest
from msgspec import structs

from offerlab.domain.experiment import Epoch, Experiment, MetricPlan, Range, Variant, control_of, value_of

HALVES = (Variant(key="control", weight=0.5), Variant(key="t", weight=0.5))


def experiment(**fields: object) -> Experiment:
    """A draft of two arms."""
    made = Experiment(id=1, key="e", salt="s", variants=HALVES, metrics=MetricPlan(primary="aov"))
    return structs.replace(made, **fields)


def epoch(number: int, half: int, traffic: float = 1.0) -> Epoch:
    """An epoch whose first arm has so many slots."""
    ranges = (Range(0, half, 0), Range(half, 1_000_000, 1))
    return Epoch(number=number, started_at=number, traffic=traffic, arms={"": ranges})


@pytest.mark.parametrize(("layer", "expected"), [(None, ()), ("page", ("page",)), (("page", "mail"), ("page", "mail"))])
def test_none_one_or_several_layers(layer: str | tuple[str, ...] | None, expected: tuple[str, ...]) -> None:
    """A layer is written as a key or a list of keys."""
    assert experiment(layer=layer).layers == expected


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        ((), False),
        ((epoch(1, 500_000),), False),
        ((epoch(1, 500_000), epoch(2, 600_000)), True),
        ((epoch(1, 500_000), epoch(2, 600_000), epoch(3, 500_000)), True),
        ((epoch(1, 500_000, 0.2), epoch(2, 500_000, 0.5)), False),
        ((epoch(1, 500_000, 0.5), epoch(2, 500_000, 0.2)), True),
    ],
    ids=["draft", "one", "moved", "moved-and-back", "grown", "shrunk"],
)
def test_whether_anybody_may_stand_elsewhere(epochs: tuple[Epoch, ...], expected: bool) -> None:  # noqa: FBT001 - expected
    """Moved arms and less traffic do it, more traffic does not."""
    assert experiment(epochs=epochs).reweighted is expected


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        ((Variant(key="control", weight=0.5), Variant(key="b", weight=0.5, role="control")), 1),
        ((Variant(key="a", weight=0.5), Variant(key="control", weight=0.5)), 1),
        ((Variant(key="a", weight=0.5, offer="x"), Variant(key="b", weight=0.5)), 1),
        ((Variant(key="a", weight=0.5, offer="x"), Variant(key="b", weight=0.5, offer="y")), None),
        ((Variant(key="a", weight=0.5), Variant(key="b", weight=0.5)), None),
    ],
    ids=["role", "key", "only-bare", "none", "two-bare"],
)
def test_which_arm_is_control(arms: tuple[Variant, ...], expected: int | None) -> None:
    """By role, else by key, else the only arm without an offer."""
    assert control_of(arms) == expected


def test_a_number_leaves_as_a_float() -> None:
    """Strict clients refuse 10 where they expect 10.0, and 10.0 where they expect 10."""
    arms = (structs.replace(HALVES[0], value=10), HALVES[1])
    values = [value_of(experiment(variants=arms, value_type=kind), 0) for kind in ("number", "integer")]
    assert [repr(value) for value in values] == ["10.0", "10"]
