"""Times until something: the area under the curve of those still waiting, compared like a mean."""

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from offerlab.domain.experiment import AnalysisPlan, Experiment, MetricPlan, Variant
from offerlab.reporting.build import build_report
from offerlab.reporting.report import MetricResult
from offerlab.simulate import cells_from
from offerlab.stats.effect import Effect
from offerlab.stats.means import mean_difference
from offerlab.stats.moments import from_values
from reporting.crowd import AS_OF, needed, plan

SIZE, HOUR, DAY = 1_500, 3_600, 86_400


def _asked(metric: str, *offers: str | None) -> Experiment:
    """Arms of one size, with or without an offer, read once."""
    return plan(
        variants=tuple(Variant(key=f"arm{i}", weight=1 / len(offers), offer=offer) for i, offer in enumerate(offers)),
        metrics=MetricPlan(primary="conversion_rate", secondary=(metric,)),
        analysis=AnalysisPlan(sequential="fixed"),
    )


def _told(asked: Experiment, flag: str, seconds: str, times: np.ndarray, followed: int) -> MetricResult:
    """The secondary metric on customers of two arms whose event comes at these seconds."""
    did = times < followed
    values = {flag: did.astype(np.int64), seconds: np.where(did, times, 0).astype(np.int64)}
    cells = cells_from(values, np.repeat([0, 1], SIZE), needed(asked))
    report = build_report(asked, cells, as_of=AS_OF, currency="USD", version="test")
    return next(metric for metric in report.metrics if metric.metric == asked.metrics.secondary[0])


def _area(times: np.ndarray, followed: int) -> float:
    """Under Kaplan and Meier's curve, by statsmodels."""
    curve = SurvfuncRight(np.minimum(times, followed), (times < followed).astype(int))
    steps = np.concatenate([[0.0], np.asarray(curve.surv_times, dtype=float), [followed]])
    return float(np.diff(steps) @ np.concatenate([[1.0], np.asarray(curve.surv_prob, dtype=float)]))


def _times(seed: int, mean_days: float) -> np.ndarray:
    return np.floor(np.random.default_rng(seed).exponential(mean_days * DAY, SIZE))


def test_the_mean_is_the_area_under_the_curve_and_its_range_the_means() -> None:
    """Days to the second order: statsmodels' curve for each arm, the engine's own test of min(T, 90 days) between."""
    times = np.concatenate([_times(1, 150.0), _times(2, 110.0)])
    metric = _told(_asked("days_to_second_order", None, "filter"), "repeated", "second_seconds", times, 90 * DAY)
    for arm, own in zip(metric.arms, (times[:SIZE], times[SIZE:]), strict=True):
        assert arm.mean == pytest.approx(_area(own, 90 * DAY) / DAY)
        assert arm.converted == int((own < 90 * DAY).sum())
        assert arm.mean_among == pytest.approx(own[own < 90 * DAY].mean() / DAY)
    arms = [from_values(("t",), (np.minimum(own, 90 * DAY) / DAY)[:, None]) for own in (times[:SIZE], times[SIZE:])]
    judge, found = mean_difference(*arms, alpha=0.05), metric.effects[0].absolute
    assert isinstance(judge, Effect)
    assert found is not None
    assert found.estimate == pytest.approx(judge.absolute.estimate)
    assert found.lower == pytest.approx(judge.absolute.lower)
    assert found.upper == pytest.approx(judge.absolute.upper)
    assert found.upper is not None
    assert found.upper < 0
    assert metric.better == "down"


def test_winning_over_the_hesitant_is_no_delay() -> None:
    """More accept, the additional ones late: sooner over all, though those who accept took longer on average (twin)."""
    quick = np.floor(np.random.default_rng(3).uniform(0, 2 * DAY, SIZE))
    few, more = quick.copy(), quick.copy()
    few[150:], more[150:] = 99 * DAY, 99 * DAY
    more[150:400] = 10 * DAY
    asked = _asked("hours_to_accept", "filter", "smart")
    metric = _told(asked, "accepted", "accept_seconds", np.concatenate([few, more]), asked.window_days * DAY)
    one, other = metric.arms
    assert one.mean_among is not None
    assert other.mean_among is not None
    assert other.mean_among > 3 * one.mean_among
    found = metric.effects[0]
    assert found.absolute is not None
    assert found.absolute.upper is not None
    assert found.absolute.upper < 0
    assert found.chance_to_beat is not None
    assert found.chance_to_beat > 0.99
    assert one.mean == pytest.approx(np.minimum(few, 14 * DAY).mean() / HOUR)


def test_only_arms_with_an_offer_can_be_accepted() -> None:
    """Control has nothing to accept: it is in no comparison; without any offer the metric says so."""
    times = np.concatenate([_times(4, 9.0), _times(5, 9.0)])
    asked = _asked("hours_to_accept", None, "filter")
    metric = _told(asked, "accepted", "accept_seconds", times, asked.window_days * DAY)
    assert ([arm.variant for arm in metric.arms], metric.effects) == (["arm1"], ())


def test_nobody_in_time_is_the_full_time() -> None:
    """Nobody came back: ninety days in both arms, and no variance to compare."""
    metric = _told(
        _asked("days_to_second_order", None, "filter"),
        "repeated",
        "second_seconds",
        np.full(2 * SIZE, 99 * DAY),
        90 * DAY,
    )
    assert [arm.mean for arm in metric.arms] == [90.0, 90.0]
    assert metric.effects[0].undetermined is not None
    assert metric.effects[0].undetermined.reason == "no_variance"
