"""The seeds' case, replayed: an appliance shop whose personal offer truly raises acceptance by 25 % and AOV by 15 %."""

from collections import Counter

import pytest

from offerlab.aggregation.needs import needs_of
from offerlab.domain.experiment import AnalysisPlan, Experiment, MetricPlan, Variant
from offerlab.reporting.build import build_report
from offerlab.reporting.formats import as_markdown
from offerlab.reporting.metrics import Frame, metric_results
from offerlab.reporting.report import Effect, Interval
from offerlab.reporting.split import Strata
from offerlab.simulate import appliance_case, simulate
from offerlab.stats.looks import Rule
from reporting.crowd import AS_OF, needed, plan

SHOP, ARMS = appliance_case()
METRICS = ("acceptance_rate", "aov")
CUSTOMERS = 20_000
RUNS = 1_000


def fridge() -> Experiment:
    """Today's offer to fridge buyers against the personal one, read once at the planned end."""
    return plan(
        key="fridge",
        variants=(
            Variant(key="today", weight=0.5, role="control", offer="filter"),
            Variant(key="personal", weight=0.5, offer="filter-and-purifier"),
        ),
        metrics=MetricPlan(primary="acceptance_rate", secondary=("aov",)),
        analysis=AnalysisPlan(sequential="fixed"),
    )


def effects_of(seed: int, customers: int = CUSTOMERS) -> dict[str, tuple[Effect, tuple[float, float]]]:
    """What the report's arithmetic says of each metric, and the truth."""
    asked = fridge()
    crowd = simulate(*ARMS, customers=customers, shop=SHOP, seed=seed)
    cells = crowd.cells(sorted(needs_of(METRICS, money=False).monomials))
    frame = Frame(experiment=asked, strata=Strata(asked, cells), rule=Rule("fixed"), detailed=False)
    said = {metric.metric: metric.effects[0] for metric in metric_results(frame) if metric.metric in METRICS}
    return {key: (effect, crowd.effect(key, 1)) for key, effect in said.items()}


def holds(said: Interval | None, true: float) -> bool:
    """Whether a bounded interval holds the truth."""
    return said is not None and said.lower is not None and said.upper is not None and said.lower <= true <= said.upper


def test_the_case_has_the_effects_it_claims() -> None:
    """The truth is 5 % acceptance and exactly +25 % and +15 %, and a large crowd agrees within four errors."""
    crowd = simulate(*ARMS, customers=10, shop=SHOP)
    assert round(crowd.truth("acceptance_rate", 0), 12) == 0.05
    assert [round(crowd.effect(key, 1)[1], 12) for key in METRICS] == [0.25, 0.15]
    for effect, (true, _) in effects_of(3, 60_000).values():
        assert effect.absolute is not None
        assert effect.standard_error is not None
        assert abs(effect.absolute.estimate - true) < 4 * effect.standard_error


def test_the_case_prints_absolute_and_relative() -> None:
    """One replay: both effects are shown to be real, and the report prints each as difference and as percentage."""
    asked = fridge()
    cells = simulate(*ARMS, customers=CUSTOMERS, shop=SHOP, seed=1).cells(needed(asked))
    report = build_report(asked, cells, as_of=AS_OF, currency="USD", version="test")
    text = as_markdown(report)
    for metric in report.metrics[:1] + tuple(each for each in report.metrics if each.metric == "aov"):
        effect = metric.effects[0]
        assert effect.p_value is not None
        assert effect.p_value < 0.05
        assert effect.absolute is not None
        assert effect.relative is not None
    told = [line for line in text.splitlines() if line.startswith("- personal against today:")]
    assert len(told) == len(report.metrics)
    assert all(" range " in line and line.endswith(" %") and ", +" in line for line in told)


@pytest.mark.slow
def test_the_case_comes_back_in_its_intervals() -> None:
    """Of 1,000 replays the 95 % interval holds each truth in 930 to 970, absolute and relative, and finds it in 850."""
    hits, found = Counter[tuple[str, str]](), Counter[str]()
    for seed in range(RUNS):
        for key, (effect, (absolute, relative)) in effects_of(seed).items():
            hits[key, "absolute"] += holds(effect.absolute, absolute)
            hits[key, "relative"] += holds(effect.relative, relative)
            found[key] += effect.p_value is not None and effect.p_value < 0.05
    print("holds the truth:", dict(hits), "detected:", dict(found))  # noqa: T201 - `pytest -s` shows the figures
    assert {name: count for name, count in hits.items() if not 930 <= count <= 970} == {}
    assert len(hits) == 2 * len(METRICS)
    assert min(found[key] for key in METRICS) >= 850
