"""The life of an experiment: no way back, every step kept."""

from hypothesis import given
from hypothesis import strategies as st

from offerlab.domain.experiment import Experiment, MetricPlan, Status, Variant
from offerlab.domain.lifecycle import Action, moved
from offerlab.errors import Conflict

DRAFT = Experiment(
    id=1,
    key="e",
    salt="s",
    variants=(Variant(key="control", weight=0.5), Variant(key="t", weight=0.5)),
    metrics=MetricPlan(primary="aov"),
)
ACTIONS: tuple[Action, ...] = ("start", "pause", "resume", "stop", "archive")
ORDER: dict[Status, int] = {"draft": 0, "running": 1, "paused": 1, "stopped": 2, "archived": 3}


@given(st.lists(st.sampled_from(ACTIONS), max_size=12))
def test_life_never_goes_back(actions: list[Action]) -> None:
    """Whatever is tried, an experiment only moves on, and every step is kept."""
    one = DRAFT
    steps = 0
    for now, action in enumerate(actions, start=1):
        try:
            later = moved(one, action, now=now)
        except Conflict:
            continue
        steps += 1
        assert ORDER[later.status] >= ORDER[one.status]
        one = later
    assert (len(one.changes), one.revision) == (steps, 1 + steps)


def test_archiving_ends_what_was_served() -> None:
    """A stopped experiment that serves an arm no longer does when archived."""
    served = moved(moved(DRAFT, "start", now=1), "stop", now=2, serve={"": "t"})
    assert (served.changes[-1].serve, moved(served, "archive", now=3).changes[-1].serve) == ({"": "t"}, {})
