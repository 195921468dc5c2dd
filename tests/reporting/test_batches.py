"""Allocation that follows results: the next weights, and how such an experiment is read."""

from typing import Final

import numpy as np
import pytest
from msgspec.structs import replace

from offerlab.assignment.adapting import adapted, opened, shares_now
from offerlab.assignment.allocation import first_epoch
from offerlab.domain.adaptive import Adaptive, check_adaptive
from offerlab.domain.clock import DAY
from offerlab.domain.experiment import Experiment, MetricPlan, Variant
from offerlab.errors import InvalidDefinition, InvalidPlan
from offerlab.reporting.batches import next_weights
from offerlab.reporting.build import build_report
from offerlab.reporting.cells import Cell, Cells
from offerlab.reporting.report import MetricResult
from offerlab.simulate import cells_from
from reporting.crowd import AS_OF, START, needed, plan

ARMS: Final = (
    Variant(key="control", weight=0.5, role="control"),
    Variant(key="mail", weight=0.5, offer="mail"),
)
BASE: Final = plan(
    variants=ARMS,
    metrics=MetricPlan(primary="conversion_rate", secondary=("aov",), guardrails=("unsubscribe_rate",)),
    adaptive=Adaptive(floor=0.1),
)


def batched(*weights: tuple[float, float]) -> Experiment:
    """The experiment after batches with these weights for all but the slice."""
    adaptive = BASE.adaptive or Adaptive()
    experiment = replace(BASE, epochs=(opened(adaptive, first_epoch(BASE, START), (0.5, 0.5)),))
    for i, each in enumerate(weights):
        epoch = adapted(experiment, START + (i + 1) * DAY, each)
        experiment = replace(experiment, epochs=(*experiment.epochs, epoch))
    return experiment


class Drawn:
    """Customers of every batch: their arm, outcome and batch."""

    def __init__(self, experiment: Experiment, rates: list[tuple[float, float]], size: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.shares = [shares_now(replace(experiment, epochs=experiment.epochs[: i + 1])) for i in range(len(rates))]
        self.epoch = np.repeat(np.arange(len(rates)), size)
        treated = np.array([share[1] for share in self.shares])[self.epoch]
        self.arm = (rng.random(self.epoch.size) < treated).astype(np.int64)
        rate = np.array(rates)[self.epoch, self.arm]
        self.came = (rng.random(self.epoch.size) < rate).astype(np.int64)

    def cells(self, experiment: Experiment) -> Cells:
        """The same as an engine would sum them up."""
        nothing = np.zeros(self.arm.size, dtype=np.int64)
        values = {
            "converted": self.came,
            "orders": self.came,
            "revenue": 100 * self.came,
            "unsubscribed": nothing,
            **{f"past_{name}": nothing for name in ("revenue", "orders", "recency")},
        }
        parts: list[Cell] = []
        whole = cells_from(values, self.arm, needed(experiment))
        for i in range(len(self.shares)):
            here = self.epoch == i
            made = cells_from({name: value[here] for name, value in values.items()}, self.arm[here], needed(experiment))
            parts += [replace(cell, epoch=i + 1) for cell in made.cells]
        return replace(whole, cells=tuple(parts))


def by_hand(drawn: Drawn) -> float:
    """The estimate customer by customer, as the formula page writes it."""
    total = weight = 0.0
    batches = range(len(drawn.shares))
    for t in batches:
        before, here = drawn.epoch < t, drawn.epoch == t
        y, arm, e = drawn.came[here], drawn.arm[here], np.array(drawn.shares[t])
        seen = [drawn.came[before & (drawn.arm == a)] for a in (0, 1)]
        m = np.array([part.mean() if part.size else 0.0 for part in seen])
        m = m + np.mean(y - m[arm])
        scores = [m[a] + (arm == a) * (y - m[a]) / e[a] for a in (0, 1)]
        h = (1 / e[0] + 1 / e[1]) ** -0.5
        total += h * float(np.sum(scores[1] - scores[0]))
        weight += h * y.size
    return total / weight


def report_of(experiment: Experiment, cells: Cells) -> dict[str, MetricResult]:
    """Primary, AOV and guardrail as a report of today shows them."""
    report = build_report(experiment, cells, as_of=AS_OF, currency="USD", version="test")
    return {metric.metric: metric for metric in report.metrics}


def test_the_report_weights_every_customer_by_the_logged_chance() -> None:
    """The estimate is the one worked out customer by customer; it says how it was read, and leaves the ratio out."""
    experiment = batched((0.3, 0.7), (0.1, 0.9))
    drawn = Drawn(experiment, [(0.3, 0.35), (0.2, 0.25), (0.1, 0.2)], 2_000, seed=4)
    metrics = report_of(experiment, drawn.cells(experiment))
    (effect,) = metrics["conversion_rate"].effects
    assert effect.absolute is not None
    assert effect.absolute.estimate == pytest.approx(by_hand(drawn), rel=1e-9)
    assert effect.method == "adaptively_weighted"
    assert effect.absolute.lower is not None
    assert effect.absolute.upper is not None
    assert effect.absolute.lower < effect.absolute.estimate < effect.absolute.upper
    assert effect.relative is None
    assert metrics["conversion_rate"].best == ()
    assert "follows_results" in [caution.code for caution in effect.cautions]
    plain = drawn.came[drawn.arm == 1].mean() - drawn.came[drawn.arm == 0].mean()
    assert abs(plain - 0.067) > abs(effect.absolute.estimate - 0.067)
    (ratio,) = metrics["aov"].effects
    assert ratio.undetermined is not None
    assert ratio.undetermined.reason == "follows_results"


def test_the_better_arm_gets_more_and_no_arm_starves() -> None:
    """With a clear winner the other arm keeps its floor, the slice counted in."""
    experiment = batched()
    drawn = Drawn(experiment, [(0.1, 0.4)], 1_000, seed=1)
    weights = next_weights(experiment, drawn.cells(experiment))
    assert weights is not None
    assert sum(weights) == pytest.approx(1.0)
    thompson = replace(experiment, adaptive=Adaptive(rule="thompson", floor=0.1))
    greedy = next_weights(thompson, drawn.cells(experiment))
    assert greedy is not None
    assert greedy[1] > weights[1] - 1e-9
    after = replace(experiment, epochs=(*experiment.epochs, adapted(thompson, START + DAY, greedy)))
    assert shares_now(after)[0] == pytest.approx(0.1, abs=1e-3)


def test_a_day_that_was_good_for_everybody_lifts_no_arm() -> None:
    """The large arm of a rich day is no better for that: within each batch both arms are alike."""
    experiment = batched((0.1, 0.9))
    rates: list[tuple[float, float]] = [(0.1, 0.1), (0.5, 0.5)]
    drawn = Drawn(experiment, rates, 4_000, seed=8)
    weights = next_weights(replace(experiment, adaptive=Adaptive(rule="thompson")), drawn.cells(experiment))
    naive = [float(drawn.came[drawn.arm == a].mean()) for a in (0, 1)]
    assert naive[1] - naive[0] > 0.1
    assert weights is not None
    assert 0.05 < weights[1] < 0.95


def test_too_few_customers_move_nothing() -> None:
    """Under 50 in an arm the weights stay."""
    experiment = batched()
    assert next_weights(experiment, Drawn(experiment, [(0.5, 0.5)], 60, seed=2).cells(experiment)) is None


@pytest.mark.parametrize(
    ("changes", "told", "field"),
    [
        ({"floor": 0.6}, {}, "adaptive.floor"),
        ({"uniform": 0.0}, {}, "adaptive.uniform"),
        ({"every_hours": 0}, {}, "adaptive.every_hours"),
        ({}, {"arms": 1}, "variants"),
        ({}, {"kind": "ratio"}, "metrics.primary"),
        ({}, {"sequential": "fixed"}, "analysis.sequential"),
        ({}, {"segmented": True}, "allocation"),
    ],
    ids=str,
)
def test_what_could_not_be_read_afterwards_is_refused(
    changes: dict[str, float], told: dict[str, object], field: str
) -> None:
    """The field at fault is named."""
    usual: dict[str, object] = {"arms": 2, "kind": "mean", "sequential": "always", "segmented": False}
    with pytest.raises((InvalidPlan, InvalidDefinition)) as refused:
        check_adaptive(Adaptive(**changes), **{**usual, **told})  # type: ignore[arg-type]  # one wrong at a time
    assert refused.value.field == field
