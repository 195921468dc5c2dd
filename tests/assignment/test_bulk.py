"""Many customers at once: the same answers as one by one."""

import numpy as np
import pytest

from offerlab.assignment.bulk import assign, slots
from offerlab.assignment.columns import Values
from offerlab.assignment.decide import decide
from offerlab.assignment.hashing import bucket, prefix
from offerlab.assignment.ruleset import Ruleset
from offerlab.domain.customer import Assignment, CustomerState
from offerlab.domain.decision import Request
from offerlab.domain.layer import Layer
from offerlab.domain.lifecycle import moved
from offerlab.errors import Conflict, NotFound

from .laboratory import NOW, START, draft, holdout, in_layer, ruleset, running, segment

UNITS = [f"고객-{i}" for i in range(3000)]
KR = segment("kr", {"attribute": "country", "op": "eq", "value": "KR"})
REPEAT = segment("repeat", {"attribute": "orders_count", "op": "gte", "value": 2}, priority=20)
COUNTRY = np.array(["KR", "JP", "US"])[np.arange(3000) % 3]
SHARES = {"control": 0.2, "capsules-20": 0.8}
ORDERS = np.arange(3000) % 5


def one_by_one(rules: Ruleset, known: dict[int, Assignment]) -> list[tuple[int, int, float | None, int]]:
    """What `decide` says of every customer."""
    lines: list[tuple[int, int, float | None, int]] = []
    for i, unit in enumerate(UNITS):
        attributes: dict[str, object] = {"country": str(COUNTRY[i]), "orders_count": int(ORDERS[i])}
        state = CustomerState(assignments={known[i].experiment: known[i]} if i in known else {})
        (one,) = decide(rules, state, Request(unit=unit, attributes=attributes, experiments=("e1",)), NOW).decisions
        inside = one.enrolled
        lines.append(
            (one.variant if inside else -1, -1 if one.bucket is None else one.bucket, one.propensity, one.epoch or 0)
        )
    return lines


def test_slots_are_the_published_hash() -> None:
    """Vectorised multiply-shift gives the bucket of every id, across chunks and scripts."""
    many = [*UNITS, *(f"x{i}" for i in range(20_000))]
    assert slots(prefix("s.arm"), many).tolist() == [bucket("s.arm", unit) for unit in many]


def test_nobody_gives_nothing() -> None:
    """No customers, no lines."""
    assert assign(ruleset(running()), "e1", [], now=NOW).variant.tolist() == []


@pytest.mark.parametrize(
    "rules",
    [
        ruleset(running()),
        ruleset(running(traffic=0.4)),
        ruleset(
            running(segments=("kr", "repeat"), allocation={"repeat": SHARES}),
            segments=(KR, REPEAT),
        ),
        ruleset(in_layer(draft(1, traffic=0.3), Layer(key="a", salt="a"), Layer(key="b", salt="b"))),
        ruleset(running(), holdout(8, 0.2), holdout(9, 0.1)),
        ruleset(running(forced={UNITS[3]: "control"}, segments=("gone",))),
        ruleset(running(forced={UNITS[3]: "control", UNITS[5]: "control"})),
    ],
    ids=["plain", "traffic", "segments", "layers", "holdouts", "lost-segment", "testers"],
)
def test_the_same_as_one_by_one(rules: Ruleset) -> None:
    """Variant, bucket, propensity and epoch of every customer are those of `decide`."""
    known = {5: Assignment(1, 1, 1, None, 7, 0.25, START), 9: Assignment(1, 0, 1, None, 8, 0.5, START)}
    columns = {"country": Values(COUNTRY), "orders_count": Values(ORDERS)}
    many = assign(rules, "e1", UNITS, now=NOW, columns=columns, known=known)
    propensity = [None if np.isnan(share) else share for share in many.propensity.tolist()]
    lines = list(zip(many.variant.tolist(), many.bucket.tolist(), propensity, many.epoch.tolist(), strict=True))
    assert lines == one_by_one(rules, known)
    assert many.enrolled.tolist() == [variant >= 0 for variant, *_ in lines]


def test_only_a_running_experiment_assigns() -> None:
    """Unknown and paused experiments are refused."""
    with pytest.raises(NotFound):
        assign(ruleset(), "e1", UNITS, now=NOW)
    with pytest.raises(Conflict):
        assign(ruleset(moved(running(), "pause", now=NOW)), "e1", UNITS, now=NOW)
