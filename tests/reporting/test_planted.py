"""Planted effects come back: the truth lies in the 95 % interval in 930 to 970 of 1,000 seeded runs, each metric."""

from collections import Counter

import pytest

from offerlab.aggregation.needs import needs_of
from offerlab.domain.experiment import AnalysisPlan, Experiment, MetricPlan, Variant
from offerlab.reporting.metrics import Frame, metric_results
from offerlab.reporting.report import Interval
from offerlab.reporting.split import Strata
from offerlab.simulate import CONTROL, Simulation, Treatment, simulate
from offerlab.stats.looks import Rule
from reporting.crowd import plan

ARMS = (CONTROL, Treatment(key="filter", take=1.25), Treatment(key="smart", take=1.6, value=1.15, orders=1.05))
METRICS = (
    "revenue_per_customer",
    "acceptance_rate",
    "offered_item_rate",
    "aov",
    "conversion_rate",
    "orders_per_customer",
    "refund_rate",
)
RUNS = 1_000


def experiment() -> Experiment:
    """Three arms read once, at the planned end."""
    return plan(
        variants=tuple(Variant(key=arm.key, weight=1 / 3, offer=arm.key if arm.offer else None) for arm in ARMS),
        metrics=MetricPlan(primary=METRICS[0], secondary=METRICS[1:]),
        analysis=AnalysisPlan(sequential="fixed"),
    )


def hits_of(crowd: Simulation, asked: Experiment) -> Counter[tuple[str, str, str]]:
    """(metric, variant, scale) for each interval that holds the truth."""
    cells = crowd.cells(sorted(needs_of(METRICS, money=False).monomials))
    frame = Frame(experiment=asked, strata=Strata(asked, cells), rule=Rule("fixed"), detailed=False)
    found: Counter[tuple[str, str, str]] = Counter()
    for metric in metric_results(frame):
        for effect in metric.effects:
            arm, reference = asked.index_of(effect.variant), asked.index_of(effect.reference)
            assert arm is not None
            assert reference is not None
            truth = crowd.effect(metric.metric, arm, reference)
            for scale, said, true in zip(
                ("absolute", "relative"), (effect.absolute, effect.relative), truth, strict=True
            ):
                found[metric.metric, effect.variant, scale] += _holds(said, true)
    return found


def _holds(said: Interval | None, true: float) -> bool:
    if said is None or said.lower is None or said.upper is None:
        return False
    return said.lower <= true <= said.upper


def test_truth_in_closed_form_is_what_comes_out() -> None:
    """The levels written down agree with a large simulation within four of its standard errors."""
    crowd = simulate(*ARMS, customers=150_000, seed=5)
    asked = experiment()
    cells = crowd.cells(sorted(needs_of(METRICS, money=False).monomials))
    frame = Frame(experiment=asked, strata=Strata(asked, cells), rule=Rule("fixed"), detailed=False)
    for metric in metric_results(frame):
        for arm in metric.arms:
            index = asked.index_of(arm.variant)
            assert index is not None
            assert arm.mean is not None
            assert arm.se is not None
            assert abs(arm.mean - crowd.truth(metric.metric, index)) < 4 * arm.se, (metric.metric, arm.variant)


@pytest.mark.slow
def test_planted_effects_lie_in_their_intervals() -> None:
    """Each metric and treatment counted by itself, absolute and relative alike, 5,000 customers an arm."""
    asked, hits = experiment(), Counter[tuple[str, str, str]]()
    for seed in range(RUNS):
        hits += hits_of(simulate(*ARMS, customers=5_000, seed=seed), asked)
    assert len(hits) == 2 * (2 * len(METRICS) - 1)
    outside = {name: count for name, count in hits.items() if not 930 <= count <= 970}
    assert outside == {}
