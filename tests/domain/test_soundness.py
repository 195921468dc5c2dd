"""What contradicts itself is refused, with the field at fault."""

import pytest
from msgspec import structs

from offerlab.domain.experiment import Experiment, MetricPlan, Variant
from offerlab.domain.soundness import check_experiment
from offerlab.errors import InvalidDefinition

HALVES = (Variant(key="control", weight=0.5), Variant(key="t", weight=0.5))
HELD = (Variant(key="held_out", weight=0.1), Variant(key="programme", weight=0.9))


def experiment(**fields: object) -> Experiment:
    """A draft of two arms."""
    made = Experiment(id=1, key="e", salt="s", variants=HALVES, metrics=MetricPlan(primary="aov"))
    return structs.replace(made, **fields)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"layer": ("page", "page")}, "layer"),
        ({"holdout": "*"}, "variants"),
        ({"holdout": "*", "variants": HELD, "layer": "page"}, "layer"),
        ({"holdout": "*", "variants": (HELD[0], structs.replace(HELD[1], offer="x"))}, "variants"),
        ({"forced": {"qa": "nope"}}, "forced.qa"),
        ({"variants": (HALVES[0], structs.replace(HALVES[1], key="control"))}, "variants"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, object], field: str) -> None:
    """The error names the field at fault."""
    with pytest.raises(InvalidDefinition) as refused:
        check_experiment(experiment(**fields))
    assert refused.value.field == field


def test_a_holdout_is_an_experiment() -> None:
    """Its two arms are named, and carry nothing."""
    check_experiment(experiment(holdout="*", variants=HELD))
