"""Cells of a made-up crowd, drawn with a seed: what an engine would hand over for it."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from offerlab.aggregation.needs import needs_of
from offerlab.domain.clock import DAY
from offerlab.domain.experiment import Change, Experiment, MetricPlan, Variant
from offerlab.reporting.cells import Cells
from offerlab.reporting.measures import Monomial
from offerlab.simulate import Treatment, cells_from, simulate

START = 20_000 * DAY
AS_OF = START + 10 * DAY


def plan(**changes: object) -> Experiment:
    """Three arms, control first, running since `START`."""
    base = Experiment(
        id=1,
        key="kitchen",
        salt="s",
        variants=(
            Variant(key="control", weight=1 / 3, role="control"),
            Variant(key="filter", weight=1 / 3, offer="filter"),
            Variant(key="smart", weight=1 / 3, offer="smart"),
        ),
        metrics=MetricPlan(
            primary="revenue_per_customer", secondary=("acceptance_rate",), guardrails=("unsubscribe_rate",)
        ),
        status="running",
        changes=(Change(at=START, status="running"),),
    )
    return replace(base, **changes)


def needed(experiment: Experiment) -> list[Monomial]:
    """The sums that a report of this experiment needs."""
    return sorted(needs_of(experiment.metrics.roles()).monomials)


def crowd(experiment: Experiment, *, sizes: Sequence[int], segments: Sequence[str] = (), seed: int = 1) -> Cells:
    """Cells of `sizes` customers per arm, spread over the segments and five days."""
    arms = [
        Treatment(key=arm.key, offer=arm.offer is not None, take=1 + i / 4) for i, arm in enumerate(experiment.variants)
    ]
    drawn = simulate(*arms, customers=sizes, seed=seed)
    rng = np.random.default_rng(seed)
    picks: list[int] = rng.integers(max(len(segments), 1), size=drawn.arm.size).tolist()
    names = [segments[i] for i in picks] if segments else None
    day = 20_000 + rng.integers(5, size=drawn.arm.size)
    return cells_from(drawn.values, drawn.arm, needed(experiment), segment=names, day=day)
