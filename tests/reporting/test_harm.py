"""The harm boundary: one side, an error of its own, however often it is read."""

from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from offerlab.domain.experiment import Experiment, MetricPlan, Variant
from offerlab.reporting.cells import Cells
from offerlab.reporting.harm import is_watched, watched
from offerlab.reporting.watching import harms
from offerlab.simulate import cells_from
from reporting.crowd import AS_OF, needed, plan

ARMS: Final = (
    Variant(key="control", weight=0.5, role="control"),
    Variant(key="mail", weight=0.5, offer="mail"),
)
MAIL: Final = plan(
    variants=ARMS, metrics=MetricPlan(primary="conversion_rate", guardrails=("unsubscribe_rate", "orders_per_customer"))
)


def cells_of(gone: NDArray[np.int64], arm: NDArray[np.int64], orders: NDArray[np.int64] | None = None) -> Cells:
    """Customers who left (1) or stayed (0), and their orders, by arm."""
    nothing = np.zeros(arm.size, dtype=np.int64)
    came = nothing if orders is None else orders
    values = {"unsubscribed": gone, "orders": came, "converted": (came > 0).astype(np.int64)}
    past = {f"past_{name}": nothing for name in ("revenue", "orders", "recency")}
    return cells_from({**past, **values}, arm, needed(watched(MAIL)))


def harmed(experiment: Experiment, cells: Cells) -> set[tuple[str, str]]:
    """Guardrails and arms beyond their boundary."""
    return {(one.metric, one.variant) for one in harms(watched(experiment), cells, as_of=AS_OF)}


def split(n: int) -> NDArray[np.int64]:
    """`n` customers, every second one treated."""
    return np.arange(n, dtype=np.int64) % 2


def test_a_rate_shows_harm_before_forty_have_left() -> None:
    """25 of 500 left in one arm and none in the other: no normal theory is needed."""
    arm = split(1_000)
    gone = ((arm == 1) & (np.arange(1_000) < 50)).astype(np.int64)
    assert harmed(MAIL, cells_of(gone, arm)) == {("unsubscribe_rate", "mail")}


def test_only_the_bad_side_is_harm() -> None:
    """The same with the arms exchanged is good news; fewer orders are harm, more are not."""
    arm = split(1_000)
    gone = ((arm == 0) & (np.arange(1_000) < 50)).astype(np.int64)
    few = ((np.arange(1_000) % 3 == 0) & ((arm == 0) | (np.arange(1_000) < 100))).astype(np.int64)
    assert harmed(MAIL, cells_of(gone, arm, few)) == {("orders_per_customer", "mail")}
    assert harmed(MAIL, cells_of(gone, arm, few[::-1].copy())) == set()


def test_who_is_watched() -> None:
    """A running experiment with a guardrail, unless somebody switched it off; the primary metric is none."""
    assert is_watched(MAIL)
    assert not is_watched(plan(auto_pause=False))
    assert not is_watched(plan(status="paused"))
    assert not is_watched(plan(metrics=MetricPlan(primary="aov")))
    assert not is_watched(plan(metrics=MetricPlan(primary="aov", guardrails=("aov",))))


@pytest.mark.slow
def test_without_harm_a_pause_is_as_rare_as_promised() -> None:
    """A/A, read after every 200 of 4,000 customers: at most 2.5 % pause; a test for one reading pauses far more."""
    courses, step, whole = 150, 200, 4_000
    rng = np.random.default_rng(53)
    paused = naive = 0
    for _ in range(courses):
        arm = rng.integers(0, 2, whole)
        gone = (rng.random(whole) < 0.08).astype(np.int64)
        ends = range(step, whole + 1, step)
        paused += any(("unsubscribe_rate", "mail") in harmed(MAIL, cells_of(gone[:end], arm[:end])) for end in ends)
        naive += any(_z(gone[:end], arm[:end]) > norm.isf(0.025) for end in ends)
    assert paused / courses <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / courses)
    assert naive / courses > 0.1


def _z(gone: NDArray[np.int64], arm: NDArray[np.int64]) -> float:
    """The pooled statistic of two rates."""
    n = np.array([np.sum(arm == i) for i in (0, 1)])
    rates = np.array([gone[arm == i].mean() if n[i] else 0.0 for i in (0, 1)])
    pooled = gone.mean()
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n).sum()) if n.all() and 0 < pooled < 1 else 1.0
    return float((rates[1] - rates[0]) / spread)
